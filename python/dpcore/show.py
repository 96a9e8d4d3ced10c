# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp show``: print what is in a model file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpcore.errors import InputError
from dpcore.grammar import describe, descriptor_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpcore.modelfile import ModelFile

__all__ = ["ATTRIBUTES", "add_arguments", "facts", "lines", "run"]

# what can be asked for; type-map, descriptor, fitting-net and size as in DeePMD-kit
ATTRIBUTES = ("model", "type-map", "descriptor", "fitting-net", "size", "tables", "training")
# arrays that are no parameters
_STATISTICS = {
    *("davg", "dstd", "bias_atom_e", "constant_matrix"),
    *("fparam_avg", "fparam_istd", "aparam_avg", "aparam_istd"),
    *("table", "table_info"),
}
_PARTS = {"fitting": "fitting-net"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp show``."""
    parser.add_argument("INPUT", help="model file, checkpoint, or model of DeePMD-kit")
    parser.add_argument(
        "ATTRIBUTES",
        nargs="*",
        metavar="ATTRIBUTE",
        help=f"what to print, of {', '.join(ATTRIBUTES)} (default: everything)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")


def run(args: argparse.Namespace) -> None:
    """Entry point of the command line."""
    from dpcore.modelfile import without_nan

    wanted = args.ATTRIBUTES or ATTRIBUTES
    found = facts(args.INPUT, wanted)
    if args.json:
        print(json.dumps(without_nan(found), indent=2, default=str))
    else:
        print("\n".join(lines(found)))


def facts(model: str | Path, attributes: Sequence[str] = ATTRIBUTES) -> dict[str, Any]:
    """What is in a model file, by attribute.

    Parameters
    ----------
    model
        Model file, checkpoint, or model of DeePMD-kit, which is converted in memory.
    attributes
        Which of `ATTRIBUTES`.

    Raises
    ------
    InputError
        If it is no such file, saying what it seems to be, or there is no such attribute.
    """
    from dpcore.modelfile import read_model

    for name in attributes:
        if name not in ATTRIBUTES:
            raise InputError(_no_attribute(name), "dp show")
    file = read_model(model)
    config = file.config
    make = {
        "model": lambda: _model(file),
        "type-map": lambda: config["type_map"],
        "descriptor": lambda: config["descriptor"],
        "fitting-net": lambda: config["fitting_net"],
        "size": lambda: count_parameters(file),
        "tables": lambda: file.model().tables() if "model_type" in file.metadata else [],
        "training": lambda: _training(file),
    }
    return {name: make[name]() for name in attributes}


def _no_attribute(name: str) -> str:
    known = f"; expected one of {', '.join(ATTRIBUTES)}"
    if name == "model-branch":
        return f"the model has one task and no branches (model-branch){known}"
    if name in ("observed-type", "serialization-tree"):
        return f"{name} is not in model files of dpcore{known}"
    from dpcore.errors import suggest

    return f'there is no attribute "{name}"{known}.{suggest(name, ATTRIBUTES)}'


def count_parameters(file: ModelFile) -> dict[str, int]:
    """Numbers that training changes: of descriptor, fitting net, and together."""
    out: dict[str, int] = {}
    for name, values in file.model_tensors().items():
        if name.split("/")[-1] not in _STATISTICS and not name.startswith(("short_range/", "modifier/")):
            part = _PARTS.get(name.split("/")[0], name.split("/")[0])
            out[part] = out.get(part, 0) + values.size
    return {**out, "total": sum(out.values())}


def _model(file: ModelFile) -> dict[str, Any]:
    """The file as a whole."""
    config, model = file.config, file.model()
    beside = {"use_srtab": config.get("use_srtab"), "modifier": (config.get("modifier") or {}).get("type")}
    return {
        "file": str(file.path),
        "bytes": file.path.stat().st_size,
        "format": file.foreign or f"{file.metadata['format']} {file.metadata.get('format_version', 1)}",
        "written by": "" if file.foreign else f"dpcore {file.metadata.get('dpcore_version')}",
        "kind": file.kind,
        "compressed": bool(model.tables()),
        "rcut": model.rcut,
        "ntypes": model.ntypes,
        "sel_type": model.sel_type,
        "dim_descriptor": model.dim_descriptor,
        **({"type embedding": config["type_embedding"]["neuron"][-1]} if "type_embedding" in config else {}),
        "dim_fparam": model.dim_fparam,
        "dim_aparam": model.dim_aparam,
        "precision": sorted(
            {p["precision"] for _, p in descriptor_parts(config["descriptor"]) if "precision" in p}
            | {config["fitting_net"]["precision"]}
        ),
        **{key: value for key, value in beside.items() if value},
    }


def _training(file: ModelFile) -> dict[str, Any]:
    """How the model came about; only what the file tells."""
    told = file.training
    training, rate = (file.input_section(key) for key in ("training", "learning_rate"))
    out: dict[str, Any] = {"source": told.get("source"), "numb_steps": told.get("numb_steps")}
    if file.is_checkpoint:
        out["step"] = file.trainer.get("step")
    out.update({key: rate[key] for key in ("type", "start_lr", "stop_lr", "decay_steps") if key in rate})
    for key in ("training_data", "validation_data"):
        section = training.get(key)
        if isinstance(section, dict) and section.get("systems"):
            out[key] = section["systems"]
    if "systems" in training:  # input files of version 1
        out["training_data"] = training["systems"]
    out.update({key: told[key] for key in ("min_nbor_dist", "rmse", "notes", "compression") if told.get(key)})
    return {key: value for key, value in out.items() if value is not None}


def lines(found: dict[str, Any]) -> list[str]:
    """The facts as text; the attributes of DeePMD-kit in its words."""
    out: list[str] = []
    for name, value in found.items():
        if name == "type-map":
            out.append(f"The type_map is {value}")
        elif name == "descriptor":
            out += [f"The descriptor is {describe(value)}", f"The descriptor parameter is {value}"]
        elif name == "fitting-net":
            out.append(f"The fitting_net parameter is {value}")
        elif name == "size":
            out.append("Parameter counts:")
            out += [f"Parameters in {key}: {value[key]:,}" for key in sorted(value)]
        elif name == "model":
            out.append("The model:")
            out += [f"  {key:16s}{_text(item)}" for key, item in value.items()]
        elif name == "tables":
            out.append(f"Tables: {len(value) or 'none, the model is not compressed'}")
            out += [
                f"  {t['net']:16s}from {t['lower']:g} to {t['upper']:g}, steps {t['fine']:g}, coarse steps "
                f"{t['coarse']:g} to {t['last']:g}, {t['intervals']} intervals"
                for t in value
            ]
        elif name == "training":
            out.append("The training:" if value else "The file does not tell about the training.")
            out += [f"  {key:16s}{_text(item)}" for key, item in value.items()]
    return out


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value not in (None, "") else "not told"
