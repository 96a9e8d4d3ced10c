# SPDX-License-Identifier: LGPL-3.0-or-later
"""Models of dipoles and polarizabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from dpcore.errors import InputError
from dpcore.infer.deep_eval import DeepEval

__all__ = ["DeepDipole", "DeepPolar", "DeepTensor"]


class DeepTensor(DeepEval):
    """A model of tensors of atoms; use `DeepDipole` or `DeepPolar`.

    Parameters, attributes and errors as for `dpcore.infer.deep_eval.DeepEval`.

    Attributes
    ----------
    output_dim
        Numbers of a tensor: 3 of a dipole, 9 of a polarizability (row by row).
    """

    output_dim = 0

    def get_sel_type(self) -> list[int]:
        """The types whose atoms have tensors."""
        return list(self._model.sel_type)

    def get_dim_fparam(self) -> int:
        """Not for tensors: they take no parameters."""
        raise NotImplementedError("a model of tensors takes no frame parameters")

    def get_dim_aparam(self) -> int:
        """Not for tensors: they take no parameters."""
        raise NotImplementedError("a model of tensors takes no atomic parameters")

    def eval(
        self,
        coords: Any,
        cells: Any,
        atom_types: Any,
        atomic: bool = True,
        fparam: Any = None,
        aparam: Any = None,
        efield: Any = None,
        mixed_type: bool = False,
        *,
        pbc: Any = None,
    ) -> np.ndarray:
        """Evaluate frames of the same atoms, without derivatives.

        Parameters
        ----------
        coords, cells, atom_types, pbc
            As for `DeepPot.eval`.
        atomic
            Whether to return the tensors of atoms instead of their sums.
        fparam, aparam, efield, mixed_type
            Not supported: leave them out.

        Returns
        -------
        ndarray
            [nframes, natoms, output_dim], zeros for atoms of types that are not selected; without `atomic`
            [nframes, output_dim]. The unit is that of the labels in training.

        Raises
        ------
        ValueError
            For arguments of the wrong size, or numbers that are not finite, naming frame and atom.
        """
        _refuse(fparam=fparam, aparam=aparam, efield=efield, mixed_type=mixed_type or None)
        result = self._evaluate(coords, cells, atom_types, True, False, pbc)
        return result["atom_energy" if atomic else "energy"]

    def eval_full(
        self,
        coords: Any,
        cells: Any,
        atom_types: Any,
        atomic: bool = False,
        fparam: Any = None,
        aparam: Any = None,
        efield: Any = None,
        mixed_type: bool = False,
        *,
        pbc: Any = None,
    ) -> tuple[np.ndarray, ...]:
        """Evaluate frames of the same atoms, with the derivatives of the global tensor.

        Arguments and errors as for `eval`.

        Returns
        -------
        tensor : ndarray [nframes, output_dim]
            Sum over the atoms.
        force : ndarray [nframes, output_dim, natoms, 3]
            Minus the derivatives of its components by the positions.
        virial : ndarray [nframes, output_dim, 9]
            Minus the derivatives by the strain, row by row.
        atom_tensor : ndarray [nframes, natoms, output_dim]
            Only if `atomic`; zeros for atoms of types that are not selected.
        atom_virial : ndarray [nframes, output_dim, natoms, 9]
            Only if `atomic`.
        """
        _refuse(fparam=fparam, aparam=aparam, efield=efield, mixed_type=mixed_type or None)
        result = self._evaluate(coords, cells, atom_types, bool(atomic), True, pbc)
        out = (result["energy"], result["force"], result["virial"])
        if atomic:
            out += (result["atom_energy"], result["atom_virial"])
        return out

    def _evaluate(
        self, coords: Any, cells: Any, atom_types: Any, atomic: bool, derivatives: bool, pbc: Any
    ) -> dict[str, np.ndarray]:
        frames = self._frames(coords, cells, atom_types, pbc)
        result = self._model.evaluate(
            frames.coords, frames.cells, frames.types, None, None, atomic, frames.pbc, derivatives
        )
        self._warn_of_overflow()
        return result


class DeepDipole(DeepTensor):
    """A model of dipoles: three components x, y, z. See `DeepTensor`."""

    model_type = "dipole"
    output_dim = 3


class DeepPolar(DeepTensor):
    """A model of polarizabilities: nine components xx, xy, xz, yx, ... See `DeepTensor`."""

    model_type = "polar"
    output_dim = 9


def _refuse(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise InputError("models of tensors do not take it; leave it out", name)
