# SPDX-License-Identifier: LGPL-3.0-or-later
"""Changes to a graph that make it another version, another kind, or damaged.

``edited(source, folder, edit)`` writes a copy after ``edit(message)``; the functions
here either are such an edit or return one.
"""

from __future__ import annotations

import json

import numpy as np
from dpcore.convert.graphdef import decode_tensor, read_graph


def edited(source, tmp_path, edit):
    """A copy of a graph after ``edit(message)``; returns its path."""
    message = read_graph(source)
    edit(message)
    path = tmp_path / "edited.pb"
    path.write_bytes(message.SerializeToString())
    return path


def node_of(graph, name):
    return next(node for node in graph.node if node.name == name)


def set_values(graph, name, values):
    tensor = node_of(graph, name).attr["value"].tensor
    tensor.ClearField("tensor_content")
    tensor.ClearField("double_val")
    tensor.double_val.extend(np.ravel(values).tolist())


def set_string(graph, name, text):
    node_of(graph, name).attr["value"].tensor.string_val[:] = [text.encode()]


def edit_script(graph, change):
    name = "train_attr/training_script"
    tensor = node_of(graph, name).attr["value"].tensor
    script = json.loads(tensor.string_val[0])
    change(script)
    set_string(graph, name, json.dumps(script))


def without_stored_bias(graph):
    """Make t_bias_atom_e unused: the lookup becomes one of zeros (2.1 and older)."""
    for node in graph.node:
        if node.op == "GatherV2" and node.input[0] == "fitting_attr/t_bias_atom_e/read":
            node.op = "ZerosLike"
            index = node.input[1]
            node.ClearField("input")
            node.ClearField("attr")
            node.input.append(index)


def rename_ops(old, new):
    def edit(graph):
        nodes = [node for node in graph.node if node.op == old]
        assert nodes
        for node in nodes:
            node.op = new

    return edit


def add_node(name, op="Const"):
    return lambda graph: graph.node.add(name=name, op=op)


def change_script(*keys, value):
    def change(script):
        section = script
        for key in keys[:-1]:
            section = section.setdefault(key, {})
        section[keys[-1]] = value

    return lambda graph: edit_script(graph, change)


def set_one_value(name, value):
    def edit(graph):
        values = decode_tensor(node_of(graph, name).attr["value"].tensor, name)
        values.reshape(-1)[1] = value
        set_values(graph, name, values)

    return edit


def set_attribute(key, value):
    return lambda graph: setattr(node_of(graph, "ProdEnvMatA").attr[key], "f", value)


def duplicate_first_node(graph):
    graph.node.add().CopyFrom(graph.node[0])


def remove_nodes(*prefixes):
    def edit(graph):
        kept = [node for node in graph.node if not node.name.startswith(prefixes)]
        assert len(kept) < len(graph.node)
        copies = [type(node).FromString(node.SerializeToString()) for node in kept]
        graph.ClearField("node")
        graph.node.extend(copies)

    return edit


def cast_weights(graph):
    """Mixed precision: the weights are converted before the product."""
    graph.node.add(name="half", op="Cast", input=["layer_1_type_0/matrix/read"])
    node_of(graph, "layer_1_type_0/MatMul").input[1] = "half"


def assert_same_tensors(found, expected):
    """Bit for bit, in names, types and values."""
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key].dtype == value.dtype and np.array_equal(found[key], value), key
