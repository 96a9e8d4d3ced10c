# SPDX-License-Identifier: LGPL-3.0-or-later
"""Models with type embedding: what is special about them.

The tests of test_oracle.py, test_forces.py, test_gradients.py, test_symmetry.py and test_exact_tables.py
that go over `gradcheck.DESCRIPTORS` have them too.
"""

from __future__ import annotations

import json

import numpy as np
import parameter_gradients
import pytest
from dpcore import _core
from gradcheck import (
    TYPE_EMBEDDING,
    assert_close,
    evaluate,
    grid_system,
    make_config,
    make_tensor_config,
    make_tensors,
    model,
    odd_systems,
)
from reference import se_e2_a as oracle
from reference import tensor as tensor_oracle
from reference.agreement import relative_error
from training import LOSSES, LR, START_LR, make_batch, make_tensor_batch

from core import test_oracle

pytestmark = pytest.mark.usefixtures("exact_nets")

SYSTEMS = odd_systems()


def config_of(descriptor=None, fitting=None, type_map=("A", "B"), **types):
    config = make_config({"type": "type_embedding", **(descriptor or {})}, fitting, type_map)
    config["type_embedding"].update(types)
    return config


def check_gradients(config, name="triclinic"):
    loss = parameter_gradients.LossOfParameters(config, SYSTEMS[name], LOSSES["all"])
    return parameter_gradients.check(loss)


# a first layer as wide as its input [s, te] or [s, te, te], or twice as wide, adds the input: also te
@pytest.mark.parametrize("one_side, width", [(True, 5), (True, 10), (False, 9), (False, 18), (True, 7)])
@pytest.mark.parametrize("resnet_dt", [False, True])
def test_first_layer_with_a_skip(one_side, width, resnet_dt):
    descriptor = {"neuron": [width, width], "type_one_side": one_side, "resnet_dt": resnet_dt}
    config = config_of(descriptor)
    assert ("descriptor/net/layer_0/idt" in make_tensors(config)) == (resnet_dt and width != 7)
    test_oracle.check(config, SYSTEMS["triclinic"])
    gradients = check_gradients(config)
    parameter_gradients.assert_nonzero(gradients)


# widths of the net of the types: as many as types or twice as many add the unit vector
@pytest.mark.parametrize("neuron", [[1], [2], [4], [3, 6, 5], [8]], ids=str)
@pytest.mark.parametrize("bias", [False, True])
def test_nets_of_the_types(neuron, bias):
    config = config_of({"type_one_side": bias}, neuron=neuron, use_tebd_bias=bias, activation_function="gelu")
    tensors = make_tensors(config)
    assert ("type_embedding/layer_0/bias" in tensors) == bias
    test_oracle.check(config, SYSTEMS["not periodic"])
    parameter_gradients.assert_nonzero(check_gradients(config))


def test_every_element():
    config = config_of({"neuron": [2, 4], "sel": [6, 8]}, {"neuron": [4, 4], "numb_fparam": 1}, neuron=[2, 3])
    loss = parameter_gradients.LossOfParameters(config, SYSTEMS["triclinic"], LOSSES["all"])
    gradients = loss.gradients()
    parameter_gradients.assert_nonzero(gradients)
    for name, gradient in gradients.items():
        expected = np.empty_like(gradient)
        for index in np.ndindex(gradient.shape):
            unit = np.zeros_like(gradient)
            unit[index] = 1.0
            expected[index] = loss.along({name: unit})
        assert_close(gradient, expected, "gradient", name, loss.noise)


@pytest.mark.parametrize("atom_ener", [[], [None, 0.7], [0.3, 0.2]], ids=str)
@pytest.mark.parametrize("numb", [(0, 0), (1, 2)], ids=str)
def test_parameters_and_vacuum_energies(atom_ener, numb):
    """As soon as one type has a vacuum energy, E(vacuum) of every type is subtracted, as in the reference."""
    fitting = {"atom_ener": atom_ener, "numb_fparam": numb[0], "numb_aparam": numb[1]}
    config = config_of({"set_davg_zero": True}, fitting)
    test_oracle.check(config, SYSTEMS["isolated atom"])
    check_gradients(config, "isolated atom")
    if any(e is not None for e in atom_ener):
        system = SYSTEMS["isolated atom"].with_params(*numb)
        tensors = make_tensors(config)
        alone = evaluate(model(config, tensors), system, atomic=True)["atom_energy"][0, -1]
        assert alone == pytest.approx(tensors["fitting/bias_atom_e"][system.types[-1]], abs=1e-14)


def test_three_types_one_of_them_absent():
    config = config_of({"type_one_side": False}, type_map=("A", "B", "C"), use_tebd_bias=False)
    test_oracle.check(config, SYSTEMS["triclinic"])
    gradients = check_gradients(config)
    # the type that is absent counts all the same, by its empty slots
    assert np.max(np.abs(gradients["type_embedding/layer_0/matrix"][2])) > 0


def test_hybrid_takes_the_types_in_its_parts_and_se_e2_r_does_not():
    config = make_config({"type": "hybrid"})
    config["type_embedding"] = dict(TYPE_EMBEDDING)
    tensors = make_tensors(config)
    assert "descriptor/part_0/net/layer_0/matrix" in tensors and "fitting/net/layer_0/matrix" in tensors
    assert "descriptor/part_1/net_0_1/layer_0/matrix" in tensors
    test_oracle.check(config, SYSTEMS["triclinic"], tensors=tensors)
    check_gradients(config)


