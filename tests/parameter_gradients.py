# SPDX-License-Identifier: LGPL-3.0-or-later
"""The loss of a batch as a function of the parameters: its gradient by the core, and by differences."""

from __future__ import annotations

import json
import zlib

import numpy as np
from dpcore import _core as core
from gradcheck import (
    TOLERANCE,
    difference,
    difference_noise,
    model,
    smooth_tensors,
    with_parameters,
)
from training import LR, START_LR, make_batch


class LossOfParameters:
    """The loss of one batch as a function of the trainable tensors, and its gradient by the core."""

    def __init__(self, config, system, loss, tensors=None):
        self.system = with_parameters(config, system)
        self.config, self.loss = config, json.dumps(loss)
        self.tensors = smooth_tensors(config, [self.system]) if tensors is None else tensors
        self.potential = model(config, self.tensors)
        self.batch = make_batch(self.system, self.potential)
        # the loss carries the rounding of what it is made of: labels near energies of this size
        self.noise = difference_noise(1.0 + self.value(self.tensors) + np.max(np.abs(self.batch["energy"])))

    def trainer(self, potential):
        return core.Trainer(potential, self.loss)

    def gradients(self):
        return self.trainer(self.potential).gradients(self.batch, LR, START_LR)

    def value(self, tensors):
        potential = model(self.config, tensors)
        return self.trainer(potential).losses(self.batch, LR, START_LR)["rmse"] ** 2

    def along(self, direction):
        """Difference of the loss along a direction {name: array}."""

        def at(t):
            moved = {k: v + t * direction[k] if k in direction else v for k, v in self.tensors.items()}
            return self.value(moved)

        return difference(at)


def random_direction(shape, name):
    """Unit vector, the same in every run for one name."""
    v = np.random.default_rng([19, zlib.crc32(name.encode())]).normal(size=shape)
    return v / np.linalg.norm(v)


def deviation(loss, gradients, name):
    """|difference - g . v| for a random direction v inside of one tensor, over what rounding and
    the step allow.
    """
    direction = random_direction(gradients[name].shape, name)
    expected = loss.along({name: direction})
    found = np.sum(gradients[name] * direction)
    limit = TOLERANCE["gradient"] * np.linalg.norm(gradients[name])
    return abs(found - expected) / (limit + loss.noise)


def check(loss, gradients=None):
    """Every tensor along a random direction, then all together along one; returns the gradients."""
    gradients = loss.gradients() if gradients is None else gradients
    trainable = [k for k in loss.tensors if "/layer_" in k]
    assert sorted(gradients) == sorted(trainable)
    assert all(np.all(np.isfinite(g)) for g in gradients.values())
    for name in gradients:
        assert gradients[name].shape == loss.tensors[name].shape
        error = deviation(loss, gradients, name)
        assert error <= 1.0, f"gradient of {name}: {error:.1e} times the limit"
    everywhere = {
        k: random_direction(g.shape, "all " + k) / np.sqrt(len(gradients)) for k, g in gradients.items()
    }
    expected = loss.along(everywhere)
    found = sum(np.sum(gradients[k] * everywhere[k]) for k in gradients)
    limit = TOLERANCE["gradient"] * np.sqrt(sum(np.sum(g * g) for g in gradients.values()))
    assert abs(found - expected) <= limit + loss.noise
    return gradients


def assert_nonzero(gradients, names=None):
    for name in gradients if names is None else names:
        assert np.max(np.abs(gradients[name])) > 0.0, f"gradient of {name} is zero"
