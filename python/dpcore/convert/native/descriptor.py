# SPDX-License-Identifier: LGPL-3.0-or-later
"""Descriptors of native models: a line in `KINDS` for each that dpcore has, and ``hybrid`` of them."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np

from dpcore.convert.native.se_e3 import read_se_e3, write_se_e3
from dpcore.convert.native.section import Section
from dpcore.convert.native.two_body import read_se_e2_a, read_se_e2_r, write_se_e2_a, write_se_e2_r
from dpcore.errors import InputError

__all__ = ["KINDS", "read_descriptor", "write_descriptor"]

Tensors = dict[str, np.ndarray]


class Kind(NamedTuple):
    """``read(section, n_types, prefix of tensors)`` gives config and tensors, ``write(config, tensors, prefix)``
    the tree; ``names`` are those in native files.
    """

    names: tuple[str, ...]
    read: Callable[[Section, int, str], tuple[dict[str, Any], Tensors]]
    write: Callable[[dict[str, Any], Tensors, str], dict[str, Any]]


KINDS = {
    "se_e2_a": Kind(("se_e2_a", "se_a"), read_se_e2_a, write_se_e2_a),
    "se_e2_r": Kind(("se_r", "se_e2_r"), read_se_e2_r, write_se_e2_r),
    "se_e3": Kind(("se_e3", "se_t", "se_at", "se_a_3be"), read_se_e3, write_se_e3),
}


def read_descriptor(section: Section, n_types: int) -> tuple[dict[str, Any], Tensors]:
    """Config section and tensors (``descriptor/...``)."""
    if section.get("type", "a text") != "hybrid":
        return _read_one(section, n_types, "descriptor/")
    section.check_version(1)
    parts, tensors = [], {}
    for k, part in enumerate(section.items("list")):
        if part is None:
            raise section.damaged("has a part that is null", "list")
        config, arrays = _read_one(part, n_types, f"descriptor/part_{k}/")
        parts.append(config)
        tensors.update(arrays)
    if not parts:
        raise section.damaged("has no parts", "list")
    return {"type": "hybrid", "list": parts}, tensors


def _read_one(section: Section, n_types: int, prefix: str) -> tuple[dict[str, Any], Tensors]:
    name = section.get("type", "a text")
    kind = next((kind for kind in KINDS.values() if name in kind.names), None)
    if kind is None:
        raise section.unsupported(
            f"a model with the descriptor {name}",
            f"dpcore has {', '.join(KINDS)} and hybrid of these in native models",
        )
    return kind.read(section, n_types, prefix)


def write_descriptor(
    config: dict[str, Any], tensors: Tensors, type_map: list[str], path: object
) -> dict[str, Any]:
    """The tree of a descriptor."""
    if config["type"] == "hybrid":
        parts = [
            {**_write_one(part, tensors, f"descriptor/part_{k}/", path), "type_map": type_map}
            for k, part in enumerate(config["list"])
        ]
        return {"@class": "Descriptor", "type": "hybrid", "@version": 1, "list": parts}
    return {**_write_one(config, tensors, "descriptor/", path), "type_map": type_map}


def _write_one(config: dict[str, Any], tensors: Tensors, prefix: str, path: object) -> dict[str, Any]:
    kind = KINDS.get(config["type"])
    if kind is None:
        raise InputError(
            f"the descriptor {config['type']} has no form in native models of DeePMD-kit; there are {', '.join(KINDS)} "
            "and hybrid of these",
            path,
        )
    return kind.write(config, tensors, prefix)
