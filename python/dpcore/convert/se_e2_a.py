# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptor ``se_e2_a`` of a frozen graph: statistics and embedding nets.

The operation of the environment matrix carries ``sel`` and the radii (float32);
``t_avg`` and ``t_std`` are its last inputs, one value per slot and component,
equal for all slots of a centre type.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dpcore.convert.graph import Graph, source_name
from dpcore.convert.networks import DenseLayer, check_chain, gelu_note, read_layer
from dpcore.convert.script import value_of
from dpcore.convert.unsupported import DESCRIPTOR_OPS

# Scopes of the embedding nets; "DS_layer" before 1.0.
_NET_NAME = re.compile(r"(?:filter|DS_layer)_type_(\d+|all)/matrix_(\d+)_(\d+)$")
_SCALE_NAME = re.compile(r"(?:filter|DS_layer)_type_[^/]+/(mul|truediv)/y$")
_PARTS = ("matrix", "bias", "idt")


def read_descriptor(
    graph: Graph, script: dict[str, Any], notes: list[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Config section and tensors of the descriptor.

    ``script`` is its section of the training script ({} in old graphs), ``notes``
    collects what the conversion changed.  ``axis_neuron`` is what the script says
    (0 without one); the fitting net's input size decides it (``axis_neuron``).
    """

    def value(key: str, kind: str, default: Any) -> Any:
        return value_of(graph, script, key, kind, default)

    operation = next(node for node in graph if node.op in DESCRIPTOR_OPS)
    if not graph.in_forward(operation.name):
        raise graph.error(
            f"the energy does not depend on {operation.name!r}; the file is corrupt or of an unknown version"
        )
    sel = _read_sel(graph, operation)
    davg, dstd = _statistics(graph, operation, len(sel))
    nets, one_side = _embedding_nets(graph)
    excluded = _exclude_types(graph, script, nets, one_side, len(sel))
    layers = next(iter(nets.values()), [])
    neuron = [layer.bias.size for layer in layers] or value("neuron", "a list of integers", [])
    if not neuron:
        raise graph.error(
            "every pair of types is excluded and no training script tells the "
            "size of the embedding nets; there is nothing to convert"
        )
    _check_nets(graph, nets)

    tensors = {"descriptor/davg": davg, "descriptor/dstd": dstd}
    for name, net in nets.items():
        for k, layer in enumerate(net):
            tensors.update(layer.tensors(f"descriptor/{name}/layer_{k}"))
    if script.get("precision") == "float16":
        notes.append("descriptor: the float16 weights are kept and evaluated in float32")
    notes.extend(gelu_note("descriptor", layers))
    has_skip = any(_has_skip(layer) for layer in layers)
    has_idt = any(layer.idt is not None for layer in layers)
    config = {
        "type": "se_e2_a",
        "sel": sel,
        "rcut": _radius(graph, operation, "rcut_r", _stored_rcut(graph)),
        "rcut_smth": _radius(graph, operation, "rcut_r_smth", value("rcut_smth", "a number", None)),
        "neuron": neuron,
        "axis_neuron": value("axis_neuron", "an integer", value("n_axis_neuron", "an integer", 0)),
        "activation_function": (
            layers[0].activation if layers else value("activation_function", "a text", "tanh")
        ),
        "resnet_dt": has_idt if has_skip else value("resnet_dt", "true or false", False),
        "type_one_side": one_side,
        "precision": layers[0].matrix.dtype.name if layers else _script_precision(script),
        "trainable": value("trainable", "true or false", True),
        "seed": script.get("seed"),
        "exclude_types": excluded,
        "set_davg_zero": value("set_davg_zero", "true or false", not bool(davg.any())),
    }
    return config, tensors


def _script_precision(script: dict[str, Any]) -> str:
    return "float32" if script.get("precision") in ("float32", "float16") else "float64"


def _read_sel(graph: Graph, operation: Any) -> list[int]:
    """sel of the operation; the sums must be scaled with 1/sum(sel)."""
    sel = [int(size) for size in operation.attr["sel_a"].list.i]
    sel_r = [int(size) for size in operation.attr["sel_r"].list.i]
    if not sel or min(sel) < 0 or sum(sel) == 0 or any(sel_r):
        raise graph.error(
            f"{operation.name!r} has sel_a = {sel}, sel_r = {sel_r}; expected "
            "sel_a >= 0 with a positive sum and sel_r = 0; the file is corrupt"
        )
    if graph.is_const("descrpt_attr/original_sel"):
        original = [int(size) for size in graph.const("descrpt_attr/original_sel").reshape(-1)]
        if original != sel:
            raise graph.error(
                f"cannot convert a model whose sel was changed after the training "
                f"(from {original} to {sel}): give the model as it was trained"
            )
    total = sum(sel)
    for node in graph.forward_nodes():
        match = _SCALE_NAME.match(node.name)
        if match and node.op == "Const":
            value = float(graph.number(node.name))
            product = value * total if match[1] == "mul" else value / total
            if not abs(product - 1.0) < 1e-6:
                raise graph.error(
                    f"{node.name!r} = {value} does not scale the descriptor with "
                    f"1/{total} (the sum of sel); the model is of a version dpcore does not know"
                )
    return sel


def _stored_rcut(graph: Graph) -> float | None:
    """The cut-off as the user wrote it; the operation has it in single precision."""
    for name in ("descrpt_attr/rcut", "t_rcut"):
        if graph.is_const(name):
            return float(graph.number(name))
    return None


def _radius(graph: Graph, operation: Any, key: str, written: float | None) -> float:
    """A radius in A: the written double if it rounds to the operation's float32."""
    if key not in operation.attr:
        raise graph.error(f"{operation.name!r} has no attribute {key}; corrupt file")
    used = np.float32(operation.attr[key].f)
    if not (np.isfinite(used) and used >= 0):
        raise graph.error(f"{operation.name!r} has {key} = {used} A, expected a length; corrupt file")
    if written is not None and np.float32(written) == used:
        return float(written)
    if written is not None and key == "rcut_r":
        raise graph.error(
            f"the stored rcut is {written} A but the descriptor uses {used} A; the file is corrupt"
        )
    return float(str(used))  # the shortest decimal that rounds to the float32


def _statistics(graph: Graph, operation: Any, n_types: int) -> tuple[np.ndarray, np.ndarray]:
    """davg and dstd, [n_types, 4] each, float64: one slot stands for all."""
    reduced = []
    if len(operation.input) < 2:
        raise graph.error(f"{operation.name!r} lacks t_avg and t_std; the file is corrupt")
    for name, index in (("t_avg", -2), ("t_std", -1)):
        source = graph.resolve(source_name(operation.input[index]))
        if source.split("/")[-1] != name:
            raise graph.error(
                f"{operation.name!r} takes {source!r} where {name} is expected; "
                "the model is of a version dpcore does not know"
            )
        table = graph.const(source)
        if table.dtype.kind != "f" or table.ndim != 2 or table.shape[0] != n_types:
            raise graph.error(
                f"{source!r} is {table.dtype} of shape {list(table.shape)}, expected "
                f"floats [{n_types}, 4*sum(sel)]; the file is corrupt"
            )
        n_slots = sum(operation.attr["sel_a"].list.i)
        if table.shape[1] != 4 * n_slots or not np.all(np.isfinite(table)):
            raise graph.error(
                f"{source!r} has {table.shape[1]} columns or values that are not "
                f"finite; expected {4 * n_slots} finite columns (4 for each of sum(sel)); corrupt"
            )
        slots = table.reshape(n_types, n_slots, 4)
        if not np.all(slots == slots[:, :1]):
            raise graph.error(
                f"cannot convert a model whose {name} differs between the neighbours "
                "of one centre type: DeePMD-kit makes them equal, so the file was edited"
            )
        reduced.append(slots[:, 0].astype(np.float64))
    if not np.all(reduced[1] > 0):
        raise graph.error("t_std has values that are not positive; corrupt file")
    return reduced[0], reduced[1]


def _embedding_nets(graph: Graph) -> tuple[dict[str, list[DenseLayer]], bool]:
    """Nets by tensor name (net_b one-sided, net_a_b two-sided), and one-sidedness."""
    found: dict[tuple[str, int], list[int]] = {}
    for name in graph.nodes:
        match = _NET_NAME.match(name)
        if match and graph.is_const(name) and graph.in_forward(name):
            key = (name.split("/")[0], int(match[3]))
            found.setdefault(key, []).append(int(match[2]))
    nets = {}
    sides = set()
    for (scope, neighbour), numbers in sorted(found.items(), key=lambda item: _net_order(item[0])):
        centre = scope.split("_type_")[1]
        sides.add(centre == "all")
        name = f"net_{neighbour}" if centre == "all" else f"net_{centre}_{neighbour}"
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            raise graph.error(
                f"the net {scope!r} for neighbour type {neighbour} has the layers "
                f"{sorted(numbers)}; expected 1, 2, ...; the file is truncated or corrupt"
            )
        nets[name] = [
            read_layer(graph, *(f"{scope}/{part}_{k}_{neighbour}" for part in _PARTS), linear=False)
            for k in range(1, len(numbers) + 1)
        ]
        check_chain(graph, f"{scope} neighbour type {neighbour}", nets[name])
    if len(sides) > 1:
        raise graph.error("one-sided and two-sided nets in one graph; corrupt file")
    return nets, sides == {True}


def _net_order(key: tuple[str, int]) -> tuple[int, int]:
    centre = key[0].split("_type_")[1]
    return (-1 if centre == "all" else int(centre), key[1])


def _has_skip(layer: DenseLayer) -> bool:
    """The rule of the embedding net: a skip where the width stays or doubles."""
    n_in, n_out = layer.matrix.shape
    return n_out in (n_in, 2 * n_in)


def _check_nets(graph: Graph, nets: dict[str, list[DenseLayer]]) -> None:
    """All nets of the descriptor must be of one form."""
    forms = set()
    for name, layers in nets.items():
        if layers[0].matrix.shape[0] != 1:
            raise graph.error(
                f"the embedding net {name} takes {layers[0].matrix.shape[0]} inputs; "
                "that of se_e2_a takes one; the model is of a kind dpcore does not know"
            )
        time_steps = {layer.idt is not None for layer in layers if _has_skip(layer)}
        stray = any(layer.idt is not None for layer in layers if not _has_skip(layer))
        if stray or len(time_steps) > 1:
            raise graph.error(
                f"the embedding net {name} has time steps (idt) on some layers only, "
                "or on layers without a skip; the file is corrupt or of an unknown version"
            )
        sizes = tuple(layer.bias.size for layer in layers)
        activations = frozenset(layer.activation for layer in layers)
        forms.add((sizes, activations, *time_steps, layers[0].matrix.dtype.name))
    if len(forms) > 1 or any(len(form[1]) > 1 for form in forms):
        raise graph.error(
            f"the embedding nets differ in size, activation, time step or "
            f"precision: {sorted(map(str, forms))}; dpcore has one form for all"
        )


def _exclude_types(
    graph: Graph,
    script: dict[str, Any],
    nets: dict[str, list[DenseLayer]],
    one_side: bool,
    n_types: int,
) -> list[list[int]]:
    """Excluded pairs [a, b], a <= b: nets that are missing, or (one-sided) a mask."""
    pairs = [(a, b) for a in range(n_types) for b in range(n_types)]
    if one_side:
        missing = [b for b in range(n_types) if f"net_{b}" not in nets]
        if missing or len(nets) != n_types:
            raise graph.error(f"embedding nets {sorted(nets)} for {n_types} types; corrupt file")
        excluded = _masked_pairs(graph, n_types)
    else:
        excluded = {(a, b) for a, b in pairs if f"net_{a}_{b}" not in nets}
        unmasked = _masked_pairs(graph, n_types) <= excluded
        if len(nets) + len(excluded) != len(pairs) or not unmasked:
            raise graph.error(f"embedding nets {sorted(nets)} for {n_types} types; corrupt file")
    asymmetric = any((b, a) not in excluded for a, b in excluded)
    found = sorted({(min(pair), max(pair)) for pair in excluded})
    pairs_written = value_of(graph, script, "exclude_types", "a list of pairs of integers", [])
    written = sorted({(min(pair), max(pair)) for pair in pairs_written})
    if asymmetric or (script and found != written):
        raise graph.error(
            f"the graph excludes the pairs of types {sorted(excluded)} while the "
            f"training script says exclude_types = {written}; the file is truncated or corrupt"
        )
    return [list(pair) for pair in found]


def _masked_pairs(graph: Graph, n_types: int) -> set[tuple[int, int]]:
    """Pairs that a 0/1 table [n_types, n_types] removes from the environment matrix.

    Any other table that atoms look values up in is unknown and refused; the energy
    bias per type (``t_bias_atom_e``) is read with the fitting net.
    """
    excluded: set[tuple[int, int]] = set()
    for node in graph.forward_nodes():
        if node.op not in ("Gather", "GatherV2"):
            continue
        source = graph.resolve_cast(source_name(node.input[0]))
        if not graph.is_const(source) or source.endswith("/t_bias_atom_e"):
            continue
        table = graph.const(source)
        if table.shape != (n_types, n_types) or not np.all((table == 0) | (table == 1)):
            raise graph.error(
                f"{node.name!r} reads the table {source!r} of shape "
                f"{list(table.shape)}; the model is of a kind dpcore does not know"
            )
        excluded |= {(int(a), int(b)) for a, b in zip(*np.nonzero(table == 0))}
    return excluded
