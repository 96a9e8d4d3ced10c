# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``learning_rate`` section."""

from __future__ import annotations

import logging
from typing import Any

from dargs import Argument, Variant

from dpcore.config.values import (
    OPTIONAL_POSITIVE,
    POSITIVE,
    POSITIVE_INT,
    POSITIVE_SINGLE,
    one_of,
    opt,
)
from dpcore.errors import InputError

log = logging.getLogger(__name__)

NOT_SUPPORTED = ("cosine", "wsd")


def argument() -> Argument:
    """The section and its keys."""
    exp = Argument(
        "exp",
        dict,
        [
            opt("start_lr", float, 1e-3, "Learning rate of the first step.", POSITIVE_SINGLE),
            opt("stop_lr", float, 1e-8, "Learning rate aimed at for the last step.", POSITIVE),
            opt("decay_steps", int, 5000, "The rate falls by a factor every so many steps.", POSITIVE_INT),
            opt(
                "decay_rate",
                [float, None],
                None,
                "The factor itself, as in inputs of version 1; `stop_lr` is then computed from it.",
                OPTIONAL_POSITIVE,
            ),
            opt(
                "scale_by_worker",
                str,
                "linear",
                "How the rate grows with the number of parallel workers; one worker leaves it as it is.",
                one_of(("linear", "sqrt", "none")),
            ),
        ],
        doc="A staircase of exponential decay.",
    )
    return Argument(
        "learning_rate",
        dict,
        [],
        [Variant("type", [exp], optional=True, default_tag="exp", doc="The shape of the schedule.")],
        optional=True,
        default={"type": "exp"},
        doc="How the learning rate changes during training.",
    )


def check(learning_rate: dict[str, Any], numb_steps: int) -> None:
    """Turn a given decay rate into the final learning rate, in place."""
    rate = learning_rate.pop("decay_rate")
    start = learning_rate["start_lr"]
    if rate is not None:
        try:
            stop = start * rate ** (numb_steps / learning_rate["decay_steps"])
        except OverflowError:
            raise InputError(
                f"{rate} makes the learning rate of the last of {numb_steps} steps infinite; expected a "
                "factor below 1 such as 0.95",
                "learning_rate/decay_rate",
            ) from None
        learning_rate["stop_lr"] = max(stop, 5e-324)
        log.info("learning_rate/decay_rate: %g gives stop_lr %.3e after %d steps", rate, stop, numb_steps)
    if learning_rate["stop_lr"] > start:
        log.warning(
            "learning_rate/stop_lr: %g is above start_lr %g, so the rate will grow",
            learning_rate["stop_lr"],
            start,
        )
