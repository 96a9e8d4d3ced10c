# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptor ``se_e3`` in native models.

One net for each two types of neighbours a <= b; the other places of the collection have a net of zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dpcore.convert.native.networks import (
    collection_tree,
    layers_of,
    net_tree,
    read_collection,
    zeros_like,
)
from dpcore.convert.native.section import Section
from dpcore.convert.native.two_body import (
    check_common,
    env_mat_tree,
    read_sel,
    read_statistics,
    settle_resnet_dt,
    statistics_tree,
)

__all__ = ["read_se_e3", "write_se_e3"]

Tensors = dict[str, np.ndarray]


def read_se_e3(section: Section, n_types: int, prefix: str) -> tuple[dict[str, Any], Tensors]:
    """Config section and tensors."""
    check_common(section)
    section.refuse(exclude_types="dpcore has se_e3 of all types of neighbours")
    sel, precision = read_sel(section, n_types), section.precision()
    nets = {
        types: net
        for types, net in read_collection(section.below("embeddings"), 2, n_types, 1, precision).items()
        if types[0] <= types[1]
    }
    if len(nets) != n_types * (n_types + 1) // 2:
        raise section.damaged(
            f"expected a net for each two types of neighbours, got {sorted(nets)}", "embeddings"
        )
    tensors = read_statistics(section, n_types, sel, 4, prefix)
    for (a, b), net in nets.items():
        tensors.update(net.tensors(f"{prefix}net_{a}_{b}"))
    forms = list(nets.values())
    config = {
        "type": "se_e3",
        "sel": sel,
        "rcut": float(section.get("rcut", "a number")),
        "rcut_smth": float(section.get("rcut_smth", "a number")),
        "neuron": forms[0].widths,
        "activation_function": forms[0].activation,
        "resnet_dt": settle_resnet_dt(section, forms, 1, False),
        "precision": precision,
        "trainable": section.get("trainable", "true or false", True),
        "seed": None,
        "set_davg_zero": section.get("set_davg_zero", "true or false", False),
    }
    return config, tensors


def write_se_e3(config: dict[str, Any], tensors: Tensors, prefix: str) -> dict[str, Any]:
    """The tree."""
    n_types = len(config["sel"])
    nets = []
    for b in range(n_types):
        for a in range(n_types):
            layers = layers_of(tensors, f"{prefix}net_{min(a, b)}_{max(a, b)}")
            nets.append(
                net_tree(
                    layers if a <= b else zeros_like(layers),
                    config["activation_function"],
                    config["resnet_dt"],
                    config["precision"],
                    False,
                    config["trainable"],
                )
            )
    keys = (
        *("rcut", "rcut_smth", "sel", "neuron", "resnet_dt", "trainable"),
        *("set_davg_zero", "activation_function", "precision"),
    )
    return {
        "@class": "Descriptor",
        "type": "se_e3",
        "@version": 2,
        **{key: config[key] for key in keys},
        "exclude_types": [],
        "env_protection": 0.0,
        "env_mat": env_mat_tree(config),
        "embeddings": collection_tree(nets, 2, n_types, False),
        "@variables": statistics_tree(tensors, prefix, config["sel"]),
    }
