# SPDX-License-Identifier: LGPL-3.0-or-later
"""The whole input file as one tree of `dargs` arguments."""

from __future__ import annotations

from dargs import Argument

from dpcore.config import descriptor, fitting, learning_rate, loss, model, training

__all__ = ["gen_args", "not_supported", "root"]


def gen_args() -> list[Argument]:
    """The sections of the input file; what generators of manuals and input editors ask for."""
    return [model.argument(), learning_rate.argument(), loss.argument(), training.argument()]


def root() -> Argument:
    """The input file as one argument."""
    return Argument("input", dict, gen_args(), doc="The input file of `dp train`.")


def not_supported() -> dict[str, tuple[str, ...]]:
    """Section -> values of its ``type`` which the manual knows and this version has not."""
    return {
        "model/descriptor": descriptor.NOT_SUPPORTED,
        "model/descriptor/list": (*descriptor.NOT_SUPPORTED, "hybrid"),
        "model/fitting_net": fitting.NOT_SUPPORTED,
        "learning_rate": learning_rate.NOT_SUPPORTED,
        "loss": loss.NOT_SUPPORTED,
    }
