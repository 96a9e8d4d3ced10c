# SPDX-License-Identifier: LGPL-3.0-or-later
"""The fitting nets ``dipole`` and ``polar`` of a frozen graph: a net per selected type.

The outputs of a net are contracted with the rotation matrix of the descriptor.  For ``polar`` the scale
and the constant on the diagonal are found on the way from a net's outputs to the model's: the one product
with a constant number, and the constant beside which the identity stands.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dpcore.convert.energy_fitting import check_nets, has_skip, read_net
from dpcore.convert.graph import Graph, source_name
from dpcore.convert.networks import DenseLayer, gelu_note
from dpcore.convert.script import value_of
from dpcore.convert.type_embedding import has_type_embedding

_FINAL_LAYER = re.compile(r"final_layer_type_(\d+)/matrix$")
_CONSTANT_MATRIX = "fitting_attr/t_constant_matrix"
# operations between the outputs of a net and the tensor of a centre
_ON_THE_WAY = {
    *("BiasAdd", "Reshape", "Cast", "Transpose", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"),
    *("MatrixDiag", "MatrixDiagV2", "MatrixDiagV3", "Add", "AddV2", "Mul", "ExpandDims", "Squeeze"),
}


def read_tensor_fitting(
    graph: Graph, script: dict[str, Any], kind: str, n_types: int, width: int, notes: list[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Config section and tensors (``fitting/...``) of the fitting net `kind`.

    ``width`` is the last layer of the embedding net; ``script``, ``notes`` and errors as for
    `dpcore.convert.energy_fitting.read_fitting`.
    """
    shared = has_type_embedding(graph)
    selected = _selected(graph, n_types, shared)
    one = read_net(graph, None) if shared else []
    nets = {centre: one if shared else read_net(graph, centre) for centre in selected}
    check_nets(graph, list(nets.values()))
    outputs = nets[selected[0]][-1].bias.size
    sizes = {"dipole": [width], "polar": [width, width * width]}[kind]
    if outputs not in sizes:
        raise graph.error(
            f"the {kind} net has {outputs} outputs, expected {' or '.join(map(str, sizes))} for an embedding "
            f"net of width {width}; the file is corrupt"
        )
    tensors: dict[str, np.ndarray] = {}
    for centre, net in nets.items():
        for k, layer in enumerate(net):
            name = "net" if shared else f"net_{centre}"
            tensors.update(layer.tensors(f"fitting/{name}/layer_{k}"))
    hidden = nets[selected[0]][:-1]
    notes.extend(gelu_note("fitting_net", hidden))
    skips = any(has_skip(hidden, k) for k in range(len(hidden)))
    config = {
        "type": kind,
        "neuron": [layer.bias.size for layer in hidden],
        "activation_function": hidden[0].activation,
        "precision": nets[selected[0]][-1].matrix.dtype.name,
        "resnet_dt": (
            any(layer.idt is not None for layer in hidden)
            if skips
            else value_of(graph, script, "resnet_dt", "true or false", False)
        ),
        "sel_type": selected,
        "numb_fparam": 0,
        "numb_aparam": 0,
        "seed": script.get("seed"),
    }
    if kind == "polar":
        if len(sizes) == 2 and sizes[0] == sizes[1]:
            config["fit_diag"] = value_of(graph, script, "fit_diag", "true or false", True)
        else:
            config["fit_diag"] = outputs == width
        scale, shift = _scale_and_shift(graph, nets, n_types)
        config["scale"] = scale.tolist()
        config["shift_diag"] = value_of(graph, script, "shift_diag", "true or false", bool(shift.any()))
        tensors["fitting/constant_matrix"] = shift
    return config, tensors


def _selected(graph: Graph, n_types: int, shared: bool) -> list[int]:
    """The types with a net, unless types share one; they must be those that the graph says."""
    found = sorted(int(m[1]) for m in map(_FINAL_LAYER.match, graph.nodes) if m and graph.in_forward(m[0]))
    told = sorted(int(t) for t in graph.const("model_attr/sel_type").reshape(-1))
    if shared and not found:
        found = told
    if not found or found != told or found[-1] >= n_types:
        raise graph.error(
            f"the graph has nets for the types {found}, and model_attr/sel_type says {told} of {n_types} "
            "types; the file is corrupt"
        )
    return found


def _scale_and_shift(
    graph: Graph, nets: dict[int, list[DenseLayer]], n_types: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and constant of the diagonal by type, float64 [n_types]; 1 and 0 where there is no net."""
    scale, shift = np.ones(n_types), np.zeros(n_types)
    table = np.zeros(n_types)
    if graph.is_const(_CONSTANT_MATRIX):
        table = np.asarray(graph.const(_CONSTANT_MATRIX), dtype=np.float64).reshape(-1)
        if table.shape != (n_types,) or not np.isfinite(table).all():
            raise graph.error(f"{_CONSTANT_MATRIX!r} should be {n_types} finite numbers; the file is corrupt")
    for centre, net in nets.items():
        factors, constants = [], []
        pending, seen = [net[-1].sums[0].name], set()
        while pending:
            name = pending.pop()
            for node in graph.users(name):
                if node.op not in _ON_THE_WAY or node.name in seen:
                    continue
                seen.add(node.name)
                pending.append(node.name)
                others = [graph.resolve_cast(source_name(ref)) for ref in node.input]
                if node.op == "Mul":
                    single = [graph.number(other) for other in others if _is_number(graph, other)]
                    factors += single or _of_type(graph, others, net[-1].sums[0].name, centre, n_types)
                elif node.op in ("Add", "AddV2"):
                    for other in others:
                        constants += _diagonal(graph, other, table[centre])
        if len(factors) != 1 or len(constants) > 1:
            raise graph.error(
                f"the net of type {centre} is followed by {len(factors)} scale(s) and {len(constants)} "
                "constant(s) of the diagonal; expected one and at most one; the model is of a version dpcore "
                "does not know"
            )
        scale[centre] = factors[0]
        shift[centre] = constants[0] if constants else 0.0
    return scale, shift


def _of_type(graph: Graph, names: list[str], net: str, centre: int, n_types: int) -> list[float]:
    """Of the factors of a product those that atoms take from a table by their types, where types share a net."""
    found = []
    for behind in (graph.ancestors([name], values_only=True) for name in names):
        if net in behind:
            continue
        consts = [graph.const(name).reshape(-1) for name in behind if graph.is_const(name)]
        found += [float(c[centre]) for c in consts if c.dtype.kind == "f" and c.size == n_types]
    return found


def _is_number(graph: Graph, name: str) -> bool:
    if not graph.is_const(name):
        return False
    value = graph.const(name)
    return value.size == 1 and value.dtype.kind == "f"


def _diagonal(graph: Graph, name: str, of_table: float) -> list[float]:
    """The constant that this summand has on the diagonal: [] where it is none, or one of zeros."""
    node = graph.nodes[name]
    if node.op != "Mul":
        return []
    parts = [graph.resolve_cast(source_name(ref)) for ref in node.input]
    if not any(graph.nodes[part].op.startswith("MatrixDiag") for part in parts):
        return []
    for part in parts:
        if _is_number(graph, part):
            return [float(graph.number(part))]
        if _CONSTANT_MATRIX in graph.ancestors([part]):
            return [of_table]
    consts = [graph.const(n) for n in graph.ancestors(parts, values_only=True) if graph.is_const(n)]
    tables = [c for c in consts if c.dtype.kind == "f" and c.size > 1]
    if any(np.any((c != 0.0) & (c != 1.0)) for c in tables):
        raise graph.error(f"{name!r} adds a constant that dpcore does not know; please report it")
    return []
