# SPDX-License-Identifier: LGPL-3.0-or-later
"""Native model files of DeePMD-kit 3 (``.dp``, ``.yaml``) as dpcore models, and back.

What each descriptor and fitting net is in both is told in `dpcore.convert.native.descriptor` and `fitting`; a new
one is a function to read and one to write, and a line there.
"""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from dpcore import __version__
from dpcore.convert.native.container import NATIVE, SUFFIXES, read_tree, recognise, write_tree
from dpcore.convert.native.descriptor import read_descriptor, write_descriptor
from dpcore.convert.native.fitting import KINDS as FITTINGS
from dpcore.convert.native.fitting import Source, read_fitting, write_fitting
from dpcore.convert.native.section import Section
from dpcore.errors import InputError

__all__ = ["NATIVE", "SUFFIXES", "read_native", "recognise", "write_native"]

_KEYS = ("type_map", "descriptor", "fitting_net")
_TYPES = ("standard", "ener", "dipole", "polar")
_OTHERS = {
    "zbl": "a model with a short-range pair table (zbl)",
    "pairtab": "a pair table alone (pairtab)",
    "linear": "a linear combination of models (linear_ener)",
    "linear_ener": "a linear combination of models (linear_ener)",
    "spin": "a spin model (DeepSpin)",
    "spin_ener": "a spin model (DeepSpin)",
    "frozen": "a frozen model inside of a model",
}


