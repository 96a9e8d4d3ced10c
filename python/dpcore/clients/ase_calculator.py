# SPDX-License-Identifier: LGPL-3.0-or-later
"""`dpcore.calculator.DP` in ASE."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dpcore.clients import Frame, NotInstalled, NotRun, Result

__all__ = ["evaluate", "find"]


def find() -> str:
    """Folder and version of ASE."""
    try:
        import ase
    except ImportError:
        raise NotInstalled("pip install 'dpcore[ase]'") from None
    return f"{Path(ase.__file__).parent} ({ase.__version__})"


def evaluate(model: str, frame: Frame, folder: Path) -> Result:
    """Evaluate a frame; the virial of a periodic one comes back from the stress."""
    find()
    from ase import Atoms
    from ase.data import chemical_symbols

    from dpcore.calculator import DP

    if len(frame.type_map) >= len(chemical_symbols):
        raise NotRun(f"ASE has no {len(frame.type_map)} elements")
    symbols = chemical_symbols[1 : 1 + len(frame.type_map)]  # the names of the types need not be elements
    calc = DP(model, type_dict={symbol: t for t, symbol in enumerate(symbols)}, fparam=frame.fparam)
    periodic = frame.cell is not None
    atoms = Atoms([symbols[t] for t in frame.types], frame.coord, cell=frame.cell, pbc=periodic)
    if frame.aparam is not None:
        atoms.set_array("aparam", frame.aparam)
    atoms.calc = calc
    energies = None if frame.modifier else atoms.get_potential_energies()
    if periodic:
        xx, yy, zz, yz, xz, xy = -atoms.get_volume() * atoms.get_stress()
        virial = np.array([xx, xy, xz, xy, yy, yz, xz, yz, zz])
    else:
        virial = calc.results["virial"].ravel()
    return Result(atoms.get_potential_energy(), atoms.get_forces(), virial, energies)
