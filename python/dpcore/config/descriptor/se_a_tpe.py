# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``se_a_tpe``: ``se_e2_a`` with channels of the types instead of a net for each type."""

from __future__ import annotations

from dargs import Argument

from dpcore.config.descriptor import se_e2_a
from dpcore.config.values import POSITIVE_INT, is_int, opt, rule

NAME = "se_a_tpe"
ALIASES = ("se_a_ebd",)
DOC = "se_e2_a with one embedding net for all types, whose outputs the types weight by channels."

check = se_e2_a.check

NO_APARAM = rule(
    lambda value: is_int(value) and value == 0,
    "must be 0: atomic parameters of neighbours in this descriptor are not supported (no version of DeePMD-kit "
    "runs it with more than one atom); give atomic parameters to the fitting net, with model/fitting_net/numb_aparam",
)


def arguments() -> list[Argument]:
    """The keys of the descriptor section."""
    keys = se_e2_a.arguments()
    after = [key.name for key in keys].index("axis_neuron") + 1
    more = [
        opt(
            "type_nchanl",
            int,
            4,
            "How many channels stand for a type; with two sides their products for a pair of types.",
            POSITIVE_INT,
        ),
        opt(
            "type_nlayer", int, 2, "How many hidden layers the net has that makes the channels.", POSITIVE_INT
        ),
        opt(
            "numb_aparam",
            int,
            0,
            "Only 0: atomic parameters of neighbours are not supported.",
            NO_APARAM,
        ),
    ]
    return [*keys[:after], *more, *keys[after:]]
