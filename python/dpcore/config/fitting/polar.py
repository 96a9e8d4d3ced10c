# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``polar``: a symmetric matrix of each selected atom."""

from __future__ import annotations

from typing import Any

from dargs import Argument

from dpcore.config.fitting import tensor
from dpcore.config.values import is_number, opt, rule
from dpcore.errors import InputError

NAME = "polar"
ALIASES = ()
DOC = "Polarizabilities of atoms of the selected types, and their sum. Train with the loss `tensor`."

SCALE = rule(
    lambda v: is_number(v) or (isinstance(v, list) and len(v) > 0 and all(map(is_number, v))),
    "must be a number, or a list of one for each type",
)


def arguments() -> list[Argument]:
    """The keys of the fitting section."""
    return [
        *tensor.arguments("polarizabilities", "pol_type"),
        opt(
            "fit_diag",
            bool,
            True,
            "Whether the matrix that is rotated to the atom's surroundings is diagonal; if not, it is any "
            "symmetric one, with more parameters.",
        ),
        opt(
            "scale",
            [list, float],
            1.0,
            "Factor of the fitted part of the polarizability: one for all types, or a list of one for "
            "each type.",
            SCALE,
        ),
        opt(
            "shift_diag",
            bool,
            True,
            "Whether the mean diagonal of the labels, by least squares for each type, is added as a "
            "constant.",
        ),
    ]


def check(fitting: dict[str, Any], n_types: int | None, where: str) -> None:
    """As for all tensors; ``scale`` becomes a list of one number per type, 1 if not selected."""
    tensor.check(fitting, n_types, where)
    if n_types is None:
        return
    scale, selected = fitting["scale"], fitting["sel_type"]
    if not isinstance(scale, list):
        scale = [float(scale)] * n_types
    elif len(scale) == len(selected) != n_types:  # version 2.0: by position in sel_type
        by_type = dict(zip(selected, scale))
        scale = [by_type.get(t, 1.0) for t in range(n_types)]
    if len(scale) != n_types:
        raise InputError(
            f"expected one number for each of the {n_types} types of model/type_map, got {len(scale)}: "
            f"{scale}",
            f"{where}/scale",
        )
    fitting["scale"] = [float(s) if t in selected else 1.0 for t, s in enumerate(scale)]
