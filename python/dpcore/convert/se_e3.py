# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptor ``se_e3`` of a frozen graph."""

from __future__ import annotations

from dpcore.convert.graph import Graph, source_name
from dpcore.convert.se_e2_a import LAYOUT as SE_E2_A
from dpcore.convert.tables import blocks_behind, is_tabulated
from dpcore.convert.two_body import Layout, Place

# theta of two neighbours, and the sum of theta N(theta), which is in the operation of a table
_THETA, _SUM = "ijm,ikm->ijk", "ijk,ijkm->im"


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
    tabulated = is_tabulated(graph, place)
    if not fits or sums != ({_THETA} if tabulated else {_THETA, _SUM}):
        raise graph.error(
            f"the sums over two neighbours {sorted(sums)} with the factors {scales} are not those of se_e3 "
            f"({expected}); the model is of a version dpcore does not know"
        )
    for a, b in () if tabulated else pairs:
        users = graph.users(f"{scope}matrix_1_{a}_{b}")
        found = {first for first, _ in blocks_behind(graph, [source_name(user.input[0]) for user in users])}
        if found != {4 * starts[a], 4 * starts[b]}:
            raise graph.error(
                f"cannot convert this se_e3 model: its net for neighbours of types {a} and {b} takes the columns "
                f"{sorted(found)} of the environment matrix, which are those of other types; DeePMD-kit 2.0.0 "
                "had this mistake, mended in 2.0.1: train again with a later version"
            )


LAYOUT = Layout(
    name="se_e3",
    rcut=SE_E2_A.rcut,
    rcut_smth=SE_E2_A.rcut_smth,
    n_components=4,
    read_sel=SE_E2_A.read_sel,
    check_scale=_check_scale,
    neighbor_pairs=True,
)
