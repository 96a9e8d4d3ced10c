#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""Write water.data: the first frame of examples/water/data/test as a LAMMPS data file."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "water/data/test"

types = np.loadtxt(DATA / "type.raw", dtype=int)
coord = np.load(DATA / "set.000/coord.npy")[0].reshape(-1, 3)
box = np.load(DATA / "set.000/box.npy")[0].reshape(3, 3)

lines = ["water, from examples/water/data/test", "", f"{len(types)} atoms", "2 atom types"]
lines += [f"0.0 {box[d, d]:.8f} {c}lo {c}hi" for d, c in enumerate("xyz")]
lines += ["", "Masses", "", "1 15.999  # O", "2 1.008   # H", "", "Atoms  # atomic", ""]
lines += [f"{i} {t + 1} {x:.8f} {y:.8f} {z:.8f}" for i, (t, (x, y, z)) in enumerate(zip(types, coord), 1)]
(HERE / "water.data").write_text("\n".join(lines) + "\n")
