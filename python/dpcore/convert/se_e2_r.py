# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptor ``se_e2_r`` of a frozen graph."""

from __future__ import annotations

from typing import Any

from dpcore.convert.graph import Graph, source_name
from dpcore.convert.two_body import Layout, Place

_FACTOR = 0.2


def _read_sel(graph: Graph, operation: Any) -> list[int]:
    return [int(size) for size in operation.attr["sel"].list.i]


def _check_scale(graph: Graph, place: Place, sel: list[int]) -> None:
    """The descriptor must be 1/5 of the mean over the slots."""
    pattern = place.scoped("[^/]+")
    means = [node for node in graph.forward_nodes() if node.op == "Mean" and pattern.match(node.name)]
    for mean in means:
        users = graph.users(mean.name)
        factors = [
            float(graph.number(name))
            for user in users
            for name in map(source_name, user.input)
            if user.op == "Mul" and graph.is_const(name)
        ]
        if len(users) != 1 or len(factors) != 1 or not abs(factors[0] / _FACTOR - 1.0) < 1e-6:
            raise graph.error(
                f"{mean.name!r} is not scaled with {_FACTOR} (found {factors}); "
                "the model is of a version dpcore does not know"
            )
    if not means:
        raise graph.error(
            "the graph takes no mean over the neighbours; the model is of a version dpcore does not know"
        )


LAYOUT = Layout(
    name="se_e2_r",
    rcut="rcut",
    rcut_smth="rcut_smth",
    n_components=1,
    read_sel=_read_sel,
    check_scale=_check_scale,
)
