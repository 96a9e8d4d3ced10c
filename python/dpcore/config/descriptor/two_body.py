# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments and checks that ``se_e2_a``, ``se_e2_r`` and ``se_e3`` share."""

from __future__ import annotations

from typing import Any

from dargs import Argument

from dpcore.config.values import (
    ACTIVATION,
    ACTIVATIONS,
    LARGEST_INT,
    NEURON,
    NON_NEGATIVE_SINGLE,
    POSITIVE_SINGLE,
    PRECISION,
    SEED,
    is_int,
    opt,
    rule,
)
from dpcore.errors import InputError
from dpcore.grammar import auto_sel_factor


def _is_sel(value: Any) -> bool:
    if isinstance(value, list):
        return all(is_int(n) and n >= 0 for n in value) and 0 < sum(value) <= LARGEST_INT
    return auto_sel_factor(value) is not None


def _is_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(is_int(t) and t >= 0 for t in pair)
        for pair in value
    )


SEL = rule(
    _is_sel,
    "must be a list of the largest number of neighbours of each type (integers, 0 or above, not all 0, "
    f'at most {LARGEST_INT} together), "auto", or "auto:factor" with a factor above 0',
)
EXCLUDE_TYPES = rule(_is_pairs, "must be a list of pairs of type indices, for example [[0, 0], [0, 1]]")


def arguments(set_davg_zero: str) -> list[Argument]:
    """The keys of the descriptor section; `set_davg_zero` is what to say of that key."""
    return [
        opt(
            "sel",
            [list[int], str],
            "auto",
            "The number of neighbour slots per type within `rcut`. `auto` counts the neighbours in the "
            "training data, multiplies by 1.1 and rounds up to a multiple of 4; `auto:f` uses the factor f. "
            "Neighbours beyond the slots of their type are dropped, the farthest first, and reported.",
            SEL,
        ),
        opt("rcut", float, 6.0, "Cut-off radius in angstrom.", POSITIVE_SINGLE),
        opt(
            "rcut_smth",
            float,
            0.5,
            "Distance in angstrom, below `rcut`, from which on a neighbour is smoothly switched off.",
            NON_NEGATIVE_SINGLE,
        ),
        opt(
            "neuron",
            list[int],
            [10, 20, 40],
            "Widths of the layers of the embedding net. A layer as wide as, or twice as wide as, the one "
            "before has a skip connection.",
            NEURON,
        ),
        opt(
            "activation_function",
            str,
            "tanh",
            f"Activation of the embedding net: {', '.join(ACTIVATIONS)}.",
            ACTIVATION,
        ),
        opt("resnet_dt", bool, False, "Whether the skip connections have a trainable time step."),
        opt(
            "type_one_side",
            bool,
            False,
            "Whether the embedding nets depend on the neighbour's type only, and not on the centre's.",
        ),
        opt(
            "precision",
            str,
            "float64",
            "Precision of the embedding net: float64 (also `default`) or float32 (also `float16`).",
            PRECISION,
        ),
        opt("trainable", bool, True, "Whether the embedding net is trained."),
        opt("seed", [int, None], None, "Seed of the initial parameters; null draws one.", SEED),
        opt(
            "exclude_types",
            list,
            [],
            "Pairs of types that do not see each other, for example [[0, 1]].",
            EXCLUDE_TYPES,
        ),
        opt(
            "set_davg_zero",
            bool,
            False,
            set_davg_zero,
        ),
        opt(
            "online_table",
            bool,
            True,
            "Whether training may interpolate the embedding nets between nodes evaluated in every "
            "step, where that pays and its measured error is below 1e-9 (float32: 1e-7); not a key of the reference. False "
            "evaluates the nets for every pair.",
        ),
    ]


def check(descriptor: dict[str, Any], n_types: int | None, where: str) -> None:
    """Refuse combinations of keys that make no model.

    `n_types` is None while the types are still to be taken from the data.
    """
    rcut, rcut_smth = descriptor["rcut"], descriptor["rcut_smth"]
    if not rcut_smth < rcut:
        raise InputError(f"must be below rcut ({rcut}); got {rcut_smth}", f"{where}/rcut_smth")
    if n_types is None:
        return
    sel = descriptor["sel"]
    if isinstance(sel, list) and len(sel) != n_types:
        raise InputError(
            f"expected one number for each of the {n_types} types of model/type_map, got {len(sel)}: {sel}",
            f"{where}/sel",
        )
    for pair in descriptor.get("exclude_types", []):
        if max(pair) >= n_types:
            raise InputError(
                f"the pair {pair} names type {max(pair)}, but the model has types 0 to {n_types - 1}",
                f"{where}/exclude_types",
            )
