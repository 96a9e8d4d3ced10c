# SPDX-License-Identifier: LGPL-3.0-or-later
"""Two-body descriptors of a frozen graph: statistics and embedding nets.

The operation of the environment matrix carries ``sel`` and the radii (float32); ``t_avg`` and ``t_std`` are its
last inputs, one value per slot and component, equal for all slots of a centre type.  What differs between the
descriptors is a `Layout`.  The names of the k-th part of a hybrid descriptor end in ``_k``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from dpcore.convert.exclusion import exclude_types, masked_pairs
from dpcore.convert.graph import Graph, source_name
from dpcore.convert.networks import (
    DenseLayer,
    EmbeddingForm,
    check_chain,
    embedding_form,
    gelu_note,
    read_layer,
)
from dpcore.convert.script import value_of
from dpcore.convert.tables import Table, config_of, note_of, read_tables, tensors_of

_PARTS = ("matrix", "bias", "idt")


@dataclass(frozen=True)
class Layout:
    """How the graph of one two-body descriptor looks.

    ``rcut`` and ``rcut_smth`` are attributes of the operation of the environment matrix, ``read_sel``
    takes ``sel`` from it, ``n_components`` is the number of columns for each slot, ``check_scale``
    raises where the sum over the slots is not scaled as dpcore does, and ``keys`` are those that the
    other descriptors have not.  ``with_types``: with type embedding it has one net, which takes the numbers of
    the types besides.  With ``neighbor_pairs`` the nets belong to two types of neighbours instead of one, and
    to all types of centres; no pair of types can be excluded.  With ``complete`` there is one net
    for all types without their numbers; it adds to the config section and gives more tensors.
    """

    name: str
    rcut: str
    rcut_smth: str
    n_components: int
    read_sel: Callable[[Graph, Any], list[int]]
    check_scale: Callable[[Graph, Place, list[int]], None]
    keys: Callable[[Callable[[str, str, Any], Any]], dict[str, Any]] = lambda value: {}
    with_types: bool = False
    neighbor_pairs: bool = False
    complete: Callable[[Graph, Place, dict[str, Any]], dict[str, np.ndarray]] | None = None


@dataclass(frozen=True)
class Place:
    """Where a descriptor stands: on its own (``index`` None), or as a part of a hybrid one."""

    operation: Any
    index: int | None = None

    @property
    def suffix(self) -> str:
        return "" if self.index is None else f"_{self.index}"

    @property
    def prefix(self) -> str:
        """Of the names of its tensors."""
        return "descriptor/" if self.index is None else f"descriptor/part_{self.index}/"

    @property
    def what(self) -> str:
        """For messages."""
        return "descriptor" if self.index is None else f"descriptor {self.index} of the hybrid one"

    def scoped(self, pattern: str) -> re.Pattern[str]:
        """Names below the scopes of its nets; the first group is the centre type. DS_layer: before 1.0."""
        return re.compile(rf"(?:filter|DS_layer)_type_(\d+|all){self.suffix}/{pattern}$")


def read_two_body(
    graph: Graph, layout: Layout, place: Place, script: dict[str, Any], notes: list[str], n_numbers: int = 0
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Config section and tensors of a descriptor.

    ``script`` is its section of the training script ({} in old graphs), ``notes``
    collects what the conversion changed, ``n_numbers`` stand for a type (0: no type embedding).
    """
    n_numbers = n_numbers if layout.with_types else 0

    def value(key: str, kind: str, default: Any) -> Any:
        return value_of(graph, script, key, kind, default)

    operation = place.operation
    if not graph.in_forward(operation.name):
        raise graph.error(
            f"the energy does not depend on {operation.name!r}; the file is corrupt or of an unknown version"
        )
    sel = layout.read_sel(graph, operation)
    if not sel or min(sel) < 0 or sum(sel) == 0:
        raise graph.error(
            f"{operation.name!r} has sel = {sel}; expected numbers >= 0 and a positive sum; corrupt file"
        )
    _refuse_changed_sel(graph, place, sel)
    layout.check_scale(graph, place, sel)
    davg, dstd = _statistics(graph, place, layout, sel)
    tables, one_side = read_tables(graph, layout, place, sel)
    nets: dict[str, list[DenseLayer]] = {}
    if n_numbers or layout.complete:
        nets, one_side = _net_of_types(graph, place, n_numbers)
    elif not tables:
        nets, one_side = _embedding_nets(graph, place, layout)
    names = {*nets, *tables}
    if tables:
        names |= _names_without_slots(layout, script, one_side, sel)
    if layout.neighbor_pairs:
        _check_pair_nets(graph, place, names, len(sel))
        excluding = {}
    else:
        excluding = {
            "type_one_side": one_side,
            "exclude_types": exclude_types(graph, place, script, names, one_side, len(sel), notes),
        }
    layers = next(iter(nets.values()), [])
    neuron = [layer.bias.size for layer in layers] or value("neuron", "a list of integers", [])
    if tables:
        neuron = _neuron_of(graph, place, tables, neuron)
    if not neuron:
        raise graph.error(
            "every pair of types is excluded and no training script tells the "
            "size of the embedding nets; there is nothing to convert"
        )
    form = _check_nets(graph, layout, nets, n_numbers * (1 if one_side else 2))

    tensors = {f"{place.prefix}davg": davg, f"{place.prefix}dstd": dstd, **tensors_of(tables, place.prefix)}
    for name, net in nets.items():
        for k, layer in enumerate(net):
            tensors.update(layer.tensors(f"{place.prefix}{name}/layer_{k}"))
    if script.get("precision") == "float16":
        notes.append(f"{place.what}: the float16 weights are kept and evaluated in float32")
    notes.extend([*gelu_note(place.what, layers), *note_of(tables, place.what)])
    written = stored_rcut(graph) if place.index is None else value("rcut", "a number", None)
    inner = value("rcut_smth", "a number", None)
    config = {
        "type": layout.name,
        "sel": sel,
        "rcut": radius(graph, operation, layout.rcut, written, strict=True),
        "rcut_smth": radius(graph, operation, layout.rcut_smth, inner, strict=False),
        "neuron": neuron,
        **layout.keys(value),
        "activation_function": (
            layers[0].activation if layers else value("activation_function", "a text", "tanh")
        ),
        "resnet_dt": (form.has_idt if form and form.has_skip else value("resnet_dt", "true or false", False)),
        "precision": (
            next(iter(tables.values())).rows.dtype.name
            if tables
            else layers[0].matrix.dtype.name
            if layers
            else _script_precision(script)
        ),
        "trainable": value("trainable", "true or false", True),
        "seed": script.get("seed"),
        **excluding,
        "set_davg_zero": value("set_davg_zero", "true or false", not bool(davg.any())),
        **config_of(tables),
    }
    return config, tensors | (layout.complete(graph, place, config) if layout.complete else {})


