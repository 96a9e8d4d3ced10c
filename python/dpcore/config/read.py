# SPDX-License-Identifier: LGPL-3.0-or-later
"""Read an input file, JSON or YAML by its suffix, into a dictionary."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from dpcore.errors import InputError
from dpcore.text_file import read_text

__all__ = ["SUFFIXES", "read_input"]

SUFFIXES = (".json", ".yaml", ".yml")

# an input is refused beyond these: sections in sections, and values in all
_DEEPEST = 64
_MOST_VALUES = 1_000_000

# scalars of YAML 1.1 that are read otherwise here
_OWN_TAGS = (":bool", ":float", ":timestamp")


def read_input(path: str | Path) -> dict[str, Any]:
    """Parse `path` (``.json``, ``.yaml`` or ``.yml``) and return its top-level dictionary, unchecked.

    Raises
    ------
    InputError
        If the file is missing, has another suffix, is not valid (with line and column), holds a key
        twice, is nested without end, or is not a dictionary at its top level.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError("expected a file whose name ends in .json, .yaml or .yml", path)
    try:
        text = read_text(path, "a training input")
    except FileNotFoundError:
        raise InputError("no such input file", path) from None
    data = _parse_json(text, path) if suffix == ".json" else _parse_yaml(text, path)
    if not isinstance(data, dict):
        raise InputError(f"expected a dictionary of sections at the top level, got {_kind(data)}", path)
    _check_nesting(data, path)
    return data


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _check_nesting(data: Any, path: Path) -> None:
    """Refuse what is nested deeper than any input, as aliases of YAML that lead back to themselves."""
    pending, count = [(data, 1)], 0
    while pending:
        value, depth = pending.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        count += len(inner)
        if count > _MOST_VALUES:
            raise InputError(f"holds more than {_MOST_VALUES} values; expected a training input", path)
        if depth > _DEEPEST:
            raise InputError(f"nested too deeply: more than {_DEEPEST} sections or lists in each other", path)
        pending += [(item, depth + 1) for item in inner if isinstance(item, (dict, list))]


class _Refused(ValueError):
    """What JSON allows and an input file does not."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out and not key.startswith("_"):
            raise _Refused(f'the key "{key}" is given twice in the same section')
        out[key] = value
    return out


def _no_constant(text: str) -> float:
    raise _Refused(f"{text} is not a number that JSON knows")


def _parse_json(text: str, path: Path) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        lines = text.splitlines() or [""]
        line = lines[min(error.lineno, len(lines)) - 1].rstrip()
        before = text[: error.pos].rstrip()
        hint = ""
        if before.endswith(","):
            hint = " (a comma before the closing bracket?)"
        elif re.match(r"\s*(//|#|/\*)", text[error.pos :]):
            hint = ' (JSON has no comments; a key that begins with "_" is ignored)'
        raise InputError(
            f"not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}{hint}\n    {line}",
            path,
        ) from None
    except _Refused as error:
        raise InputError(str(error), path) from None
    except RecursionError:
        raise InputError("not valid JSON: nested too deeply", path) from None
    except ValueError:  # the one that json lets through from int()
        raise InputError("not valid JSON: an integer has thousands of digits", path) from None


def _parse_yaml(text: str, path: Path) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML 1.2 scalars: 1e-3 is a number, and No, on, y, 2024-01-01 are text (No is also an element)."""

        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, regex) for tag, regex in pairs if not tag.endswith(_OWN_TAGS)]
            for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key = self.construct_object(key_node, deep=True)
                problem = ""
                if not isinstance(key, Hashable):
                    problem = "a key of a section has to be text, not a list or a section"
                elif key in seen:
                    problem = f'the key "{key}" is given twice in the same section'
                if problem:
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
                seen.add(key)
            return super().construct_mapping(node, deep=deep)

        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep=deep)
            except (ValueError, KeyError, TypeError, AttributeError):  # of the constructors of scalars
                kind = node.tag.rpartition(":")[2]
                raise yaml.MarkedYAMLError(
                    problem=f'"{str(node.value)[:40]}" cannot be read as {kind}', problem_mark=node.start_mark
                ) from None

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
    )
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)\Z"),
        list("-+.0123456789"),
    )
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise InputError(f"not valid YAML{at}: {error.problem}", path) from None
    except yaml.YAMLError as error:
        raise InputError(f"not valid YAML: {error}", path) from None
    except RecursionError:
        raise InputError("not valid YAML: nested too deeply", path) from None
