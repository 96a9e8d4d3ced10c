# SPDX-License-Identifier: LGPL-3.0-or-later
"""Tables in place of embedding nets: graphs that ``dp compress`` of DeePMD-kit wrote.

An operation of `OPERATIONS` stands for one net.  Its inputs are the table [n, 6 M], in a row a_0 ... a_5 of one
channel after the other; ``table_info`` [lower, upper, last, fine step, coarse step, check frequency]; and last the
environment matrix of its slots, whose columns tell the types of neighbours.  Tables begin at `lower`, those of se_e3
at -last.  Which row belongs to an input is said in `dpcore.radial.stored_table` (core) and docs/model-file.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dpcore.convert.graph import Graph, source_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dpcore.convert.two_body import Layout, Place

# Operation -> descriptor; the first is that of 2.0, which had no others.
OPERATIONS = {
    "TabulateFusion": "se_e2_a",
    "TabulateFusionSeA": "se_e2_a",
    "TabulateFusionSeR": "se_e2_r",
    "TabulateFusionSeT": "se_e3",
}
_SLACK = 1 + 1e-6  # steps are rounded


class Table(NamedTuple):
    """One table: rows [n, 6, M], info [8] (first, lower, upper, last, fine and coarse step, rows below `lower`, rows
    from there to `upper`), and after how many frames an overflow is to be told of."""

    rows: np.ndarray
    info: np.ndarray
    frequency: int


def is_tabulated(graph: Graph, place: Place) -> bool:
    """Whether a descriptor has tables in place of nets."""
    return any(True for _ in _operations(graph, place))


def read_tables(graph: Graph, layout: Layout, place: Place, sel: list[int]) -> tuple[dict[str, Table], bool]:
    """Tables by the names of the nets (``net_b`` one-sided, ``net_a_b``), and one-sidedness; {} where there are nets.

    Types without slots have none.  Raises ``InputError`` for damaged tables.
    """
    columns = _columns(layout, sel)
    found: dict[str, Table] = {}
    sides = set()
    for node, centre in _operations(graph, place):
        if OPERATIONS[node.op] != layout.name:
            raise graph.error(
                f"{node.name!r} is an operation {node.op} in a descriptor {layout.name}; corrupt file"
            )
        sides.add(centre == "all")
        blocks = blocks_behind(graph, [source_name(node.input[-1])])
        if any(width == 0 for _, width in blocks):
            continue
        types = sorted(columns.get(block, -1) for block in blocks)
        if len(types) not in ((1, 2) if layout.neighbor_pairs else (1,)) or -1 in types:
            raise graph.error(
                f"{node.name!r} takes the columns {sorted(blocks)} of the environment matrix, which are not those of "
                f"one type of neighbours with sel = {sel}; the file is corrupt or of a version dpcore does not know"
            )
        if layout.neighbor_pairs:
            name = f"net_{types[0]}_{types[-1]}"
        else:
            name = f"net_{types[0]}" if centre == "all" else f"net_{centre}_{types[0]}"
        if name in found:
            raise graph.error(f"the graph has two tables {name}; the file is corrupt")
        found[name] = _table(graph, node, layout)
    if len(sides) > 1:
        raise graph.error("one-sided and two-sided tables in one graph; corrupt file")
    forms = {(table.rows.shape[2], table.rows.dtype.name) for table in found.values()}
    if len(forms) > 1:
        raise graph.error(f"the tables differ in width or precision: {sorted(forms)}; corrupt file")
    return found, sides == {True}


def tensors_of(tables: dict[str, Table], prefix: str) -> dict[str, np.ndarray]:
    """The tables under the names of the model file."""
    out = {}
    for name, table in tables.items():
        out[f"{prefix}{name}/table"] = table.rows
        out[f"{prefix}{name}/table_info"] = table.info
    return out


def config_of(tables: dict[str, Table]) -> dict[str, Any]:
    """The section ``compress`` of a descriptor; {} without tables."""
    if not tables:
        return {}
    frequency = next(iter(tables.values())).frequency
    return {"compress": {"stored": True, "outside": "linear", "check_frequency": frequency}}


def note_of(tables: dict[str, Table], what: str) -> list[str]:
    """What the user has to know about a model without nets."""
    if not tables:
        return []
    return [
        f"{what}: DeePMD-kit compressed the model, there are tables in place of its embedding nets: it can be "
        "evaluated, but not trained, compressed anew or written as a native model"
    ]


def blocks_behind(graph: Graph, names: Iterable[str]) -> set[tuple[int, int]]:
    """First column and number of columns of the slices of the environment matrix that nodes work on."""
    found: set[tuple[int, int]] = set()
    pending = list(names)
    while pending:
        node = graph.nodes[pending.pop()]
        if node.op == "Slice":
            begin, size = (graph.resolve(source_name(reference)) for reference in node.input[1:3])
            if all(graph.is_const(name) and graph.const(name).size == 2 for name in (begin, size)):
                found.add((int(graph.const(begin).reshape(-1)[1]), int(graph.const(size).reshape(-1)[1])))
                continue
        if node.op in ("Slice", "Reshape"):
            pending.append(source_name(node.input[0]))
        elif node.op in ("Einsum", "Identity", "Cast"):
            pending.extend(map(source_name, node.input))
    return found


def _columns(layout: Layout, sel: list[int]) -> dict[tuple[int, int], int]:
    """Types of neighbours by first column and number of columns."""
    n = layout.n_components
    return {(n * sum(sel[:b]), n * size): b for b, size in enumerate(sel) if size > 0}


def _operations(graph: Graph, place: Place) -> Iterable[tuple[Any, str]]:
    """The operations of a descriptor, and the type of centres, or "all"."""
    pattern = place.scoped(".+")
    for node in graph.forward_nodes():
        match = pattern.match(node.name)
        if match and node.op in OPERATIONS:
            if len(node.input) < 3:
                raise graph.error(
                    f"{node.name!r} has {len(node.input)} inputs, expected 3 or more; corrupt file"
                )
            yield node, match[1]


def _table(graph: Graph, node: Any, layout: Layout) -> Table:
    names = [graph.resolve_cast(source_name(reference)) for reference in node.input[:2]]
    rows, info = map(graph.const, names)
    for name, values, n_dimensions in zip(names, (rows, info), (2, 1)):
        if values.dtype.kind != "f" or values.ndim != n_dimensions or not np.all(np.isfinite(values)):
            raise graph.error(
                f"{name!r} is {values.dtype} of shape {list(values.shape)}, or has NaN or infinite numbers; expected a "
                "table of finite numbers; the file is corrupt"
            )
    if rows.dtype.itemsize == 2:
        rows, info = rows.astype(np.float32), info.astype(np.float32)
    width = rows.shape[1] // 6
    stated = node.attr["last_layer_size"].i if "last_layer_size" in node.attr else width
    if info.size != 6 or rows.shape[1] % 6 or width == 0 or stated != width:
        raise graph.error(
            f"{names[0]!r} has {rows.shape[1]} columns and {names[1]!r} {info.size} numbers; expected six for each of "
            f"{stated} channels, and six; the file is corrupt"
        )
    lower, upper, last, fine, coarse, frequency = info
    first = -last if layout.neighbor_pairs else lower
    if not (first <= lower < upper <= last and fine > 0 and coarse > 0):
        raise graph.error(
            f"{names[1]!r} = {info.tolist()} is no table: expected lower < upper <= last and steps above 0; corrupt file"
        )
    # in the precision of the graph, as its operation counts
    below, inside = int((lower - first) / coarse), int((upper - lower) / fine)
    above = len(rows) - below - inside
    if (
        inside < 1
        or above < 0
        or not abs(float(upper) + above * float(coarse) - float(last)) < coarse * _SLACK
    ):
        raise graph.error(
            f"{names[0]!r} has {len(rows)} rows, too few or too many for {names[1]!r} = {info.tolist()}; the file is "
            "truncated or corrupt"
        )
    numbers = [float(str(value)) for value in (first, lower, upper, last, fine, coarse)]  # 0.01 of a float32
    return Table(
        np.ascontiguousarray(rows.reshape(len(rows), width, 6).transpose(0, 2, 1)),
        np.array([*numbers, below, inside], dtype=np.float64),
        int(frequency),
    )
