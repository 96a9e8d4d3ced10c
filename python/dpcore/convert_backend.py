# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp convert-backend``: write a model as a native file of DeePMD-kit 3."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from dpcore.errors import InputError

__all__ = ["add_arguments", "convert_backend", "run"]

log = logging.getLogger(__name__)

_NEXT = "write .dp or .yaml, and let DeePMD-kit make it of that: dp convert-backend model.dp {name}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp convert-backend``."""
    parser.add_argument("INPUT", help="model file, checkpoint, or model of DeePMD-kit")
    parser.add_argument("OUTPUT", help="file to write; .dp: native model in HDF5, .yaml or .yml: in YAML")
    parser.add_argument(
        "--atomic-virial",
        action="store_true",
        help="accepted for old scripts, without effect on native models",
    )


def run(args: argparse.Namespace) -> None:
    """Entry point of the command line."""
    if args.atomic_virial:
        log.info("--atomic-virial has no effect on native models")
    convert_backend(args.INPUT, args.OUTPUT)


def convert_backend(model: str | Path, output: str | Path) -> None:
    """Write a model as a native file of DeePMD-kit 3, atomically.

    Parameters
    ----------
    model
        Model file or checkpoint of dpcore, or a model of DeePMD-kit.
    output
        File to write; its suffix tells the form: .dp (HDF5), .yaml or .yml.

    Raises
    ------
    InputError
        If the model cannot be read or native files cannot hold it, or the output is of another form.
    """
    from dpcore.convert.native import SUFFIXES, write_native
    from dpcore.modelfile import read_model

    output = Path(output)
    if output.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"dpcore writes native models of DeePMD-kit ({', '.join(SUFFIXES)}) and its own model files (dp freeze, "
            f"dp convert-from), not {output.suffix or 'files without a suffix'}; "
            + _NEXT.format(name=output.name),
            output,
        )
    file = read_model(model)
    file.model()  # refuses what could not be used
    file.require_nets("a native model needs these")
    if output.exists() and output.samefile(file.path):
        raise InputError("the output would overwrite the input; give another name", output)
    if not output.parent.is_dir():
        raise InputError("the folder of the output does not exist; create it first", output)
    file.training  # noqa: B018  as before: what is damaged
    if "model_type" in file.metadata:
        log.info("%s is compressed; its original nets are written", file.path)
    write_native(output, file.metadata, file.model_tensors())
    descriptor, fitting = file.config["descriptor"], file.config["fitting_net"]
    if descriptor["type"] == "se_e2_r" and not descriptor["type_one_side"]:
        log.warning(
            "%s: DeePMD-kit reads se_e2_r with type_one_side = false by its TensorFlow backend alone", output
        )
    if fitting["type"] == "polar" and not fitting["fit_diag"]:
        log.warning(
            "%s: the TensorFlow backend of DeePMD-kit takes twice what its other backends take of polar with "
            "fit_diag = false; the file is written for these",
            output,
        )
    log.info("the native model is saved in %s; dpcore reads it too", output)
