# SPDX-License-Identifier: LGPL-3.0-or-later
"""Relax positions and cell to a pressure of zero: python relax_cell.py MODEL"""

import numpy as np
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS
from ase.units import GPa
from water import parse, water


def main(argv=None):
    """Relax, and return the pressures before and after in GPa."""
    args = parse("relax positions and cell", 300, argv)
    atoms = water(args.model)

    def pressure():
        return -np.mean(atoms.get_stress()[:3]) / GPa

    before, volume = pressure(), atoms.get_volume()
    LBFGS(FrechetCellFilter(atoms), logfile="-").run(fmax=0.05, steps=args.steps)
    after = pressure()
    print(f"pressure: {before:.3f} GPa before, {after:.3f} GPa after")
    print(f"volume  : {volume:.1f} A^3 before, {atoms.get_volume():.1f} A^3 after")
    atoms.write("relaxed_cell.extxyz")
    return before, after


if __name__ == "__main__":
    main()
