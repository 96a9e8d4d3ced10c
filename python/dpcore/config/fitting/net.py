# SPDX-License-Identifier: LGPL-3.0-or-later
"""The keys that all fitting nets have."""

from __future__ import annotations

from dargs import Argument

from dpcore.config.values import ACTIVATION, ACTIVATIONS, NEURON, PRECISION, opt


def net_arguments() -> list[Argument]:
    """``neuron``, ``activation_function``, ``precision``, ``resnet_dt``."""
    return [
        opt(
            "neuron",
            list[int],
            [120, 120, 120],
            "Widths of the hidden layers. A layer as wide as the one before has a skip connection.",
            NEURON,
            alias=["n_neuron"],
        ),
        opt(
            "activation_function",
            str,
            "tanh",
            f"Activation of the hidden layers: {', '.join(ACTIVATIONS)}.",
            ACTIVATION,
        ),
        opt(
            "precision",
            str,
            "float64",
            "Precision of the fitting net: float64 (also `default`) or float32 (also `float16`).",
            PRECISION,
        ),
        opt("resnet_dt", bool, True, "Whether the skip connections have a trainable time step."),
    ]
