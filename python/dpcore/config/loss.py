# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``loss`` section."""

from __future__ import annotations

from typing import Any

from dargs import Argument, Variant

from dpcore.config.values import NON_NEGATIVE_SINGLE, OPTIONAL_POSITIVE_SINGLE, opt
from dpcore.errors import InputError

NOT_SUPPORTED = (
    "dos",
    "property",
    "ener_spin",
    "ener_dipole",
    "ener_hess",
    "dens",
    "denoise",
)

# suffix of the two prefactors -> (label, default at the start, default in the limit)
TERMS = {
    "e": ("energy", 0.02, 1.0),
    "f": ("force", 1000.0, 1.0),
    "v": ("virial", 0.0, 0.0),
    "ae": ("atom_ener", 0.0, 0.0),
    "pf": ("atom_pref", 0.0, 0.0),
}

# fitting -> column of the learning curve, without rmse_ -> (key of its prefactor, label)
TENSOR_TERMS = {
    "dipole": {"lc": ("pref_atomic", "atomic_dipole"), "gl": ("pref", "dipole")},
    "polar": {"lc": ("pref_atomic", "atomic_polarizability"), "gl": ("pref", "polarizability")},
}

_TERM_DOC = {
    "e": "the energy per frame",
    "f": "the forces",
    "v": "the virial",
    "ae": "the atomic energies",
    "pf": "the forces weighted per atom with atom_pref.npy",
}


def argument() -> Argument:
    """The section and its keys."""
    keys = []
    for suffix, (_, start, limit) in TERMS.items():
        doc = f"Weight of {_TERM_DOC[suffix]} in the loss"
        keys.append(
            opt(f"start_pref_{suffix}", float, start, f"{doc} at the first step.", NON_NEGATIVE_SINGLE)
        )
        keys.append(
            opt(
                f"limit_pref_{suffix}",
                float,
                limit,
                f"{doc} in the limit of a vanishing learning rate.",
                NON_NEGATIVE_SINGLE,
            )
        )
    keys.append(
        opt(
            "relative_f",
            [float, None],
            None,
            "If given (eV/A), the force error of an atom is divided by the norm of its label plus this.",
            OPTIONAL_POSITIVE_SINGLE,
        )
    )
    ener = Argument("ener", dict, keys, doc="Energy, forces, virial and atomic energies.")
    tensor = Argument(
        "tensor",
        dict,
        [
            Argument(
                "pref", float, doc="Weight of the tensors of frames in the loss.", **NON_NEGATIVE_SINGLE
            ),
            Argument(
                "pref_atomic", float, doc="Weight of the tensors of atoms in the loss.", **NON_NEGATIVE_SINGLE
            ),
        ],
        doc="Dipoles or polarizabilities of atoms and of frames.",
    )
    return Argument(
        "loss",
        dict,
        [],
        [Variant("type", [ener, tensor], optional=True, default_tag="ener", doc="The kind of loss.")],
        optional=True,
        default={"type": "ener"},
        doc="What training makes small: a weighted sum of mean square errors. The weights follow the "
        "learning rate from their start to their limit.",
    )


def active_terms(loss: dict[str, Any], kind: str = "ener") -> dict[str, str]:
    """The terms that take part, ``{"e": "energy", ...}``: those with a prefactor that is not always 0.

    `kind` is the model's fitting; the keys are the columns of the learning curve without ``rmse_``.
    """
    if kind in TENSOR_TERMS:
        return {term: label for term, (key, label) in TENSOR_TERMS[kind].items() if loss[key] != 0}
    return {
        suffix: label
        for suffix, (label, _, _) in TERMS.items()
        if loss[f"start_pref_{suffix}"] != 0 or loss[f"limit_pref_{suffix}"] != 0
    }


def labels_of_loss(loss: dict[str, Any], kind: str = "ener") -> tuple[str, ...]:
    """The labels to read for a normalised ``loss`` section: what its terms need, and of energy models
    always the energy.
    """
    asked = set(active_terms(loss, kind).values())
    if kind in TENSOR_TERMS:
        return tuple(label for _, label in TENSOR_TERMS[kind].values() if label in asked)
    asked.add("energy")
    if "atom_pref" in asked:
        asked.add("force")
    return tuple(label for label, _, _ in TERMS.values() if label in asked)


def check(loss: dict[str, Any], kind: str = "ener") -> None:
    """Refuse a loss without terms, and one that is not for the model's fitting, `kind`."""
    wanted = "tensor" if kind in TENSOR_TERMS else "ener"
    if loss["type"] != wanted:
        raise InputError(
            f'got "{loss["type"]}"; a model with the fitting net {kind} is trained with the loss "{wanted}"',
            "loss/type",
        )
    if not active_terms(loss, kind):
        raise InputError("all prefactors are 0, so there is nothing to train on", "loss")
