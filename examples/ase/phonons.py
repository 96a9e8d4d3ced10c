# SPDX-License-Identifier: LGPL-3.0-or-later
"""Vibrations of relaxed water by phonopy, with forces of the model: python phonons.py MODEL"""

import numpy as np
from ase.optimize import LBFGS
from dpcore.calculator import DP
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from water import parse, water


def main(argv=None):
    """Return the frequencies at Gamma in THz, [3*n_atoms]; imaginary ones are negative."""
    args = parse("vibrations by phonopy", 500, argv)
    atoms = water(args.model)
    LBFGS(atoms, logfile=None).run(fmax=1e-3, steps=args.steps)
    unit = PhonopyAtoms(symbols=atoms.get_chemical_symbols(), cell=atoms.cell[:], positions=atoms.positions)
    phonons = Phonopy(unit, supercell_matrix=np.eye(3, dtype=int), is_symmetry=False)
    phonons.generate_displacements(distance=0.01)  # A
    calc = DP(args.model)
    forces = []
    for cell in phonons.supercells_with_displacements:
        displaced = atoms.copy()
        displaced.positions = cell.positions
        displaced.calc = calc
        forces.append(displaced.get_forces())
    phonons.forces = forces
    phonons.produce_force_constants()
    phonons.run_qpoints([[0, 0, 0]])
    frequencies = np.asarray(phonons.qpoints.frequencies[0])
    acoustic = sorted(np.abs(frequencies))[:3]
    print("the three of whole translations:", " ".join(f"{f:.4f}" for f in acoustic), "THz")
    print(
        "highest (O-H stretch)          :",
        f"{frequencies[-1]:.1f} THz = {33.3564 * frequencies[-1]:.0f} 1/cm",
    )
    return frequencies


if __name__ == "__main__":
    main()
