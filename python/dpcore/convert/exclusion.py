# SPDX-License-Identifier: LGPL-3.0-or-later
"""Excluded pairs of types of a frozen graph: nets that are missing, or a mask on the environment matrix."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dpcore.convert.graph import Graph, source_name
from dpcore.convert.script import value_of

if TYPE_CHECKING:
    from dpcore.convert.two_body import Place


def exclude_types(
    graph: Graph,
    place: Place,
    script: dict[str, Any],
    nets: Collection[str],
    one_side: bool,
    n_types: int,
    notes: list[str],
) -> list[list[int]]:
    """Excluded pairs [a, b], a <= b: nets (their names) that are missing, or (one-sided) a mask."""
    pairs = [(a, b) for a in range(n_types) for b in range(n_types)]
    of_types = "net" in nets
    if of_types:
        excluded = masked_pairs(graph, place, n_types)
    elif one_side:
        missing = [b for b in range(n_types) if f"net_{b}" not in nets]
        if missing or len(nets) != n_types:
            raise graph.error(f"embedding nets {sorted(nets)} for {n_types} types; corrupt file")
        excluded = masked_pairs(graph, place, n_types)
    else:
        excluded = {(a, b) for a, b in pairs if f"net_{a}_{b}" not in nets}
        unmasked = masked_pairs(graph, place, n_types) <= excluded
        if len(nets) + len(excluded) != len(pairs) or not unmasked:
            raise graph.error(f"embedding nets {sorted(nets)} for {n_types} types; corrupt file")
    asymmetric = any((b, a) not in excluded for a, b in excluded)
    found = sorted({(min(pair), max(pair)) for pair in excluded})
    pairs_written = value_of(graph, script, "exclude_types", "a list of pairs of integers", [])
    written = sorted({(min(pair), max(pair)) for pair in pairs_written})
    if written and not found and (of_types or (one_side and _may_ignore_exclusion(place))):
        notes.append(
            f"{place.what}: exclude_types = {written} was dropped: the graph does not exclude them, as "
            "early versions did not with type embedding, nor for se_e2_r with type_one_side"
        )
        return []
    if asymmetric or (script and found != written):
        raise graph.error(
            f"the graph excludes the pairs of types {sorted(excluded)} while the "
            f"training script says exclude_types = {written}; the file is truncated or corrupt"
        )
    return [list(pair) for pair in found]


def _may_ignore_exclusion(place: Place) -> bool:
    return place.operation.op in ("ProdEnvMatR", "DescrptSeR")


def masked_pairs(graph: Graph, place: Place, n_types: int) -> set[tuple[int, int]]:
    """Pairs that a 0/1 table [n_types, n_types] removes from the environment matrix.

    Any other table that atoms look values up in is unknown and refused.
    """
    within = None if place.index is None else nodes_behind(graph, place)
    excluded: set[tuple[int, int]] = set()
    for node, source in type_tables(graph):
        if within is not None and node.name not in within:
            continue
        table = graph.const(source)
        if table.shape != (n_types, n_types) or not np.all((table == 0) | (table == 1)):
            raise graph.error(
                f"{node.name!r} reads the table {source!r} of shape "
                f"{list(table.shape)}; the model is of a kind dpcore does not know"
            )
        excluded |= {(int(a), int(b)) for a, b in zip(*np.nonzero(table == 0))}
    return excluded


def type_tables(graph: Graph) -> Iterator[tuple[Any, str]]:
    """Lookups in constant tables, but for the energy bias per type, which is read with the fitting net."""
    for node in graph.forward_nodes():
        if node.op in ("Gather", "GatherV2"):
            source = graph.resolve_cast(source_name(node.input[0]))
            if graph.is_const(source) and not source.endswith("/t_bias_atom_e"):
                yield node, source


def nodes_behind(graph: Graph, place: Place) -> set[str]:
    """Names of all nodes that the nets of one part of a hybrid descriptor are computed from."""
    pattern = place.scoped(".*")
    return graph.ancestors(node.name for node in graph.forward_nodes() if pattern.match(node.name))
