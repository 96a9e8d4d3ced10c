# SPDX-License-Identifier: LGPL-3.0-or-later
"""Relax the positions of the atoms: python relax.py MODEL"""

from ase.optimize import LBFGS
from water import parse, water


def main(argv=None):
    """Relax, and return the energies before and after in eV."""
    args = parse("relax positions", 200, argv)
    atoms = water(args.model)
    before = atoms.get_potential_energy()
    LBFGS(atoms, logfile="-").run(fmax=0.05, steps=args.steps)  # eV/A
    after = atoms.get_potential_energy()
    print(f"energy: {before:.4f} eV before, {after:.4f} eV after")
    atoms.write("relaxed.extxyz")
    return before, after


if __name__ == "__main__":
    main()
