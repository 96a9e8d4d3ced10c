# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp compress``: a model that looks its embedding nets up in tables."""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpcore.config.model import SHORT_RANGE_KEYS
from dpcore.errors import InputError
from dpcore.grammar import descriptor_parts, numb_aparam

if TYPE_CHECKING:
    from dpcore import _core
    from dpcore.compression_error import Deviation, Probe
    from dpcore.modelfile import ModelFile

__all__ = ["add_arguments", "compress", "run", "undo"]

log = logging.getLogger(__name__)

STEP = 0.01
TOLERANCE = 1e-6  # eV/A
# what the rounding of float32 nets adds: 6e-8 of numbers of the order of 100
SINGLE_TOLERANCE = 1e-3
STEPS = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp compress``."""
    parser.add_argument("INPUT", nargs="?", help="the same as --training-script")
    parser.add_argument(
        "-i",
        "--input",
        default="frozen_model.pb",
        help="frozen model of dpcore, or TensorFlow graph of DeePMD-kit (default: %(default)s)",
    )
    parser.add_argument(
        "-o", "--output", default="frozen_model_compressed.pb", help="model to write (default: %(default)s)"
    )
    parser.add_argument(
        "-s",
        "--step",
        type=float,
        help=f"distance between nodes of a table, in units of the net's input; ten times as much beyond the "
        f"shortest distance of the training data (default: {STEP})",
    )
    parser.add_argument(
        "--tol",
        type=float,
        metavar="EV_PER_A",
        help=f"largest error of a force in eV/A; above it no model is written (default: {TOLERANCE:g}). "
        "Without --step the largest step that keeps it is taken",
    )
    parser.add_argument(
        "-e",
        "--extrapolate",
        type=float,
        default=5,
        help="the tables reach to this times the net's input at the shortest distance (default: %(default)s)",
    )
    parser.add_argument(
        "-f",
        "--frequency",
        type=int,
        default=-1,
        help="tell of atoms nearer than the tables reach every so many frames; -1: once "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--outside",
        choices=("net", "linear"),
        default="net",
        help="for atoms nearer than the tables reach evaluate the net, or go on as a straight line as "
        "DeePMD-kit does (default: %(default)s)",
    )
    parser.add_argument(
        "-t",
        "--training-script",
        help="input file of the training; its data give the shortest distance where the model does not",
    )
    parser.add_argument(
        "-c", "--checkpoint-folder", help="accepted for old scripts, without effect: nothing is trained"
    )
    parser.add_argument(
        "-m", "--mpi-log", help="accepted for old scripts, without effect: one process does the work"
    )
    parser.add_argument("--head", help="accepted for old scripts, without effect: models have one head")
    parser.add_argument(
        "--undo", action="store_true", help="write the original model that a compressed one contains"
    )


def run(args: argparse.Namespace) -> None:
    """Entry point of the command line."""
    if args.checkpoint_folder is not None:
        log.info("--checkpoint-folder has no effect: no checkpoint is made on the way")
    scripts = [script for script in (args.INPUT, args.training_script) if script is not None]
    if len(set(scripts)) > 1:
        raise InputError(f"{scripts[0]} and {scripts[1]} are both given as training script; keep one")
    if args.undo:
        given = {"--step": args.step, "--tol": args.tol, "a training script": scripts or None}
        useless = [name for name, value in given.items() if value is not None]
        if useless:
            raise InputError(f"has no use for {' and '.join(useless)}: no tables are made", "--undo")
        undo(args.input, args.output)
        return
    compress(
        args.input,
        args.output,
        step=args.step,
        tolerance=args.tol,
        extrapolate=args.extrapolate,
        frequency=args.frequency,
        outside=args.outside,
        training_script=scripts[0] if scripts else None,
    )


def compress(
    model: str | Path,
    output: str | Path,
    step: float | None = None,
    tolerance: float | None = None,
    extrapolate: float = 5,
    frequency: int = -1,
    outside: str = "net",
    training_script: str | Path | None = None,
) -> list[Deviation]:
    """Write a compressed model, which holds the original one as well; return the errors found.

    Parameters
    ----------
    model
        Frozen model of dpcore, or TensorFlow graph of DeePMD-kit.
    output
        File to write; it appears as a whole or not at all.
    step
        Distance between nodes.  None: 0.01, or what `tolerance` allows if that is given.
    tolerance
        Largest error of a force in eV/A; None: 1e-6.
    extrapolate
        How far the tables reach, times the net's input at the shortest distance.
    frequency
        After how many frames (1 or more) atoms nearer than that are told of again; -1: never.
    outside
        What is done for them: "net" evaluates the net, "linear" goes on as a straight line.
    training_script
        Where the shortest distance comes from if the model does not have it.

    Raises
    ------
    InputError
        If the model cannot be read or is compressed already, the distance is not known, or the error is
        above the tolerance.
    """
    _check_numbers(step, tolerance, extrapolate, frequency)
    if training_script is not None:
        _check_script(training_script)
    file, output = _open(model, output)
    file.require_nets("it cannot be compressed again")
    for part in _parts(file.config):
        why = {"loc_frame": "which has no embedding nets to compress"}.get(part["type"])
        if part.get("numb_aparam"):
            why = "which with numb_aparam has an embedding of more than one number, for which no table can stand"
        if why:
            text = f"the model has the descriptor {part['type']}, {why}"
            text += " (nor can a hybrid one be compressed with it); use the model as it is"
            raise InputError(text, file.path)
    if any("compress" in part for part in _parts(file.config)):
        raise InputError(
            "is compressed already; give the original model, or --undo to get it back from this file",
            file.path,
        )
    distance = _shortest_distance(file, training_script)
    recipe = {
        "min_nbor_dist": distance,
        "step": step,
        "extrapolate": extrapolate,
        "check_frequency": frequency,
        "outside": outside,
    }
    limit = TOLERANCE if tolerance is None else tolerance
    if step is not None:
        steps: Sequence[float] = (step,)
    else:
        steps = (STEP,) if tolerance is None else STEPS
    from dpcore.compression_error import advice, as_it_is, make_probes, report, worst_force

    log.info("shortest distance of the training data: %.6g A", distance)
    whole, file = file, _net_alone(file)
    original = as_it_is(_in_double(file))
    if not _in_double(file, {**recipe, "step": max(steps)}).tables():
        raise InputError("has no embedding net that can be tabulated: all pairs are excluded", file.path)
    probes = make_probes(file, original, distance)
    for recipe["step"] in steps:
        found, evaluated, tables = _compare(file, original, recipe, probes)
        worst = worst_force(found + evaluated)
        if worst <= limit:
            break
    report(file, recipe, tables, found, evaluated)
    if not worst <= limit:
        raise InputError(
            f"the force error {worst:.1e} eV/A of the compressed model is above the tolerance {limit:g} "
            f"(--tol); {advice(file, found, outside, STEPS if len(steps) > 1 else ())} more with --tol",
            file.path,
        )
    if any(part.get("precision") == "float32" for part in _parts(file.config)):
        _check_single(file, recipe, probes, limit)
    _write(whole, recipe, found, output)
    log.info("the compressed model is saved in %s", output)
    return found


def undo(model: str | Path, output: str | Path) -> None:
    """Write the original model that a compressed one contains."""
    from dpcore import _core

    file, output = _open(model, output)
    file.require_nets("it does not contain its original")
    config, training = file.config, file.training
    recipes = [part.pop("compress", None) for part in _parts(config)]
    if not any(recipes):
        raise InputError("is not compressed; there is nothing to undo", file.path)
    training.pop("compression", None)
    metadata = {key: text for key, text in file.metadata.items() if key != "model_type"}
    metadata.update(config=json.dumps(config), training=json.dumps(training))
    _core.write_model_file(str(output), metadata, file.model_tensors())
    log.info("the original model is saved in %s", output)


def _parts(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The descriptors that have keys of their own: those of a hybrid one, or the descriptor."""
    return [part for _, part in descriptor_parts(config["descriptor"])]


