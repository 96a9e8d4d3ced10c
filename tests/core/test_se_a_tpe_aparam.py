# SPDX-License-Identifier: LGPL-3.0-or-later
"""se_a_tpe whose channels depend on atomic parameters of the neighbours (numb_aparam)."""

from __future__ import annotations

import json

import numpy as np
import parameter_gradients
import pytest
from dpcore import _core as core
from gradcheck import (
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
    with_parameters,
)
from parameter_gradients import LossOfParameters, assert_nonzero
from reference import se_e2_a as oracle
from training import LOSSES, LR, START_LR, make_batch
from where import same_bits

from core import test_forces, test_oracle

SYSTEMS = odd_systems()
THREE = random_system([2, 0, 2, 1, 1], TRICLINIC, n_frames=2, seed=9)


def config_of(fitting=None, type_map=("A", "B"), **descriptor):
    keys = {"type": "se_a_tpe", "type_one_side": True, "numb_aparam": 2, **descriptor}
    return make_config(keys, fitting, type_map)


VARIANTS = {
    "one": config_of(numb_aparam=1),
    "two": config_of(resnet_dt=True),
    "three types": config_of(type_map=("A", "B", "C"), exclude_types=[[0, 2]]),
    "of the fitting too": config_of({"numb_aparam": 2, "numb_fparam": 1, "atom_ener": [None, 0.5]}),
    "one channel": config_of(type_nchanl=1, type_nlayer=1, activation_function="gelu"),
    "few slots": config_of(sel=[3, 4]),
    "without mean": config_of(set_davg_zero=True),
}
HYBRID = {
    **make_config(),
    "descriptor": {
        "type": "hybrid",
        "list": [
            config_of()["descriptor"],
            make_config({"neuron": [3, 5], "sel": [9, 9]})["descriptor"],
            config_of(type_nchanl=2, sel=[9, 9])["descriptor"],
        ],
    },
}
VARIANTS["hybrid"] = HYBRID


def system_of(name):
    return THREE if name == "three types" else SYSTEMS["triclinic"]


@pytest.mark.parametrize("name", SYSTEMS)
def test_odd_systems(name):
    test_oracle.check(config_of(), SYSTEMS[name])
    test_forces.check(config_of(), SYSTEMS[name])


@pytest.mark.parametrize("name", VARIANTS)
def test_variants(name):
    test_oracle.check(VARIANTS[name], system_of(name))
    test_forces.check(VARIANTS[name], system_of(name))


def test_single_precision():
    test_oracle.check(config_of(precision="float32"), SYSTEMS["several frames"], "float32")


@pytest.mark.parametrize("term", LOSSES)
def test_gradients_of_every_loss(term):
    loss = LossOfParameters(config_of(), SYSTEMS["several frames"], LOSSES[term])
    gradients = parameter_gradients.check(loss)
    assert_nonzero(gradients, [name for name in gradients if name.startswith("descriptor/")])


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_of_variants(name):
    parameter_gradients.check(LossOfParameters(VARIANTS[name], system_of(name), LOSSES["all"]))


def test_every_element():
    """Not only along random directions: every number of the net of the types and of the amplifying layer. In the
    latter the loss is steep: shorter steps, with which the error falls as their sixth power to 2e-11."""
    keys = {"neuron": [2, 4], "axis_neuron": 2, "sel": [6, 8], "type_nchanl": 2}
    loss = LossOfParameters(config_of({"neuron": [4, 4]}, **keys), SYSTEMS["triclinic"], LOSSES["all"])
    for name, gradient in loss.gradients().items():
        if "/types/" not in name and "/amplify/" not in name:
            continue
        length = 0.125 if "/amplify/" in name else 1.0
        expected = np.empty_like(gradient)
        for index in np.ndindex(gradient.shape):
            unit = np.zeros_like(gradient)
            unit[index] = length
            expected[index] = loss.along({name: unit}) / length
        assert_close(gradient, expected, "gradient", name, loss.noise / length)


def test_gradients_in_single_precision():
    found = {}
    for precision in ("float64", "float32"):
        config = config_of(precision=precision)
        tensors, system = make_tensors(config), with_parameters(config, SYSTEMS["several frames"])
        potential = model(config, tensors)
        batch = make_batch(system)
        found[precision] = core.Trainer(potential, json.dumps(LOSSES["all"])).gradients(batch, LR, START_LR)
    for name, value in found["float64"].items():
        assert_close(found["float32"][name], value, "float32 gradient", name)


def without_parameters(config, tensors):
    """The model whose net of the types has no inputs for them."""
    fewer = json.loads(json.dumps(config))
    fewer["descriptor"]["numb_aparam"] = 0
    first = "descriptor/types/layer_0/matrix"
    return fewer, {**tensors, first: tensors[first][:1].copy()}


@pytest.mark.parametrize("zero", ["parameters", "weights"])
def test_parameters_of_zero_or_without_weights_do_nothing(zero, exact_nets):
    config = config_of(resnet_dt=True)
    tensors, system = make_tensors(config), SYSTEMS["several frames"].with_params(0, 2)
    if zero == "weights":
        tensors["descriptor/types/layer_0/matrix"][1:] = 0.0
    else:
        system = system.moved(aparam=0.0 * system.aparam)
    found = evaluate(model(config, tensors), system, atomic=True)
    for key, value in evaluate(model(*without_parameters(config, tensors)), system, atomic=True).items():
        assert_close(found[key], value, "rounding", key)


