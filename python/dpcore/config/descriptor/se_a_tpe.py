# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``se_a_tpe``: ``se_e2_a`` with channels of the types instead of a net for each type."""

from __future__ import annotations

from typing import Any

from dargs import Argument

from dpcore.config.descriptor import se_e2_a
from dpcore.config.values import NON_NEGATIVE_INT, POSITIVE_INT, opt
from dpcore.errors import InputError

NAME = "se_a_tpe"
ALIASES = ("se_a_ebd",)
DOC = "se_e2_a with one embedding net for all types, whose outputs the types weight by channels."


def arguments() -> list[Argument]:
    """The keys of the descriptor section."""
    keys = se_e2_a.arguments()
    after = [key.name for key in keys].index("axis_neuron") + 1
    more = [
        opt(
            "type_nchanl",
            int,
            4,
            "How many channels stand for a type; with two sides their products for a pair of types.",
            POSITIVE_INT,
        ),
        opt(
            "type_nlayer", int, 2, "How many hidden layers the net has that makes the channels.", POSITIVE_INT
        ),
        opt(
            "numb_aparam",
            int,
            0,
            "Number of atomic parameters: numbers per atom, from aparam.npy, on which the channels of a neighbour "
            "depend beside its type. Only with `type_one_side`; models with it are not compressed.",
            NON_NEGATIVE_INT,
        ),
    ]
    return [*keys[:after], *more, *keys[after:]]


def check(descriptor: dict[str, Any], n_types: int | None, where: str) -> None:
    """Refuse combinations of keys that make no model."""
    se_e2_a.check(descriptor, n_types, where)
    if descriptor["numb_aparam"] > 0 and not descriptor["type_one_side"]:
        raise InputError(
            "atomic parameters of neighbours are inputs of the channels of one side only; set type_one_side to true, "
            "or leave them to the fitting net (model/fitting_net/numb_aparam)",
            f"{where}/numb_aparam",
        )
