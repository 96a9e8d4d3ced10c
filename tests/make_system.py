# SPDX-License-Identifier: LGPL-3.0-or-later
"""Small data systems for tests, and where the shared reference data are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

SHARED = Path(os.environ.get("DPCORE_TEST_DATA", Path(__file__).resolve().parents[2] / "shared"))


def random_frames(n_frames, n_atoms, seed=0, pbc=True):
    """All arrays of a set: random numbers of the right shapes, atoms well apart from each other."""
    rng = np.random.RandomState(seed)
    grid = np.stack(np.meshgrid(*[np.arange(4.0)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n_atoms]
    coord = (2.0 * grid + 0.3 * rng.rand(n_frames, n_atoms, 3)).reshape(n_frames, -1)
    out = {
        "coord": coord,
        "energy": rng.randn(n_frames),
        "force": rng.randn(n_frames, 3 * n_atoms),
        "virial": rng.randn(n_frames, 9),
        "atom_ener": rng.randn(n_frames, n_atoms),
        "atom_pref": rng.rand(n_frames, n_atoms),
        "fparam": rng.rand(n_frames, 2),
        "aparam": rng.rand(n_frames, 3 * n_atoms),
        "dipole": rng.randn(n_frames, 3),
        "atomic_dipole": rng.randn(n_frames, 3 * n_atoms),
        "polarizability": rng.randn(n_frames, 9),
        "atomic_polarizability": rng.randn(n_frames, 9 * n_atoms),
    }
    if pbc:
        out["box"] = np.tile(np.diag([8.0, 8.5, 9.0]).ravel(), (n_frames, 1))
    return out


def make_system(
    path,
    sizes=(4,),
    types=(0, 1, 1),
    names=("O", "H"),
    pbc=True,
    keys=("coord", "box", "energy", "force"),
    seed=0,
    dtype=np.float64,
    text=False,
):
    """Write a system of one set for each of `sizes` frames; return the arrays of each set."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / "type.raw").write_text("\n".join(str(t) for t in types) + "\n")
    if names is not None:
        (path / "type_map.raw").write_text("\n".join(names) + "\n")
    if not pbc:
        (path / "nopbc").touch()
    sets = []
    for index, size in enumerate(sizes):
        arrays = random_frames(size, len(types), seed + index, pbc)
        arrays = {k: v.astype(dtype) for k, v in arrays.items() if k in keys}
        folder = path if text else path / f"set.{index:03d}"
        folder.mkdir(exist_ok=True)
        for key, value in arrays.items():
            if text:
                np.savetxt(folder / f"{key}.raw", value.reshape(size, -1))
            else:
                np.save(folder / f"{key}.npy", value)
        sets.append(arrays)
    return sets
