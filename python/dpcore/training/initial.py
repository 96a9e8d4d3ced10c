# SPDX-License-Identifier: LGPL-3.0-or-later
"""What training starts from: a checkpoint or a frozen model, and whether it fits the input."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from dpcore import _core
from dpcore.checkpoint import find_checkpoint
from dpcore.config.model import SHORT_RANGE_KEYS, check
from dpcore.errors import InputError, show
from dpcore.grammar import descriptor_parts
from dpcore.modelfile import ModelFile, read_model

__all__ = ["adopt", "build_model", "changed_keys", "differences", "log_changes", "open_start"]

log = logging.getLogger(__name__)

# keys of the model that say how it is trained and not what it computes; the input decides on them.
# Whether resnet_dt matters depends on the widths: the arrays tell.
_FREE = {
    "trainable",
    "seed",
    "rcond",
    "set_davg_zero",
    "precision",
    "resnet_dt",
    "online_table",
    "compress",
    "shift_diag",
}


def open_start(init_model: str | None, restart: str | None, init_frz_model: str | None) -> ModelFile | None:
    """Read what one of the three options names; None without any.

    Raises
    ------
    InputError
        If more than one is given, or the file is not of the right kind.
    """
    given = {"--init-model": init_model, "--restart": restart, "--init-frz-model": init_frz_model}
    given = {option: path for option, path in given.items() if path is not None}
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} should not be set at the same time; choose one")
    if not given:
        return None
    option, path = next(iter(given.items()))
    if option == "--init-frz-model":
        start = read_model(find_checkpoint(path) if Path(path).is_dir() else path)
        if start.is_checkpoint:
            log.info("%s is a checkpoint; its weights are taken, the state of training is not", start.path)
        start.model()  # refuses what could not be used
        start.require_nets("training cannot start from it")
        return start
    start = read_model(find_checkpoint(path))
    if not start.is_checkpoint:
        raise InputError(
            f"is a frozen model, and {option} wants a checkpoint; to start from its weights use "
            "--init-frz-model",
            start.path,
        )
    start.model()
    return start


def adopt(model: dict[str, Any], start: ModelFile) -> None:
    """Fill, in place, what the ``model`` section leaves open from the model that training starts from.

    These are the type map if there is none, and automatic ``sel``; then the two must be the same model.

    Raises
    ------
    InputError
        Naming the keys that differ, with both values.
    """
    stored = start.config
    if model["type_map"] is None:
        model["type_map"] = list(stored["type_map"])
        check(model)
    wanted_parts = descriptor_parts(model["descriptor"])
    stored_parts = descriptor_parts(stored["descriptor"])
    if len(wanted_parts) == len(stored_parts):
        for (where, part), (_, other) in zip(wanted_parts, stored_parts):
            if "sel" in part and not isinstance(part["sel"], list):
                part["sel"] = list(other["sel"])
                log.info("%s/sel from %s: %s", where, start.path, part["sel"])
    found = differences(model, stored)
    if found:
        raise InputError(
            f"the input describes another model than {start.path}: "
            + "; ".join(found)
            + ". Change the input "
            "to the model's values, or train a new model",
            "model",
        )


def differences(wanted: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    """Where two configurations describe different functions: ``key: input has x, the model has y``."""
    out = []
    if wanted["type_map"] != stored["type_map"]:
        out.append(_line("type_map", wanted["type_map"], stored["type_map"]))
    parts = [descriptor_parts(config["descriptor"], "descriptor") for config in (wanted, stored)]
    kinds = [[part["type"] for _, part in config_parts] for config_parts in parts]
    if wanted["descriptor"]["type"] != stored["descriptor"]["type"] or kinds[0] != kinds[1]:
        out.append(_line("descriptor/type", *(_kind(config["descriptor"]) for config in (wanted, stored))))
    else:
        for (where, one), (_, other) in zip(*parts):
            out += _differing_keys(where, one, other)
    types = [config.get("type_embedding") for config in (wanted, stored)]
    if (types[0] is None) != (types[1] is None):
        out.append(_line("type_embedding", *("a section" if section else None for section in types)))
    elif types[0] is not None:
        out += _differing_keys("type_embedding", *types)
    out += _differing_keys("fitting_net", wanted["fitting_net"], stored["fitting_net"])
    return out + _differing_short_range(wanted, stored) + _differing_modifier(wanted, stored)


def _differing_modifier(wanted: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    """The dipole model is that of the stored one."""
    one, other = wanted.get("modifier"), stored.get("modifier")
    if not one or not other:
        kinds = [section["type"] if section else None for section in (one, other)]
        return [_line("modifier", *kinds)] if kinds[0] != kinds[1] else []
    keys = ("type", "model_charge_map", "sys_charge_map", "ewald_beta", "ewald_h")
    return _differing_keys("modifier", *({key: section.get(key) for key in keys} for section in (one, other)))


def _differing_short_range(wanted: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    """The file's name does not matter, and its content is the model's."""
    with_table = [bool(config.get("use_srtab")) for config in (wanted, stored)]
    if with_table[0] != with_table[1]:
        return [_line("use_srtab", wanted.get("use_srtab"), stored.get("use_srtab"))]
    if not with_table[0]:
        return []
    keys = SHORT_RANGE_KEYS[1:]
    return _differing_keys("", *({key: config.get(key) for key in keys} for config in (wanted, stored)))


def _kind(descriptor: dict[str, Any]) -> str:
    parts = [part["type"] for _, part in descriptor_parts(descriptor)]
    return f"hybrid of {', '.join(parts)}" if descriptor["type"] == "hybrid" else parts[0]


def _differing_keys(where: str, wanted: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    return [
        _line(f"{where}/{key}".lstrip("/"), wanted.get(key), stored.get(key))
        for key in sorted((set(wanted) | set(stored)) - _FREE)
        if not _equal(_comparable(key, wanted.get(key)), _comparable(key, stored.get(key)))
    ]


def _line(key: str, wanted: Any, stored: Any) -> str:
    return f"{key}: the input has {show(wanted)}, the model {show(stored)}"


def _comparable(key: str, value: Any) -> Any:
    if key == "exclude_types":
        return sorted(sorted(pair) for pair in value or [])
    if key == "atom_ener" and not any(e is not None for e in value or []):
        return []
    return value


def _equal(one: Any, other: Any) -> bool:
    """Equality; numbers may differ by the rounding of single precision."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, float) or isinstance(other, float):
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (one, other))
        return numbers and math.isclose(one, other, rel_tol=1e-6)
    return one == other


def build_model(core: dict[str, Any], start: ModelFile) -> _core.Model:
    """The model of the input with the weights and statistics it starts from."""
    try:
        return _core.Model(json.dumps(core), start.model_tensors())
    except _core.Error as error:
        raise InputError(f"does not fit the input: {error}", start.path) from None


def changed_keys(old: Any, new: Any, path: str = "") -> list[str]:
    """The keys by which two inputs differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        out = []
        for key in sorted({*old, *new}):
            out += changed_keys(old.get(key), new.get(key), f"{path}/{key}" if path else str(key))
        return out
    return [] if old == new else [f"{path}: {show(old)} -> {show(new)}"]


def log_changes(start: ModelFile, config: dict[str, Any]) -> None:
    """Tell what a continued run has differently from the run that wrote the checkpoint."""
    old = start.training.get("input")
    for line in changed_keys(old, config) if isinstance(old, dict) else []:
        log.warning("changed since the checkpoint: %s", line)
