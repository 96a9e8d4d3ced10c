# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``se_e2_a``: the two-body embedding built on radial and angular information."""

from __future__ import annotations

from typing import Any

from dargs import Argument

from dpcore.config.descriptor import two_body
from dpcore.config.values import POSITIVE_INT, opt
from dpcore.errors import InputError

NAME = "se_e2_a"
ALIASES = ("se_a",)
DOC = "Smooth two-body embedding that keeps the distances and the directions of the neighbours."


def arguments() -> list[Argument]:
    """The keys of the descriptor section."""
    keys = two_body.arguments(
        "Whether the mean of the environment matrix is set to 0, so that an atom without neighbours "
        "has a descriptor of zeros. Wanted together with `atom_ener`."
    )
    axis_neuron = opt(
        "axis_neuron",
        int,
        4,
        "How many embedding channels form the second factor of the descriptor; at most the last width.",
        POSITIVE_INT,
        alias=["n_axis_neuron"],
    )
    after = [key.name for key in keys].index("neuron") + 1
    return [*keys[:after], axis_neuron, *keys[after:]]


def check(descriptor: dict[str, Any], n_types: int | None, where: str) -> None:
    """Refuse combinations of keys that make no model.

    `n_types` is None while the types are still to be taken from the data.
    """
    width = descriptor["neuron"][-1]
    if descriptor["axis_neuron"] > width:
        raise InputError(
            f"must be at most the last width of neuron ({width}); got {descriptor['axis_neuron']}",
            f"{where}/axis_neuron",
        )
    two_body.check(descriptor, n_types, where)
