# SPDX-License-Identifier: LGPL-3.0-or-later
"""Small frozen graphs with the names and operations that the importer looks for, made of a model's tensors.

They are no graphs that TensorFlow would run: slices and shapes are left out.  What DeePMD-kit itself writes is
compared in tests/peer; these show, where it is not installed, that every number comes to its place.
"""

from __future__ import annotations

import json

import numpy as np
from dpcore.convert.graphdef import graph_def_class

_DTYPES = {"float32": 1, "float64": 2, "int32": 3}


class GraphWriter:
    """Nodes of a graph one after the other; every method returns the name of its node."""

    def __init__(self, config, davg, dstd):
        self.message, part = graph_def_class()(), config["descriptor"]
        self.const("model_attr/tmap", " ".join(config["type_map"]))
        self.const("model_attr/model_type", config["fitting_net"]["type"])
        self.const("train_attr/training_script", json.dumps({"model": config}))
        self.const("descrpt_attr/rcut", part["rcut"])
        statistics = [
            self.const(f"descrpt_attr/{name}", np.tile(values, (1, sum(part["sel"]))))
            for name, values in (("t_avg", davg), ("t_std", dstd))
        ]
        self.node("t_type", "Placeholder")
        env = self.node("ProdEnvMatA", "ProdEnvMatA", "t_type", *statistics)
        attributes = self.message.node[-1].attr
        attributes["sel_a"].list.i.extend(part["sel"])
        attributes["sel_r"].list.i.extend([0] * len(part["sel"]))
        attributes["rcut_r"].f, attributes["rcut_r_smth"].f = part["rcut"], part["rcut_smth"]
        self.rows = self.node("o_rmat", "Identity", env)

    def node(self, name, op, *inputs):
        self.message.node.add(name=name, op=op, input=list(inputs))
        return name

    def const(self, name, value):
        """A constant: numbers or a text."""
        tensor = self.message.node.add(name=name, op="Const").attr["value"].tensor
        if isinstance(value, str):
            tensor.dtype = 7
            tensor.string_val.append(value.encode())
            return name
        value = np.asarray(value)
        tensor.dtype = _DTYPES[value.dtype.name]
        for size in value.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = value.tobytes()
        return name

    def layer(self, names, arrays, x, number=0, activation="Tanh"):
        """phi(x W + b) * idt; `names` are those of matrix, bias and idt, `number` counts the uses of the layer."""
        for name, value in zip(names, arrays):
            if value is not None and not number:
                self.const(name, value)
        use = f"{names[0]}/use_{number}"
        out = self.node(f"{use}/MatMul", "MatMul", x, names[0])
        if arrays[1] is not None:
            out = self.node(f"{use}/BiasAdd", "BiasAdd", out, names[1])
        if activation:
            out = self.node(f"{use}/{activation}", activation, out)
        return out if arrays[2] is None else self.node(f"{use}/mul", "Mul", out, names[2])

    def net(self, tensors, prefix, name, x, number=0, linear=()):
        """The layers of the net `prefix`; ``name(part, k)`` are the names of their constants, `linear` some of them."""
        k = 0
        while f"{prefix}layer_{k}/matrix" in tensors:
            parts = ("matrix", "bias", "idt")
            arrays = [tensors.get(f"{prefix}layer_{k}/{part}") for part in parts]
            activation = None if k in linear else "Tanh"
            x = self.layer([name(part, k) for part in parts], arrays, x, number, activation)
            k += 1
        return x

    def write(self, path):
        path.write_bytes(self.message.SerializeToString())
        return path


def write_se_a_tpe(path, config, tensors):
    """An energy model with the descriptor se_a_tpe."""
    part = config["descriptor"]
    graph = GraphWriter(config, tensors["descriptor/davg"], tensors["descriptor/dstd"])
    slots = np.repeat(np.arange(len(part["sel"]), dtype=np.float64), part["sel"])
    graph.const("t_nei_type", slots)
    g = graph.net(tensors, "descriptor/net/", lambda what, k: f"filter_type_all/{what}_{k + 1}", graph.rows)
    g = graph.net(
        tensors, "descriptor/amplify/", lambda what, k: f"filter_type_all_amplify/{what}", g, linear=[0]
    )
    for side in range(1 if part["type_one_side"] else 2):
        channels = graph.net(
            tensors,
            "descriptor/types/",
            lambda what, k: f"type_embed_layer_{k}/{what}",
            ("t_nei_type", "t_type")[side],
            side,
            [part["type_nlayer"]],
        )
        g = graph.node(f"Mul_{side}", "Mul", g, channels)
    x = graph.node("Mean", "Mean", g)
    energies = []
    for t in range(len(part["sel"])):
        y = graph.net(
            tensors,
            f"fitting/net_{t}/",
            lambda what, k, t=t: (
                f"layer_{k}_type_{t}/{what}"
                if k < len(config["fitting_net"]["neuron"])
                else f"final_layer_type_{t}/{what}"
            ),
            x,
            linear=[len(config["fitting_net"]["neuron"])],
        )
        energies.append(y)
    graph.const("fitting_attr/t_bias_atom_e", tensors["fitting/bias_atom_e"])
    bias = graph.node("bias", "GatherV2", "fitting_attr/t_bias_atom_e", "t_type")
    graph.node("o_atom_energy", "AddV2", graph.node("concat", "ConcatV2", *energies), bias)
    graph.node("o_energy", "Sum", "o_atom_energy")
    graph.node("o_virial", "Sum", "o_energy")
    return graph.write(path)


def write_polar_with_types(path, config, tensors):
    """A model of polarizabilities with se_e2_a and type embedding."""
    fitting = config["fitting_net"]
    graph = GraphWriter(config, tensors["descriptor/davg"], tensors["descriptor/dstd"])
    graph.const("model_attr/sel_type", np.array(fitting["sel_type"], dtype=np.int32))
    te = graph.net(
        tensors,
        "type_embedding/",
        lambda what, k: f"type_embed_net/{what}_{k + 1}",
        graph.node("OneHot", "OneHot", "t_type"),
    )
    x = graph.node("concat_te", "ConcatV2", graph.rows, te)
    g = graph.net(tensors, "descriptor/net/", lambda what, k: f"filter_type_all/{what}_{k + 1}", x)
    n = len(fitting["neuron"])
    y = graph.net(
        tensors,
        "fitting/net/",
        lambda what, k: f"layer_{k}/{what}" if k < n else f"final_layer/{what}",
        graph.node("concat_fit", "ConcatV2", g, te),
        linear=[n],
    )
    if fitting["fit_diag"]:
        y = graph.node("diag", "MatrixDiagV3", y)
    y = graph.node("MatMul", "BatchMatMulV2", y, g)
    scale = graph.node("scale", "Tile", graph.const("scale/tensor", np.array(fitting["scale"])), "t_type")
    y = graph.node("mul_scale", "Mul", y, graph.node("ExpandDims", "ExpandDims", scale))
    if fitting["shift_diag"]:
        graph.const("fitting_attr/t_constant_matrix", tensors["fitting/constant_matrix"])
        shift = graph.node("shift", "Tile", "fitting_attr/t_constant_matrix", "t_type")
        eye = graph.node("eye/diag", "MatrixDiagV3", graph.const("eye/ones", np.ones(3)))
        y = graph.node("add", "AddV2", y, graph.node("mul_shift", "Mul", shift, eye))
    graph.node("o_polar", "Reshape", y)
    return graph.write(path)
