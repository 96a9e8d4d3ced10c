# SPDX-License-Identifier: LGPL-3.0-or-later
"""The small languages inside values of the input file: ``auto:1.2``, ``auto:128``, ``prob_sys_size;0:2:1``.

The configuration checks them and the data and statistics act on them; each is read here and nowhere else.
Every function returns None for a value that does not belong to its language.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "auto_batch_atoms",
    "auto_prob_blocks",
    "auto_sel_factor",
    "describe",
    "descriptor_parts",
    "numb_aparam",
    "slots",
]

_AUTO_SEL = re.compile(r"auto(?::(?P<factor>[^:]+))?\Z")
_AUTO_BATCH = re.compile(r"auto(?::(?P<atoms>[0-9]{1,9}))?\Z")
_BLOCK = re.compile(r"(?P<begin>[0-9]{1,9}):(?P<end>[0-9]{1,9}):(?P<weight>[^:]+)\Z")


def descriptor_parts(
    descriptor: dict[str, Any], where: str = "model/descriptor"
) -> list[tuple[str, dict[str, Any]]]:
    """The sections of a descriptor that have keys of their own, with their key paths.

    These are the descriptors in the list of ``hybrid``, or the descriptor itself.
    """
    if descriptor["type"] != "hybrid":
        return [(where, descriptor)]
    return [(f"{where}/list/{k}", part) for k, part in enumerate(descriptor["list"])]


def numb_aparam(model: dict[str, Any]) -> int:
    """How many atomic parameters each atom has in the data: those of the descriptor and of the fitting net are
    the same numbers.
    """
    sections = [model["fitting_net"], *(part for _, part in descriptor_parts(model["descriptor"]))]
    return max(section.get("numb_aparam", 0) for section in sections)


def describe(descriptor: dict[str, Any], types: dict[str, Any] | None = None) -> str:
    """Kind, cut-off, sel and precision in one line, and the model's type embedding if `types` is its section."""
    parts = [
        f"{part['type']} (rcut {part['rcut']:g} A, {slots(part)}, {part.get('precision', 'float64')})"
        for _, part in descriptor_parts(descriptor)
    ]
    text = parts[0] if descriptor["type"] != "hybrid" else f"hybrid of {', '.join(parts)}"
    return text if types is None else f"{text} with type embedding ({types['neuron'][-1]} numbers)"


def slots(part: dict[str, Any]) -> str:
    """The numbers of neighbours of a descriptor, each behind its key."""
    return ", ".join(f"{key} {part[key]}" for key in ("sel", "sel_a", "sel_r") if key in part)


def auto_sel_factor(value: Any) -> float | None:
    """The factor by which neighbours counted in the data are multiplied: ``auto`` (1.1), ``auto:f`` (f)."""
    match = _AUTO_SEL.match(value) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        factor = float(match["factor"] or "1.1")
    except ValueError:
        return None
    return factor if 0.0 < factor < float("inf") else None


def auto_batch_atoms(value: Any) -> int | None:
    """How many atoms a batch is to hold at least: ``auto`` (32), ``auto:N`` (N)."""
    match = _AUTO_BATCH.match(value) if isinstance(value, str) else None
    atoms = 0 if match is None else int(match["atoms"] or "32")
    return atoms or None


def auto_prob_blocks(value: Any) -> list[tuple[int, int, float]] | None:
    """The blocks (begin, end, weight) of ``prob_sys_size;begin:end:weight;...``; [] without blocks."""
    if not isinstance(value, str):
        return None
    head, *parts = value.split(";")
    if head.strip() != "prob_sys_size":
        return None
    blocks = []
    for part in parts:
        match = _BLOCK.match(part.strip())
        if match is None:
            return None
        try:
            weight = float(match["weight"])
        except ValueError:
            return None
        block = (int(match["begin"]), int(match["end"]), weight)
        if block[0] >= block[1] or not 0.0 <= weight < float("inf"):
            return None
        blocks.append(block)
    return blocks if not blocks or sum(weight for *_, weight in blocks) > 0 else None
