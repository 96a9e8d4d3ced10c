# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptor ``loc_frame`` of a frozen graph: keys and statistics, it has no nets."""

from __future__ import annotations

from typing import Any

import numpy as np

from dpcore.convert.graph import Graph, source_name
from dpcore.convert.script import value_of
from dpcore.convert.two_body import Place, radius, stored_rcut


def read_loc_frame(
    graph: Graph, place: Place, script: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Config section and tensors; ``script`` is its section of the training script ({} in old graphs)."""
    operation = place.operation
    if not graph.in_forward(operation.name):
        raise graph.error(
            f"the energy does not depend on {operation.name!r}; the file is corrupt or of an unknown version"
        )
    lists = {key: [int(n) for n in operation.attr[key].list.i] for key in ("sel_a", "sel_r", "axis_rule")}
    sel_a, sel_r = lists["sel_a"], lists["sel_r"]
    if not sel_a or len(sel_a) != len(sel_r) or min(*sel_a, *sel_r) < 0:
        raise graph.error(
            f"{operation.name!r} has sel_a = {sel_a}, sel_r = {sel_r}; expected numbers >= 0 for the same types; "
            "the file is corrupt"
        )
    shape = (len(sel_a), 4 * sum(sel_a) + sum(sel_r))
    tensors = {}
    for name, index, ours in (("t_avg", -2, "davg"), ("t_std", -1, "dstd")):
        source = graph.resolve(source_name(operation.input[index]))
        table = (
            graph.const(source) if source.split("/")[-1] == name and graph.is_const(source) else np.zeros(0)
        )
        if table.shape != shape or table.dtype.kind != "f" or not np.all(np.isfinite(table)):
            raise graph.error(
                f"{operation.name!r} takes {source!r} of shape {list(table.shape)} as {name}, expected finite "
                f"numbers {list(shape)}; the file is corrupt"
            )
        tensors[f"{place.prefix}{ours}"] = table.astype(np.float64)
    if not np.all(tensors[f"{place.prefix}dstd"] > 0):
        raise graph.error("t_std has values that are not positive; corrupt file")
    written = stored_rcut(graph) if place.index is None else None
    if written is None:
        written = value_of(graph, script, "rcut", "a number", None)
    rcut = radius(graph, operation, "rcut_r", written, strict=True)
    return {"type": "loc_frame", "rcut": rcut, **lists}, tensors
