# SPDX-License-Identifier: LGPL-3.0-or-later
"""Models of other programs as dpcore models.

A reader takes a file and returns ``(metadata, tensors)``, the two arguments of
``dpcore._core.write_model_file``.  ``READERS`` lists them by the name that
``dp convert-from`` takes; a new format is a module here and a line below.
"""

from __future__ import annotations

from typing import Callable, NamedTuple

import numpy as np

from dpcore.convert.native import NATIVE, read_native, recognise
from dpcore.convert.tensorflow_graph import read_tensorflow_graph
from dpcore.errors import InputError

__all__ = ["READERS", "Reader", "read_any", "read_native", "read_tensorflow_graph", "recognise"]

Model = tuple[dict[str, str], dict[str, np.ndarray]]


class Reader(NamedTuple):
    """How a source format is read: the function and what it is called."""

    read: Callable[[str], Model]
    description: str


def _read_binary(path: str) -> Model:
    return read_tensorflow_graph(path, "pb")


def _read_text(path: str) -> Model:
    return read_tensorflow_graph(path, "pbtxt")


def read_any(path: str) -> Model:
    """The reader that the content asks for."""
    return read_tensorflow_graph(path) if recognise(path) is None else read_native(path)


def _only(form: str) -> Callable[[str], Model]:
    def read(path: str) -> Model:
        if recognise(path) != form:
            raise InputError(f"is no native model in {NATIVE[form]}; leave the source format out", path)
        return read_native(path)

    return read


# The version names are those of DeePMD-kit's own converter.  The content tells the
# version, so they read any graph; they are here so that known command lines work.
_VERSIONS = ("0.12", "1.0", "1.1", "1.2", "1.3", "2.0")

READERS: dict[str, Reader] = {
    "auto": Reader(read_any, "recognised by content"),
    "pb": Reader(_read_binary, "DeePMD-kit TensorFlow graph, binary"),
    "pbtxt": Reader(_read_text, "DeePMD-kit TensorFlow graph, text"),
    **{form: Reader(_only(form), f"native model of DeePMD-kit 3 in {name}") for form, name in NATIVE.items()},
    **{name: Reader(read_tensorflow_graph, f"DeePMD-kit {name}") for name in _VERSIONS},
}
