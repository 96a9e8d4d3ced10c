# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``model/type_embedding`` section: one net for all types, which are inputs of it."""

from __future__ import annotations

from dargs import Argument

from dpcore.config.values import ACTIVATION, ACTIVATIONS, NEURON, PRECISION, SEED, opt


def argument() -> Argument:
    """The section and its keys."""
    keys = [
        opt(
            "neuron",
            list[int],
            [8],
            "Widths of the layers of the net that turns a type into numbers; the last is how many numbers "
            "stand for a type. A layer as wide as, or twice as wide as, the one before has a skip connection.",
            NEURON,
        ),
        opt(
            "activation_function",
            str,
            "tanh",
            f"Activation of that net: {', '.join(ACTIVATIONS)}.",
            ACTIVATION,
        ),
        opt("resnet_dt", bool, False, "Whether the skip connections have a trainable time step."),
        opt(
            "precision",
            str,
            "float64",
            "Precision of that net: float64 (also `default`) or float32 (also `float16`).",
            PRECISION,
        ),
        opt("trainable", bool, True, "Whether that net is trained."),
        opt("seed", [int, None], None, "Seed of the initial parameters; null draws one.", SEED),
        opt(
            "use_tebd_bias",
            bool,
            False,
            "Whether its layers have a bias; in early versions of the reference they always have.",
        ),
    ]
    return Argument(
        "type_embedding",
        [dict, None],
        keys,
        optional=True,
        default=None,
        doc="Numbers that stand for the types of atoms: `se_e2_a` and the fitting net then have one net for all "
        "types, which takes these numbers as inputs. Other descriptors are as without it. Null: none.",
    )
