# SPDX-License-Identifier: LGPL-3.0-or-later
"""The modifier ``dipole_charge`` of a frozen graph: its keys, and the graph of its dipole model inside."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from dpcore.convert.graph import Graph, source_name
from dpcore.convert.graphdef import graph_def_class
from dpcore.errors import InputError

_PREFIX = "dipole_charge/"
_KEYS = "modifier_attr"

Converted = tuple[dict[str, Any], dict[str, np.ndarray]]


def split_modifier(graph: Graph) -> tuple[Graph, Graph | None]:
    """The graph without modifier, and that of its dipole model under its own names; None without one.

    Nodes that are computed from the dipole model, such as its forces, belong to neither.
    """
    if f"{_KEYS}/type" not in graph:
        return graph, None
    kind = graph.string(f"{_KEYS}/type")
    if kind != "dipole_charge":
        raise graph.error(f"cannot convert a model with the modifier {kind!r}: dpcore has dipole_charge")
    outside: set[str] = {node.name for node in graph if node.name.startswith(_PREFIX)}
    users: dict[str, list[str]] = {}
    for node in graph:
        for name in map(source_name, node.input):
            users.setdefault(name, []).append(node.name)
    pending = list(outside)
    while pending:
        for name in users.get(pending.pop(), []):
            if name not in outside:
                outside.add(name)
                pending.append(name)
    message = graph_def_class()()
    message.node.extend(node for node in graph if node.name not in outside)
    inside = graph_def_class()()
    for node in graph:
        if not node.name.startswith(_PREFIX):
            continue
        copy = inside.node.add()
        copy.CopyFrom(node)
        copy.name = node.name[len(_PREFIX) :]
        del copy.input[:]
        for reference in node.input:
            mark = "^" if reference.startswith("^") else ""
            copy.input.append(mark + reference[len(mark) :].removeprefix(_PREFIX))
    return Graph(message, graph.path), Graph(inside, graph.path)


def read_modifier(graph: Graph, dipole: Graph, convert: Callable[[Graph], Converted]) -> Converted:
    """Config section ``modifier`` and its tensors (``modifier/...``).

    ``graph`` is the whole one, ``convert`` gives config and tensors of the dipole model's.
    """
    try:
        config, tensors = convert(dipole)
    except InputError as error:
        raise graph.error(f"the dipole model of its modifier: {error.message}") from None
    if "sel_type" not in config["fitting_net"] or config["fitting_net"]["type"] != "dipole":
        raise graph.error("the model inside of its modifier is not one of dipoles; the file is corrupt")
    order = [int(t) for t in dipole.const("model_attr/sel_type").reshape(-1)]
    charges = {key: _charges(graph, f"{_KEYS}/{name}") for key, name in (
        ("model_charge_map", "mdl_charge_map"), ("sys_charge_map", "sys_charge_map"),
    )}  # fmt: skip
    if len(charges["model_charge_map"]) != len(order):
        raise graph.error(
            f"its modifier has {len(charges['model_charge_map'])} charges for the {len(order)} types that its dipole "
            "model selects; the file is corrupt"
        )
    charges["model_charge_map"] = [charges["model_charge_map"][i] for i in np.argsort(order)]
    section = {
        "type": "dipole_charge",
        "model_name": graph.string(f"{_KEYS}/mdl_name"),
        **charges,
        "ewald_beta": float(graph.number(f"{_KEYS}/ewald_beta")),
        "ewald_h": float(graph.number(f"{_KEYS}/ewald_h")),
        "model": config,
    }
    return section, {f"modifier/{name}": value for name, value in tensors.items()}


def _charges(graph: Graph, name: str) -> list[float]:
    text = graph.string(name)
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        raise graph.error(f"{name!r} should be charges, is {text!r}; the file is corrupt") from None
