# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``loc_frame``: coordinates of the neighbours in a frame of two of them."""

from __future__ import annotations

from typing import Any

from dargs import Argument

from dpcore.config.values import LARGEST_INT, POSITIVE_SINGLE, is_int, opt, rule
from dpcore.errors import InputError

NAME = "loc_frame"
ALIASES = ()
DOC = (
    "Coordinates of the neighbours in a frame fixed to two of them, as numbers, without nets. The energy jumps "
    "where neighbours change places or leave the cut-off."
)

_SEL = rule(
    lambda value: isinstance(value, list)
    and all(is_int(n) and n >= 0 for n in value)
    and sum(value) <= LARGEST_INT,
    "must be a list of numbers of neighbours, one for each type (integers, 0 or above)",
)
_RULE = rule(
    lambda value: isinstance(value, list) and all(map(is_int, value)) and len(value) % 6 == 0,
    "must be a list of 6 integers for each type: class, type and index of the first axis, then of the second",
)


def arguments() -> list[Argument]:
    """The keys of the descriptor section."""
    return [
        Argument(
            "sel_a",
            list[int],
            doc="How many nearest neighbours of each type enter with distance and direction.",
            **_SEL,
        ),
        Argument(
            "sel_r",
            list[int],
            doc="How many neighbours of each type behind those of `sel_a` enter with their distance alone.",
            **_SEL,
        ),
        opt("rcut", float, 6.0, "Cut-off radius in angstrom.", POSITIVE_SINGLE),
        opt(
            "axis_rule",
            list[int],
            [],
            "Which neighbours are the two axes of the frame: 6 integers for each type of atom, (class, type, "
            "index) of the first and of the second axis. Class 0: of the nearest, `sel_a`; class 1: of those "
            "behind, `sel_r`. Index: counted from 0 within the neighbours of the type. A type below 0 leaves a "
            "type out (-1: type 0 with class 0, type 1 with class 1; and so on; beyond the types: none): the index "
            "then counts the first three neighbours of each other type, by distance. Empty: the first two slots of "
            "`sel_a`, or of `sel_r` where `sel_a` has fewer than two.",
            _RULE,
        ),
    ]


def check(descriptor: dict[str, Any], n_types: int | None, where: str) -> None:
    """Refuse combinations of keys that make no model.

    `n_types` is None while the types are still to be taken from the data.
    """
    sel_a, sel_r, axes = descriptor["sel_a"], descriptor["sel_r"], descriptor["axis_rule"]
    if len(sel_a) != len(sel_r):
        raise InputError(
            f"expected as many numbers as sel_a has ({len(sel_a)}), got {len(sel_r)}: {sel_r}",
            f"{where}/sel_r",
        )
    if n_types is not None and len(sel_a) != n_types:
        raise InputError(
            f"expected one number for each of the {n_types} types of model/type_map, got {len(sel_a)}: {sel_a}",
            f"{where}/sel_a",
        )
    n = len(sel_a)
    if not axes:
        if sum(sel_a) < 2 and sum(sel_r) < 2:
            raise InputError("is needed where neither sel_a nor sel_r has two slots", f"{where}/axis_rule")
        return
    if len(axes) != 6 * n:
        raise InputError(
            f"expected 6 numbers for each of the {n} types, {6 * n} in all, got {len(axes)}",
            f"{where}/axis_rule",
        )
    for k in range(0, len(axes), 3):
        kind, neighbour, index = axes[k : k + 3]
        which = f"the {('first', 'second')[k // 3 % 2]} axis of type {k // 6}"
        if kind not in (0, 1):
            raise InputError(
                f"{which} has class {kind}; expected 0 (sel_a) or 1 (sel_r)", f"{where}/axis_rule"
            )
        if not -1000000 < neighbour < n:
            raise InputError(
                f"{which} names type {neighbour}, but the model has types 0 to {n - 1}", f"{where}/axis_rule"
            )
        slots = (sel_a, sel_r)[kind]
        left_out = -neighbour if kind else -1 - neighbour
        others = sum(min(3, size) for other, size in enumerate(slots) if other != left_out)
        most = others if neighbour < 0 else slots[neighbour]
        if not 0 <= index < most:
            raise InputError(
                f"{which} has index {index}; expected 0 to {most - 1}, the slots there are"
                if most
                else f"{which} is to be a neighbour that has no slot in {('sel_a', 'sel_r')[kind]}",
                f"{where}/axis_rule",
            )
        if k % 6 and axes[k : k + 3] == axes[k - 3 : k]:
            raise InputError(f"both axes of type {k // 6} are the same neighbour", f"{where}/axis_rule")
