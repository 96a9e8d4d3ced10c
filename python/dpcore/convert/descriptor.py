# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptor of a frozen graph: one of `LAYOUTS`, or several of them as ``hybrid``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dpcore.convert import se_a_tpe, se_e2_a, se_e2_r, se_e3
from dpcore.convert.exclusion import nodes_behind, type_tables
from dpcore.convert.graph import Graph, source_name
from dpcore.convert.loc_frame import read_loc_frame
from dpcore.convert.two_body import Place, read_two_body
from dpcore.convert.unsupported import DESCRIPTOR_OPS, descriptor_kind, is_hybrid

LAYOUTS = {module.LAYOUT.name: module.LAYOUT for module in (se_e2_a, se_e2_r, se_e3, se_a_tpe)}
_PART = re.compile(r"descrpt_attr_(\d+)/t_avg$")


def read_descriptor(
    graph: Graph, script: dict[str, Any], notes: list[str], n_numbers: int = 0
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Config section and tensors of the descriptor.

    ``script`` is its section of the training script ({} in old graphs), ``notes``
    collects what the conversion changed, ``n_numbers`` stand for a type (0: no type embedding).  ``axis_neuron`` is what the script says
    (0 without one); `settle_axis_neuron` completes it.
    """
    operations = [node for node in graph if node.op in DESCRIPTOR_OPS]
    if not is_hybrid(graph, script):
        return _read_part(graph, Place(operations[0]), script, notes, n_numbers)
    places = _parts(graph, operations)
    known = set().union(*(nodes_behind(graph, place) for place in places))
    for node, source in type_tables(graph):
        if node.name not in known:
            raise graph.error(
                f"{node.name!r} reads the table {source!r}; the model is of a kind dpcore does not know"
            )
    parts, tensors = [], {}
    for place, section in zip(places, _sections(graph, script, places)):
        part, part_tensors = _read_part(graph, place, section, notes, n_numbers)
        parts.append(part)
        tensors.update(part_tensors)
    if len({n_types_of(part) for part in parts}) != 1:
        raise graph.error("the descriptors of the hybrid one have different numbers of types; corrupt file")
    return {"type": "hybrid", "list": parts}, tensors


def n_types_of(descriptor: dict[str, Any]) -> int:
    """Number of types of a section that was read."""
    part = descriptor.get("list", [descriptor])[0]
    return len(part.get("sel", part.get("sel_a")))


def _read_part(
    graph: Graph, place: Place, script: dict[str, Any], notes: list[str], n_numbers: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    kind = descriptor_kind(graph, place.operation)
    if kind == "loc_frame":
        return read_loc_frame(graph, place, script)
    return read_two_body(graph, LAYOUTS[kind], place, script, notes, n_numbers)


def _width(part: dict[str, Any]) -> int:
    """Numbers of a descriptor, over its axis_neuron if it has that."""
    if part["type"] == "loc_frame":
        return 4 * sum(part["sel_a"]) + sum(part["sel_r"])
    return part["neuron"][-1]


def _parts(graph: Graph, operations: list[Any]) -> list[Place]:
    """The parts in order; the name of an operation's t_avg tells its number."""
    found: dict[int, Any] = {}
    for operation in operations:
        names = [graph.resolve(source_name(reference)) for reference in operation.input]
        numbers = {int(match[1]) for match in map(_PART.match, names) if match}
        if len(numbers) != 1 or numbers & set(found):
            raise graph.error(f"{operation.name!r} belongs to no part of the hybrid descriptor; corrupt file")
        found[numbers.pop()] = operation
    if sorted(found) != list(range(len(found))):
        raise graph.error(
            f"the hybrid descriptor has the parts {sorted(found)}; expected 0, 1, ...; the file is truncated"
        )
    return [Place(found[k], k) for k in sorted(found)]


def _sections(graph: Graph, script: dict[str, Any], places: list[Place]) -> list[dict[str, Any]]:
    """The sections of the training script for the parts; {} without a script."""
    if not script:
        return [{} for _ in places]
    sections = script.get("list")
    if (
        not isinstance(sections, list)
        or len(sections) != len(places)
        or not all(isinstance(section, dict) for section in sections)
    ):
        raise graph.error(
            f"the hybrid descriptor has {len(places)} parts in the graph and another number in the "
            "training script; the file is corrupt"
        )
    return sections


def settle_axis_neuron(
    graph: Graph, descriptor: dict[str, Any], fitting: dict[str, Any], n_inputs: int
) -> None:
    """Complete and check ``axis_neuron``, in place, by the size of the fitting net's input.

    n_inputs, without the numbers of the type, = dim_out + numb_fparam + numb_aparam, where dim_out is the sum over the parts of the last width
    of the embedding net, times axis_neuron for ``se_e2_a``.
    """
    parts = descriptor.get("list", [descriptor])
    columns = n_inputs - fitting["numb_fparam"] - fitting["numb_aparam"]
    unknown = [part for part in parts if part.get("axis_neuron") == 0]
    rest = columns - sum(_width(part) * part.get("axis_neuron", 1) for part in parts)
    if len(unknown) == 1:
        width = unknown[0]["neuron"][-1]
        if 0 < rest <= width * width and rest % width == 0:
            unknown[0]["axis_neuron"] = rest // width
            return
    elif not unknown and rest == 0:
        return
    with_axis = [part for part in parts if "axis_neuron" in part]
    if len(with_axis) == 1 and not unknown:
        width, written = with_axis[0]["neuron"][-1], with_axis[0]["axis_neuron"]
        used, left = divmod(rest + width * written, width)
        if left == 0 and 0 < used <= width:
            raise graph.error(
                f"the nets have axis_neuron = {used}, the training script says {written}; the file is corrupt"
            )
    widths = [
        f"{_width(part)} * {part['axis_neuron'] or 'axis_neuron'}"
        if "axis_neuron" in part
        else str(_width(part))
        for part in parts
    ]
    raise graph.error(
        f"the fitting net takes {n_inputs} inputs, which no axis_neuron explains "
        f"(descriptor {' + '.join(widths)}, numb_fparam {fitting['numb_fparam']}, numb_aparam "
        f"{fitting['numb_aparam']}); the file is corrupt or the model of a kind dpcore does not know"
    )
