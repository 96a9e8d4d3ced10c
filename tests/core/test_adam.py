# SPDX-License-Identifier: LGPL-3.0-or-later
"""The optimiser against a numpy transcription of Adam, and the state of the trainer.

    m += (g - m)(1 - b1);  v += (g^2 - v)(1 - b2);  w -= lr sqrt(1 - p2)/(1 - p1) m / (sqrt(v) + eps)
lr, b1, b2, eps and the powers p1 = b1^t, p2 = b2^t are float32 numbers; the powers are multiplied
in float32.  The arithmetic is that of the weights.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import TRICLINIC, grid_system, make_config, make_tensors, model, odd_systems, random_system
from training import LOSSES, make_batch

SYSTEMS = odd_systems()
START_LR = 0.003  # not a float32 number
LOSS = json.dumps(LOSSES["all"])


class Adam:
    """The transcription; weights {name: array} are changed in place by step()."""

    def __init__(self, weights):
        self.weights = {k: v.copy() for k, v in weights.items()}
        self.m = {k: np.zeros_like(v) for k, v in weights.items()}
        self.v = {k: np.zeros_like(v) for k, v in weights.items()}
        self.power1, self.power2 = np.float32(0.9), np.float32(0.999)

    def step(self, gradients, lr):
        for name, g in gradients.items():
            w, m, v = self.weights[name], self.m[name], self.v[name]
            real = w.dtype.type
            g = g.astype(w.dtype)
            beta1, beta2, eps = real(np.float32(0.9)), real(np.float32(0.999)), real(np.float32(1e-8))
            step = real(np.float32(lr)) * np.sqrt(real(1) - real(self.power2)) / (real(1) - real(self.power1))
            m += (g - m) * (real(1) - beta1)
            v += (g * g - v) * (real(1) - beta2)
            w -= step * m / (np.sqrt(v) + eps)
        self.power1 *= np.float32(0.9)
        self.power2 *= np.float32(0.999)


def trained(config, tensors=None):
    potential = model(config, make_tensors(config) if tensors is None else tensors)
    return potential, core.Trainer(potential, LOSS)


def assert_followed(potential, adam, start):
    """Weights as transcribed: a few roundings of the weight and of the way it went."""
    for name, value in potential.tensors().items():
        if "net_" not in name:
            assert np.array_equal(value, start[name]), name
            continue
        eps = np.finfo(value.dtype).eps
        expected = adam.weights.get(name, start[name])
        limit = 4 * eps * np.abs(expected) + 200 * eps * np.abs(expected - start[name])
        assert np.all(np.abs(value - expected) <= limit), name


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_steps_follow_the_transcription(precision, activation):
    section = {"precision": precision, "activation_function": activation, "resnet_dt": True}
    potential, trainer = trained(make_config(section, section))
    start = potential.tensors()
    adam = Adam({k: v for k, v in start.items() if "net_" in k})
    batches = [make_batch(SYSTEMS[k]) for k in ("triclinic", "several frames", "isolated atom")]
    batches.append(make_batch(grid_system()))  # several tiles: every thread has its part of the gradient
    for t in range(12):
        lr = START_LR * 0.9**t
        gradients = trainer.gradients(batches[t % 4], lr, START_LR)
        assert all(np.max(np.abs(g)) > 0.0 for g in gradients.values())
        before = trainer.losses(batches[t % 4], lr, START_LR)
        terms = trainer.step(batches[t % 4], lr, START_LR)
        assert terms == pytest.approx(before, rel=1e-12 if precision == "float64" else 1e-5)
        adam.step(gradients, lr)
        if (
            precision == "float32"
        ):  # start again from the same weights: what grows from a rounding is not the optimiser
            assert_followed(potential, adam, start)
            start = potential.tensors()
            adam.weights = {k: v.copy() for k, v in start.items() if "net_" in k}
    if precision == "float64":
        assert_followed(potential, adam, start)
        moved = max(np.max(np.abs(potential.tensors()[k] - start[k])) for k in adam.weights)
        assert moved > 5 * START_LR


def test_single_precision_settings_make_a_difference():
    """With b1, b2, eps, lr and powers in double the weights differ by more than the test above lets pass."""
    potential, trainer = trained(make_config())
    start = potential.tensors()
    batch = make_batch(SYSTEMS["triclinic"])
    exact = {k: v.copy() for k, v in start.items() if "net_" in k}
    m, v = ({k: np.zeros_like(w) for k, w in exact.items()} for _ in range(2))
    for t in range(1, 6):
        gradients = trainer.gradients(batch, START_LR, START_LR)
        trainer.step(batch, START_LR, START_LR)
        for k, g in gradients.items():
            m[k] += (g - m[k]) * 0.1
            v[k] += (g * g - v[k]) * 0.001
            exact[k] -= START_LR * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m[k] / (np.sqrt(v[k]) + 1e-8)
    adam = Adam(exact)
    with pytest.raises(AssertionError):
        assert_followed(potential, adam, start)


def test_a_type_that_is_absent_goes_on_with_its_moments():
    """Zero gradient, not no step: the weights of the absent type move on as their moments decay."""
    for one_side in (False, True):
        potential, trainer = trained(make_config({"type_one_side": one_side}))
        start = potential.tensors()
        adam = Adam({k: v for k, v in start.items() if "net_" in k})
        full = make_batch(SYSTEMS["triclinic"])
        without = make_batch(random_system([1, 1, 1], TRICLINIC, seed=3))
        for t, batch in enumerate([full, without, without, full, without]):
            gradients = trainer.gradients(batch, START_LR, START_LR)
            absent = [k for k in gradients if k.startswith(("fitting/net_0", "descriptor/net_0_"))]
            assert absent
            for name in absent:
                assert np.all(gradients[name] == 0.0) == (batch is without), (t, name)
            before = potential.tensors()
            trainer.step(batch, START_LR, START_LR)
            adam.step(gradients, START_LR)
            assert all(np.all(potential.tensors()[k] != before[k]) for k in absent)
        assert_followed(potential, adam, start)


@pytest.mark.parametrize(
    "descriptor, fitting, frozen",
    [
        (False, True, ["descriptor"]),
        (True, False, ["fitting"]),
        (True, [True, False, True, True], ["fitting/net_0/layer_1", "fitting/net_1/layer_1"]),
        (
            False,
            [False, False, False, True],
            ["descriptor", *(f"fitting/net_{t}/layer_{k}" for t in (0, 1) for k in (0, 1, 2))],
        ),
    ],
    ids=str,
)
def test_what_is_not_trainable_does_not_move(descriptor, fitting, frozen):
    config = make_config({"trainable": descriptor, "resnet_dt": True}, {"trainable": fitting})
    potential, trainer = trained(config)
    free, free_trainer = trained(make_config({"resnet_dt": True}))
    start = potential.tensors()
    adam = Adam({k: v for k, v in start.items() if "net_" in k})
    batch = make_batch(SYSTEMS["triclinic"])
    gradients = trainer.gradients(batch, START_LR, START_LR)
    complete = free_trainer.gradients(batch, START_LR, START_LR)
    kept = {k for k in complete if k.startswith(tuple(frozen))}
    assert kept and set(gradients) == set(complete) - kept
    for name, g in gradients.items():
        assert np.array_equal(g, complete[name]), name
    for _ in range(3):
        gradients = trainer.gradients(batch, START_LR, START_LR)
        trainer.step(batch, START_LR, START_LR)
        adam.step(gradients, START_LR)
    after = potential.tensors()
    assert all(np.array_equal(after[k], start[k]) for k in kept)
    assert all(np.any(after[k] != start[k]) for k in gradients)
    assert_followed(potential, adam, start)


def test_a_wrong_number_of_trainable_flags_is_refused():
    config = make_config(fitting={"trainable": [True, True, False]})
    with pytest.raises(core.Error, match=r"trainable.*4.*3"):
        core.Model.create(json.dumps(config), make_tensors(make_config()))


def test_looking_does_not_change_anything():
    potential, trainer = trained(make_config())
    batch = make_batch(SYSTEMS["triclinic"])
    trainer.step(batch, START_LR, START_LR)
    weights, state = potential.tensors(), trainer.state()
    trainer.losses(batch, START_LR, START_LR)
    trainer.gradients(batch, START_LR, START_LR)
    for before, after in ((weights, potential.tensors()), (state, trainer.state())):
        assert sorted(before) == sorted(after)
        assert all(np.array_equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_restart_goes_on_as_if_nothing_had_happened(precision):
    config = make_config({"precision": precision}, {"precision": precision})
    batches = [make_batch(SYSTEMS[k]) for k in ("triclinic", "several frames", "not periodic")]
    potential, trainer = trained(config)
    for t in range(3):
        trainer.step(batches[t], START_LR, START_LR)
    saved = potential.tensors(), trainer.state()
    for t in range(3):
        trainer.step(batches[t], START_LR / 2, START_LR)
    again, restarted = trained(config, saved[0])
    restarted.load_state(saved[1])
    for t in range(3):
        restarted.step(batches[t], START_LR / 2, START_LR)
    for name, value in potential.tensors().items():
        assert np.array_equal(value, again.tensors()[name]), name
    for name, value in trainer.state().items():
        assert np.array_equal(value, restarted.state()[name]), name


def test_a_state_that_does_not_fit_is_refused():
    _, trainer = trained(make_config())
    _, other = trained(make_config({"neuron": [20, 20]}))
    state = trainer.state()
    with pytest.raises(core.Error, match=r"trainer/descriptor/moment1.*numbers"):
        other.load_state(state)
    for name in state:
        with pytest.raises(core.Error, match=f"{name}.*missing"):
            trainer.load_state({k: v for k, v in state.items() if k != name})


def test_training_learns_another_potential():
    """Three hundred steps towards energies, forces and virials that another model of the same shape gives."""
    config = make_config({"resnet_dt": True})
    potential, trainer = trained(config)
    batch = make_batch(SYSTEMS["several frames"], model(config, make_tensors(config, seed=5)), noise=0.0)
    first = trainer.losses(batch, 0.01, 0.01)
    for _ in range(300):
        trainer.step(batch, 0.01, 0.01)
    last = trainer.losses(batch, 0.01, 0.01)
    assert all(last[key] < 0.2 * first[key] for key in first), (first, last)