def _set_recipe(config: dict[str, Any], recipe: dict[str, Any]) -> None:
    """Put a recipe into each descriptor with embedding nets, in place."""
    for part in _parts(config):
        if "neuron" in part:
            part["compress"] = recipe


def _check_script(script: str | Path) -> None:
    """Refuse what is no input file, whether it will be needed or not: most likely it is a model without -i."""
    from dpcore.config.read import SUFFIXES, read_input

    if Path(script).suffix.lower() not in SUFFIXES:
        raise InputError(
            "is taken for the training's input file, whose name ends in .json, .yaml or .yml; "
            "a model is given with -i",
            script,
        )
    read_input(script)


def _check_numbers(step: float | None, tolerance: float | None, extrapolate: float, frequency: int) -> None:
    for option, value, least in (("--step", step, 0), ("--tol", tolerance, 0)):
        if value is not None and not (math.isfinite(value) and value > least):
            raise InputError(f"expected a number above {least}, got {value}", option)
    if not (math.isfinite(extrapolate) and extrapolate >= 1):
        raise InputError(f"expected a number from 1 on, got {extrapolate}", "--extrapolate")
    if frequency != -1 and not 1 <= frequency < 2**31:
        raise InputError(
            f"expected -1, or a number of frames from 1 to {2**31 - 1}, got {frequency}", "--frequency"
        )


def _open(model: str | Path, output: str | Path) -> tuple[ModelFile, Path]:
    from dpcore.modelfile import read_model

    file, output = read_model(model), Path(output)
    if file.is_checkpoint:
        raise InputError("is a checkpoint; make a model of it with dp freeze first", file.path)
    file.model()  # refuses what could not be used
    if output.exists() and output.samefile(file.path):
        raise InputError(
            "the output would overwrite the input; give another name with -o, and keep the original", output
        )
    if not output.parent.is_dir():
        raise InputError("the folder of the output does not exist; create it first", output)
    return file, output


