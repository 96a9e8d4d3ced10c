# SPDX-License-Identifier: LGPL-3.0-or-later
"""Models with the descriptor se_a_tpe: what is special about them.

The tests of test_oracle.py, test_forces.py, test_gradients.py, test_symmetry.py, test_properties.py,
test_precision.py and test_exact_tables.py that go over `gradcheck.DESCRIPTORS` have them too.
"""

from __future__ import annotations

import json

import numpy as np
import parameter_gradients
import pytest
from dpcore import _core as core
from gradcheck import (
    TENSOR_FITTINGS,
    TRICLINIC,
    assert_close,
    evaluate,
    grid_system,
    make_config,
    make_tensor_config,
    make_tensors,
    model,
    odd_systems,
    random_system,
)
from reference import tensor as tensor_oracle
from training import LOSSES, LR, START_LR, make_batch
from where import same_bits

from core import test_oracle

pytestmark = pytest.mark.usefixtures("exact_nets")

SYSTEMS = odd_systems()
THREE = random_system([2, 0, 2, 1, 1], TRICLINIC, n_frames=2, seed=9)


def config_of(fitting=None, type_map=("A", "B"), **descriptor):
    return make_config({"type": "se_a_tpe", **descriptor}, fitting, type_map)


def check_gradients(config, system=SYSTEMS["triclinic"]):
    return parameter_gradients.check(parameter_gradients.LossOfParameters(config, system, LOSSES["all"]))


@pytest.mark.parametrize("one_side", [False, True])
@pytest.mark.parametrize("channels, layers", [(1, 1), (2, 1), (4, 2), (5, 4)])
def test_channels_and_layers(one_side, channels, layers):
    config = config_of(type_one_side=one_side, type_nchanl=channels, type_nlayer=layers)
    shapes = {k: v.shape for k, v in make_tensors(config).items()}
    assert shapes["descriptor/amplify/layer_0/matrix"] == (6, 6 * channels ** (1 if one_side else 2))
    assert shapes[f"descriptor/types/layer_{layers}/matrix"] == (channels, channels)
    test_oracle.check(config, SYSTEMS["several frames"])
    parameter_gradients.assert_nonzero(check_gradients(config))


@pytest.mark.parametrize("one_side", [False, True])
def test_three_types(one_side):
    config = config_of(type_map=("A", "B", "C"), type_one_side=one_side, exclude_types=[[0, 2]])
    test_oracle.check(config, THREE)
    parameter_gradients.assert_nonzero(check_gradients(config, THREE))


@pytest.mark.parametrize("one_side", [False, True])
def test_every_element(one_side):
    """Not only along random directions: every number of the net of the types and of the amplifying layer."""
    keys = {"neuron": [2, 4], "axis_neuron": 2, "sel": [6, 8], "type_nchanl": 2, "type_one_side": one_side}
    config = config_of({"neuron": [4, 4]}, **keys)
    loss = parameter_gradients.LossOfParameters(config, SYSTEMS["triclinic"], LOSSES["all"])
    for name, gradient in loss.gradients().items():
        if "/types/" not in name and "/amplify/" not in name:
            continue
        expected = np.empty_like(gradient)
        for index in np.ndindex(gradient.shape):
            unit = np.zeros_like(gradient)
            unit[index] = 1.0
            expected[index] = loss.along({name: unit})
        assert_close(gradient, expected, "gradient", name, loss.noise)


@pytest.mark.parametrize("one_side", [False, True])
def test_channels_that_do_nothing_leave_se_e2_a(one_side):
    """Channels of 1 and an amplifying layer that repeats its inputs: G is that of one net for all types."""
    config = config_of(type_one_side=one_side)
    tensors = make_tensors(config)
    last, amplify = "descriptor/types/layer_2", "descriptor/amplify/layer_0"
    tensors[f"{last}/matrix"] *= 0.0
    tensors[f"{last}/bias"] = np.ones(3)
    tensors[f"{amplify}/matrix"] = np.repeat(np.eye(6), 3 if one_side else 9, axis=1)
    tensors[f"{amplify}/bias"] *= 0.0
    plain = make_config({"type_one_side": one_side})
    nets = ("net_0", "net_1") if one_side else ("net_0_0", "net_0_1", "net_1_0", "net_1_1")
    same = {k: v for k, v in tensors.items() if not k.startswith("descriptor/") or k.count("/") == 1}
    for name, value in tensors.items():
        if name.startswith("descriptor/net/"):
            same.update({name.replace("/net/", f"/{net}/"): value for net in nets})
    found = evaluate(model(config, tensors), SYSTEMS["triclinic"], atomic=True)
    for key, value in evaluate(model(plain, same), SYSTEMS["triclinic"], atomic=True).items():
        assert_close(found[key], value, "rounding", key)


