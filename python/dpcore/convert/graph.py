# SPDX-License-Identifier: LGPL-3.0-or-later
"""A frozen graph as a table of nodes: constants by name, and who feeds whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dpcore.convert.graphdef import decode_tensor
from dpcore.errors import InputError

# Operations whose output holds none of the values of their input.
_VALUE_BLIND = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"}


def source_name(reference: str) -> str:
    """The node behind an input reference (``name``, ``name:1``, ``^name``)."""
    return reference.lstrip("^").split(":")[0]


class Graph:
    """Nodes of a frozen graph by name.

    Parameters
    ----------
    message
        A ``GraphDef`` message (see ``graphdef.read_graph``).
    path
        The file it came from, for error messages.

    Two nodes of one name, or an input that does not exist (a truncated file),
    raise ``InputError``.
    """

    def __init__(self, message: Any, path: str | Path):
        self.path = Path(path)
        self.nodes = {node.name: node for node in message.node}
        if len(self.nodes) != len(message.node):
            raise self.error("the graph has two nodes of one name; it is corrupt")
        self._forward: dict[str, list[Any]] | None = None
        for node in self:
            for name in map(source_name, node.input):
                if name not in self.nodes:
                    raise self.error(
                        f"node {node.name!r} needs {name!r}, which the graph does "
                        "not hold; the file is truncated or corrupt, copy or freeze it again"
                    )

    def __contains__(self, name: str) -> bool:
        return name in self.nodes

    def __iter__(self) -> Iterator[Any]:
        return iter(self.nodes.values())

    def error(self, message: str) -> InputError:
        """The error to raise about this file."""
        return InputError(message, self.path)

    # ---- constants -------------------------------------------------------

    def is_const(self, name: str) -> bool:
        """True when the node exists and is a constant."""
        return name in self.nodes and self.nodes[name].op == "Const"

    def const(self, name: str) -> np.ndarray:
        """The value of a constant node in its own shape and type."""
        node = self.nodes.get(name)
        if node is None or node.op != "Const":
            found = "no such node" if node is None else f"an operation {node.op}"
            raise self.error(
                f"expected the constant {name!r}, found {found}; the file is "
                "truncated, corrupt, or not a frozen DeePMD-kit model"
            )
        if "value" not in node.attr or node.attr["value"].WhichOneof("value") != "tensor":
            raise self.error(f"the constant {name!r} holds no tensor; corrupt file")
        return decode_tensor(node.attr["value"].tensor, f"{self.path}: {name}")

    def number(self, name: str) -> float | int:
        """The single value of a numeric constant as a Python number."""
        value = self.const(name)
        if value.size != 1 or value.dtype == object:
            raise self.error(
                f"{name!r} should be one number, is {value.dtype} of shape "
                f"{list(value.shape)}; the file is corrupt"
            )
        return value.reshape(-1)[0].item()

    def string(self, name: str) -> str:
        """The single value of a string constant, decoded as UTF-8."""
        value = self.const(name)
        if value.size != 1 or value.dtype != object:
            raise self.error(
                f"{name!r} should be one string, is {value.dtype} of shape "
                f"{list(value.shape)}; the file is corrupt"
            )
        try:
            return value.reshape(-1)[0].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.error(f"{name!r} is not UTF-8 text: {error}") from error

    # ---- tracing ---------------------------------------------------------

    def ancestors(self, names: Iterable[str], values_only: bool = False) -> set[str]:
        """Names of all nodes the given ones are computed from (themselves included).

        With ``values_only`` the walk stops where only the shape of an input is
        used, so that the result holds what can change the value.
        """
        seen: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            node = self.nodes[name]
            if not (values_only and node.op in _VALUE_BLIND):
                pending.extend(source_name(reference) for reference in node.input)
        return seen

    def trace_forward(self, outputs: Iterable[str]) -> None:
        """Restrict ``users`` and ``forward_nodes`` to what ``outputs`` need.

        This leaves out the gradient part of the graph.
        """
        wanted = self.ancestors(outputs)
        self._forward = {name: [] for name in wanted}
        for node in self:
            if node.name in wanted:
                for name in dict.fromkeys(map(source_name, node.input)):
                    self._forward[name].append(node)

    def forward_nodes(self) -> list[Any]:
        """The nodes of the forward graph, in the file's order."""
        return [node for node in self if self.in_forward(node.name)]

    def in_forward(self, name: str) -> bool:
        """True when the forward outputs depend on this node."""
        return self._forward is not None and name in self._forward

    def resolve(self, name: str) -> str:
        """The node behind a chain of ``Identity`` nodes (``W/read`` -> ``W``)."""
        for _ in range(len(self.nodes)):
            node = self.nodes[name]
            if node.op != "Identity" or not node.input:
                break
            name = source_name(node.input[0])
        return name

    def resolve_cast(self, name: str) -> str:
        """As ``resolve``, through changes of precision and shape as well."""
        for _ in range(len(self.nodes)):
            node = self.nodes[name]
            if node.op not in ("Identity", "Cast", "Reshape") or not node.input:
                break
            name = source_name(node.input[0])
        return name

    def users(self, name: str) -> list[Any]:
        """Forward nodes that take this node as an input, seen through ``Identity``."""
        found: dict[str, Any] = {}
        pending, seen = [name], set()
        while pending:
            current = pending.pop()
            if current in seen:
                continue
            seen.add(current)
            for node in (self._forward or {}).get(current, []):
                if node.op == "Identity":
                    pending.append(node.name)
                else:
                    found[node.name] = node
        return list(found.values())
