# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bad input of dipoles and polarizabilities; the folder has dipole.dp and the system `tensor`."""

from __future__ import annotations

import copy
import json

import numpy as np
from bad_input.case import TYPES, Case, both, write_input
from bad_input.models import rewrite
from make_system import make_system

D, F = "model/descriptor", "model/fitting_net"
TENSOR = {
    "model/fitting_net": {"type": "dipole", "sel_type": [0], "neuron": [5], "seed": 1},
    "loss": {"type": "tensor", "pref": 1.0, "pref_atomic": 1.0},
    "training/training_data/systems": ["tensor"],
}
KEYS = ("coord", "box", "dipole", "atomic_dipole", "polarizability", "atomic_polarizability")
SET = "tensor/set.000"


def _write(folder, changes=(), name="input.json"):
    write_input(folder, copy.deepcopy({**TENSOR, **dict(changes)}), name)


def make_folder(folder):
    """Data and a model of dipoles."""
    from dpcore.cli import main

    make_system(folder / "tensor", sizes=(4,), types=TYPES, keys=KEYS)
    _write(folder, name="tensor.json")
    assert main(["train", "tensor.json"]) == 0 and main(["freeze", "-o", "dipole.dp"]) == 0


def _key(changes, *expect):
    return Case(["train", "input.json"], expect, lambda folder: _write(folder, changes))


def _label(change, *expect, name="atomic_dipole", kind="dipole"):
    """Training after a change of one label."""

    def prepare(folder):
        path = folder / SET / f"{name}.npy"
        np.save(path, change(np.load(path)))
        _write(folder, {f"{F}/type": kind})

    return Case(["train", "input.json"], [f"{SET}/{name}.npy", *expect], prepare)


def _nan(array):
    array[2, 1] = np.nan
    return array


def _in_hybrid(text):
    """The configuration with its descriptor as the only part of a hybrid one."""
    config = json.loads(text)
    return json.dumps({**config, "descriptor": {"type": "hybrid", "list": [config["descriptor"]]}})


def _without(*names):
    return lambda folder: [(folder / SET / f"{name}.npy").unlink() for name in names]


def _test(model, prepare, *expect, options=()):
    return Case(["test", "-m", model, "-s", "tensor", *options], expect, prepare)


KEYS_OF_INPUT = {
    "type beyond the model": _key({f"{F}/sel_type": [2]}, f"{F}/sel_type", "indices from 0 to 1", "[2]"),
    "a type twice": _key({f"{F}/sel_type": [0, 0]}, f"{F}/sel_type", "different types"),
    "no type": _key({f"{F}/sel_type": []}, f"{F}/sel_type", "at least one"),
    "types by name": _key({f"{F}/sel_type": ["O"]}, f"{F}/sel_type", '"O"', "index of a type"),
    "frame parameters": _key({f"{F}/numb_fparam": 2}, f"{F}/numb_fparam", "must be 0"),
    "key of polar": _key({f"{F}/fit_diag": True}, f"{F}/fit_diag", "unknown key"),
    "scale of three types": _key(
        {f"{F}/type": "polar", f"{F}/scale": [1.0, 2.0, 3.0]}, f"{F}/scale", "each of the 2 types", "got 3"
    ),
    "descriptor of distances": _key(
        {D: {"type": "se_e2_r", "sel": [8, 8]}},
        f"{F}/type",
        "dipole needs the rotation matrix",
        "se_e2_r has none",
    ),
    "hybrid descriptor": _key(
        {D: {"type": "hybrid", "list": [{"type": "se_a", "sel": [8, 8]}]}, f"{F}/type": "polar"},
        f"{F}/type",
        "polar needs the rotation matrix",
        "hybrid has none",
    ),
    "loss of energies": _key({"loss": {}}, "loss/type", '"tensor"'),
    "energies with the loss of tensors": _key({F: {}}, "loss/type", '"ener"'),
    "no prefactor of atoms": _key({"loss": {"type": "tensor", "pref": 1.0}}, "loss/pref_atomic", "required"),
    "both prefactors 0": _key({"loss/pref": 0.0, "loss/pref_atomic": 0.0}, "loss", "nothing to train on"),
    "negative prefactor": _key({"loss/pref": -1.0}, "loss/pref", "got -1.0"),
}
LABELS = {
    "of too few atoms": _label(lambda a: a[:, :-3], "[4, 3]", "got [4, 6]", "sel_type"),
    "of too few components": _label(
        lambda a: a[:, :6], "[4, 9]", "all nine components", name="polarizability", kind="polar"
    ),
    "of too few frames": _label(lambda a: a[:2], "4 frames as in coord", "got [2, 9]"),
    "NaN": _label(lambda a: _nan(a)[:, :3], "NaN in frame 2", "atom 0"),
    "NaN of a frame": _label(_nan, "NaN in frame 2", "component 1", name="dipole"),
    "texts": _label(lambda a: a.astype(str), "real numbers"),
    "none at all": Case(
        ["train", "input.json"],
        ["none of the labels", "atomic_dipole, dipole"],
        both(_without("dipole", "atomic_dipole"), _write),
    ),
}
MODELS = {
    "test of frames without their labels": _test(
        "dipole.dp", _without("dipole"), "none of the systems has labels", "-a compares those of atoms"
    ),
    "test of atoms without their labels": _test(
        "dipole.dp", _without("atomic_dipole"), "none of the systems has labels", options=["-a"]
    ),
    "deviation of models of dipoles": Case(
        ["model-devi", "-m", "dipole.dp", "dipole.dp", "-s", "tensor"],
        ["dipole.dp", 'kind "dipole"', "DeepDipole"],
    ),
    "said to be of another kind": _test(
        "dipole.dp", rewrite({"kind": "polar"}, name="dipole.dp"), "dipole.dp", 'kind "polar"', "damaged"
    ),
    "of a hybrid descriptor": _test(
        "dipole.dp",
        rewrite({"config": _in_hybrid}, name="dipole.dp"),
        "dipole.dp",
        "model/fitting_net/type",
        "hybrid has none",
    ),
    "net of a type that is not selected": _test(
        "dipole.dp",
        rewrite(tensors={"fitting/net_1/layer_0/bias": np.zeros(5)}, name="dipole.dp"),
        "dipole.dp",
        "fitting/net_1/layer_0/bias",
        "does not belong",
    ),
    "constant of energies": _test(
        "dipole.dp",
        rewrite(tensors={"fitting/bias_atom_e": np.zeros(2)}, name="dipole.dp"),
        "fitting/bias_atom_e",
        "does not belong",
    ),
}
CASES = {
    **{f"tensor: {name}": case for name, case in KEYS_OF_INPUT.items()},
    **{f"tensor label: {name}": case for name, case in LABELS.items()},
    **{f"tensor model: {name}": case for name, case in MODELS.items()},
}
