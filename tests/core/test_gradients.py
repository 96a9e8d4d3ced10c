# SPDX-License-Identifier: LGPL-3.0-or-later
"""Parameter gradients of every loss term against differences of the loss.

The loss is ``rmse ** 2`` of ``Trainer.losses``, whose value test_loss.py checks against numpy.
"""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import (
    ACTIVATIONS,
    DESCRIPTORS,
    EXCLUDING,
    TOLERANCE,
    TRICLINIC,
    assert_close,
    grid_system,
    make_config,
    make_tensors,
    model,
    net_of,
    odd_systems,
    random_system,
)
from parameter_gradients import LossOfParameters, assert_nonzero, check
from training import LOSSES, LR, START_LR

pytestmark = pytest.mark.usefixtures("exact_nets")

SYSTEMS = odd_systems()


# ---- every element of one small model ------------------------------------------


@pytest.mark.parametrize(
    ("one_side", "descriptor"),
    [(False, "se_e2_a"), (True, "se_e2_a"), (False, "se_e2_r"), (True, "se_e2_r"), (False, "se_e3")],
)
def test_every_element(one_side, descriptor):
    keys = {"neuron": [2, 4], "axis_neuron": 2, "resnet_dt": True, "type_one_side": one_side, "sel": [6, 8]}
    config = make_config(
        {"type": descriptor, **keys},
        {"neuron": [4, 4], "atom_ener": [0.3, None], "numb_fparam": 1, "numb_aparam": 1},
    )
    loss = LossOfParameters(config, SYSTEMS["triclinic"], LOSSES["all"])
    gradients = loss.gradients()
    assert_nonzero(gradients, [k for k in gradients if k != "fitting/net_0/layer_2/bias"])
    cancels = gradients["fitting/net_0/layer_2/bias"]  # in E - E(vacuum)
    assert np.max(np.abs(cancels)) <= 1e-15
    for name, gradient in gradients.items():
        expected = np.empty_like(gradient)
        for index in np.ndindex(gradient.shape):
            unit = np.zeros_like(gradient)
            unit[index] = 1.0
            expected[index] = loss.along({name: unit})
        if np.max(np.abs(gradient)) > 1e-15:
            assert_close(gradient, expected, "gradient", name, loss.noise)
        else:
            assert np.max(np.abs(expected)) <= loss.noise


# ---- every combination along random directions -----------------------------------


# the force on a lone atom is zero whatever the parameters are
TERMS = [
    (s, t, d)
    for d in DESCRIPTORS
    for s in SYSTEMS
    for t in LOSSES
    if (s != "one atom" or t not in ("f", "pf", "relative_f"))
    and (d == "se_e2_a" or t == "all" or s == "triclinic")
]


@pytest.mark.parametrize("name, term, descriptor", TERMS)
def test_every_term_on_odd_systems(name, term, descriptor):
    config = make_config({"type": descriptor, "resnet_dt": True})
    loss = LossOfParameters(config, SYSTEMS[name], LOSSES[term])
    gradients = check(loss)
    net = net_of(config, 1, 1 if descriptor == "se_e3" else 0)
    assert_nonzero(gradients, [net_of(config, 1) + "layer_0/matrix", net + "layer_1/matrix"])
    if term == "all":
        absent = [k for k in gradients if name in ("type absent", "one atom") and "net_0" in k]
        assert_nonzero(gradients, [k for k in gradients if k not in absent])
        assert all(np.all(gradients[k] == 0.0) for k in absent)


def test_no_gradient_where_forces_are_zero_by_symmetry():
    config = make_config()
    for term in ("f", "pf"):
        loss = LossOfParameters(config, SYSTEMS["one atom"], LOSSES[term])
        gradients = loss.gradients()
        # dF/dtheta = 0; sums over pairs of images at +r and -r cancel to rounding
        assert all(np.max(np.abs(g)) < 1e-13 for g in gradients.values())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("resnet_dt", [(False, False), (False, True), (True, False), (True, True)], ids=str)