def test_an_atom_alone_is_changed_through_its_neighbours():
    """The parameters of an atom change the energies of its neighbours, and its own not where it has no images."""
    config = config_of()
    system = SYSTEMS["not periodic"].with_params(0, 2)
    potential = model(config, make_tensors(config))
    other = system.aparam.copy()
    other[:, :2] += 0.7
    change = (
        evaluate(potential, system.moved(aparam=other), atomic=True)["atom_energy"]
        - evaluate(potential, system, atomic=True)["atom_energy"]
    )
    assert np.all(change[:, 0] == 0.0) and np.abs(change[:, 1:]).max() > 1e-4


def test_groups_of_frames_change_nothing():
    config = config_of()
    system = grid_system(4).with_params(0, 2)
    many = system.moved(
        coord=np.tile(system.coord, (20, 1)),
        box=np.tile(system.box, (20, 1)),
        aparam=np.tile(system.aparam, (20, 1)) * np.linspace(0.5, 1, 80)[:, None],
    )
    potential = model(config, make_tensors(config))
    together = evaluate(potential, many)
    for k in (0, 70, 71, 79):  # a group has 71
        one = many.moved(coord=many.coord[k : k + 1], box=many.box[k : k + 1], aparam=many.aparam[k : k + 1])
        for key, value in evaluate(potential, one).items():
            assert_close(together[key][k : k + 1], value, "rounding", key)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_training_lowers_the_loss_and_the_model_follows_the_weights(precision):
    config = config_of(online_table=True, precision=precision)
    system = grid_system(4).with_params(0, 2)
    potential = model(config, make_tensors(config))
    batch = make_batch(system, model(config, make_tensors(config, seed=1)), noise=0.0)
    before = evaluate(potential, system)
    trainer = core.Trainer(potential, json.dumps(LOSSES["all"]))
    terms = [trainer.step(batch, 0.01, 0.01)["rmse"] for _ in range(30)]
    assert terms[-1] < 0.5 * terms[0]
    found, expected = evaluate(potential, system), evaluate(model(config, potential.tensors()), system)
    for key, value in expected.items():
        assert same_bits(found[key], value, precision == "float32"), key
    assert np.abs(found["force"] - before["force"]).max() > 1e-6


def test_fixed_descriptor_has_no_gradients():
    config = config_of(trainable=False)
    potential = model(config, make_tensors(config))
    batch = make_batch(SYSTEMS["triclinic"].with_params(0, 2), potential)
    gradients = core.Trainer(potential, json.dumps(LOSSES["all"])).gradients(batch, LR, START_LR)
    assert gradients and all(name.startswith("fitting/") for name in gradients)


def test_descriptors_take_the_parameters():
    config = config_of()
    tensors, system = make_tensors(config), SYSTEMS["several frames"].with_params(0, 2)
    potential = model(config, tensors)
    assert potential.is_aparam_nall and potential.dim_aparam == 2
    arguments = (system.coord, system.box, system.types)
    found = potential.descriptors(*arguments, None, system.aparam)
    assert np.abs(found - potential.descriptors(*arguments, None, 0 * system.aparam)).max() > 1e-3
    expected, original = [], oracle.fitting_energy

    def keep(settings, nets, centre, descriptor, *more):
        expected.append(descriptor)
        return original(settings, nets, centre, descriptor, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle, "fitting_energy", keep)
        oracle.evaluate(config, tensors, *arguments, None, system.aparam)
    assert_close(found, np.array(expected).reshape(found.shape), "oracle")
    with pytest.raises(core.Error, match="aparam: the model needs 2 atomic parameters"):
        potential.descriptors(*arguments)


def test_errors():
    def refused(config, message):
        with pytest.raises(core.Error, match=message):
            core.Model.create(json.dumps(config), {})

    refused(config_of(type_one_side=False), "numb_aparam.*only with type_one_side")
    refused(config_of(numb_aparam=-2), "numb_aparam.*expected a number >= 0")
    refused(config_of({"numb_aparam": 1}), "numb_aparam is 2, that of the fitting net 1")
    other = config_of(numb_aparam=1)["descriptor"]
    for parts in ([config_of()["descriptor"], other], [other, config_of()["descriptor"]]):
        refused({**HYBRID, "descriptor": {"type": "hybrid", "list": parts}}, "different numb_aparam, 2 and 1")
    table = {"min_nbor_dist": 0.8, "step": 0.01, "extrapolate": 5, "check_frequency": -1, "outside": "net"}
    refused(config_of(compress=table), "compress: with numb_aparam")
    keys = {"type": "se_a_tpe", "type_one_side": True, "numb_aparam": 1}
    refused(make_tensor_config("dipole", [1], keys), "dipole takes no atomic parameters")
    config, system = config_of(), SYSTEMS["triclinic"]
    potential = model(config, make_tensors(config))
    with pytest.raises(core.Error, match="aparam: the model needs 2 atomic parameters per atom"):
        evaluate(potential, system)
    with pytest.raises(core.Error, match="aparam"):
        evaluate(potential, system.with_params(0, 1))
    bad = system.with_params(0, 2)
    bad.aparam[0, 3] = np.nan
    with pytest.raises(core.Error, match="aparam: frame 0, value 3 is not finite"):
        evaluate(potential, bad)
