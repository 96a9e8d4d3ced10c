# SPDX-License-Identifier: LGPL-3.0-or-later
"""A training that takes a fraction of a second, and the command line called in this process."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from make_system import SHARED, make_system

INPUT = {
    "model": {
        "type_map": ["O", "H"],
        "descriptor": {
            "type": "se_e2_a",
            "sel": "auto",
            "rcut": 4.0,
            "rcut_smth": 1.0,
            "neuron": [3, 6],
            "axis_neuron": 2,
            "type_one_side": True,
            "seed": 1,
        },
        "fitting_net": {"neuron": [5, 5], "seed": 2},
    },
    "learning_rate": {"start_lr": 0.01, "stop_lr": 1e-4, "decay_steps": 5},
    "loss": {"start_pref_v": 0.1, "limit_pref_v": 0.1},
    "training": {
        "training_data": {"systems": ["train_a", "train_b"], "batch_size": 1},
        "validation_data": {"systems": ["valid"], "batch_size": 1, "numb_btch": 2},
        "numb_steps": 20,
        "seed": 3,
        "disp_freq": 5,
        "save_freq": 10,
    },
}

KEYS = ("coord", "box", "energy", "force", "virial")


def make_case(folder, changes=(), keys=KEYS, types=(0, 1, 1, 0)):
    """Write three systems and input.json, changed at paths like ``training/numb_steps``; return the input."""
    make_system(folder / "train_a", sizes=(3, 2), types=types, keys=keys, seed=1)
    make_system(folder / "train_b", sizes=(4,), types=(1, 0, 0), keys=keys, seed=2)
    make_system(folder / "valid", sizes=(3,), types=types, keys=keys, seed=3)
    return write_input(folder / "input.json", changes)


def write_input(path, changes=()):
    """Write `INPUT` with changes; ``...`` takes a key out."""
    config = copy.deepcopy(INPUT)
    for where, value in dict(changes).items():
        *sections, key = where.split("/")
        section = config
        for part in sections:
            section = section.setdefault(part, {})
        if value is ...:
            del section[key]
        else:
            section[key] = value
    path.write_text(json.dumps(config))
    return config


def dp(*words):
    """Call the command line; return its exit code."""
    from dpcore.cli import main

    return main([str(word) for word in words])


def read_curve(path="lcurve.out"):
    """The learning curve as numpy reads it."""
    return np.atleast_1d(np.genfromtxt(path, names=True))


def same_tensors(one, other):
    """Whether two files hold the same arrays, bit by bit."""
    from dpcore.modelfile import read_model

    a, b = read_model(one).tensors, read_model(other).tensors
    return set(a) == set(b) and all(a[k].tobytes() == b[k].tobytes() for k in a)


def open_reference(name, monkeypatch):
    """The input of a reference model and its training data, ready for statistics."""
    from dpcore.config import labels_of_loss, load_input
    from dpcore.data import DataCollection, make_rng

    folder = SHARED / "reference" / name
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}")
    monkeypatch.chdir(folder)
    config = load_input("input.json")
    fitting = config["model"]["fitting_net"]
    data = DataCollection(
        config["training"]["training_data"],
        make_rng(config["training"]["seed"]),
        config["model"]["type_map"],
        labels_of_loss(config["loss"], fitting["type"]),
        fitting["numb_fparam"],
        fitting["numb_aparam"],
        sel_type=fitting.get("sel_type"),
    )
    return config["model"], data
