# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which batches a training draws, in order of time, and what DeePMD-kit 3.2.0 draws for the same input.

A batch is written as part, system, ``.``, set, ``:`` and its frames: ``t0.1:31`` are frames 3 and 1 of the second
set of the first training system, ``v`` is validation.  The systems are named by `SYSTEMS`; the first batch drawn
after the statistics is the one that is not trained on.  tests/peer/test_frame_order_peer.py makes the lists.
"""

from __future__ import annotations

import numpy as np
from make_system import make_system
from training_case import write_input

SYSTEMS = {"training": ("train_a", "train_b"), "validation": ("valid", "valid_b")}
SIZES = {"train_a": (3, 2), "train_b": (7,), "valid": (3,), "valid_b": (4, 4)}
STEPS = 12
CHANGES = {
    "model/descriptor/sel": [4, 4],
    "model/data_stat_nbatch": 2,
    "training/training_data": {"systems": list(SYSTEMS["training"]), "batch_size": [1, 2]},
    "training/validation_data": {"systems": list(SYSTEMS["validation"]), "batch_size": 1, "numb_btch": 2},
    "training/numb_steps": STEPS,
    "training/disp_freq": 3,
    "training/save_freq": 3,
}

STATISTICS = """
    t0.0:0 t0.0:1 t1.0:06 t1.0:34
"""
FRESH = """
    t1.0:52 t1.0:46 v1.0:1 v0.0:2 t0.0:2 t0.1:1 t1.0:05 v1.0:2 v1.0:3 t0.1:0 t1.0:31 t0.0:2 v1.0:0
    v1.1:1 t0.0:0 t1.0:41 t0.0:1 v1.1:2 v0.0:0 t0.1:1 t0.1:0 t0.0:1 v0.0:1 v1.1:0
"""
STARTED = """
    t0.0:0 t0.0:2 v1.0:0 v1.0:2 t0.0:1 t0.1:1 t0.1:0 v0.0:1 v0.0:2 t0.0:0 t0.0:1 t0.0:2 v1.0:1 v1.0:3
    t0.1:1 t1.0:14 t0.1:0 v1.1:0 v1.1:2 t0.0:0 t0.0:2 t1.0:03 v0.0:0 v0.0:2
"""


def make_order_case(folder):
    """Four systems and input.json."""
    for seed, (name, sizes) in enumerate(SIZES.items()):
        make_system(folder / name, sizes=sizes, types=(0, 1, 1, 0), seed=10 * seed)
    write_input(folder / "input.json", CHANGES)


def frames_by_energy(folder):
    """{energy: (system, set, frame)}; the energies are all different."""
    out = {}
    for names in SYSTEMS.values():
        for index, name in enumerate(names):
            for number, path in enumerate(sorted((folder / name).glob("set.*"))):
                for frame, energy in enumerate(np.load(path / "energy.npy").ravel()):
                    out[float(energy)] = (index, number, frame)
    assert len(out) == sum(map(sum, SIZES.values()))
    return out


def token(part, system, set_index, frames):
    """A batch as text."""
    return f"{part[0]}{system}.{set_index}:{''.join(map(str, frames))}"


def trace(monkeypatch):
    """A list that fills with what is drawn from now on."""
    from dpcore.data import DataCollection

    drawn, draw = [], DataCollection.draw

    def wrapped(self, system=None):
        found = draw(self, system)
        drawn.append(token(self.name, *found))
        return found

    monkeypatch.setattr(DataCollection, "draw", wrapped)
    return drawn
