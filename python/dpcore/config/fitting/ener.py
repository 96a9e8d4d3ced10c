# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``ener``: a sum of atomic energies."""

from __future__ import annotations

from typing import Any

from dargs import Argument

from dpcore.config.fitting.net import net_arguments
from dpcore.config.values import (
    NON_NEGATIVE_INT,
    OPTIONAL_NON_NEGATIVE,
    SEED,
    is_number,
    opt,
    rule,
)
from dpcore.errors import InputError

NAME = "ener"
ALIASES = ()
DOC = "The potential energy, a sum over atoms; forces and virial follow as derivatives."


def _is_trainable(value: Any) -> bool:
    return isinstance(value, bool) or (
        isinstance(value, list) and all(isinstance(flag, bool) for flag in value)
    )


def _is_atom_ener(value: Any) -> bool:
    return isinstance(value, list) and all(energy is None or is_number(energy) for energy in value)


TRAINABLE = rule(
    _is_trainable,
    "must be true, false, or a list of one of them for each hidden layer and one for the output layer",
)
ATOM_ENER = rule(_is_atom_ener, "must be a list of one energy in eV, or null, for each type")


def arguments() -> list[Argument]:
    """The keys of the fitting section."""
    return [
        opt(
            "numb_fparam",
            int,
            0,
            "Number of frame parameters: numbers per frame, from fparam.npy, that the energy depends on.",
            NON_NEGATIVE_INT,
        ),
        opt(
            "numb_aparam",
            int,
            0,
            "Number of atomic parameters: numbers per atom, from aparam.npy, that the energy depends on.",
            NON_NEGATIVE_INT,
        ),
        *net_arguments(),
        opt(
            "trainable",
            [bool, list[bool]],
            True,
            "Whether the net is trained; a list says so for each hidden layer and the output layer.",
            TRAINABLE,
        ),
        opt(
            "rcond",
            [float, None],
            1e-3,
            "Relative cut of small singular values in the least-squares fit of the energy bias of each "
            "type; null for numpy's default.",
            OPTIONAL_NON_NEGATIVE,
        ),
        opt("seed", [int, None], None, "Seed of the initial parameters; null draws one.", SEED),
        opt(
            "atom_ener",
            list,
            [],
            "Energy in eV of the isolated atom of each type, null where it is left free. Set "
            "`set_davg_zero` in the descriptor as well.",
            ATOM_ENER,
        ),
    ]


def check(fitting: dict[str, Any], n_types: int | None, where: str) -> None:
    """Refuse combinations of keys that make no model; `n_types` is None while unknown."""
    trainable, n_layers = fitting["trainable"], len(fitting["neuron"]) + 1
    if isinstance(trainable, list) and len(trainable) != n_layers:
        raise InputError(
            f"expected {n_layers} values, one for each width of neuron and one for the output layer, "
            f"got {len(trainable)}: {trainable}",
            f"{where}/trainable",
        )
    atom_ener = fitting["atom_ener"]
    if n_types is not None and atom_ener and len(atom_ener) != n_types:
        raise InputError(
            f"expected one energy, or null, for each of the {n_types} types of model/type_map, "
            f"got {len(atom_ener)}: {atom_ener}",
            f"{where}/atom_ener",
        )
