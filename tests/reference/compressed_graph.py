# SPDX-License-Identifier: LGPL-3.0-or-later
"""A frozen graph with tables in place of its embedding nets, in the form that ``dp compress`` of DeePMD-kit writes.

It is made of an uncompressed graph: the operation that takes the numbers of a net becomes one that looks them up.
"""

from __future__ import annotations

import re

import numpy as np
from dpcore.convert.graph import Graph
from dpcore.convert.graphdef import read_graph
from reference.graph_editing import node_of, set_string
from reference.se_e2_a import embedding_net, layers_of

OPERATIONS = {"se_e2_a": "TabulateFusionSeA", "se_e2_r": "TabulateFusionSeR", "se_e3": "TabulateFusionSeT"}
_MATRIX = re.compile(r"(filter_type_(\w+?)(?:_\d+)?)/matrix_1_(\d+(?:_\d+)?)$")
# of tests: a fine step that needs few rows; lower, upper, last, steps
RANGE = (-2.0, 10.0, 20.0, 0.05, 0.5)
RANGE_OF_ANGLES = (-120.0, 120.0, 140.0, 0.1, 0.5)


def table_rows(net, nodes, steps):
    """[n, M, 6] coefficients of net(s) -> [n, M] on the intervals [node, node + step]: interpolation at six places."""
    places = 0.5 - 0.5 * np.cos(np.pi * (np.arange(6) + 0.5) / 6)
    values = np.stack([net(nodes + x * steps) for x in places])
    inverse = np.linalg.inv(places[:, None] ** np.arange(6))
    return np.einsum("px,xnm->nmp", inverse, values) / (steps[:, None, None] ** np.arange(6))


def compress(message, config, tensors, op_name=None):
    """Edit a graph in place; config and tensors are what is read from it."""
    graph = Graph(message, "graph")
    graph.trace_forward([name for name in ("o_energy", "o_dipole", "o_polar") if name in graph])
    part = config["descriptor"]
    nets = sorted(match.groups() for match in map(_MATRIX.match, graph.nodes) if match)
    takers = [_taker(graph, scope, types, part["type"]) for scope, _, types in nets]
    for number, ((_, centre, types), (taker, rows_of)) in enumerate(zip(nets, takers)):
        name = f"net_{types}" if centre == "all" or "_" in types else f"net_{centre}_{types}"
        layers = layers_of(tensors, f"descriptor/{name}")

        def net(s, layers=layers):
            return embedding_net(layers, part["activation_function"], s)[0]  # in double

        lower, upper, last, fine, coarse = RANGE_OF_ANGLES if part["type"] == "se_e3" else RANGE
        n_fine, n_coarse = round((upper - lower) / fine), round((last - upper) / coarse)
        nodes = np.concatenate([lower + fine * np.arange(n_fine), upper + coarse * np.arange(n_coarse)])
        steps = np.repeat([fine, coarse], [n_fine, n_coarse])
        if part["type"] == "se_e3":
            n_below = round((lower + last) / coarse)
            nodes = np.concatenate([-last + coarse * np.arange(n_below), nodes])
            steps = np.concatenate([np.full(n_below, coarse), steps])
        rows = table_rows(net, nodes, steps)
        _constant(message, f"table_{number}", rows.reshape(len(rows), -1), part["precision"])
        _constant(
            message,
            f"table_{number}_info",
            np.array([lower, upper, last, fine, coarse, -1]),
            part["precision"],
        )
        node = node_of(message, taker)
        node.op = op_name or OPERATIONS[part["type"]]
        node.ClearField("input")
        node.input.extend([f"table_{number}", f"table_{number}_info", rows_of, rows_of])
        if part["type"] == "se_e2_r":
            node.input.pop()
        node.ClearField("attr")
        node.attr["last_layer_size"].i = part["neuron"][-1]
    if "model_type" in graph:
        set_string(message, "model_type", "compressed_model")


def compressed(source, folder, edit=None, **options):
    """Write a compressed copy of a graph, after ``edit(message)``; returns its path."""
    import json

    from dpcore.convert import read_tensorflow_graph

    metadata, tensors = read_tensorflow_graph(source)
    message = read_graph(source)
    compress(message, json.loads(metadata["config"]), tensors, **options)
    if edit is not None:
        edit(message)
    path = folder / "compressed.pb"
    path.write_bytes(message.SerializeToString())
    return path


def _taker(graph, scope, types, kind):
    """The operation that takes the numbers of a net, and the node of the slots' environment matrix."""
    nets = {f"{s}/matrix_1_{t}" for s, _, t in (m.groups() for m in map(_MATRIX.match, graph.nodes) if m)}
    mine = f"{scope}/matrix_1_{types}"
    behind = [
        node
        for node in graph.forward_nodes()
        if node.name.startswith(scope + "/") and graph.ancestors([node.name]) & nets == {mine}
    ]
    if kind == "se_e2_r":
        last = behind[-1]
        (first,) = graph.users(mine)
        return last.name, graph.nodes[first.input[0]].input[0]
    (taker,) = (
        node
        for node in behind
        if node.op == ("Einsum" if kind == "se_e3" else "BatchMatMulV2")
        and mine in graph.ancestors([node.input[1]])
        and mine not in graph.ancestors([node.input[0]])
    )
    return taker.name, taker.input[0]


def _constant(message, name, values, precision):
    node = message.node.add(name=name, op="Const")
    tensor = node.attr["value"].tensor
    tensor.dtype = 1 if precision == "float32" else 2
    for size in values.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = values.astype(precision).tobytes()
