# SPDX-License-Identifier: LGPL-3.0-or-later
"""Slow numpy oracle of the descriptor se_e2_r."""

from __future__ import annotations

import numpy as np
from reference.se_e2_a import embedding_net, layers_of


def se_e2_r(settings, tensors, centre, rows):
    """Descriptor D [M1] = 1/(5 n_slots) sum_j N(row_j) and a function dE/dD -> dE/drows [n_slots, 1].

    Rows of excluded pairs are not counted; with type_one_side they are, as zeros.
    """
    dtype = np.dtype(settings["precision"])
    starts = np.concatenate([[0], np.cumsum(settings["sel"])])
    excluded = {tuple(pair) for pair in settings["exclude_types"]}
    excluded |= {(b, a) for a, b in excluded}
    scale = dtype.type(1.0) / dtype.type(5.0 * len(rows))
    descriptor = np.zeros(settings["neuron"][-1], dtype)
    dg = np.zeros((len(rows), settings["neuron"][-1]), dtype)
    for neighbour in range(len(settings["sel"])):
        part = slice(starts[neighbour], starts[neighbour + 1])
        s = rows[part, 0].astype(dtype)
        name = f"net_{neighbour}" if settings["type_one_side"] else f"net_{centre}_{neighbour}"
        if (centre, neighbour) in excluded:
            if not settings["type_one_side"]:
                continue
            s = np.zeros_like(s)
        layers = layers_of(tensors, f"descriptor/{name}")
        g, slope = embedding_net(layers, settings["activation_function"], s)
        descriptor += scale * g.sum(axis=0)
        if (centre, neighbour) not in excluded:
            dg[part] = slope

    def d_rows_of(d_descriptor):
        return (scale * dg @ d_descriptor.astype(dtype))[:, None].astype(np.float64)

    return descriptor.astype(np.float64), d_rows_of