def _neuron_of(graph: Graph, place: Place, tables: dict[str, Table], written: list[int]) -> list[int]:
    """Widths of the layers that the tables stand for: what the script says, without one the last alone."""
    width = next(iter(tables.values())).rows.shape[2]
    if written and written[-1] != width:
        raise graph.error(
            f"the tables of {place.what} have {width} columns while the training script says neuron = {written}; the "
            "file is corrupt"
        )
    return written or [width]


def _names_without_slots(layout: Layout, script: dict[str, Any], one_side: bool, sel: list[int]) -> set[str]:
    """Names of the nets of neighbours with sel = 0, which need no tables and are not excluded for it."""
    types = range(len(sel))
    if layout.neighbor_pairs:
        return {f"net_{a}_{b}" for a in types for b in types if a <= b and 0 in (sel[a], sel[b])}
    if one_side:
        return {f"net_{b}" for b in types if sel[b] == 0}
    written = script.get("exclude_types") or []
    excluded = [set(pair) for pair in written if isinstance(pair, list)]
    return {f"net_{a}_{b}" for a in types for b in types if sel[b] == 0 and {a, b} not in excluded}


def _script_precision(script: dict[str, Any]) -> str:
    return "float32" if script.get("precision") in ("float32", "float16") else "float64"


def _refuse_changed_sel(graph: Graph, place: Place, sel: list[int]) -> None:
    name = f"descrpt_attr{place.suffix}/original_sel"
    if graph.is_const(name):
        original = [int(size) for size in graph.const(name).reshape(-1)]
        if original != sel:
            raise graph.error(
                f"cannot convert a model whose sel was changed after the training "
                f"(from {original} to {sel}): give the model as it was trained"
            )


def stored_rcut(graph: Graph) -> float | None:
    """The cut-off as the user wrote it; the operation has it in single precision."""
    for name in ("descrpt_attr/rcut", "t_rcut"):
        if graph.is_const(name):
            return float(graph.number(name))
    return None


def radius(graph: Graph, operation: Any, key: str, written: float | None, strict: bool) -> float:
    """A radius in A: the written double if it rounds to the operation's float32.

    ``strict``: another double is an error.
    """
    if key not in operation.attr:
        raise graph.error(f"{operation.name!r} has no attribute {key}; corrupt file")
    used = np.float32(operation.attr[key].f)
    if not (np.isfinite(used) and used >= 0):
        raise graph.error(f"{operation.name!r} has {key} = {used} A, expected a length; corrupt file")
    if written is not None and np.float32(written) == used:
        return float(written)
    if written is not None and strict:
        raise graph.error(
            f"the stored rcut is {written} A but the descriptor uses {used} A; the file is corrupt"
        )
    return float(str(used))  # the shortest decimal that rounds to the float32