@pytest.mark.parametrize("one_side", [False, True])
def test_every_activation_and_skip(activation, resnet_dt, one_side):
    config = make_config(
        {"activation_function": activation, "resnet_dt": resnet_dt[0], "type_one_side": one_side},
        {"activation_function": activation, "resnet_dt": resnet_dt[1]},
    )
    for name in ("triclinic", "not periodic"):
        gradients = check(LossOfParameters(config, SYSTEMS[name], LOSSES["all"]))
        assert_nonzero(gradients, ["fitting/net_1/layer_1/matrix", "fitting/net_0/layer_3/matrix"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("term", LOSSES)
def test_every_activation_and_term(activation, term):
    section = {"activation_function": activation, "resnet_dt": True}
    config = make_config(section, section)
    gradients = check(LossOfParameters(config, SYSTEMS["not periodic"], LOSSES[term]))
    assert_nonzero(gradients, ["fitting/net_1/layer_3/matrix", "descriptor/net_0_1/layer_0/bias"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("one_side", [False, True])
@pytest.mark.parametrize("descriptor", DESCRIPTORS[1:])
def test_every_activation_of_other_descriptors(activation, one_side, descriptor):
    section = {"activation_function": activation, "resnet_dt": True}
    config = make_config({"type": descriptor, "type_one_side": one_side, **section}, section)
    gradients = check(LossOfParameters(config, SYSTEMS["triclinic"], LOSSES["all"]))
    assert_nonzero(gradients, [net_of(config, 1) + "layer_1/matrix", net_of(config, 0) + "layer_3/matrix"])


@pytest.mark.parametrize("neuron", [[1], [2], [1, 2, 2, 4], [3, 5, 4], [33, 37]], ids=str)
def test_odd_embedding_nets(neuron):
    config = make_config({"neuron": neuron, "resnet_dt": True, "axis_neuron": min(2, neuron[-1])})
    assert_nonzero(check(LossOfParameters(config, SYSTEMS["not periodic"], LOSSES["all"])))


@pytest.mark.parametrize("neuron", [[1], [12], [12, 12], [5, 10], [6, 6, 3, 3], [1, 1, 1], [40, 40]], ids=str)
@pytest.mark.parametrize("resnet_dt", [False, True])
def test_odd_fitting_nets(neuron, resnet_dt):
    config = make_config(fitting={"neuron": neuron, "resnet_dt": resnet_dt})
    assert_nonzero(check(LossOfParameters(config, SYSTEMS["not periodic"], LOSSES["all"])))


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("numb_fparam, numb_aparam", [(0, 0), (2, 0), (0, 3), (1, 2)])
@pytest.mark.parametrize("vacuum", [False, True])
def test_vacuum_energies_and_parameters(name, numb_fparam, numb_aparam, vacuum):
    fitting = {"numb_fparam": numb_fparam, "numb_aparam": numb_aparam}
    config = make_config(fitting=fitting)
    if vacuum:
        config = make_config({"set_davg_zero": True}, {**fitting, "atom_ener": [None, 0.7]})
    check(LossOfParameters(config, SYSTEMS[name], LOSSES["all"]))


@pytest.mark.parametrize("exclude", [[[0, 1]], [[0, 0], [1, 1]], [[1, 0], [0, 0]]], ids=str)
@pytest.mark.parametrize("one_side", [False, True])
@pytest.mark.parametrize("descriptor", EXCLUDING)
def test_excluded_pairs(exclude, one_side, descriptor):
    config = make_config({"type": descriptor, "exclude_types": exclude, "type_one_side": one_side})
    check(LossOfParameters(config, SYSTEMS["triclinic"], LOSSES["all"]))


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_sel_of_zero_and_fewer_slots_than_neighbours(descriptor):
    config = make_config({"type": descriptor, "sel": [0, 18]})
    check(LossOfParameters(config, SYSTEMS["triclinic"], LOSSES["all"]))
    config = make_config({"type": descriptor, "sel": [2, 3]})
    check(LossOfParameters(config, SYSTEMS["more than sel"], LOSSES["all"], make_tensors(config, 5)))


def test_three_types():
    config = make_config({"type_one_side": True}, type_map=("A", "B", "C"))
    system = random_system([2, 0, 2, 1, 1], TRICLINIC, n_frames=2, seed=9)
    assert_nonzero(check(LossOfParameters(config, system, LOSSES["all"])))


@pytest.mark.parametrize(
    "one_side, table, descriptor",
    [
        *itertools.product([False, True], [False, True], ["se_e2_a"]),
        (True, True, "se_e2_r"),
        (False, True, "hybrid"),
        (False, True, "se_e3"),
    ],
)
def test_several_tiles_chunks_and_jobs(one_side, table, descriptor):
    """More atoms than a tile, pairs than a chunk and rows of a weight matrix than a job of the gradient.

    With tables of the embedding nets too: their error here is below that of the differences.
    """
    keys = {"neuron": [6, 12, 24], "axis_neuron": 10, "sel": [30, 30], "type_one_side": one_side}
    config = make_config({"type": descriptor, **keys, "online_table": table}, {"neuron": [9, 9]})
    assert_nonzero(check(LossOfParameters(config, grid_system(4), LOSSES["all"])))


@pytest.mark.parametrize(
    "embedding, axis, fitting",
    [([25, 50, 100], 16, [240, 240, 240]), ([10, 20, 40], 7, [120, 61]), ([16, 32], 32, [33, 257, 17])],
    ids=str,
)
def test_nets_of_usual_size(embedding, axis, fitting):
    """Matrix products larger than a block, with rests in every direction."""
    config = make_config(
        {"neuron": embedding, "axis_neuron": axis, "type_one_side": True}, {"neuron": fitting}
    )
    system = random_system([0, 1, 1, 0, 1], TRICLINIC, n_frames=14, seed=37)
    assert_nonzero(check(LossOfParameters(config, system, LOSSES["all"])))


# ---- single precision ------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "precision", [("float32", "float64"), ("float64", "float32"), ("float32", "float32")], ids=str
)
@pytest.mark.parametrize("resnet_dt", [False, True])
def test_single_precision(activation, precision, resnet_dt, descriptor="se_e2_a"):
    """The gradient of float32 nets is that of the same weights in double, to rounding.

    All tensors of a net together: the rounding of large entries reaches the small ones.
    """
    section = {"activation_function": activation, "resnet_dt": resnet_dt}
    single, double = (
        make_config(
            {"type": descriptor, **section, "precision": p}, {**section, "precision": q, "numb_fparam": 1}
        )
        for p, q in (precision, ("float64", "float64"))
    )
    tensors = make_tensors(single)
    for name in ("triclinic", "several frames", "isolated atom"):
        expected = LossOfParameters(double, SYSTEMS[name], LOSSES["all"], tensors)
        mixed = LossOfParameters(single, SYSTEMS[name], LOSSES["all"], tensors)
        mixed.batch = expected.batch
        assert mixed.value(tensors) == pytest.approx(expected.value(tensors), rel=TOLERANCE["float32"])
        found, reference = mixed.gradients(), expected.gradients()
        assert sorted(found) == sorted(reference)
        for part in ("descriptor", "fitting"):
            names = [k for k in reference if k.startswith(part)]
            together = [np.concatenate([g[k].ravel() for k in names]) for g in (found, reference)]
            assert_close(*together, "float32 gradient", f"{part} on {name}")
            assert not np.array_equal(*together)


@pytest.mark.parametrize("descriptor", DESCRIPTORS[1:])
@pytest.mark.parametrize("activation", ["tanh", "relu6"])
def test_single_precision_of_other_descriptors(activation, descriptor):
    test_single_precision(activation, ("float32", "float32"), True, descriptor)


@pytest.mark.parametrize("fixed", [0, 1])
def test_parts_of_a_hybrid_descriptor_that_are_not_trained(fixed):
    """No gradient for that part, and the same as before for all others."""
    config = make_config({"type": "hybrid", "resnet_dt": True})
    loss = LossOfParameters(config, SYSTEMS["triclinic"], LOSSES["all"])
    everything = loss.gradients()
    config["descriptor"]["list"][fixed]["trainable"] = False
    potential = model(config, loss.tensors)
    found = core.Trainer(potential, json.dumps(LOSSES["all"])).gradients(loss.batch, LR, START_LR)
    assert sorted(found) == sorted(k for k in everything if not k.startswith(f"descriptor/part_{fixed}/"))
    assert all(np.array_equal(found[k], everything[k]) for k in found)


# ---- the comparison catches mistakes ----------------------------------------------


MISTAKES = {
    "scaled by 1.001": lambda g: 1.001 * g,
    "scaled by 1 + 1e-6": lambda g: (1 + 1e-6) * g,
    "wrong sign": lambda g: -g,
    "zero": lambda g: 0 * g,
    "first element dropped": lambda g: g * (np.arange(g.size) > 0).reshape(g.shape),
    "transposed within": lambda g: g.ravel()[::-1].reshape(g.shape),
    "not a number": lambda g: g * np.nan,
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize(
    "name",
    [
        "descriptor/net_0_1/layer_0/matrix",
        "descriptor/net_1_1/layer_2/idt",
        "fitting/net_0/layer_1/matrix",
        "fitting/net_1/layer_1/idt",
        "fitting/net_1/layer_2/bias",
    ],
)
def test_a_wrong_gradient_is_rejected(mistake, name):
    loss = LossOfParameters(make_config({"resnet_dt": True}), SYSTEMS["triclinic"], LOSSES["all"])
    gradients = loss.gradients()
    gradients[name] = MISTAKES[mistake](gradients[name])
    with pytest.raises(AssertionError):
        check(loss, gradients)


@pytest.mark.parametrize("term", ["e", "f", "v", "ae"])
def test_a_forgotten_term_is_rejected(term):
    """The gradient of the loss without one of its terms is not the gradient of the loss."""
    config, system = make_config(), SYSTEMS["triclinic"]
    loss = LossOfParameters(config, system, LOSSES["all"])
    without = {k: v for k, v in LOSSES["all"].items() if not k.endswith(f"pref_{term}")}
    without.update({f"start_pref_{term}": 0.0, f"limit_pref_{term}": 0.0})
    with pytest.raises(AssertionError):
        check(loss, LossOfParameters(config, system, without).gradients())
