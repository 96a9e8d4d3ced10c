# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptor ``se_a_tpe`` of a frozen graph: one embedding net, its amplified outputs, and the net of the types.

DeePMD-kit trains and freezes it for systems of one atom only (docs/theory/se_a_tpe.md).
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np

from dpcore.convert.graph import Graph
from dpcore.convert.networks import DenseLayer, check_chain, read_layer
from dpcore.convert.se_e2_a import LAYOUT as SE_E2_A
from dpcore.convert.two_body import Place

_TYPES = re.compile(r"type_embed_layer_(\d+)/matrix$")


def _read(graph: Graph, scope: str, linear: bool) -> DenseLayer:
    return read_layer(graph, *(f"{scope}/{part}" for part in ("matrix", "bias", "idt")), linear=linear)


def _complete(graph: Graph, place: Place, config: dict[str, Any]) -> dict[str, np.ndarray]:
    """Complete the config section, in place, and read the tensors beside those of the embedding net."""
    amplify = _read(graph, f"filter_type_all{place.suffix}_amplify", linear=True)
    numbers = sorted(int(m[1]) for m in map(_TYPES.match, graph.nodes) if m and graph.in_forward(m[0]))
    if len(numbers) < 2 or numbers != list(range(len(numbers))):
        raise graph.error(
            f"the net of the types of {place.what} has the layers {numbers}; expected 0, 1, ...; the file is "
            "truncated or corrupt"
        )
    last = numbers[-1]
    types = [_read(graph, f"type_embed_layer_{k}", linear=k == last) for k in numbers]
    check_chain(graph, "the net of the types", types)
    numb_aparam = types[0].matrix.shape[0] - 1
    width, channels = config["neuron"][-1], types[-1].bias.size
    one_side = len(types[0].sums) == 1
    expected = (width, width * channels * (1 if one_side else channels))
    same = {layer.bias.size for layer in types} == {channels}
    if amplify.matrix.shape != expected or not same:
        raise graph.error(
            f"{place.what} has an amplifying layer of shape {list(amplify.matrix.shape)}, expected {list(expected)} "
            f"for {channels} channels of {'one type' if one_side else 'two types'}; the file is corrupt"
        )
    forms = {(layer.activation, layer.matrix.dtype.name) for layer in types[:-1]}
    if forms != {(config["activation_function"], config["precision"])}:
        raise graph.error(f"the net of the types is of another form than the embedding net: {sorted(forms)}")
    _check_types(graph, config["sel"])
    config.update(
        type_one_side=one_side, type_nchanl=channels, type_nlayer=len(types) - 1, numb_aparam=numb_aparam
    )
    tensors = amplify.tensors(f"{place.prefix}amplify/layer_0")
    for k, layer in enumerate(types):
        tensors.update(layer.tensors(f"{place.prefix}types/layer_{k}"))
    return tensors


def _check_types(graph: Graph, sel: list[int]) -> None:
    """The constant of the slots' types is what sel says."""
    found = [int(t) for t in graph.const("t_nei_type").reshape(-1)]
    if found != [t for t, size in enumerate(sel) for _ in range(size)]:
        raise graph.error("'t_nei_type' does not hold the types of the slots of sel; the file is corrupt")


LAYOUT = dataclasses.replace(SE_E2_A, name="se_a_tpe", with_types=False, complete=_complete)