def _statistics(graph: Graph, place: Place, layout: Layout, sel: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """davg and dstd, [n_types, n_components] each, float64: one slot stands for all."""
    operation, n_types, n_slots, width = place.operation, len(sel), sum(sel), layout.n_components
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
                f"floats [{n_types}, {width}*sum(sel)]; the file is corrupt"
            )
        if table.shape[1] != width * n_slots or not np.all(np.isfinite(table)):
            raise graph.error(
                f"{source!r} has {table.shape[1]} columns or values that are not "
                f"finite; expected {width * n_slots} finite columns ({width} for each of sum(sel)); corrupt"
            )
        slots = table.reshape(n_types, n_slots, width)
        if not np.all(slots == slots[:, :1]):
            raise graph.error(
                f"cannot convert a model whose {name} differs between the neighbours "
                "of one centre type: DeePMD-kit makes them equal, so the file was edited"
            )
        reduced.append(slots[:, 0].astype(np.float64))
    if not np.all(reduced[1] > 0):
        raise graph.error("t_std has values that are not positive; corrupt file")
    return reduced[0], reduced[1]


def _embedding_nets(graph: Graph, place: Place, layout: Layout) -> tuple[dict[str, list[DenseLayer]], bool]:
    """Nets by tensor name (net_b one-sided, net_a_b two-sided), and one-sidedness."""
    pattern = place.scoped(r"matrix_(\d+)_(\d+_\d+)" if layout.neighbor_pairs else r"matrix_(\d+)_(\d+)")
    found: dict[tuple[str, str, str], list[int]] = {}
    for name in graph.nodes:
        match = pattern.match(name)
        if match and graph.is_const(name) and graph.in_forward(name):
            key = (match[1], name.split("/")[0], match[3])
            found.setdefault(key, []).append(int(match[2]))
    nets = {}
    sides = set()
    for (centre, scope, neighbour), numbers in sorted(found.items(), key=lambda item: _net_order(item[0])):
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


def _net_order(key: tuple[str, str, str]) -> tuple[int, ...]:
    return (-1 if key[0] == "all" else int(key[0]), *map(int, key[2].split("_")))


def _check_pair_nets(graph: Graph, place: Place, nets: Collection[str], n_types: int) -> None:
    expected = {f"net_{a}_{b}" for a in range(n_types) for b in range(a, n_types)}
    if set(nets) != expected or masked_pairs(graph, place, n_types):
        raise graph.error(f"embedding nets {sorted(nets)} for {n_types} types; corrupt file")


def _net_of_types(graph: Graph, place: Place, n_numbers: int) -> tuple[dict[str, list[DenseLayer]], bool]:
    """The one net of a model with type embedding, and whether it takes the neighbour's type alone."""
    pattern = place.scoped(r"matrix_(\d+)")
    found = [m for m in map(pattern.match, graph.nodes) if m and graph.in_forward(m[0])]
    numbers = sorted(int(m[2]) for m in found)
    scopes = sorted({m[0].split("/")[0] for m in found})
    if len(scopes) != 1 or numbers != list(range(1, len(numbers) + 1)):
        raise graph.error(
            f"the net of {place.what} has the layers {numbers} in {scopes}; expected 1, 2, ... in one scope; "
            "the file is truncated or corrupt"
        )
    layers = [
        read_layer(graph, *(f"{scopes[0]}/{part}_{k}" for part in _PARTS), linear=False) for k in numbers
    ]
    check_chain(graph, scopes[0], layers)
    inputs = layers[0].matrix.shape[0]
    if inputs not in (1 + n_numbers, 1 + 2 * n_numbers):
        raise graph.error(
            f"the net of {place.what} takes {inputs} inputs, expected 1 and {n_numbers} for each of one or two "
            "types; the model is of a kind dpcore does not know"
        )
    return {"net": layers}, inputs == 1 + n_numbers


def _check_nets(
    graph: Graph, layout: Layout, nets: dict[str, list[DenseLayer]], n_constants: int
) -> EmbeddingForm | None:
    """The form of the nets of the descriptor, which must be one; None without nets."""
    forms = {}
    for name, layers in nets.items():
        if layers[0].matrix.shape[0] != 1 + n_constants:
            raise graph.error(
                f"the embedding net {name} takes {layers[0].matrix.shape[0]} inputs; "
                f"that of {layout.name} takes one; the model is of a kind dpcore does not know"
            )
        form = embedding_form(graph, f"the embedding net {name}", layers)
        sizes = tuple(layer.bias.size for layer in layers)
        forms[(sizes, form, layers[0].matrix.dtype.name)] = form
    if len(forms) > 1 or any(len(form.activations) > 1 for form in forms.values()):
        raise graph.error(
            f"the embedding nets differ in size, activation, time step or "
            f"precision: {sorted(map(str, forms))}; dpcore has one form for all"
        )
    return next(iter(forms.values()), None)
