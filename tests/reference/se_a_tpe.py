# SPDX-License-Identifier: LGPL-3.0-or-later
"""Slow numpy oracle of what se_a_tpe has in place of the nets of se_e2_a: every slot's own channels, and their mean."""

from __future__ import annotations

import numpy as np
from reference import se_e2_a as base


def channels(settings, tensors, kind, parameters=None):
    """The numbers [C] of a type: a plain net for kind/n_types, the last of its layers without activation.

    With parameters [n, numb_aparam] of atoms of the type, [n, C] for [kind, parameters]/n_types.
    """
    inputs = np.array([kind]) if parameters is None else np.insert(parameters, 0, kind, axis=1)
    x = (inputs / len(settings["sel"])).astype(settings["precision"])
    layers = base.layers_of(tensors, "descriptor/types")
    assert len(layers) == settings["type_nlayer"] + 1
    for k, layer in enumerate(layers):
        x = x @ layer["matrix"] + layer["bias"]
        if k < settings["type_nlayer"]:
            x = base.activation(settings["activation_function"], x)[0]
    return x


def embedding(settings, tensors, centre, neighbour, s, parameters=None):
    """G and dG/ds [n, M] of slots with the inputs s [n]: the net's outputs, amplified to M numbers for each
    channel, and weighted with the channels of the neighbour's type (two-sided: and of the centre's), or of the
    type and atomic parameters [n, numb_aparam] of each slot.
    """
    n, m, c = len(s), settings["neuron"][-1], settings["type_nchanl"]
    x, dx = base.embedding_net(base.layers_of(tensors, "descriptor/net"), settings["activation_function"], s)
    (amplify,) = base.layers_of(tensors, "descriptor/amplify")
    a, da = x @ amplify["matrix"] + amplify["bias"], dx @ amplify["matrix"]
    mine = channels(settings, tensors, neighbour, parameters)
    if parameters is not None:
        mine = mine[:, None, :]
    if settings["type_one_side"]:
        return tuple((v.reshape(n, m, c) * mine).mean(axis=2) for v in (a, da))
    others = channels(settings, tensors, centre)
    out = []
    for v in (a, da):
        of_centre = (v.reshape(n, m, c, c) * mine).mean(axis=3)  # [n, M, C of the centre]
        out.append((of_centre * others).mean(axis=2))
    return tuple(out)
