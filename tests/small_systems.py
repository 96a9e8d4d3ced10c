# SPDX-License-Identifier: LGPL-3.0-or-later
"""Random small systems for the tests of the core.

They keep away from the few points where energies are not smooth enough for differences: pairs at ``rcut``
and ``rcut_smth`` (jumps of third derivatives) and ties at the end of ``sel`` (jumps of the energy).  Units: A.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

RCUT, RCUT_SMTH = 3.1, 1.2  # not exact in float32


@dataclass(frozen=True)
class System:
    """Frames of one composition: coord [nf, n*3], box [nf, 9] or None, types [n]."""

    coord: np.ndarray
    box: np.ndarray | None
    types: np.ndarray
    fparam: np.ndarray | None = None
    aparam: np.ndarray | None = None

    @property
    def n_frames(self):
        return len(self.coord)

    @property
    def n_atoms(self):
        return len(self.types)

    def moved(self, **changes):
        return replace(self, **changes)

    def with_params(self, numb_fparam=0, numb_aparam=0, seed=0):
        rng = np.random.default_rng([7, seed])
        return replace(
            self,
            fparam=rng.normal(size=(self.n_frames, numb_fparam)) if numb_fparam else None,
            aparam=rng.normal(size=(self.n_frames, self.n_atoms * numb_aparam)) if numb_aparam else None,
        )


def pair_vectors(positions, cell, rcut, pbc=(True, True, True)):
    """All pairs with |R_ij| < rcut by brute force, images included: i [p], j [p], R_ij [p, 3]."""
    positions = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    shifts = np.zeros((1, 3))
    if cell is not None and any(pbc):
        cell = np.asarray(cell, dtype=np.float64).reshape(3, 3)
        inverse = np.linalg.inv(cell)
        spread = np.ptp(positions @ inverse, axis=0)
        reach = np.ceil(rcut * np.linalg.norm(inverse, axis=0) + spread + 1e-9).astype(int)
        ranges = [np.arange(-n, n + 1) if p else np.zeros(1, int) for n, p in zip(reach, pbc)]
        shifts = np.stack(np.meshgrid(*ranges, indexing="ij"), -1).reshape(-1, 3) @ cell
    vectors = positions[None, :, None] + shifts[None, None] - positions[:, None, None]
    length = np.linalg.norm(vectors, axis=-1)
    itself = np.eye(len(positions), dtype=bool)[:, :, None] & np.all(shifts == 0, axis=1)[None, None]
    i, j, s = np.nonzero((length < rcut) & ~itself)
    return i, j, vectors[i, j, s]


def is_smooth(positions, cell, types, sel, closest):
    """Whether differences of energies make sense here; see the head of the file."""
    i, j, vectors = pair_vectors(positions, cell, RCUT + 0.05)
    r = np.linalg.norm(vectors, axis=1)
    if np.any(r < closest) or np.any(np.abs(r - RCUT) < 0.02) or np.any(np.abs(r - RCUT_SMTH) < 0.02):
        return False
    for a in range(len(types)):
        for b, size in enumerate(sel):
            mine = np.sort(r[(i == a) & (types[j] == b) & (r < RCUT)])
            if len(mine) > size > 0 and mine[size] - mine[size - 1] < 0.03:
                return False
    return True


def random_system(types, cell, n_frames=1, seed=0, sel=(100, 100, 100), closest=0.8, spread=None):
    """Atoms at random in a cell (rows are vectors), or in a cube of edge `spread` without periodicity."""
    types = np.asarray(types)
    rng = np.random.default_rng([11, seed])
    span = np.eye(3) * spread if cell is None else np.asarray(cell, dtype=np.float64)
    frames, tries = [], 0
    while len(frames) < n_frames:
        tries += 1
        assert tries < 20000, "no smooth configuration found: take other numbers"
        # -0.3 to 1.3: some atoms lie outside of the cell
        low, high = (0.0, 1.0) if cell is None else (-0.3, 1.3)
        positions = rng.uniform(low, high, (len(types), 3)) @ span
        if is_smooth(positions, None if cell is None else span, types, sel, closest):
            frames.append(positions.reshape(-1))
    box = None if cell is None else np.tile(span.reshape(-1), (n_frames, 1))
    return System(np.array(frames), box, types)


TRICLINIC = ((4.6, 0.0, 0.0), (1.3, 4.3, 0.0), (-0.9, 0.8, 4.9))
SMALL_SEL = (2, 3)  # fewer slots than neighbours


def grid_system(n_frames=3, n_atoms=57):
    """Many atoms on a disturbed grid in a triclinic cell, types mixed at random: enough for several tiles.

    Pairs may lie at the cut-off: not for differences by positions.
    """
    rng = np.random.default_rng(4)
    cell = np.array([[8.0, 0, 0], [1.0, 8.0, 0], [0, -0.5, 8.0]])
    grid = np.stack(np.meshgrid(*[np.arange(4) / 4.0] * 3, indexing="ij"), -1).reshape(-1, 3)[:n_atoms]
    coord = (grid + rng.uniform(-0.06, 0.06, (n_frames, n_atoms, 3))) @ cell
    box = np.tile(cell.reshape(-1), (n_frames, 1))
    return System(coord.reshape(n_frames, -1), box, rng.integers(0, 2, n_atoms))


def odd_systems():
    """The systems every quantity is tested on, by name; types 0 and 1."""
    cluster = random_system([1, 0, 1, 1], None, seed=4, spread=2.6)
    lonely = np.concatenate([cluster.coord.reshape(-1, 3), [[9.0, 9.5, 8.0]]])
    return {
        "triclinic": random_system([0, 1, 1, 0, 1, 1], TRICLINIC, seed=1),
        "tiny box": random_system([1, 0, 1], ((2.3, 0, 0), (0.2, 3.5, 0), (0, 0.4, 2.9)), seed=2),
        "not periodic": random_system([0, 1, 0, 1, 1], None, seed=3, spread=2.9),
        "one atom": random_system([1], ((2.1, 0, 0), (0.5, 2.2, 0), (0.1, 0.3, 2.6)), seed=5),
        "type absent": random_system([1, 1, 1, 1], TRICLINIC, seed=6),
        "isolated atom": System(lonely.reshape(1, -1), None, np.array([1, 0, 1, 1, 0])),
        "more than sel": random_system([0, 1, 1, 0, 1, 1, 0], None, seed=7, sel=SMALL_SEL, spread=2.6),
        "several frames": random_system([1, 0, 1, 1, 0], TRICLINIC, n_frames=3, seed=8),
    }
