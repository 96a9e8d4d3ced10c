# SPDX-License-Identifier: LGPL-3.0-or-later
"""Slow numpy oracle of the descriptor se_e3: all pairs of slots, empty ones too."""

from __future__ import annotations

import numpy as np
from reference.se_e2_a import embedding_net, layers_of


def se_e3(settings, tensors, centre, rows):
    """Descriptor D [M1] = sum_ab 1/(sel_a sel_b) sum_jk theta_jk N_ab(theta_jk), theta_jk = q_j . q_k with the
    last three columns q of the rows, and a function dE/dD -> dE/drows [n_slots, 4].
    """
    dtype = np.dtype(settings["precision"])
    sel = settings["sel"]
    starts = np.concatenate([[0], np.cumsum(sel)])
    q = rows[:, 1:].astype(dtype)
    terms = []
    descriptor = np.zeros(settings["neuron"][-1], dtype)
    for a in range(len(sel)):
        for b in range(a, len(sel)):
            if sel[a] * sel[b] == 0:
                continue
            mine, others = slice(starts[a], starts[a + 1]), slice(starts[b], starts[b + 1])
            theta = (q[mine] @ q[others].T).reshape(-1)
            layers = layers_of(tensors, f"descriptor/net_{a}_{b}")
            g, slope = embedding_net(layers, settings["activation_function"], theta)
            scale = dtype.type(1.0 / (sel[a] * sel[b]))
            descriptor += scale * (theta @ g)
            terms.append((mine, others, scale * (g + theta[:, None] * slope)))

    def d_rows_of(d_descriptor):
        d_rows = np.zeros(rows.shape)
        for mine, others, d_theta_of in terms:
            d_theta = (d_theta_of @ d_descriptor.astype(dtype)).reshape(
                mine.stop - mine.start, others.stop - others.start
            )
            d_rows[mine, 1:] += d_theta @ q[others]
            d_rows[others, 1:] += d_theta.T @ q[mine]
        return d_rows

    return descriptor.astype(np.float64), d_rows_of
