# SPDX-License-Identifier: LGPL-3.0-or-later
"""Options that several commands have in common."""

from __future__ import annotations

import argparse

__all__ = ["add_model", "add_systems"]


def add_model(parser: argparse.ArgumentParser) -> None:
    """Declare ``-m``, the model that is evaluated."""
    parser.add_argument(
        "-m",
        "--model",
        default="frozen_model.pb",
        help="model file, checkpoint, or model of DeePMD-kit (default: %(default)s)",
    )


def add_systems(parser: argparse.ArgumentParser) -> None:
    """Declare ``-s``, ``-f`` and ``-S``: the systems, as `dpcore.data.list_systems` takes them."""
    data = parser.add_mutually_exclusive_group()
    data.add_argument(
        "-s",
        "--system",
        default=".",
        help="folder of a system, or below which all systems are used (default: the current folder)",
    )
    data.add_argument("-f", "--datafile", help="text file that names one system in each line")
    parser.add_argument(
        "-S", "--set-prefix", default="set", help="the sets of a system are PREFIX.* (default: %(default)s)"
    )
