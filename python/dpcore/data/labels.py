# SPDX-License-Identifier: LGPL-3.0-or-later
"""The arrays a data system may hold: names, shapes, units."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIELDS", "LABELS", "TENSOR_LABELS", "Field"]


@dataclass(frozen=True)
class Field:
    """One array of a system.

    Attributes
    ----------
    name
        Stem of the file, ``<name>.npy`` or ``<name>.raw``.
    n_dof
        Numbers per atom if `atomic`, else per frame.  0 for parameters: the model says how many.
    unit
        Unit of the numbers, empty if they have none.
    hint
        What to look at when the shape is wrong.
    selected
        Whether only the atoms of the model's selected types have it; files may hold all atoms.
    """

    name: str
    n_dof: int
    atomic: bool
    unit: str = ""
    hint: str = ""
    selected: bool = False

    def width(self, n_atoms: int) -> int:
        """Numbers per frame of a system of `n_atoms` atoms."""
        return self.n_dof * n_atoms if self.atomic else self.n_dof

    def meaning(self, n_atoms: int) -> str:
        """The width in words, for messages: ``3 for each of 192 atoms``."""
        return f"{self.n_dof} for each of {n_atoms} atoms" if self.atomic else f"{self.n_dof} for each frame"


_OF_ATOMS = "the atoms are those of the types in model/fitting_net/sel_type, or all of the system"

FIELDS = {
    field.name: field
    for field in (
        Field("coord", 3, True, "A", "the number of atoms comes from type.raw"),
        Field("box", 9, False, "A", "a frame's box is its three cell vectors, one after the other"),
        Field("energy", 1, False, "eV", "energies of atoms belong in atom_ener"),
        Field("force", 3, True, "eV/A", "the number of atoms comes from type.raw"),
        Field(
            "virial", 9, False, "eV", "all nine components are wanted, row by row; not six, not a pressure"
        ),
        Field("atom_ener", 1, True, "eV", "energies of frames belong in energy"),
        Field("atom_pref", 1, True, "", "one weight for each atom"),
        Field("dipole", 3, False, "", "dipoles of atoms belong in atomic_dipole"),
        Field("atomic_dipole", 3, True, "", _OF_ATOMS, True),
        Field("polarizability", 9, False, "", "all nine components are wanted, row by row"),
        Field("atomic_polarizability", 9, True, "", _OF_ATOMS, True),
    )
}

# what a model is trained or tested on, in the order of tables
LABELS = ("energy", "force", "virial", "atom_ener", "atom_pref")
TENSOR_LABELS = ("dipole", "atomic_dipole", "polarizability", "atomic_polarizability")
