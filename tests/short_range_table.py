# SPDX-License-Identifier: LGPL-3.0-or-later
"""A short-range table for the tests: keys of the model section and tensors of a model file."""

from __future__ import annotations

import numpy as np

# a short-range table for distances from 0.5 A, with a switch that many atoms of odd_systems() are in
SHORT_RANGE = {
    "use_srtab": "table.txt",
    "smin_alpha": 0.5,
    "sw_rmin": 0.4,
    "sw_rmax": 2.5,
    "srtab_add_bias": True,
}


def make_table(n_types, first=0.5, last=3.0, spacing=1e-3):
    """Tensors of a short-range table: V_ab = c_ab (1 - r/last)^4, which is smooth where it ends.

    The pieces are cubics of values and slopes; steps are so small that third derivatives hardly jump.
    """
    r = first + spacing * np.arange(round((last - first) / spacing) + 1)
    c = 9.0 + 4.0 * np.add.outer(np.arange(n_types), np.arange(n_types))[..., None]
    u = 1 - r / last
    v, d = c * u**4, -4 * c * spacing / last * u**3
    v0, v1, d0, d1 = v[..., :-1], v[..., 1:], d[..., :-1], d[..., 1:]
    data = np.stack([2 * v0 - 2 * v1 + d0 + d1, -3 * v0 + 3 * v1 - 2 * d0 - d1, d0, v0], axis=-1)
    info = np.array([first, spacing, len(r) - 1, n_types])
    return {"short_range/tab_info": info, "short_range/tab_data": data.reshape(-1)}