@pytest.mark.parametrize("kind", TENSOR_FITTINGS)
@pytest.mark.parametrize("one_side", [False, True])
def test_tensors(kind, one_side):
    keys = {"type": "se_a_tpe", "type_nchanl": 2, "type_nlayer": 1, "type_one_side": one_side}
    config = make_tensor_config(kind, [1], keys)
    tensors, system = make_tensors(config), SYSTEMS["triclinic"]
    found = model(config, tensors).evaluate(system.coord, system.box, system.types, atomic=True)
    expected = tensor_oracle.evaluate(config, tensors, system.coord, system.box, system.types)
    assert_close(found["atom_energy"], expected, "oracle")


def test_two_parts_of_a_hybrid_descriptor_have_channels_of_their_own():
    first = config_of(type_one_side=True)["descriptor"]
    second = config_of(type_nchanl=2, sel=[9, 9], activation_function="gelu")["descriptor"]
    config = {**make_config(), "descriptor": {"type": "hybrid", "list": [first, second]}}
    test_oracle.check(config, SYSTEMS["triclinic"])
    parameter_gradients.assert_nonzero(check_gradients(config))


def test_with_type_embedding_the_fitting_net_alone_has_the_types():
    config = make_config({"type": "type_embedding"})
    config["descriptor"] = config_of()["descriptor"]
    names = list(make_tensors(config))
    assert {"fitting/net/layer_0/matrix", "descriptor/types/layer_0/matrix"} <= set(names)
    test_oracle.check(config, SYSTEMS["triclinic"])
    parameter_gradients.assert_nonzero(check_gradients(config))


@pytest.mark.parametrize("precision, limit", [("float64", 1e-6), ("float32", 1e-4)])
@pytest.mark.parametrize("one_side", [False, True])
def test_gradients_with_tables_are_those_of_the_nets(one_side, precision, limit):
    keys = {"neuron": [6, 12, 24], "axis_neuron": 10, "sel": [30, 30], "precision": precision}
    system, found, batch = grid_system(4), [], None
    for table in (False, True):
        config = config_of(type_one_side=one_side, online_table=table, **keys)
        potential = model(config, make_tensors(config))
        trainer = core.Trainer(potential, json.dumps(LOSSES["all"]))
        batch = batch or make_batch(system, potential)
        found.append(trainer.gradients(batch, LR, START_LR))
    for name, value in found[0].items():
        error = np.linalg.norm(found[1][name] - value) / np.linalg.norm(value)
        assert error <= limit, f"{name}: {error:.1e}"
        assert not np.array_equal(found[1][name], value) or name.startswith("fitting"), name


def test_what_is_derived_follows_the_weights_in_training():
    """After steps the model gives what a new one with its weights gives; so do tables made before."""
    config, system = config_of(), grid_system()
    potential = model(config, make_tensors(config))
    before = evaluate(potential, system)
    trainer = core.Trainer(potential, json.dumps(LOSSES["all"]))
    batch = make_batch(system, potential)
    for _ in range(3):
        trainer.step(batch, LR, START_LR)
    tensors = potential.tensors()
    assert not any("pairs" in name for name in tensors)
    found, expected = evaluate(potential, system), evaluate(model(config, tensors), system)
    for key, value in expected.items():
        assert same_bits(found[key], value), key
    assert np.abs(found["force"] - before["force"]).max() > 1e-6


def test_fixed_descriptor_has_no_gradients():
    config = config_of(trainable=False)
    potential = model(config, make_tensors(config))
    trainer = core.Trainer(potential, json.dumps(LOSSES["all"]))
    gradients = trainer.gradients(make_batch(SYSTEMS["triclinic"], potential), LR, START_LR)
    assert gradients and all(name.startswith("fitting/") for name in gradients)


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("type_nchanl", 0, "at least one channel"),
        ("type_nlayer", 0, "at least one layer"),
        ("numb_aparam", 1, "only with type_one_side"),
        ("numb_aparam", -1, "a number >= 0"),
        ("type_nchanl", 2**14, "32 bits"),
    ],
)
def test_values_that_make_no_model(key, value, message):
    with pytest.raises(core.Error, match=f"{key}.*{message}"):
        core.Model.create(json.dumps(config_of(**{key: value})), {})