def _shortest_distance(file: ModelFile, training_script: str | Path | None) -> float:
    """The shortest distance of the training data in A, from the model or else from the data."""
    distance = file.training.get("min_nbor_dist")
    if distance is not None:
        if not (isinstance(distance, (int, float)) and 0 < distance < math.inf):
            raise InputError(f"its min_nbor_dist is {distance!r}; expected a distance in A", file.path)
        if training_script is not None:
            log.info("%s is not needed: the model tells the shortest distance", training_script)
        return float(distance)
    if training_script is None:
        raise InputError(
            "does not tell the shortest distance between atoms of its training data (min_nbor_dist), from "
            "which the tables get their range; give the training's input file with -t, its data are read",
            file.path,
        )
    from dpcore.config import load_input
    from dpcore.data import DataCollection, make_rng
    from dpcore.stat import neighbor_statistics

    config, section = file.config, load_input(training_script)
    rcut = max(part["rcut"] for part in _parts(config))
    fitting = config["fitting_net"]
    data = DataCollection(
        section["training"]["training_data"],
        make_rng(1),
        config["type_map"],
        [],
        fitting.get("numb_fparam", 0),
        numb_aparam(config),
        "training",
    )
    found = neighbor_statistics(data, rcut, len(config["type_map"])).min_nbor_dist
    if found is None:
        raise InputError("no two atoms of the training data are within the cut-off", training_script)
    return found


def _net_alone(file: ModelFile) -> ModelFile:
    """The model without its short-range table, which may not reach to the distances that errors are looked for at,
    and its modifier, which needs cells: compression leaves both as they are."""
    config = {key: value for key, value in file.config.items() if key not in (*SHORT_RANGE_KEYS, "modifier")}
    others = ("short_range/", "modifier/")
    tensors = {name: value for name, value in file.tensors.items() if not name.startswith(others)}
    return file._replace(metadata={**file.metadata, "config": json.dumps(config)}, tensors=tensors)


def _in_double(file: ModelFile, recipe: dict[str, Any] | None = None) -> _core.Model:
    """The model with all nets in float64, with tables if there is a recipe."""
    import numpy as np

    from dpcore.modelfile import ModelFile

    config = file.config
    types = [config["type_embedding"]] if "type_embedding" in config else []
    for section in (*_parts(config), config["fitting_net"], *types):
        section["precision"] = "float64"
    if recipe is not None:
        _set_recipe(config, recipe)
    tensors = {name: np.asarray(value, dtype=np.float64) for name, value in file.model_tensors().items()}
    return ModelFile(file.path, {**file.metadata, "config": json.dumps(config)}, tensors).model()


def _compare(
    file: ModelFile, original: _core.Model, recipe: dict[str, Any], probes: list[Probe]
) -> tuple[list[Deviation], list[Deviation], list[dict[str, Any]]]:
    """Errors of tables by this recipe, in float64; of what evaluation takes for them; and what the tables are."""
    from dpcore.compression_error import as_it_is, deviations

    tables, evaluated = as_it_is(_in_double(file, recipe)), _in_double(file, recipe)
    return deviations(original, tables, probes), deviations(original, evaluated, probes), tables.tables()


def _check_single(file: ModelFile, recipe: dict[str, Any], probes: list[Probe], limit: float) -> None:
    """The same with the model's own float32 nets, whose rounding is added."""
    from dpcore.compression_error import as_it_is, deviations, worst_force

    compressed = file._replace(metadata={**file.metadata, "config": json.dumps(_with(file, recipe))})
    original = as_it_is(file.model())
    found = deviations(original, as_it_is(compressed.model()), probes)
    found += deviations(original, compressed.model(), probes)
    worst = worst_force(found)
    log.info("with the model's float32 nets: force error %.1e eV/A, of rounding", worst)
    scale = max(1.0, max(d.largest_force for d in found))
    if not worst <= limit + SINGLE_TOLERANCE * scale:
        raise InputError(f"its float32 tables differ by {worst:.1e} eV/A from its nets", file.path)


def _with(file: ModelFile, recipe: dict[str, Any]) -> dict[str, Any]:
    config = file.config
    _set_recipe(config, dict(recipe))
    return config


def _write(file: ModelFile, recipe: dict[str, Any], found: list[Deviation], output: Path) -> None:
    from dpcore import __version__, _core
    from dpcore.modelfile import without_nan

    training = file.training
    training["compression"] = {"source": file.path.name, "deviation": [vars(d) for d in found]}
    metadata = {
        **file.metadata,
        "dpcore_version": __version__,
        "model_type": "compressed_model",
        "config": json.dumps(_with(file, recipe)),
        "training": json.dumps(without_nan(training), allow_nan=False),
    }
    _core.write_model_file(str(output), metadata, file.model_tensors())
