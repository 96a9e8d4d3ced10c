# SPDX-License-Identifier: LGPL-3.0-or-later
"""Slow numpy oracle of the tensors of atoms, dipole and polar, on se_e2_a.

    mu_i = y Q,   alpha_i = scale Q^t A Q + c 1,   A = diag(y) or Y + Y^t

with y the outputs of the net of the atom's type, Q [M1, 3] the rows 1 to 3 of the moment T, transposed.
Values only: their derivatives are tested against differences of values.
"""

from __future__ import annotations

import numpy as np
from reference import se_e2_a as oracle


def evaluate(config, tensors, coord, box, types):
    """Tensors of all atoms, [n_frames, n_atoms, 3 or 9]; zeros for types that are not selected.

    Arguments as for `reference.se_e2_a.evaluate`.
    """
    fitting, tensors = config["fitting_net"], oracle.with_types(config, tensors)
    selected = fitting["sel_type"]
    if selected is None:
        selected = range(len(config["type_map"]))
    size = {"dipole": 3, "polar": 9}[fitting["type"]]
    out = np.zeros((len(coord), len(types), size))
    for f, positions in enumerate(np.asarray(coord, dtype=np.float64)):
        cell = None if box is None else np.asarray(box[f], dtype=np.float64).reshape(3, 3)
        for i, centre in enumerate(types):
            if centre in selected:
                out[f, i] = of_atom(config, tensors, positions.reshape(-1, 3), cell, types, i)
    return out


def of_atom(config, tensors, positions, cell, types, i):
    settings, fitting, centre = config["descriptor"], config["fitting_net"], types[i]
    slots = oracle.neighbour_slots(settings, positions, cell, types, i)
    rows, _ = oracle.environment(settings, slots, sum(settings["sel"]))
    rows = (rows - tensors["descriptor/davg"][centre]) / tensors["descriptor/dstd"][centre]
    t = oracle.moment(settings, tensors, centre, rows)[0]
    x = (t.T @ t[:, : settings["axis_neuron"]]).reshape(-1).astype(fitting["precision"])
    q = t[1:].T.astype(fitting["precision"])  # [M1, 3]
    name = f"net_{centre}"
    if "types" in tensors:
        name, x = "net", np.concatenate([x, tensors["types"][centre].astype(x.dtype)])
    layers = oracle.layers_of(tensors, f"fitting/{name}")
    for k, layer in enumerate(layers[:-1]):
        h, _ = oracle.activation(fitting["activation_function"], x @ layer["matrix"] + layer["bias"])
        h = h * layer.get("idt", 1.0)
        x = x + h if k > 0 and h.shape == x.shape else h
    y = x @ layers[-1]["matrix"] + layers[-1]["bias"]
    if fitting["type"] == "dipole":
        return y @ q
    square = y.reshape(len(q), -1)
    a = np.diag(y) if fitting["fit_diag"] else square + square.T
    alpha = fitting["scale"][centre] * q.T @ a @ q
    return (alpha + tensors["fitting/constant_matrix"][centre] * np.eye(3)).reshape(9)
