# SPDX-License-Identifier: LGPL-3.0-or-later
"""Small compressed models and pairs of atoms, which probe one table."""

from __future__ import annotations

import numpy as np
from gradcheck import make_config, make_tensors, model
from reference import se_e2_a as oracle

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


def two_clusters(*gaps):
    """Arguments of evaluate() for five atoms, and out of their sight a chain of five with these distances."""
    quiet = np.array([[0, 0, 0], [0.9, 0.2, 0], [-0.3, 1.1, 0.4], [1.8, 1.5, -0.7], [0.4, -1.2, 1.0]])
    chain = np.cumsum([0, *gaps])[:, None] * [0.48, -0.6, 0.64] + [40, 0, 0]
    types = np.array([0, 1, 1, 0, 1, 0, 1, 0, 1, 0], dtype=np.int32)
    return np.concatenate([quiet, chain]).reshape(1, -1), None, types


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


def polynomials(nodes, value, slope, curvature):
    """[n, 6, M]: the polynomials of degree 5 between nodes, solved for, not written out."""
    h, powers = np.diff(nodes)[:, None], np.arange(6)
    ends = np.zeros((6, 6))  # value, slope h, curvature h^2 / 2 at 0 and h of each power of t / h
    ends[0, 0] = ends[1, 1] = ends[2, 2] = 1
    ends[3] = 1
    ends[4] = powers
    ends[5] = powers * (powers - 1) / 2
    known = [
        x[at] * h**k / max(k, 1)
        for at in (slice(0, -1), slice(1, None))
        for k, x in enumerate((value, slope, curvature))
    ]
    rows = np.einsum("pe,enm->npm", np.linalg.inv(ends), np.stack(known))
    return rows / h[:, :, None] ** powers[None, :, None]


def written_out(config, tensors, table):
    """By numpy: nodes of a table of se_e2_a or se_e2_r, number of its fine intervals, its net, and its polynomials."""
    n_fine = round((table["upper"] - table["lower"]) / table["fine"])
    nodes = np.append(
        table["lower"] + table["fine"] * np.arange(n_fine),
        table["upper"] + table["coarse"] * np.arange(table["intervals"] - n_fine + 1),
    )
    layers = oracle.layers_of(tensors, f"descriptor/{table['net']}")

    def net(x):
        return oracle.embedding_net(layers, config["descriptor"]["activation_function"], x)

    h = min(1e-3, table["fine"] / 2)
    curvature = sum(
        w * (net(nodes + k * h)[1] - net(nodes - k * h)[1]) for k, w in ((1, 45), (2, -9), (3, 1))
    ) / (60 * h)
    return nodes, n_fine, net, polynomials(nodes, *net(nodes), curvature)
