# SPDX-License-Identifier: LGPL-3.0-or-later
"""Slow numpy oracle of the short-range table (use_srtab): one centre at a time, straight from the formulas.

s = sum r e^(-r/alpha) / sum e^(-r/alpha);  l = switch(s);  E_i = l (1/2 sum V + bias) + (1 - l) N_i.
alpha, sw_rmin and sw_rmax are single precision.  Units: A, eV.
"""

from __future__ import annotations

import numpy as np
from reference import se_e2_a


def table_value(tensors, a, b, r):
    """V(r) and V'(r) of the pair of types a, b; 0 from the last node on."""
    first, spacing, n, n_types = tensors["short_range/tab_info"]
    n, n_types = int(n), int(n_types)
    x = (r - first) / spacing
    assert x >= 0.0
    if x >= n:
        return 0.0, 0.0
    k = int(x)
    piece = tensors["short_range/tab_data"].reshape(n_types, n_types, n, 4)[a, b, k]
    return np.polyval(piece, x - k), np.polyval(np.polyder(piece), x - k) / spacing


def blend(config, tensors, positions, cell, types, i, energy, gradient):
    """E_i and its gradient from those of the net.

    energy, gradient: N_i and dN_i/dR_ij [n, 3] in the order of the net's own neighbours.
    Returns E_i, the net's gradient scaled by 1 - l, and lists of (neighbour, R_ij, gradient) of the switch and
    of the table.
    """
    parts = [part for part, _ in se_e2_a.descriptor_parts(config["descriptor"], tensors)]
    widest = max(parts, key=lambda part: part["rcut"])
    slots = se_e2_a.neighbour_slots(widest, positions, cell, types, i)
    neighbours = [(j, r_ij, np.linalg.norm(r_ij)) for _, j, r_ij in slots]
    if not neighbours:
        return energy, gradient, [], []
    alpha = float(np.float32(config["smin_alpha"]))
    r = np.array([length for *_, length in neighbours])
    e = np.exp(-r / alpha)
    z, b = e.sum(), (r * e).sum()
    weight, slope = se_e2_a.switch(b / z, config["sw_rmin"], config["sw_rmax"])
    bias = float(tensors["fitting/bias_atom_e"][types[i]]) if config["srtab_add_bias"] else 0.0
    values = [table_value(tensors, types[i], types[j], length) for j, _, length in neighbours]
    table = 0.5 * sum(v for v, _ in values) + bias
    ds = (z * (1 / r - 1 / alpha) * e + b * e / (r * alpha)) / z**2  # times R_ij: ds/dR_ij
    by_switch = [(j, r_ij, (table - energy) * slope * d * r_ij) for (j, r_ij, _), d in zip(neighbours, ds)]
    by_table = [
        (j, r_ij, 0.5 * weight * dv * r_ij / length) for (j, r_ij, length), (_, dv) in zip(neighbours, values)
    ]
    return weight * table + (1 - weight) * energy, (1 - weight) * gradient, by_switch, by_table
