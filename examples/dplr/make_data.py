# SPDX-License-Identifier: LGPL-3.0-or-later
"""Write data/: frames of the water example with displacements of the electrons of each molecule as labels, and
data/water.lmp, a frame for LAMMPS.

The centre of a molecule's eight valence electrons stands beside its oxygen, 0.13 times the sum of the vectors to its
two hydrogens away (A), the label ``atomic_dipole`` of the oxygen.  Energies and forces are those of the water
example.  Real labels are the mean of the Wannier centres of an atom minus its position, in the same file.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
WATER = HERE.parent / "water" / "data"
SHARE = 0.13
FRAMES = {"train": 30, "test": 10}


def main():
    """Write the systems data/train and data/test."""
    for name, n_frames in FRAMES.items():
        arrays = {
            k: np.load(WATER / name / "set.000" / f"{k}.npy")[:n_frames]
            for k in ("coord", "box", "energy", "force")
        }
        types = np.loadtxt(WATER / name / "type.raw", dtype=int)
        folder = HERE / "data" / name / "set.000"
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("type.raw", "type_map.raw"):
            (folder.parent / file).write_text((WATER / name / file).read_text())
        x = arrays["coord"].reshape(n_frames, -1, 3).astype(float)
        cell = arrays["box"].reshape(n_frames, 3, 3).astype(float)
        oxygen, hydrogen = np.flatnonzero(types == 0), np.flatnonzero(types == 1)
        # vectors from each oxygen to every hydrogen, by the nearest image; the two nearest are its own
        vector = x[:, None, hydrogen] - x[:, oxygen, None]
        fraction = np.einsum("foha,fab->fohb", vector, np.linalg.inv(cell))
        vector -= np.einsum("foha,fab->fohb", np.round(fraction), cell)
        near = np.argsort(np.linalg.norm(vector, axis=-1), axis=-1)[..., :2, None]
        arrays["atomic_dipole"] = SHARE * np.take_along_axis(vector, near, axis=2).sum(axis=2).reshape(
            n_frames, -1
        )
        for key, values in arrays.items():
            np.save(folder / f"{key}.npy", values.astype(np.float32))
    write_lammps(HERE / "data" / "water.lmp", types, x[0], cell[0])


def write_lammps(path, types, x, cell):
    """Atoms with their charges, a centre on each oxygen (LAMMPS moves it to its place), and the bonds between them."""
    charge, mass = (6, 1, -8), (15.999, 1.008, 15.999)
    oxygen, n = np.flatnonzero(types == 0), len(types)
    types, x = np.append(types, np.full(len(oxygen), 2)), np.concatenate([x, x[oxygen]])
    lines = ["water for DPLR", "", f"{len(x)} atoms", "3 atom types", f"{len(oxygen)} bonds", "1 bond types"]
    lines += [f"0.0 {cell[d, d]:.8f} {c}lo {c}hi" for d, c in enumerate("xyz")]
    lines += ["", "Masses", "", *(f"{t} {m}" for t, m in enumerate(mass, 1)), "", "Atoms  # full", ""]
    for i, (t, (a, b, c)) in enumerate(zip(types, x), 1):
        lines.append(f"{i} 0 {t + 1} {charge[t]} {a:.8f} {b:.8f} {c:.8f}")
    lines += ["", "Bonds", "", *(f"{k} 1 {i + 1} {n + k}" for k, i in enumerate(oxygen, 1))]
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
