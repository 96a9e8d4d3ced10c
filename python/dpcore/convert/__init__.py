# SPDX-License-Identifier: LGPL-3.0-or-later
"""Models of other programs as dpcore models.

A reader takes a file and returns ``(metadata, tensors)``, the two arguments of
``dpcore._core.write_model_file``.  ``READERS`` lists them by the name that
``dp convert-from`` takes; a new format is a module here and a line below.
"""

from __future__ import annotations

from typing import Callable, NamedTuple

import numpy as np

from dpcore.convert.tensorflow_graph import read_tensorflow_graph

__all__ = ["READERS", "Reader", "read_tensorflow_graph"]

Model = tuple[dict[str, str], dict[str, np.ndarray]]


class Reader(NamedTuple):
    """How a source format is read: the function and what it is called."""

    read: Callable[[str], Model]
    description: str


def _read_binary(path: str) -> Model:
    return read_tensorflow_graph(path, "pb")


def _read_text(path: str) -> Model:
    return read_tensorflow_graph(path, "pbtxt")


# The version names are those of DeePMD-kit's own converter.  The content tells the
# version, so they read any graph; they are here so that known command lines work.
_VERSIONS = ("0.12", "1.0", "1.1", "1.2", "1.3", "2.0")

READERS: dict[str, Reader] = {
    "auto": Reader(read_tensorflow_graph, "recognised by content"),
    "pb": Reader(_read_binary, "DeePMD-kit TensorFlow graph, binary"),
    "pbtxt": Reader(_read_text, "DeePMD-kit TensorFlow graph, text"),
    **{name: Reader(read_tensorflow_graph, f"DeePMD-kit {name}") for name in _VERSIONS},
}