def read_native(path: str | Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Read a native model file and return a dpcore model: metadata and tensors.

    Raises ``InputError`` for files that are damaged or no native models, and for models that dpcore cannot
    represent (refused by name).
    """
    path = Path(path)
    top = Section(path, "the file", read_tree(path))
    if isinstance(top.values["model"].get("model_dict"), dict):
        raise top.unsupported("a multi-task model", "freeze the branch you need on its own and convert that")
    model = Section(path, "model", top.values["model"])
    if "backbone_model" in model.values or "spin" in model.values:
        raise model.unsupported(_OTHERS["spin"], "dpcore has no magnetic moments yet")
    kind = model.get("type", "a text", "standard")
    if kind not in _TYPES:
        raise model.unsupported(
            _OTHERS.get(kind, f"a model of type {kind!r}"),
            "dpcore converts the standard model (one descriptor and one fitting net)",
        )
    model.check_version(2)
    model.refuse(
        atom_exclude_types="dpcore has no atoms without energy",
        pair_exclude_types="dpcore has exclude_types of the descriptor, which leaves other numbers in empty places",
    )
    type_map = model.get("type_map", "a list of texts")
    if not type_map or len(set(type_map)) != len(type_map):
        raise model.damaged(f"expected different names of types, got {type_map}", "type_map")

    script = top.values.get("model_def_script")
    for key in ("use_srtab", "modifier"):
        if isinstance(script, dict) and script.get(key):
            raise top.unsupported(
                f"a model that was trained with model/{key}",
                "the native file lacks it, so that energies would be wrong; give the original graph (.pb)",
            )

    notes: list[str] = []
    descriptor, tensors = read_descriptor(model.below("descriptor"), len(type_map))
    source = _source(model, top, descriptor, len(type_map))
    fitting, fitting_tensors = read_fitting(model.below("fitting"), source, notes)
    tensors.update(fitting_tensors)
    config = {"type_map": type_map, "descriptor": descriptor, "fitting_net": fitting}
    metadata = {
        "format": "dpcore-model",
        "format_version": "1",
        "dpcore_version": __version__,
        "kind": fitting["type"],
        "config": json.dumps(config),
        "training": json.dumps(_training(top, path, notes)),
    }
    return metadata, tensors


def _parts(descriptor: dict[str, Any]) -> list[dict[str, Any]]:
    return descriptor.get("list", [descriptor])


def _columns(part: dict[str, Any]) -> int:
    return int(part["neuron"][-1] * part.get("axis_neuron", 1))


def _rotation(descriptor: dict[str, Any]) -> int:
    return int(descriptor["neuron"][-1]) if descriptor["type"] == "se_e2_a" else 0


def _source(model: Section, top: Section, descriptor: dict[str, Any], n_types: int) -> Source:
    kind = model.below("fitting").get("type", "a text")
    n_out = FITTINGS[kind].n_out if kind in FITTINGS else 1
    stat = {}
    for name, default in (("out_bias", 0.0), ("out_std", 1.0)):
        found = None
        if kind in FITTINGS and "@variables" in model.values:
            found = model.array(name, (n_types, n_out), optional=True)
        stat[name] = np.full((n_types, n_out), default) if found is None else found.astype(np.float64)
    return Source(
        n_types,
        sum(map(_columns, _parts(descriptor))),
        _rotation(descriptor),
        top.values.get("backend") == "TensorFlow",
        **stat,
    )


def _training(top: Section, path: Path, notes: list[str]) -> dict[str, Any]:
    """What the file tells about the training: the model's section of the input, and the shortest distance."""
    distance = None
    variables = top.values.get("@variables")
    if isinstance(variables, dict) and variables.get("min_nbor_dist") is not None:
        try:
            stored = float(np.asarray(variables["min_nbor_dist"]).reshape(()))
        except (TypeError, ValueError):
            raise top.damaged("expected a number", "@variables/min_nbor_dist") from None
        distance = stored if math.isfinite(stored) and stored > 0 else None
    script = top.values.get("model_def_script")
    return {
        "min_nbor_dist": distance,
        "max_nbor_size": [],
        "input": {"model": script} if isinstance(script, dict) else None,
        "source": f"converted from {path.name}, written by {top.values.get('software', 'an unknown program')} "
        f"{top.values.get('version', '')}".rstrip(),
        "notes": notes,
    }


def write_native(path: str | Path, metadata: dict[str, str], tensors: dict[str, np.ndarray]) -> None:
    """Write a dpcore model as a native model file; the suffix tells the form (`SUFFIXES`).

    Raises ``InputError`` for models that native files cannot hold.
    """
    path = Path(path)
    config, training = json.loads(metadata["config"]), json.loads(metadata.get("training") or "{}")
    type_map, descriptor, fitting = config["type_map"], config["descriptor"], config["fitting_net"]
    others = [key for key, value in config.items() if key not in _KEYS and value not in (None, False, [], {})]
    if others:
        raise InputError(
            f"the model has model/{others[0]}, which the native models that dpcore writes do not have; native files "
            f"hold {', '.join(_KEYS)} alone",
            path,
        )
    for part in _parts(descriptor):
        part.pop("compress", None)
    n_types, distance = len(type_map), training.get("min_nbor_dist")
    tree_of_descriptor = write_descriptor(descriptor, tensors, type_map, path)
    n_columns = sum(map(_columns, _parts(descriptor)))
    n_out = FITTINGS[fitting["type"]].n_out if fitting["type"] in FITTINGS else 1
    tree = {
        "software": "dpcore",
        "version": __version__,
        "time": str(datetime.datetime.now(tz=datetime.timezone.utc)),
        "backend": "dpcore",
        "model": {
            "@class": "Model",
            "type": "standard",
            "@version": 2,
            "type_map": type_map,
            "descriptor": tree_of_descriptor,
            "fitting": write_fitting(fitting, tensors, type_map, n_columns, _rotation(descriptor), path),
            "atom_exclude_types": [],
            "pair_exclude_types": [],
            "rcond": None,
            "preset_out_bias": None,
            "@variables": {
                "out_bias": np.zeros((1, n_types, n_out)),
                "out_std": np.ones((1, n_types, n_out)),
            },
        },
        "model_def_script": config,
        "@variables": {} if distance is None else {"min_nbor_dist": np.asarray(float(distance))},
    }
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"expected a name that ends in {', '.join(SUFFIXES)}", path)
    write_tree(path, tree)
