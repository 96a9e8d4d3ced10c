# SPDX-License-Identifier: LGPL-3.0-or-later
"""Small compressed models and pairs of atoms, which probe one table."""

from __future__ import annotations

import numpy as np
from gradcheck import make_config, make_tensors, model

RECIPE = {"min_nbor_dist": 0.9, "step": 0.01, "extrapolate": 5}


def compressed_config(config, **recipe):
    """The same model, compressed."""
    return {**config, "descriptor": {**config["descriptor"], "compress": {**RECIPE, **recipe}}}


def both(config, tensors, **recipe):
    """The model and its compressed form."""
    return model(config, tensors), model(compressed_config(config, **recipe), tensors)


def small_model(**descriptor):
    """Config and tensors of a model with large weights."""
    config = make_config(descriptor)
    return config, make_tensors(config, seed=3)


def dimers(distances, types=(0, 1)):
    """Arguments of evaluate() for pairs of atoms."""
    coord = np.zeros((len(distances), 2, 3))
    coord[:, 1] = np.asarray(distances)[:, None] * [0.48, 0.6, 0.64]
    return coord.reshape(len(distances), 6), None, np.array(types, dtype=np.int32)


def force_along(result):
    """-dE/dr of dimers."""
    return result["force"][:, 1] @ [0.48, 0.6, 0.64]


def distance_of(config, tensors, x, centre):
    """The distance at which a net of this centre type has the input x."""
    d, avg, std = config["descriptor"], tensors["descriptor/davg"], tensors["descriptor/dstd"]

    def value(r):
        u = np.clip((r - d["rcut_smth"]) / (d["rcut"] - d["rcut_smth"]), 0, 1)
        return ((u**3 * (-6 * u**2 + 15 * u - 10) + 1) / r - avg[centre, 0]) / std[centre, 0]

    low, high = 0.05, d["rcut"]
    assert value(low) > x > value(high)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if value(middle) > x else (low, middle)
    return low
