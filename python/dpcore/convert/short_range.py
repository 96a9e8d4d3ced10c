# SPDX-License-Identifier: LGPL-3.0-or-later
"""The short-range table (``use_srtab``) of a frozen graph: operations SoftMinSwitch and PairTab."""

from __future__ import annotations

from typing import Any

import numpy as np

from dpcore.convert.graph import Graph

_SWITCH, _TABLE = "SoftMinSwitch", "PairTab"
# key of the model -> attribute of the switch
_KEYS = {"smin_alpha": "alpha", "sw_rmin": "rmin", "sw_rmax": "rmax"}


def read_short_range(
    graph: Graph, script: dict[str, Any], n_types: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Keys of the config and tensors (``short_range/...``) of the table; both {} without one.

    ``script`` is the model section of the training script.  Whether the energy bias is added to the table's
    energies (2.2.3 and later) is seen from the graph.  Raises ``InputError`` for damaged graphs.
    """
    switches, tables = ([node for node in graph.forward_nodes() if node.op == op] for op in (_SWITCH, _TABLE))
    if not switches and not tables:
        return {}, {}
    if len(switches) != 1 or len(tables) != 1:
        raise graph.error(
            f"the energy uses {len(switches)} operations {_SWITCH} and {len(tables)} {_TABLE}, expected one of "
            "each; the file is corrupt"
        )
    info, data = (_numbers(graph, f"model_attr/t_tab_{name}") for name in ("info", "data"))
    valid = info.size == 4 and info[3] == n_types and data.size == 4 * info[2] * n_types**2
    if not valid:
        raise graph.error(
            f"the short-range table has the info {info.tolist()} and {data.size} coefficients, which do not fit "
            f"each other or the model's {n_types} types; the file is corrupt"
        )
    adds_bias = any(node.op in ("Add", "AddV2") for node in graph.users(tables[0].name))
    if adds_bias and any(
        graph.in_forward(name) and np.any(graph.const(name) != neutral)
        for name, neutral in (
            ("model_attr/model_attr/t_out_bias", 0.0),
            ("model_attr/model_attr/t_out_std", 1.0),
        )
    ):
        raise graph.error(
            "cannot convert a model with a short-range table whose bias was changed afterwards (t_out_bias, "
            "t_out_std): the table and the net have different biases; freeze it before the change"
        )
    keys: dict[str, Any] = {"use_srtab": script.get("use_srtab") or "table of the graph"}
    for key, attribute in _KEYS.items():
        single = np.float32(switches[0].attr[attribute].f)
        # the number as it was written, where it is the same in single precision
        written = script.get(key)
        same = isinstance(written, (int, float)) and np.float32(written) == single
        keys[key] = float(written) if same else float(single)
    return {**keys, "srtab_add_bias": adds_bias}, {"short_range/tab_info": info, "short_range/tab_data": data}


def _numbers(graph: Graph, name: str) -> np.ndarray:
    values = graph.const(name)
    if values.dtype.kind != "f" or not np.all(np.isfinite(values)):
        raise graph.error(f"{name!r} should be finite numbers, is {values.dtype}; the file is corrupt")
    return values.reshape(-1).astype(np.float64)
