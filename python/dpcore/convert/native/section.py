# SPDX-License-Identifier: LGPL-3.0-or-later
"""Checked access to the tree of a native model: every error names the file and the place in the tree."""

from __future__ import annotations

import numbers
from pathlib import Path
from typing import Any

import numpy as np

from dpcore.errors import InputError, show

__all__ = ["Section"]

_KINDS = {
    "a number": lambda v: isinstance(v, numbers.Real) and not isinstance(v, bool),
    "a whole number": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "true or false": lambda v: isinstance(v, bool),
    "a text": lambda v: isinstance(v, str),
    "a list": lambda v: isinstance(v, list),
    "a list of whole numbers": lambda v: isinstance(v, list)
    and all(isinstance(item, int) and not isinstance(item, bool) for item in v),
    "a list of texts": lambda v: isinstance(v, list) and all(isinstance(item, str) for item in v),
}
_PRECISIONS = {"float64": "float64", "double": "float64", "float32": "float32", "float16": "float32"}
_MISSING = object()


class Section:
    """A dict of the tree.

    Attributes
    ----------
    path
        The file.
    where
        Keys that lead to it, such as ``model/descriptor``.
    values
        The dict.
    """

    def __init__(self, path: Path, where: str, values: Any) -> None:
        self.path, self.where, self.values = path, where, values
        if not isinstance(values, dict):
            raise self.damaged(f"expected an object, got {show(values)}")

    def error(self, message: str, key: str | None = None) -> InputError:
        """An error about this place, or about a key of it."""
        place = self.where if key is None else f"{self.where}/{key}"
        return InputError(f"{place}: {message}", self.path)

    def damaged(self, message: str, key: str | None = None) -> InputError:
        """The same for what only a damaged file has."""
        return self.error(f"{message}; the file is damaged or of an unknown version", key)

    def unsupported(self, what: str, advice: str) -> InputError:
        """The same for what dpcore does not have, by name."""
        return self.error(f"cannot convert {what}: {advice}")

    def get(self, key: str, kind: str, default: Any = _MISSING) -> Any:
        """A value of a kind (`_KINDS`); the default where it is absent or null, if there is a default."""
        value = self.values.get(key)
        if value is None:
            if default is _MISSING:
                raise self.damaged("is missing", key)
            return default
        if isinstance(value, np.generic):
            value = value.item()
        if not _KINDS[kind](value):
            raise self.damaged(f"expected {kind}, got {show(value)}", key)
        return value

    def below(self, key: str) -> Section:
        """A dict in it."""
        if key not in self.values:
            raise self.damaged("is missing", key)
        return Section(self.path, f"{self.where}/{key}", self.values[key])

    def items(self, key: str) -> list[Section | None]:
        """The dicts of a list in it; None for null."""
        return [
            None if value is None else Section(self.path, f"{self.where}/{key}/{k}", value)
            for k, value in enumerate(self.get(key, "a list"))
        ]

    def array(self, key: str, shape: tuple[int, ...], optional: bool = False) -> np.ndarray | None:
        """A float array of ``@variables``, of this shape or one with axes of length 1 more; finite numbers."""
        value = self.below("@variables").values.get(key)
        if value is None and optional:
            return None
        place = f"@variables/{key}"
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            raise self.damaged(f"expected an array of floats of shape {list(shape)}", place)
        if [n for n in value.shape if n != 1] != [n for n in shape if n != 1]:
            raise self.damaged(f"expected shape {list(shape)}, got {list(value.shape)}", place)
        if not np.isfinite(value).all():
            raise self.damaged("holds numbers that are not finite", place)
        return np.ascontiguousarray(value.reshape(shape))

    def check_version(self, newest: int) -> None:
        """Refuse what a newer version of DeePMD-kit wrote."""
        version = self.get("@version", "a whole number", 1)
        if not 1 <= version <= newest:
            raise self.error(
                f"has @version {version}, dpcore knows 1 to {newest}; it was written by another version of "
                "DeePMD-kit: update dpcore, or convert the model with a version that it knows (3.0 to 3.2)"
            )

    def precision(self) -> str:
        """float64 or float32, in which float16 is computed."""
        name = self.get("precision", "a text")
        if name not in _PRECISIONS:
            raise self.unsupported(f"a net of precision {name!r}", "dpcore has float64 and float32")
        return _PRECISIONS[name]

    def refuse(self, **reasons: str) -> None:
        """Refuse keys that are there and neither empty, zero nor false; the text says what dpcore has instead."""
        for key, advice in reasons.items():
            value = self.values.get(key)
            if value is not None and value not in ([], 0, False, ""):
                raise self.unsupported(f"a model with {key} = {show(value)}", advice)
