# SPDX-License-Identifier: LGPL-3.0-or-later
"""Errors that name what is wrong, where, and what was expected."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["InputError", "in_set", "refuse_inputs", "show", "suggest"]


class InputError(ValueError):
    """Something a user gave (an input key, a data file, a path) cannot be used.

    Parameters
    ----------
    message
        What is wrong, what was expected and, where it helps, what to do.
    where
        The place: a key path such as ``model/descriptor/rcut_smth``, or a file.

    The text of the exception is ``where: message``; both parts stay available as attributes.
    """

    def __init__(self, message: str, where: object = None) -> None:
        self.message = message
        self.where = None if where is None else str(where)
        super().__init__(message if self.where is None else f"{self.where}: {message}")


def suggest(word: object, choices: Iterable[str]) -> str:
    """Return ``' Did you mean "x"?'`` for the choice closest to `word`, or an empty string."""
    if not isinstance(word, str):
        return ""
    pool = sorted({c for c in choices if isinstance(c, str)})
    lowered = {c.lower(): c for c in pool}
    close = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return f' Did you mean "{lowered[close[0]]}"?' if close else ""


def in_set(error: Exception, frames: Sequence[int]) -> str:
    """The text of an error of the core about the frame it was given as k-th: that frame's number in the set.

    Parameters
    ----------
    error
        Begins with ``frame <k>: `` where it is about one frame.
    frames
        Index in the set of each frame that the core was given.
    """

    def number(match: re.Match[str]) -> str:
        k = int(match[1])
        return f"frame {frames[k] if k < len(frames) else k}: "

    return re.sub(r"\Aframe ([0-9]+): ", number, str(error))


def show(value: Any) -> str:
    """Return a value as an input file would have it, shortened to 80 characters."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def refuse_inputs(path: object, inputs: Iterable[object], option: str) -> None:
    """Raise InputError where a file to write is one of those that are read."""
    for given in inputs:
        try:
            same = os.path.samefile(str(path), str(given))
        except (OSError, ValueError):  # one of them does not exist, or is no name
            continue
        if same:
            raise InputError(f"would overwrite {given}, which is read; give another name", option)
