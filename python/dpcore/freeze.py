# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp freeze``: make a model file of a checkpoint."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from dpcore.errors import InputError

__all__ = ["add_arguments", "freeze", "run"]

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp freeze``."""
    parser.add_argument(
        "-c",
        "--checkpoint-folder",
        "--checkpoint",
        default=".",
        metavar="CHECKPOINT",
        help="folder in which dp train was run (its newest checkpoint is taken), or a checkpoint such as "
        "model.ckpt or model.ckpt-1000 (default: the current folder)",
    )
    parser.add_argument(
        "-o", "--output", default="frozen_model.pb", help="model to write (default: %(default)s)"
    )
    parser.add_argument(
        "-n", "--node-names", help="accepted for old scripts, without effect: there are no nodes to choose"
    )


def run(args: argparse.Namespace) -> None:
    """Entry point of the command line."""
    if args.node_names is not None:
        log.info("--node-names has no effect: a model file of dpcore always holds the whole model")
    freeze(args.checkpoint_folder, args.output)


def freeze(checkpoint: str | Path = ".", output: str | Path = "frozen_model.pb") -> Path:
    """Write the model of a checkpoint, without the state of training; return the file written.

    Parameters
    ----------
    checkpoint
        A checkpoint, the prefix of its name, or a folder (`dpcore.checkpoint.find_checkpoint`).
    output
        The file to write; it appears as a whole or not at all.  The name does not matter to dpcore.

    Raises
    ------
    InputError
        If there is no checkpoint, or it cannot be read or the model not be written.
    """
    from dpcore import _core
    from dpcore.checkpoint import find_checkpoint
    from dpcore.modelfile import FROZEN, make_metadata, read_model

    path, output = find_checkpoint(checkpoint), Path(output)
    file = read_model(path)
    if not file.is_checkpoint:
        raise InputError("is a frozen model already; use it as it is", path)
    if output.exists() and output.samefile(path):
        raise InputError("the model would overwrite the checkpoint; give another name with -o", output)
    file.model()  # refuses what could not be loaded later
    if not output.parent.is_dir():
        raise InputError("the folder of the output does not exist; create it first", output)
    metadata = make_metadata(FROZEN, file.config, file.training)
    _core.write_model_file(str(output), metadata, file.model_tensors())
    log.info("the model of %s (step %s) is saved in %s", path, file.training.get("numb_steps"), output)
    return output
