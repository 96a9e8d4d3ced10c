# SPDX-License-Identifier: LGPL-3.0-or-later
"""Lists, pairs and environment matrices of frames that come again are kept, and no number changes by it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import DESCRIPTORS, grid_system, make_config, make_statistics
from training import LOSSES, LR, START_LR, make_batch
from where import ON_HOST, fixed_order  # elsewhere lists alone are kept

STEPS = 24
MIB = 2**20


def systems():
    """Two of one size, with atoms that the model does not see in the second, and a cluster."""
    first = grid_system(4, 57)
    types = first.types.copy()
    types[[3, 20]] = -1
    cluster = grid_system(3, 14)
    return [first, first.moved(types=types), cluster.moved(box=None)]


def batches():
    """(what is done, batch): one to three frames in ever other orders, some twice in a batch."""
    rng = np.random.default_rng(3)
    out = []
    for k in range(STEPS):
        system = systems()[k % 3]
        frames = rng.integers(0, system.n_frames, 1 + k // 3 % 3)
        box = None if system.box is None else system.box[frames]
        batch = make_batch(system.moved(coord=system.coord[frames], box=box), seed=k)
        out.append(("losses" if k % 5 == 4 else "step", batch))
    return out


def run(monkeypatch, config, mebibytes):
    """Loss terms of all steps, weights, moments, and the bytes that were kept."""
    monkeypatch.setenv("DP_TRAIN_CACHE", mebibytes)
    potential = core.Model.create(json.dumps(config), make_statistics(config))
    trainer = core.Trainer(potential, json.dumps(LOSSES["all"]))
    terms = [getattr(trainer, what)(batch, LR, START_LR) for what, batch in batches()]
    return terms, {**potential.tensors(), **trainer.state()}, trainer.kept_bytes


@fixed_order
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", [*DESCRIPTORS, "tables", "loc_frame"])
def test_training_is_the_same_to_the_last_bit_with_what_is_kept(monkeypatch, name, precision):
    keys = {"sel": [9, 14], "precision": precision, "exclude_types": [[0, 0]]}
    if name == "tables":
        keys.update(type="hybrid", online_table=True)
    elif name in ("se_e3", "loc_frame"):
        keys.update(type=name, exclude_types=[])
    else:
        keys.update(type=name)
    if name == "loc_frame":
        if precision == "float32":
            pytest.skip("loc_frame has no nets and one precision")
        keys.update(rcut=4.5)
    config = make_config(keys)
    expected, tensors, none = run(monkeypatch, config, "0")
    assert none == 0
    for room in ("", "0.3"):
        terms, found, kept = run(monkeypatch, config, room)
        assert terms == expected
        assert [key for key in tensors if found[key].tobytes() != tensors[key].tobytes()] == []
        if room == "0.3":
            assert kept <= 0.3 * MIB
        elif ON_HOST:
            assert kept > 0.4 * MIB
        assert kept > (0.25 if room == "0.3" and ON_HOST else 0.1 if ON_HOST else 0) * MIB  # lists: 0.2 MiB


def test_pairs_are_kept_from_the_second_time_on(monkeypatch):
    monkeypatch.delenv("DP_TRAIN_CACHE", raising=False)
    config = make_config()
    trainer = core.Trainer(
        core.Model.create(json.dumps(config), make_statistics(config)), json.dumps(LOSSES["f"])
    )
    batch = make_batch(grid_system(1))
    kept = []
    for _ in range(4):
        trainer.step(batch, LR, START_LR)
        kept.append(trainer.kept_bytes)
    assert 0 < kept[0] <= kept[1] == kept[2] == kept[3]
    assert (kept[0] < kept[1]) == ON_HOST


@pytest.mark.parametrize("text", ["-1", "nan", "1 GB", "some"])
def test_room_that_is_no_number_is_refused(monkeypatch, text):
    monkeypatch.setenv("DP_TRAIN_CACHE", text)
    config = make_config()
    with pytest.raises(core.Error, match="DP_TRAIN_CACHE: expected a number of MiB from 0 on, got '" + text):
        core.Trainer(core.Model.create(json.dumps(config), make_statistics(config)), json.dumps(LOSSES["f"]))
