# SPDX-License-Identifier: LGPL-3.0-or-later
"""Write data/: frames of the water example with the dipoles of a point-charge model as labels.

A molecule's dipole is 0.41 e times the vectors from its oxygen to its hydrogens (e*A), a label of the
oxygen; the dipole of a frame is their sum.  Real labels come from Wannier centres, in the same files.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
WATER = HERE.parent / "water" / "data"
CHARGE = 0.41
FRAMES = {"train": 30, "test": 10}


def main():
    """Write the systems data/train and data/test."""
    for name, n_frames in FRAMES.items():
        coord, box = (np.load(WATER / name / "set.000" / f"{k}.npy")[:n_frames] for k in ("coord", "box"))
        types = np.loadtxt(WATER / name / "type.raw", dtype=int)
        folder = HERE / "data" / name / "set.000"
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("type.raw", "type_map.raw"):
            (folder.parent / file).write_text((WATER / name / file).read_text())
        x, cell = coord.reshape(n_frames, -1, 3).astype(float), box.reshape(n_frames, 3, 3).astype(float)
        oxygen, hydrogen = np.flatnonzero(types == 0), np.flatnonzero(types == 1)
        # vectors from each oxygen to every hydrogen, by the nearest image; the two nearest are its own
        vector = x[:, None, hydrogen] - x[:, oxygen, None]
        fraction = np.einsum("foha,fab->fohb", vector, np.linalg.inv(cell))
        vector -= np.einsum("foha,fab->fohb", np.round(fraction), cell)
        near = np.argsort(np.linalg.norm(vector, axis=-1), axis=-1)[..., :2, None]
        atomic = CHARGE * np.take_along_axis(vector, near, axis=2).sum(axis=2)
        arrays = {
            "coord": coord,
            "box": box,
            "atomic_dipole": atomic.reshape(n_frames, -1),
            "dipole": atomic.sum(axis=1),
        }
        for key, values in arrays.items():
            np.save(folder / f"{key}.npy", values.astype(np.float32))


if __name__ == "__main__":
    main()
