# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp train``: train a model as an input file says."""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpcore.errors import InputError
from dpcore.grammar import describe, descriptor_parts, numb_aparam

if TYPE_CHECKING:
    import numpy as np

    from dpcore import _core
    from dpcore.data import DataCollection, Drawn
    from dpcore.modelfile import ModelFile
    from dpcore.stat import NeighborStatistics

__all__ = ["add_arguments", "run", "train"]

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp train``."""
    parser.add_argument("INPUT", help="input file, JSON or YAML (dp doc-train-input describes its keys)")
    start = parser.add_argument_group("what to start from (default: new weights)")
    start.add_argument(
        "-i",
        "--init-model",
        metavar="CHECKPOINT",
        help="take weights, statistics and optimiser of a checkpoint and begin at step 0",
    )
    start.add_argument(
        "-r",
        "--restart",
        metavar="CHECKPOINT",
        help="continue the run that wrote this checkpoint as if it had not stopped",
    )
    start.add_argument(
        "-f",
        "--init-frz-model",
        metavar="MODEL",
        help="take weights and statistics of a frozen model, of dpcore or of DeePMD-kit (TensorFlow graph)",
    )
    parser.add_argument(
        "-o", "--output", default="out.json", help="the input with all defaults (default: %(default)s)"
    )
    parser.add_argument(
        "--skip-neighbor-stat",
        action="store_true",
        help="do not count neighbours in the data first; sel must then be given as numbers, and the model "
        "cannot tell the smallest distance it was trained on",
    )
    parser.add_argument(
        "-m",
        "--mpi-log",
        choices=("master", "collect", "workers"),
        default="master",
        help="accepted for old scripts; this version trains in one process",
    )


def run(args: argparse.Namespace) -> int:
    """Entry point of the command line."""
    return train(
        args.INPUT,
        output=args.output,
        init_model=args.init_model,
        restart=args.restart,
        init_frz_model=args.init_frz_model,
        skip_neighbor_stat=args.skip_neighbor_stat,
    )


def train(
    input_file: str | Path,
    output: str | Path = "out.json",
    init_model: str | None = None,
    restart: str | None = None,
    init_frz_model: str | None = None,
    skip_neighbor_stat: bool = False,
) -> int:
    """Train a model in the current folder.

    Parameters
    ----------
    input_file
        The input; paths in it are relative to the current folder.
    output
        Where the input with all defaults filled in is written.
    init_model, restart, init_frz_model
        A checkpoint or model to start from; at most one.
    skip_neighbor_stat
        Whether to leave out the count of neighbours.

    Returns
    -------
    int
        Exit code: 0, or 130 if Ctrl-C stopped it after saving a checkpoint.

    Raises
    ------
    InputError
        Naming the key, file, frame or atom that is wrong.
    """
    from dpcore import __version__, _core
    from dpcore.config import core_config, load_input, set_type_map
    from dpcore.data import make_rng
    from dpcore.stat import compute_statistics
    from dpcore.training import initial
    from dpcore.training.loop import TrainingLoop

    log.info("dpcore %s: training with %s in %s", __version__, input_file, Path.cwd())
    config = load_input(input_file)
    _check_outputs(input_file, {"--output": output, "training/disp_file": config["training"]["disp_file"]})
    _write_converted(input_file)
    model_section, options = config["model"], config["training"]
    start = initial.open_start(init_model, restart, init_frz_model)
    if start is not None:
        initial.adopt(model_section, start)

    rng = make_rng(options["seed"])
    modifier, modifier_tensors = _open_modifier(model_section, start)
    subtracted = None
    if modifier is not None:
        from dpcore.infer.dipole_charge import modifier_of

        subtracted = modifier_of(modifier, model_section["type_map"], modifier_tensors)
    data, validation = _open_data(config, rng, skip_neighbor_stat, subtracted)
    set_type_map(config, data.type_map, data.n_types)
    if start is not None:
        log.info("starting from %s", start.path)
        if restart is not None:
            initial.log_changes(start, config)

    rcut = max(part["rcut"] for _, part in descriptor_parts(model_section["descriptor"]))
    table = _short_range_table(model_section, rcut, start)
    neighbors = _count_neighbors(config, data, start if restart else None, skip_neighbor_stat)
    core = core_config(model_section)
    if modifier is not None:
        core["modifier"] = modifier
    _write_json(output, config)

    if start is None:
        statistics = compute_statistics(model_section, core, data)
        model = _core.Model.create(json.dumps(core), {**statistics.tensors(), **table, **modifier_tensors})
    else:
        model = initial.build_model(core, start)
    _log_model(core, model)
    trainer = _core.Trainer(model, json.dumps(config["loss"]))

    step, upcoming = 0, None
    if start is not None and init_frz_model is None:
        try:
            trainer.load_state(start.trainer_tensors())
        except _core.Error as error:
            raise InputError(
                f"the state of its optimiser does not fit the input ({error}); keep precision and trainable "
                "as they were, or take its weights alone with --init-frz-model",
                start.path,
            ) from None
    if start is not None and restart is not None:
        step, upcoming = _go_on(start, rng, data, validation)

    summary = {
        "min_nbor_dist": None if neighbors is None else neighbors.min_nbor_dist,
        "max_nbor_size": [] if neighbors is None else neighbors.max_nbor_size,
        "input": config,
        "source": "dp train" if start is None else f"dp train, started from {start.path.name}",
    }
    loop = TrainingLoop(
        config,
        core,
        model,
        trainer,
        data,
        validation,
        rng,
        summary,
        step,
        restarted=restart is not None,
        upcoming=upcoming,
    )
    return loop.run()


def _open_modifier(
    model: dict[str, Any], start: ModelFile | None
) -> tuple[dict[str, Any] | None, dict[str, np.ndarray]]:
    """The modifier of the input with its dipole model, or of the model to start from: config and tensors."""
    from dpcore.infer.dipole_charge import PREFIX, read_modifier

    if model["modifier"] is None:
        return None, {}
    if start is None:
        return read_modifier(model["modifier"], model["type_map"])
    log.info("model/modifier: the dipole model is that of %s", start.path)
    tensors = {name: value for name, value in start.model_tensors().items() if name.startswith(PREFIX)}
    return start.config["modifier"], tensors


def _open_data(
    config: dict[str, Any], rng: np.random.RandomState, skip_neighbor_stat: bool, modifier: Any = None
) -> tuple[DataCollection, DataCollection | None]:
    """The systems of training and, if there are any, of validation.

    All their arrays are checked: those of training when neighbours are counted, else here.
    """
    from dpcore.config import active_terms, labels_of_loss
    from dpcore.data import DataCollection

    fitting = config["model"]["fitting_net"]
    labels = labels_of_loss(config["loss"], fitting["type"])
    parameters = (fitting["numb_fparam"], numb_aparam(config["model"]))

    def open_part(name: str, type_map: list[str] | None, check: bool) -> DataCollection:
        section = config["training"][f"{name}_data"]
        part = DataCollection(
            section, rng, type_map, labels, *parameters, name, fitting.get("sel_type"), modifier
        )
        part.log_summary()
        part.check_labels(list(active_terms(config["loss"], fitting["type"]).values()))
        if check:
            part.check()
        return part

    data = open_part("training", config["model"]["type_map"], skip_neighbor_stat)
    if config["training"]["validation_data"] is None:
        return data, None
    return data, open_part("validation", data.type_map, True)


def _short_range_table(model: dict[str, Any], rcut: float, start: ModelFile | None) -> dict[str, np.ndarray]:
    """The short-range table of the input as tensors; {} without one, and where the model to start from has it."""
    from dpcore.pair_table import check_start, read_pair_table

    if model["use_srtab"] is None:
        return {}
    if start is not None:
        check_start(model, rcut, start.model_tensors(), start.path)
        return {}
    table = read_pair_table(model["use_srtab"], model["type_map"], rcut)
    first = table["short_range/tab_info"][0]
    if first >= model["sw_rmax"]:
        raise InputError(
            f"begins at {first:g} A, but is switched on below model/sw_rmax ({model['sw_rmax']:g} A) alone: it would "
            "never have an energy to give",
            model["use_srtab"],
        )
    if model["sw_rmax"] > rcut:
        log.warning(
            "model/sw_rmax: %g A is beyond the cut-off of %g A; the energy jumps where the last neighbour of an atom "
            "leaves it",
            model["sw_rmax"],
            rcut,
        )
    return table


def _count_neighbors(
    config: dict[str, Any], data: DataCollection, restarted: ModelFile | None, skip: bool
) -> NeighborStatistics | None:
    """Count neighbours in the data and settle ``sel`` in `config`; None if this is left out.

    A continued run on the same data takes the numbers of its checkpoint, which has those for the largest
    cut-off.  Returns the numbers for the largest cut-off.
    """
    from dpcore.stat import NeighborStatistics, neighbor_statistics, resolve_sel

    parts = descriptor_parts(config["model"]["descriptor"])
    n_types = len(config["model"]["type_map"])
    largest = max(part["rcut"] for _, part in parts)
    found: dict[float, NeighborStatistics] = {}
    if restarted is not None:
        before = restarted.training
        same = restarted.input_section("training").get("training_data")
        if same == config["training"]["training_data"] and len(before.get("max_nbor_size", ())) == n_types:
            found[largest] = NeighborStatistics(before["min_nbor_dist"], before["max_nbor_size"])
    if not found and not skip:
        radii = sorted({part["rcut"] for _, part in parts})
        found = {rcut: neighbor_statistics(data, rcut, n_types) for rcut in radii}
    for where, part in parts:
        if "sel" not in part:  # loc_frame, which takes the nearest on purpose
            continue
        if part["rcut"] in found:
            part["sel"] = resolve_sel(part["sel"], found[part["rcut"]].max_nbor_size, f"{where}/sel")
        elif not isinstance(part["sel"], list):
            raise InputError(
                "is to be counted in the training data, but --skip-neighbor-stat leaves this out; give a "
                "list of numbers or drop the option",
                f"{where}/sel",
            )
    return found.get(largest)


def _go_on(
    start: ModelFile, rng: np.random.RandomState, data: DataCollection, validation: DataCollection | None
) -> tuple[int, Drawn | None]:
    """Put the order of frames where the checkpoint left it; return the step and the next batch.

    That is None where it is not drawn yet: the data are others now, or the checkpoint was written before it kept one.
    """
    import numpy as np

    from dpcore.data import set_rng_state

    state = start.trainer
    try:
        set_rng_state(rng, state["rng"])
        upcoming = state.get("upcoming") if data.set_state(state["training_data"]) else None
        if upcoming is not None:
            system, set_index, frames = upcoming
            upcoming = (int(system), int(set_index), np.array(frames, dtype=np.int64))
        if validation is not None and state["validation_data"] is not None:
            validation.set_state(state["validation_data"])
        return int(state["step"]), upcoming
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the state of training in it cannot be read: {error!r}", start.path) from None


def _log_model(core: dict[str, Any], model: _core.Model) -> None:
    fitting = core["fitting_net"]
    sizes = [t.size for name, t in model.tensors().items() if "/layer_" in name]
    log.info(
        "model: %s + %s (%s), types %s, %d parameters",
        describe(core["descriptor"], core.get("type_embedding")),
        fitting["type"],
        fitting["precision"],
        " ".join(core["type_map"]),
        sum(sizes),
    )


def _write_converted(input_file: str | Path) -> None:
    """Keep an input of an old format in today's layout beside the run, as the reference does."""
    from dpcore.config import convert_old_format, read_input, version_of

    raw = read_input(input_file)
    version = version_of(raw)
    if version != 2:
        _write_json("input_v2_compat.json", convert_old_format(raw))
        log.warning(
            "%s has the layout of version %d; input_v2_compat.json has it in today's", input_file, version
        )


def _check_outputs(input_file: str | Path, outputs: dict[str, str | Path]) -> None:
    """Refuse outputs that would overwrite the input, and folders, before hours of work are lost on them."""
    for key, path in outputs.items():
        if os.path.isdir(path):
            raise InputError(f"cannot be written: {path} is a folder", key)
        if os.path.exists(path) and os.path.samefile(path, input_file):
            raise InputError(f"would overwrite the input file {input_file}; give another name", key)


def _write_json(path: str | Path, content: dict[str, Any]) -> None:
    from dpcore.atomic_write import write_text

    write_text(path, json.dumps(content, indent=2) + "\n")
