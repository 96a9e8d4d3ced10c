# SPDX-License-Identifier: LGPL-3.0-or-later
"""Models evaluated in another precision than that of their file.

The oracle of a precision is the same model in float64, with limits from the rounding of float32 (6e-8) and some hundred
operations; those of "mixed" are below those of "low" because its sums over neighbours are in float64.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import (
    DESCRIPTORS,
    TENSOR_FITTINGS,
    TOLERANCE,
    descriptor_parts,
    evaluate,
    grid_system,
    make_config,
    make_tensor_config,
    make_tensors,
)
from reference.agreement import relative_error
from training import LOSSES, LR, START_LR, make_batch
from where import same_bits

WORDS = ("high", "mixed", "low")
# a dense system: more neighbours of each type than the run of pairs that is added up in float32
DENSE = {"rcut": 4.9, "sel": [60, 60]}


def opened(config, tensors, precision):
    return core.Model(json.dumps(config), tensors, precision)


def in_precision(config, word):
    """The config with all nets in that precision."""
    config = json.loads(json.dumps(config))
    for _, part in descriptor_parts(config):
        part["precision"] = word
    config["fitting_net"]["precision"] = word
    return config


def assert_same(found, expected, single=False):
    for key, value in expected.items():
        assert same_bits(found[key], value, single), key


def assert_close(found, expected, limit):
    for key, value in expected.items():
        assert not relative_error(found[key], value) > limit, key
        assert not np.array_equal(found[key], value), f"{key} was not computed in another precision"


@pytest.mark.parametrize("kind", DESCRIPTORS)
def test_high_and_low_are_the_precisions_of_model_files(kind):
    """Bit for bit what a file with float64 or float32 nets gives, whatever the precision of this one."""
    double, system = make_config({"type": kind}), grid_system()
    single = in_precision(double, "float32")
    weights = core.Model(json.dumps(single), make_tensors(double)).tensors()  # rounded to float32
    expected = {
        "high": evaluate(core.Model(json.dumps(double), weights), system, atomic=True),
        "low": evaluate(core.Model(json.dumps(single), weights), system, atomic=True),
    }
    assert_close(expected["low"], expected["high"], TOLERANCE["float32"])
    for config, stored in ((double, "high"), (single, "low")):
        assert_same(
            evaluate(opened(config, weights, None), system, atomic=True), expected[stored], stored == "low"
        )
        for word in ("high", "low"):
            model = opened(config, weights, word)
            assert model.precision == word and json.loads(model.config) == config
            assert_same(evaluate(model, system, atomic=True), expected[word], word == "low")


@pytest.mark.parametrize("stored", ["float64", "float32"])
@pytest.mark.parametrize("kind", DESCRIPTORS)
def test_mixed_has_the_accuracy_of_its_sums(kind, stored):
    config, system = in_precision(make_config({"type": kind, **DENSE}), stored), grid_system()
    tensors = make_tensors(config)
    high, mixed, low = (evaluate(opened(config, tensors, w), system, atomic=True) for w in WORDS)
    assert_close(mixed, high, TOLERANCE["float32"])
    assert_close(low, high, TOLERANCE["float32"])


@pytest.mark.parametrize("neuron", [[3], [5, 20], [16, 33], [10, 65], [25, 50, 100]])
def test_mixed_with_every_width(neuron):
    """Widths below, at and beyond multiples of the vector registers of both precisions."""
    config = make_config({"neuron": neuron, "axis_neuron": min(3, neuron[-1]), **DENSE})
    tensors, system = make_tensors(config), grid_system()
    high, mixed = (evaluate(opened(config, tensors, w), system, atomic=True) for w in WORDS[:2])
    assert_close(mixed, high, TOLERANCE["float32"])


def test_sums_over_neighbours_are_double_in_mixed():
    """The descriptor alone, before a fitting net in float64: its error is smaller than with sums in float32."""
    config = make_config({"neuron": [25, 50, 100], "axis_neuron": 16, **DENSE})
    tensors, system, force = make_tensors(config), grid_system(), {}
    for word in ("float64", "mixed", "float32"):
        config["descriptor"]["precision"] = word
        force[word] = evaluate(opened(config, tensors, None), system)["force"]
    errors = {w: float(np.sqrt(np.mean((f - force["float64"]) ** 2))) for w, f in force.items()}
    assert 0 < errors["mixed"] < 0.7 * errors["float32"], errors


@pytest.mark.parametrize("kind", TENSOR_FITTINGS)
@pytest.mark.parametrize("word", ["mixed", "low"])
def test_tensors(kind, word):
    config = make_tensor_config(kind, None, DENSE)
    tensors, system = make_tensors(config), grid_system()
    high = evaluate(opened(config, tensors, "high"), system, atomic=True)
    assert_close(evaluate(opened(config, tensors, word), system, atomic=True), high, TOLERANCE["float32"])


@pytest.mark.parametrize("way", ["by pieces", "by tables"])
@pytest.mark.parametrize("outside", ["net", "linear"])
@pytest.mark.parametrize("word", ["mixed", "low"])
def test_compressed_models_and_pairs_that_are_too_close(monkeypatch, outside, word, way):
    monkeypatch.setenv("DP_EXACT_NETS", "0" if way == "by pieces" else "1")
    recipe = {"min_nbor_dist": 1.5, "step": 0.01, "extrapolate": 1, "outside": outside}
    config = make_config({"compress": recipe, "type_one_side": True})
    tensors = make_tensors(config)
    coord = np.array([[0, 0, 0, 0.7, 0, 0, 0, 1.9, 0.3, 1.8, 1.9, 0.1]])
    types = np.array([0, 1, 1, 1], dtype=np.int32)
    models = [opened(config, tensors, w) for w in ("high", word)]
    high, found = (m.evaluate(coord, None, types, atomic=True) for m in models)
    assert [m.outside_tables()["pairs"] for m in models] == [2, 2]
    assert_close(found, high, TOLERANCE["float32"])


def test_without_tables_mixed_has_its_descriptor_in_double(monkeypatch):
    monkeypatch.setenv("DP_EXACT_NETS", "1")
    config, system = make_config(), grid_system()
    tensors = make_tensors(config)
    fitting = json.loads(json.dumps(config))
    fitting["fitting_net"]["precision"] = "float32"
    expected = evaluate(opened(fitting, tensors, None), system, atomic=True)
    assert_same(evaluate(opened(config, tensors, "mixed"), system, atomic=True), expected, single=True)


def test_words(monkeypatch):
    monkeypatch.delenv("DP_INTERFACE_PREC", raising=False)
    config = make_config()
    tensors = make_tensors(config)
    assert core.precision("") == core.precision() == "stored"
    assert opened(config, tensors, None).precision == opened(config, tensors, "").precision == "stored"
    monkeypatch.setenv("DP_INTERFACE_PREC", "low")
    assert core.precision("") == "low" and core.precision("mixed") == "mixed"
    assert opened(config, tensors, None).precision == "stored"
    assert opened(config, tensors, "").precision == "low"
    for wrong in ("double", "HIGH", "stored"):
        with pytest.raises(core.Error, match=f"^precision: expected high, mixed or low, got '{wrong}'"):
            core.precision(wrong)
        monkeypatch.setenv("DP_INTERFACE_PREC", wrong)
        with pytest.raises(
            core.Error, match=f"DP_INTERFACE_PREC: expected high, mixed or low, got '{wrong}'"
        ):
            opened(config, tensors, "")


def test_training_has_the_precision_of_the_config(monkeypatch):
    config, system = make_config(), grid_system(n_frames=1, n_atoms=12)
    tensors = make_tensors(config)

    def losses():
        model = opened(config, tensors, None)
        trainer = core.Trainer(model, json.dumps(LOSSES["all"]))
        return [trainer.step(make_batch(system), LR, START_LR)["rmse"] for _ in range(2)]

    expected = losses()
    monkeypatch.setenv("DP_INTERFACE_PREC", "low")
    assert losses() == expected
    with pytest.raises(core.Error, match="opened in low precision, which is for evaluation"):
        core.Trainer(opened(config, tensors, ""), json.dumps(LOSSES["all"]))
