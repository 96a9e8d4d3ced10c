# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptor ``se_e3`` of a frozen graph."""

from __future__ import annotations

from dpcore.convert.graph import Graph, source_name
from dpcore.convert.se_e2_a import LAYOUT as SE_E2_A
from dpcore.convert.two_body import Layout, Place

# theta of two neighbours, and the sum of theta N(theta)
_SUMS = {"ijm,ikm->ijk", "ijk,ijkm->im"}


def _check_scale(graph: Graph, place: Place, sel: list[int]) -> None:
    """The terms must be of the right neighbours, and scaled with 1/(sel_a sel_b)."""
    n, starts = len(sel), [sum(sel[:b]) for b in range(len(sel))]
    pairs = [(a, b) for a in range(n) for b in range(a, n)]
    pattern = place.scoped("[^/]+/y")
    scales = [
        float(graph.number(node.name))
        for node in graph.forward_nodes()
        if pattern.match(node.name) and node.op == "Const" and "/mul" in node.name
    ]
    expected = [1.0 / (sel[a] * sel[b]) for a, b in pairs if sel[a] * sel[b] > 0]
    fits = len(scales) == len(expected) and all(
        abs(one / other - 1.0) < 1e-6 for one, other in zip(sorted(scales), sorted(expected))
    )
    scope = f"filter_type_all{place.suffix}/"
    einsums = [node for node in graph.forward_nodes() if node.op == "Einsum" and node.name.startswith(scope)]
    sums = {node.attr["equation"].s.decode() for node in einsums}
    if not fits or sums != _SUMS:
        raise graph.error(
            f"the sums over two neighbours {sorted(sums)} with the factors {scales} are not those of se_e3 "
            f"({expected}); the model is of a version dpcore does not know"
        )
    for a, b in pairs:
        found = _columns(graph, f"{scope}matrix_1_{a}_{b}")
        if found != {4 * starts[a], 4 * starts[b]}:
            raise graph.error(
                f"cannot convert this se_e3 model: its net for neighbours of types {a} and {b} takes the columns "
                f"{sorted(found)} of the environment matrix, which are those of other types; DeePMD-kit 2.0.0 "
                "had this mistake, mended in 2.0.1: train again with a later version"
            )


def _columns(graph: Graph, matrix: str) -> set[int]:
    """First columns of the slices of the environment matrix that a net works on."""
    found: set[int] = set()
    pending = [source_name(user.input[0]) for user in graph.users(matrix)]
    while pending:
        node = graph.nodes[pending.pop()]
        if node.op == "Slice":
            begin = graph.resolve(source_name(node.input[1]))
            if graph.is_const(begin) and graph.const(begin).size == 2:
                found.add(int(graph.const(begin)[1]))
                continue
        if node.op in ("Slice", "Reshape"):
            pending.append(source_name(node.input[0]))
        elif node.op in ("Einsum", "Identity", "Cast"):
            pending.extend(map(source_name, node.input))
    return found


LAYOUT = Layout(
    name="se_e3",
    rcut=SE_E2_A.rcut,
    rcut_smth=SE_E2_A.rcut_smth,
    n_components=4,
    read_sel=SE_E2_A.read_sel,
    check_scale=_check_scale,
    neighbor_pairs=True,
)
