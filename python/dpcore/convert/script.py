# SPDX-License-Identifier: LGPL-3.0-or-later
"""The training script stored in a graph: JSON of the whole normalised input (2.0 and later)."""

from __future__ import annotations

import json
import numbers
from typing import Any, Callable

from dpcore.convert.graph import Graph

_NODE = "train_attr/training_script"


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(item, value))


# What a value must be -> the test of it.
_KINDS: dict[str, Callable[[Any], bool]] = {
    "a number": _is_number,
    "an integer": _is_integer,
    "true or false": lambda value: isinstance(value, bool),
    "a text": lambda value: isinstance(value, str),
    "a list of integers": _is_list(_is_integer),
    "a list of texts": _is_list(lambda item: isinstance(item, str)),
    "a list of numbers or null": _is_list(lambda item: item is None or _is_number(item)),
    "a list of pairs of integers": _is_list(lambda item: _is_list(_is_integer)(item) and len(item) == 2),
    "true, false or a list of them": lambda value: isinstance(value, bool)
    or _is_list(lambda item: isinstance(item, bool))(value),
}


def read_script(graph: Graph) -> dict[str, Any]:
    """The training script, {} where the graph has none (1.x)."""
    if _NODE not in graph:
        return {}
    text = graph.string(_NODE)
    try:
        script = json.loads(text) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise graph.error(f"{_NODE} is not JSON ({error}); the file is corrupt") from error
    if not isinstance(script, dict):
        raise graph.error(f"{_NODE} is not a JSON object; the file is corrupt")
    return script


def section(script: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A nested dict of a training script; {} where it is absent or of another form."""
    found: Any = script
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def value_of(graph: Graph, script: dict[str, Any], key: str, kind: str, default: Any) -> Any:
    """A value of a section, checked; ``default`` where it is absent or null.

    ``kind`` is one of the keys of ``_KINDS`` and stands in the error.
    """
    value = script.get(key)
    if value is None:
        return default
    if not _KINDS[kind](value):
        raise graph.error(f"{_NODE} has {key} = {value!r}, expected {kind}; the file is corrupt")
    return value