def test_types_with_equal_numbers_are_equal():
    """te is all that the model sees of a type, beside the statistics and the bias."""
    config = config_of({"sel": [15, 15]}, use_tebd_bias=False, neuron=[3], resnet_dt=False)
    tensors = make_tensors(config)
    for name in (
        "type_embedding/layer_0/matrix",
        "descriptor/davg",
        "descriptor/dstd",
        "fitting/bias_atom_e",
    ):
        tensors[name][1] = tensors[name][0]
    system = SYSTEMS["triclinic"]
    found = evaluate(model(config, tensors), system, atomic=True)
    same = evaluate(model(config, tensors), system.moved(types=1 - system.types), atomic=True)
    assert_close(same["force"], found["force"], "rounding")
    assert_close(same["atom_energy"], found["atom_energy"], "rounding")


@pytest.mark.parametrize("fixed", ["type_embedding", "descriptor", "both"])
def test_what_is_not_trained_stays(fixed):
    """A fixed descriptor lets the gradient of the types through."""
    config = config_of({"trainable": fixed == "type_embedding"}, trainable=fixed == "descriptor")
    tensors = make_tensors(config)
    potential = model(config, tensors)
    trainer = _core.Trainer(potential, json.dumps(LOSSES["all"]))
    all_trained = config_of()
    expected = _core.Trainer(model(all_trained, tensors), json.dumps(LOSSES["all"]))
    batch = make_batch(SYSTEMS["triclinic"], potential)
    gradients, full = (t.gradients(batch, LR, START_LR) for t in (trainer, expected))
    for name, gradient in gradients.items():
        assert_close(gradient, full[name], "rounding", name)
    trainer.step(batch, LR, START_LR)
    after = potential.tensors()
    for name in full:
        moved = not np.array_equal(after[name], tensors[name])
        held = name.startswith(
            {"type_embedding": "type_e", "descriptor": "descr"}.get(fixed, ("type_e", "descr"))
        )
        assert moved != held, name


@pytest.mark.parametrize("one_side", [False, True])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_tables_in_training_give_the_same_gradients(one_side, precision):
    """Each pair of types has its table; the gradients of its nodes reach the shared net and the types."""
    keys = {"neuron": [5, 10, 10], "type_one_side": one_side, "precision": precision, "sel": [40, 40]}
    configs = [config_of({**keys, "online_table": table}) for table in (False, True)]
    tensors = make_tensors(configs[0])
    system = grid_system()
    batch = make_batch(system, model(configs[0], tensors))
    exact, found = (
        _core.Trainer(model(c, tensors), json.dumps(LOSSES["all"])).gradients(batch, LR, START_LR)
        for c in configs
    )
    differ = 0
    for name, gradient in exact.items():
        error = relative_error(found[name], gradient)
        assert error <= {"float64": 1e-7, "float32": 2e-4}[precision], name
        differ += error > 1e-13
    assert differ > 3  # tables were used


def test_training_follows_its_own_types():
    """A step changes te: losses and evaluations after it are those of the new weights."""
    config = config_of()
    potential = model(config, make_tensors(config))
    trainer = _core.Trainer(potential, json.dumps(LOSSES["all"]))
    system = SYSTEMS["triclinic"]
    batch = make_batch(system, potential)
    for _ in range(3):
        trainer.step(batch, 0.01, 0.01)
    fresh = model(config, potential.tensors())
    now = trainer.losses(batch, LR, START_LR)["rmse"]
    assert now == _core.Trainer(fresh, json.dumps(LOSSES["all"])).losses(batch, LR, START_LR)["rmse"]
    del trainer
    expected = oracle.evaluate(config, potential.tensors(), system.coord, system.box, system.types)
    assert_close(evaluate(potential, system)["force"], expected["force"], "oracle")


@pytest.mark.parametrize("name", ["dipole", "polar", "polar, full matrix"])
def test_tensors_with_type_embedding(name):
    """Values against numpy, gradients against differences; one net for the selected types."""
    config = make_tensor_config(name, [0, 1], {"type_one_side": True})
    config["type_embedding"] = dict(TYPE_EMBEDDING)
    tensors = make_tensors(config)
    assert "fitting/net/layer_0/matrix" in tensors
    system = SYSTEMS["several frames"]
    potential = model(config, tensors)
    found = evaluate(potential, system, atomic=True)["atom_energy"]
    expected = tensor_oracle.evaluate(config, tensors, system.coord, system.box, system.types)
    assert_close(found.reshape(expected.shape), expected, "oracle")

    loss = json.dumps({"type": "tensor", "pref": 0.7, "pref_atomic": 1.3})
    batch = make_tensor_batch(system, potential)
    gradients = _core.Trainer(potential, loss).gradients(batch, LR, START_LR)

    def value(t):
        moved = {k: v + t * direction[k] if k in direction else v for k, v in tensors.items()}
        return _core.Trainer(model(config, moved), loss).losses(batch, LR, START_LR)["rmse"] ** 2

    for key, gradient in gradients.items():
        direction = {key: parameter_gradients.random_direction(gradient.shape, key)}
        difference = parameter_gradients.difference(value)
        along = np.sum(gradient * direction[key])
        limit = 1e-8 * np.linalg.norm(gradient) + parameter_gradients.difference_noise(1.0 + value(0.0))
        assert np.max(np.abs(gradient)) > 0 and abs(along - difference) <= limit, key


BAD = {
    "neuron": ([], "model/type_embedding/neuron: expected at least one layer"),
    "activation_function": ("tan", "tan"),
    "precision": ("float63", "model/type_embedding/precision: expected float64 or float32"),
    "resnet_dt": (3, "model/type_embedding/resnet_dt: value of the wrong kind"),
}


@pytest.mark.parametrize("key", BAD)
def test_a_wrong_section_is_named(key):
    config = config_of()
    config["type_embedding"][key] = BAD[key][0]
    with pytest.raises(_core.Error, match=BAD[key][1]):
        _core.Model.create(json.dumps(config), {})
