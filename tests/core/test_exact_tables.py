# SPDX-License-Identifier: LGPL-3.0-or-later
"""The tables that evaluation makes of embedding nets stand for the nets: to rounding, always of the present weights.

DP_EXACT_NETS=1 is the oracle: the same model with the nets themselves. (Finite differences, symmetries and the numpy
formulas are tested with the tables in the other files, where nothing else is said.)
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import (
    ACTIVATIONS,
    DESCRIPTORS,
    KINKED,
    TENSOR_FITTINGS,
    evaluate,
    grid_system,
    make_config,
    make_statistics,
    make_tensor_config,
    make_tensors,
    model,
    odd_systems,
)
from training import LOSSES, LR, START_LR, make_batch
from where import ON_HOST, fixed_order, same_bits

SMOOTH = [a for a in ACTIVATIONS if a not in KINKED]
# of the largest value; the tables are accepted at 2e-11 of the slope of the net
LIMIT = {"float64": 2e-11, "float32": 2e-5}


def exact(monkeypatch, config, tensors, system):
    monkeypatch.setenv("DP_EXACT_NETS", "1")
    out = evaluate(model(config, tensors), system, atomic=True)
    monkeypatch.delenv("DP_EXACT_NETS")
    return out


def assert_stands_for(found, expected, limit):
    for key, value in expected.items():
        scale = np.abs(value).max()
        assert not np.abs(found[key] - value).max() > limit * scale, key


def with_tables(monkeypatch, config, tensors, system):
    """Results, and whether they come from tables: bit for bit those of the nets they cannot be."""
    monkeypatch.setenv("DP_EXACT_NETS", "0")
    found = evaluate(model(config, tensors), system, atomic=True)
    expected = exact(monkeypatch, config, tensors, system)
    return found, expected, not np.array_equal(found["force"], expected["force"])


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("kind", DESCRIPTORS[1:])
def test_other_descriptors(monkeypatch, precision, kind):
    config = make_config({"type": kind, "precision": precision, "type_one_side": True})
    found, expected, tabulated = with_tables(monkeypatch, config, make_tensors(config), grid_system())
    assert tabulated
    assert_stands_for(found, expected, LIMIT[precision])


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("kind", TENSOR_FITTINGS)
def test_tensors(monkeypatch, precision, kind):
    """The rotation matrix and its derivatives come from the tables too."""
    config = make_tensor_config(kind, None, {"precision": precision, "type_one_side": True})
    found, expected, tabulated = with_tables(monkeypatch, config, make_tensors(config), grid_system())
    assert tabulated
    assert_stands_for(found, expected, LIMIT[precision])


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("neuron", [[3], [4, 8], [7, 7, 14], [5, 20], [16, 33], [10, 65], [25, 50, 100]])
def test_every_width(monkeypatch, precision, neuron):
    """Widths below, at and beyond multiples of a vector register, and of the blocks of four."""
    config = make_config({"neuron": neuron, "axis_neuron": min(3, neuron[-1]), "precision": precision})
    found, expected, tabulated = with_tables(monkeypatch, config, make_tensors(config), grid_system())
    assert tabulated
    assert_stands_for(found, expected, LIMIT[precision])


@pytest.mark.parametrize(
    "changes", [{"type_one_side": True}, {"exclude_types": [[0, 1]]}, {"resnet_dt": True}, {"sel": [6, 5]}]
)
@pytest.mark.parametrize("activation", SMOOTH)
def test_every_kind(monkeypatch, activation, changes):
    config = make_config({"activation_function": activation, **changes})
    found, expected, tabulated = with_tables(monkeypatch, config, make_tensors(config), grid_system())
    assert tabulated
    assert_stands_for(found, expected, LIMIT["float64"])


@fixed_order
@pytest.mark.parametrize("activation", KINKED)
def test_nets_with_kinks_have_no_tables(monkeypatch, activation):
    config = make_config({"activation_function": activation})
    _, _, tabulated = with_tables(monkeypatch, config, make_tensors(config), grid_system())
    assert not tabulated


@pytest.mark.parametrize("precision", ["float64", "float32", "mixed"])
@pytest.mark.parametrize("factor", [0.1, 3, 10, 100, 1000])
def test_flat_and_steep_nets(monkeypatch, precision, factor):
    """Weights of the first layer up to 1000 times theirs: wide pieces, narrow ones, then none (nothing to see but that
    the nets do it)."""
    config = make_config({"precision": precision})
    tensors = make_tensors(config)
    first = [k for k in tensors if k.startswith("descriptor/net_") and k.endswith("layer_0/matrix")]
    for key in first:
        tensors[key] = factor * tensors[key]
    assert first
    found, expected, tabulated = with_tables(monkeypatch, config, tensors, grid_system())
    assert tabulated or factor > 3 or not ON_HOST  # quintic tables take less steep nets
    assert_stands_for(found, expected, LIMIT.get(precision, LIMIT["float32"]))


@pytest.mark.parametrize("system", odd_systems().values(), ids=odd_systems().keys())
def test_odd_systems(monkeypatch, system):
    config = make_config()
    found, expected, _ = with_tables(monkeypatch, config, make_tensors(config), system)
    assert_stands_for(found, expected, LIMIT["float64"])


@pytest.mark.parametrize("distance", [0.3, 0.55, 0.599, 0.601, 0.65])
def test_pairs_closer_than_the_tables_reach(monkeypatch, distance):
    """Nothing happens where the nets take over: other pairs of the tile, and the force across the border."""
    config = make_config()
    tensors = make_tensors(config)
    coord = np.zeros((1, 9))
    coord[0, 3:6] = [distance, 0, 0]
    coord[0, 6:9] = [0, 1.4, 0.3]
    types = np.array([0, 1, 1], dtype=np.int32)
    potential = model(config, tensors)
    found = potential.evaluate(coord, None, types, atomic=True)
    monkeypatch.setenv("DP_EXACT_NETS", "1")
    expected = model(config, tensors).evaluate(coord, None, types, atomic=True)
    assert_stands_for(found, expected, LIMIT["float64"])


@pytest.mark.skipif(not ON_HOST, reason="on a GPU one such pair takes its tile and type along")
@pytest.mark.parametrize("precision", ["float64", "float32", "mixed"])
@pytest.mark.parametrize("close", [[0.5], [0.5, 0.4, 0.3], [0.3, 0.35, 0.45, 0.55, 0.59]])
def test_only_pairs_closer_than_the_tables_reach_take_the_nets(monkeypatch, precision, close):
    """Two clusters, out of each other's sight, share tiles: what happens in the one leaves every bit of the other alone."""
    config = make_config({"precision": precision})
    tensors = make_tensors(config)
    types = np.array([0, 1, 1, 0, 1] + [k % 2 for k in range(len(close) + 1)], dtype=np.int32)

    def coord(shift):
        quiet = np.array([[0, 0, 0], [0.9, 0.2, 0], [-0.3, 1.1, 0.4], [1.8, 1.5, -0.7], [0.4, -1.2, 1.0]])
        chain = np.cumsum([0, *(np.array(close) + shift)])[:, None] * [0.48, -0.6, 0.64] + [40, 0, 0]
        return np.concatenate([quiet, chain]).reshape(1, -1)

    def run(shift):
        return model(config, tensors).evaluate(coord(shift), None, types, atomic=True)

    far, near = run(0.4), run(0.0)
    monkeypatch.setenv("DP_EXACT_NETS", "1")
    nets, expected = run(0.4), run(0.0)
    assert_stands_for(near, expected, LIMIT.get(precision, LIMIT["float32"]))
    mine = np.s_[0, :5]
    for key in ("atom_energy", "force", "atom_virial"):
        np.testing.assert_array_equal(near[key][mine], far[key][mine])
        assert not np.array_equal(near[key], far[key])
    assert not np.array_equal(nets["force"][mine], far["force"][mine])  # these came from tables


def test_training_and_evaluation_take_turns(monkeypatch):
    """Tables made before a training step do not outlive it, neither while a trainer holds the model nor afterwards."""
    config, system = make_config(), grid_system()
    potential = core.Model.create(json.dumps(config), make_statistics(config))
    before = evaluate(potential, system)
    trainer = core.Trainer(potential, json.dumps(LOSSES["all"]))
    batch = make_batch(system, potential)
    for _ in range(3):
        trainer.step(batch, LR, START_LR)
    during = evaluate(potential, system, atomic=True)
    expected = exact(monkeypatch, config, potential.tensors(), system)
    assert np.abs(during["force"] - before["force"]).max() > 1e-6
    for key, value in expected.items():
        assert same_bits(during[key], value), key
    del trainer
    assert_stands_for(evaluate(potential, system, atomic=True), expected, LIMIT["float64"])


def test_first_evaluations_from_several_threads():
    config, system = make_config(), grid_system()
    tensors = make_tensors(config)
    expected = evaluate(model(config, tensors), system)
    potential = model(config, tensors)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: evaluate(potential, system), range(8)):
            assert same_bits(found["force"], expected["force"])
