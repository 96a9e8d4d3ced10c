# SPDX-License-Identifier: LGPL-3.0-or-later
"""Loss sections and random batches for the tests of training."""

from __future__ import annotations

import numpy as np

LABELS = ("energy", "force", "virial", "atom_ener", "atom_pref")
TENSOR_LOSSES = {
    "local": {"type": "tensor", "pref": 0.0, "pref_atomic": 1.5},
    "global": {"type": "tensor", "pref": 2.5, "pref_atomic": 0.0},
    "both": {"type": "tensor", "pref": 0.5, "pref_atomic": 2.0},
}
# Not the first step: prefactors lie between start and limit. Both are float32 numbers.
START_LR, LR = 2.0**-9, 2.0**-10


def make_loss(relative_f=None, **prefactors):
    """A loss section; each prefactor is (start, limit), those not given are 0."""
    out = {"type": "ener", "relative_f": relative_f}
    for key in ("e", "f", "v", "ae", "pf"):
        out[f"start_pref_{key}"], out[f"limit_pref_{key}"] = prefactors.get(key, (0.0, 0.0))
    return out


LOSSES = {
    "e": make_loss(e=(1.5, 0.5)),
    "f": make_loss(f=(2.0, 4.0)),
    "v": make_loss(v=(0.75, 0.25)),
    "ae": make_loss(ae=(1.0, 3.0)),
    "pf": make_loss(pf=(2.5, 1.5)),
    "relative_f": make_loss(f=(2.0, 4.0), pf=(0.5, 1.0), relative_f=0.25),
    "all": make_loss(
        e=(1.5, 0.5), f=(2.0, 4.0), v=(0.75, 0.25), ae=(1.0, 3.0), pf=(2.5, 1.5), relative_f=0.5
    ),
}


def make_batch(system, potential=None, seed=0, without=(), noise=1.0):
    """All labels, random; if a potential is given its predictions and that noise, so that losses
    are of order one.
    """
    rng = np.random.default_rng([23, seed])
    nf, n = system.n_frames, system.n_atoms
    labels = {
        "energy": rng.normal(size=nf),
        "force": rng.normal(size=(nf, 3 * n)),
        "virial": rng.normal(size=(nf, 9)),
        "atom_ener": rng.normal(size=(nf, n)),
        "atom_pref": rng.uniform(0.2, 1.8, (nf, n)),
    }
    if potential is not None:
        found = potential.evaluate(system.coord, system.box, system.types, system.fparam, system.aparam, True)
        names = {"energy": "energy", "force": "force", "virial": "virial", "atom_energy": "atom_ener"}
        for key, label in names.items():
            labels[label] = found[key].reshape(labels[label].shape) + noise * labels[label]
    batch = {"coord": system.coord, "box": system.box, "type": system.types}
    for key in ("fparam", "aparam"):
        if getattr(system, key) is not None:
            batch[key] = getattr(system, key)
    batch.update(labels)
    batch.update({f"find_{key}": float(key not in without) for key in LABELS})
    return batch


def make_tensor_batch(system, potential, seed=0, without=(), noise=1.0):
    """Labels of tensors: predictions of the potential and that noise; `without` "global" or "local"."""
    rng = np.random.default_rng([29, seed])
    found = potential.evaluate(system.coord, system.box, system.types, None, None, True, None, False)
    selected = np.isin(system.types, potential.sel_type)
    atomic = found["atom_energy"][:, selected]
    batch = {"coord": system.coord, "box": system.box, "type": system.types}
    name = "dipole" if potential.kind == "dipole" else "polarizability"
    for key, label, value in (("global", name, found["energy"]), ("local", f"atomic_{name}", atomic)):
        batch[label] = value + noise * rng.normal(size=value.shape)
        batch[f"find_{label}"] = float(key not in without)
    return batch
