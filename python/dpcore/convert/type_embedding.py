# SPDX-License-Identifier: LGPL-3.0-or-later
"""The type embedding of a frozen graph: the net behind the table ``t_typeebd``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dpcore.convert.graph import Graph
from dpcore.convert.networks import check_chain, embedding_form, gelu_note, read_layer
from dpcore.convert.script import value_of

_MATRIX = re.compile(r"type_embed_net/matrix_(\d+)$")


def has_type_embedding(graph: Graph) -> bool:
    """Whether the model has numbers that stand for types."""
    return any(_MATRIX.match(name) for name in graph.nodes)


def read_type_embedding(
    graph: Graph, script: dict[str, Any], notes: list[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Config section and tensors (``type_embedding/...``); arguments and errors as for the fitting net.

    Layers have a bias up to version 2.1 of the reference, and with ``use_tebd_bias`` later.
    """
    numbers = sorted(int(m[1]) for m in map(_MATRIX.match, graph.nodes) if m and graph.in_forward(m[0]))
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise graph.error(f"the net of the types has the layers {numbers}; expected 1, 2, ...; corrupt file")
    layers = [
        read_layer(graph, *(f"type_embed_net/{part}_{k}" for part in ("matrix", "bias", "idt")), linear=False)
        for k in numbers
    ]
    check_chain(graph, "the net of the types", layers)
    if not any(graph.nodes[n].op == "OneHot" for n in graph.ancestors([layers[0].sums[0].name])):
        raise graph.error(
            "cannot convert a model whose net of the types does not take their unit vectors: use_econf_tebd "
            "(electron configurations) is not supported by dpcore"
        )
    form = embedding_form(graph, "the net of the types", layers)
    biases = {layer.has_bias for layer in layers}
    if len(biases) > 1 or len(form.activations) > 1:
        raise graph.error("the layers of the net of the types differ in bias or activation; corrupt file")
    notes.extend(gelu_note("type_embedding", layers))
    tensors: dict[str, np.ndarray] = {}
    for k, layer in enumerate(layers):
        tensors.update(layer.tensors(f"type_embedding/layer_{k}"))
    config = {
        "neuron": [layer.bias.size for layer in layers],
        "activation_function": layers[0].activation,
        "resnet_dt": (
            form.has_idt if form.has_skip else value_of(graph, script, "resnet_dt", "true or false", False)
        ),
        "precision": layers[0].matrix.dtype.name,
        "trainable": value_of(graph, script, "trainable", "true or false", True),
        "seed": script.get("seed"),
        "use_tebd_bias": biases == {True},
    }
    return config, tensors
