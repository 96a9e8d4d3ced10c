# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptor ``se_e2_a`` of a frozen graph."""

from __future__ import annotations

from typing import Any

from dpcore.convert.graph import Graph
from dpcore.convert.two_body import Layout, Place


def _read_sel(graph: Graph, operation: Any) -> list[int]:
    sel = [int(size) for size in operation.attr["sel_a"].list.i]
    sel_r = [int(size) for size in operation.attr["sel_r"].list.i]
    if any(sel_r):
        raise graph.error(
            f"{operation.name!r} has sel_a = {sel}, sel_r = {sel_r}; expected sel_r = 0; the file is corrupt"
        )
    return sel


def _check_scale(graph: Graph, place: Place, sel: list[int]) -> None:
    """The moment must be scaled with 1/sum(sel)."""
    total = sum(sel)
    pattern = place.scoped("(mul|truediv)/y")
    for node in graph.forward_nodes():
        match = pattern.match(node.name)
        if match and node.op == "Const":
            value = float(graph.number(node.name))
            product = value * total if match[2] == "mul" else value / total
            if not abs(product - 1.0) < 1e-6:
                raise graph.error(
                    f"{node.name!r} = {value} does not scale the descriptor with "
                    f"1/{total} (the sum of sel); the model is of a version dpcore does not know"
                )


LAYOUT = Layout(
    name="se_e2_a",
    rcut="rcut_r",
    rcut_smth="rcut_r_smth",
    n_components=4,
    read_sel=_read_sel,
    check_scale=_check_scale,
    # what the script says, 0 without one; the size of the fitting net's input decides
    keys=lambda value: {
        "axis_neuron": value("axis_neuron", "an integer", value("n_axis_neuron", "an integer", 0))
    },
    with_types=True,
)
