# SPDX-License-Identifier: LGPL-3.0-or-later
"""The learning rate as a function of the step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dpcore.errors import InputError

__all__ = ["ExponentialLearningRate", "make_learning_rate"]


class ExponentialLearningRate:
    """A staircase: every `decay_steps` steps the rate falls by the same factor.

        lr(step) = start_lr * decay_rate ** floor(step / decay_steps)
        decay_rate = (stop_lr / start_lr) ** (decay_steps / numb_steps)

    It is rounded to single precision at the end, as the reference does, so that a run repeats its numbers.

    Parameters
    ----------
    start_lr, stop_lr
        Rates of the first step and, if `decay_steps` divides `numb_steps`, after the last.
    decay_steps
        Length of a stair.  If it is `numb_steps` or more, 100 is taken instead, or for runs of 1009
        steps or fewer ``numb_steps // 100 + 1``.
    numb_steps
        Length of the training.

    Attributes
    ----------
    decay_steps
        The length in use.
    decay_rate
        The factor, in double precision.
    """

    def __init__(self, start_lr: float, stop_lr: float, decay_steps: int, numb_steps: int) -> None:
        if not (start_lr > 0 and stop_lr > 0 and decay_steps > 0 and numb_steps > 0):
            raise InputError(
                "start_lr, stop_lr, decay_steps and the number of steps must be above 0; got "
                f"{start_lr}, {stop_lr}, {decay_steps}, {numb_steps}",
                "learning_rate",
            )
        self.start_lr = float(start_lr)
        self.stop_lr = float(stop_lr)
        self.numb_steps = int(numb_steps)
        self.decay_steps = int(decay_steps)
        if self.decay_steps >= self.numb_steps:
            self.decay_steps = 100 if self.numb_steps // 10 > 100 else self.numb_steps // 100 + 1
        stairs = self.numb_steps / self.decay_steps
        self.decay_rate = math.exp(math.log(self.stop_lr / self.start_lr) / stairs)

    def value(self, step: int) -> float:
        """The learning rate for the update that follows `step` updates."""
        return float(np.float32(self.start_lr * self.decay_rate ** (step // self.decay_steps)))


def make_learning_rate(section: dict[str, Any], numb_steps: int) -> ExponentialLearningRate:
    """The schedule of a normalised ``learning_rate`` section."""
    return ExponentialLearningRate(
        section["start_lr"], section["stop_lr"], section["decay_steps"], numb_steps
    )
