# SPDX-License-Identifier: LGPL-3.0-or-later
"""Models of the potential energy."""

from __future__ import annotations

from typing import Any

import numpy as np

from dpcore.errors import InputError
from dpcore.infer.deep_eval import DeepEval, parameters

__all__ = ["DeepPot"]


class DeepPot(DeepEval):
    """A potential energy model.

    Parameters
    ----------
    model_file
        A model file or checkpoint of dpcore, or a frozen TensorFlow graph of DeePMD-kit, under any name.
    load_prefix, default_tf_graph, **kwargs
        Accepted for scripts written for the reference (auto_batch_size, input_map, neighbor_list, no_jit);
        without effect.
    precision
        ``"high"`` (float64), ``"mixed"`` (fitting net and tables in float32) or ``"low"`` (float32), by
        keyword only; None: as the environment variable DP_INTERFACE_PREC says, without it as the file has
        it.

    Attributes
    ----------
    precision
        The one that is used, ``"stored"`` for that of the file.
    model_type
        ``"ener"``.
    model_version
        Version of the file format.
    has_efield, has_fparam, has_aparam
        Whether the model takes an electric field (never), frame parameters, atomic parameters.
    modifier_type
        ``"dipole_charge"`` for a model with that modifier, else None.  The results then contain its energy, force
        and virial; there are no atomic ones, and frames must have cells.
    compressed
        Whether it is a model of ``dp compress``.

    Raises
    ------
    InputError
        A ValueError; if the file cannot be read or is no such model.
    """

    model_type = "ener"

    def get_sel_type(self) -> list[int]:
        """Not for energies: they are sums over all atoms."""
        raise NotImplementedError("an energy model has no selected types")

    def eval(
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
        """Evaluate frames of the same atoms.

        The frames are worked through in groups, so that memory beyond that of the arguments and results
        does not grow with their number.

        Parameters
        ----------
        coords
            Positions in A: [nframes, natoms*3], [nframes, natoms, 3], or as many numbers in one row.  Atoms
            may lie outside the cell.
        cells
            Cell vectors in A as rows: [nframes, 9], [nframes, 3, 3], or as many numbers in one row.  None:
            not periodic.
        atom_types
            The type of each atom, natoms integers.
        atomic
            Whether to return the atomic energies and virials as well.
        fparam
            Frame parameters: nframes*d numbers, or d for all frames.
        aparam
            Atomic parameters: nframes*natoms*d numbers, natoms*d for all frames, or d for all atoms.
        efield, mixed_type
            Not supported: leave them out.
        pbc
            Along which of the three cell vectors the frames are periodic, three booleans; None: all, if
            there are cells.

        Returns
        -------
        energy : ndarray [nframes, 1]
            eV.
        force : ndarray [nframes, natoms, 3]
            eV/A.
        virial : ndarray [nframes, 9]
            eV, minus the derivative of the energy by the strain, row by row.
        atom_energy : ndarray [nframes, natoms, 1]
            eV; only if `atomic`.
        atom_virial : ndarray [nframes, natoms, 9]
            eV; only if `atomic`.

        Raises
        ------
        ValueError
            For arguments of the wrong size, or numbers that are not finite, naming frame and atom.
        """
        if efield is not None:
            raise InputError("models with an electric field are not supported by this version", "efield")
        if mixed_type:
            raise InputError(
                "frames with different types of atoms in one call are not supported by this version; call "
                "eval once for each composition",
                "mixed_type",
            )
        if atomic and self.modifier_type is not None:
            raise InputError(
                f"the modifier {self.modifier_type} of the model does not support atomic energies and virials",
                "atomic",
            )
        frames = self._frames(coords, cells, atom_types, pbc)
        n_frames, n_atoms = len(frames.coords), len(frames.types)
        result = self._model.evaluate(
            frames.coords,
            frames.cells,
            frames.types,
            parameters(fparam, n_frames, 1, self.get_dim_fparam(), "fparam"),
            parameters(aparam, n_frames, n_atoms, self.get_dim_aparam(), "aparam"),
            bool(atomic),
            frames.pbc,
        )
        self._warn_of_overflow()
        out = (result["energy"].reshape(n_frames, 1), result["force"], result["virial"])
        if atomic:
            out += (result["atom_energy"].reshape(n_frames, n_atoms, 1), result["atom_virial"])
        return out
