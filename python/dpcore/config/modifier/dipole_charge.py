# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``dipole_charge``: the long-range energy of DPLR."""

from __future__ import annotations

from typing import Any

from dargs import Argument

from dpcore.config.values import NON_EMPTY_TEXT, POSITIVE_SINGLE, is_number, opt, rule
from dpcore.errors import InputError

NAME = "dipole_charge"
DOC = (
    "The long-range energy of charges on the atoms and on sites that a dipole model places beside them (DPLR): it is "
    "subtracted from the labels and added to what the model predicts."
)


def _are_charges(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(is_number, value))


CHARGES = rule(_are_charges, "must be a list of charges, numbers in units of e")


def arguments() -> list[Argument]:
    """The keys of the modifier section."""
    return [
        Argument(
            "model_name",
            str,
            doc="The frozen model of dipoles, of dpcore or of DeePMD-kit; its dipoles are the displacements of the "
            "sites from their atoms in A. The trained model contains it.",
            **NON_EMPTY_TEXT,
        ),
        Argument(
            "model_charge_map",
            list,
            doc="Charge in e of the sites of each type that the dipole model selects, in the order of its `sel_type`.",
            **CHARGES,
        ),
        Argument(
            "sys_charge_map", list, doc="Charge in e of the atoms of each type of `type_map`.", **CHARGES
        ),
        opt(
            "ewald_beta",
            float,
            0.4,
            "Splitting parameter of the Ewald sum in 1/A: charges are smeared with this inverse width.",
            POSITIVE_SINGLE,
        ),
        opt(
            "ewald_h",
            float,
            1.0,
            "Spacing in A of the grid whose waves are summed: about half the number of spacings along each cell "
            "vector, in both directions.",
            POSITIVE_SINGLE,
        ),
    ]


def check(modifier: dict[str, Any], n_types: int | None, where: str) -> None:
    """Refuse combinations of keys that make no model; `n_types` is None while unknown."""
    charges = modifier["sys_charge_map"]
    if n_types is None:
        raise InputError(
            "is needed beside model/modifier, whose charges are those of its types", "model/type_map"
        )
    if len(charges) != n_types:
        raise InputError(
            f"expected one charge for each of the {n_types} types of model/type_map, got {len(charges)}: {charges}",
            f"{where}/sys_charge_map",
        )
