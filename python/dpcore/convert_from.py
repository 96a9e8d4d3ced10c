# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp convert-from``: turn a frozen DeePMD-kit model into a dpcore model."""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path

from dpcore.errors import InputError, suggest
from dpcore.grammar import describe

__all__ = ["add_arguments", "convert_from", "run"]

log = logging.getLogger(__name__)

# Names that `dp convert-from` accepts; the readers are in dpcore.convert.
SOURCES = ("auto", "pb", "pbtxt", "dp", "yaml", "0.12", "1.0", "1.1", "1.2", "1.3", "2.0")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp convert-from``."""
    parser.add_argument(
        "FROM",
        nargs="?",
        default="auto",
        metavar="FROM",
        help=f"source format, one of {', '.join(SOURCES)} (default: auto; the content tells "
        "form and version; pb, pbtxt, dp and yaml demand one form)",
    )
    parser.add_argument(
        "-i",
        "--input-model",
        default="frozen_model.pb",
        help="frozen model of DeePMD-kit: of the TensorFlow backend 0.12 to 3.x, binary (.pb) or text "
        "(.pbtxt), or a native one of 3.x (.dp, .yaml) (default: %(default)s)",
    )
    parser.add_argument(
        "-o",
        "--output-model",
        default="convert_out.pb",
        help="dpcore model to write; any name but .pbtxt (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Entry point of the command line."""
    convert_from(args.FROM, args.input_model, args.output_model)


def convert_from(source: str, input_model: str | Path, output_model: str | Path) -> None:
    """Read ``input_model`` and write it as a dpcore model, atomically.

    Parameters
    ----------
    source
        One of ``SOURCES``.
    input_model
        Frozen model of DeePMD-kit; recognised by content, not by name.
    output_model
        File to write.  A name that ends in .pbtxt is refused: dpcore writes its own
        model format only.

    Raises ``InputError`` for files that cannot be read, models that dpcore cannot
    represent (named), and outputs that would overwrite the input.
    """
    if source not in SOURCES:
        raise InputError(
            f"{source!r} is not a source format; expected one of {', '.join(SOURCES)}."
            + suggest(source, SOURCES),
            "convert-from",
        )
    output = Path(output_model)
    if output.suffix.lower() == ".pbtxt":
        raise InputError(
            "dpcore writes its own model format and no TensorFlow text graphs; give the output "
            "another name (for example graph.pb), it works under any name with dp and "
            "Python",
            output,
        )
    if output.exists() and os.path.exists(input_model) and os.path.samefile(input_model, output):
        raise InputError(
            "the output would overwrite the input; give another name with -o, and keep the original",
            output,
        )
    # Imported here: reading graphs needs numpy and protobuf, `dp --help` does not.
    from dpcore import _core
    from dpcore.convert import READERS

    metadata, tensors = READERS[source].read(input_model)
    if output.parent != Path() and not output.parent.is_dir():
        raise InputError("the folder of the output does not exist; create it first", output)
    _core.write_model_file(str(output), metadata, tensors)
    _report(metadata, input_model, output)


def _report(metadata: dict[str, str], input_model: str | Path, output: Path) -> None:
    """Log what was converted, and what was assumed or dropped on the way."""
    config = json.loads(metadata["config"])
    fitting = config["fitting_net"]
    log.info(
        "%s: %s + %s (%s), types %s",
        input_model,
        describe(config["descriptor"], config.get("type_embedding")),
        fitting["type"],
        fitting["precision"],
        " ".join(config["type_map"]),
    )
    for note in json.loads(metadata["training"])["notes"]:
        log.warning("%s: %s", input_model, note)
    log.info("the converted model is saved in %s", output)
