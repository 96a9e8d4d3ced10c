# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp doc-train-input``: print the description of the input file of training."""

from __future__ import annotations

import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp doc-train-input``."""
    parser.add_argument(
        "--out-type",
        default="rst",
        choices=("rst", "json", "json_schema"),
        help="form of the description (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Entry point of the command line."""
    from dpcore.config import gen_doc

    print(gen_doc(out_type=args.out_type))
