# SPDX-License-Identifier: LGPL-3.0-or-later
"""Write data/: atoms of one kind with charges of their own (aparam.npy), and energies and forces that depend on them.

E = sum over pairs of 14.4 eV A q_i q_j exp(-r/1.5 A)/r w(r) + 0.5 eV (2 A/r)^6 w(r),  w = (1 - (r/4 A)^2)^3
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SIDE, LENGTH, RCUT, SCREEN = (2, 3, 4), 2.6, 4.0, 1.5  # A
FRAMES = {"train": 40, "test": 10}


def pair(r, qq):
    """Energy and its derivative in eV, eV/A at distances r for products of charges qq."""
    coulomb = 14.4 * qq * np.exp(-r / SCREEN) / r
    repulsion = 0.5 * (2.0 / r) ** 6
    u = np.clip(1 - (r / RCUT) ** 2, 0, None)
    slope = -coulomb * (1 / SCREEN + 1 / r) - 6 * repulsion / r
    return (coulomb + repulsion) * u**3, slope * u**3 - (coulomb + repulsion) * 6 * u**2 * r / RCUT**2


def label(x, cell, q):
    """Energy, forces [n, 3] and virial [9] of a frame; images up to the next but one cell."""
    steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3) @ cell
    vector = x[None, None] + steps[:, None, None] - x[None, :, None]  # [image, i, j, 3]
    r = np.linalg.norm(vector, axis=-1)
    r[r < 1e-6] = 2 * RCUT
    energy, slope = pair(r, q[:, None] * q[None])
    gradient = 0.5 * (slope / r)[..., None] * vector  # of half of each pair, which is there twice
    virial = -np.einsum("sija,sijb->ab", gradient, vector)
    return 0.5 * energy.sum(), 2 * gradient.sum(axis=(0, 2)), virial.reshape(9)


def main():
    """Write the systems data/train and data/test."""
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*map(np.arange, SIDE), indexing="ij"), -1).reshape(-1, 3)
    cell = LENGTH * np.diag(SIDE)
    for name, n_frames in FRAMES.items():
        folder = HERE / "data" / name / "set.000"
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / "type.raw").write_text("0\n" * len(grid))
        (folder.parent / "type_map.raw").write_text("X\n")
        coord = LENGTH * grid + rng.uniform(-0.4, 0.4, (n_frames, len(grid), 3))
        charge = rng.uniform(-1, 1, (n_frames, len(grid)))
        energy, force, virial = zip(*(label(x, cell, q) for x, q in zip(coord, charge)))
        arrays = {
            "coord": coord,
            "box": np.tile(cell.reshape(1, 9), (n_frames, 1)),
            "energy": energy,
            "force": force,
            "virial": virial,
            "aparam": charge,
        }
        for key, values in arrays.items():
            np.save(folder / f"{key}.npy", np.reshape(values, (n_frames, -1)))


if __name__ == "__main__":
    main()
