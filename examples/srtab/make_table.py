# SPDX-License-Identifier: LGPL-3.0-or-later
"""Write zbl.txt: the universal potential of Ziegler, Biersack and Littmark for the pairs of O and H.

V = Z1 Z2 e^2 / (4 pi eps0 r) phi(r/a), a = 0.46850 A / (Z1^0.23 + Z2^0.23) (Ziegler, Biersack, Littmark, "The
stopping and range of ions in solids", 1985), taken smoothly to zero between 1 and 2 A.
"""

from pathlib import Path

import numpy as np

COULOMB = 14.399645  # eV A
NUMBERS = (8, 1)  # in the order of model/type_map
TERMS = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))
FIRST, LAST, STEP = 0.02, 2.0, 0.005  # A


def zbl(r, z1, z2):
    """The potential in eV at distances r in A."""
    x = r * (z1**0.23 + z2**0.23) / 0.46850
    return COULOMB * z1 * z2 / r * sum(c * np.exp(-d * x) for c, d in TERMS)


def main():
    """Write the table: distance, then O-O, O-H, H-H."""
    r = FIRST + STEP * np.arange(round((LAST - FIRST) / STEP) + 1)
    u = np.clip((r - 1.0) / (LAST - 1.0), 0.0, 1.0)
    off = 1 - u**3 * (10 - 15 * u + 6 * u * u)
    columns = [zbl(r, a, b) * off for i, a in enumerate(NUMBERS) for b in NUMBERS[i:]]
    path = Path(__file__).resolve().parent / "zbl.txt"
    np.savetxt(
        path, np.column_stack([r, *columns]), fmt=["%.3f", *["%.10g"] * len(columns)], header="r O-O O-H H-H"
    )


if __name__ == "__main__":
    main()
