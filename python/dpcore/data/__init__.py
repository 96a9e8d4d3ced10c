# SPDX-License-Identifier: LGPL-3.0-or-later
"""Training data: systems of frames in the deepmd/npy layout, and the batches drawn from them."""

from __future__ import annotations

from dpcore.data.batch import FrameSampler, get_rng_state, make_rng, set_rng_state
from dpcore.data.collection import DataCollection, Drawn, expand_systems, list_systems
from dpcore.data.labels import FIELDS, LABELS, TENSOR_LABELS, Field
from dpcore.data.system import DeepmdSystem

__all__ = [
    "FIELDS",
    "LABELS",
    "TENSOR_LABELS",
    "DataCollection",
    "DeepmdSystem",
    "Drawn",
    "Field",
    "FrameSampler",
    "expand_systems",
    "get_rng_state",
    "list_systems",
    "make_rng",
    "set_rng_state",
]
