# SPDX-License-Identifier: LGPL-3.0-or-later
"""A small model file with random weights and plain statistics."""

import json

import numpy as np
from dpcore import _core
from dpcore.config import core_config, normalize
from dpcore.modelfile import FROZEN, make_metadata
from training_case import INPUT


def write_model(
    path,
    numb_fparam=0,
    numb_aparam=0,
    sel=(20, 20),
    dstd=0.1,
    type_map=("O", "H"),
    short_range=None,
    neighbor_aparam=0,
    **descriptor,
):
    """Write a model of two types to `path` and return that; a small `dstd` makes large forces, short_range is
    (keys, tensors) of a short-range table, neighbor_aparam makes the descriptor se_a_tpe with so many atomic
    parameters of neighbours, keywords change the descriptor of `INPUT`."""
    config = normalize(INPUT)
    config["model"]["fitting_net"].update(numb_fparam=numb_fparam, numb_aparam=numb_aparam)
    config["model"]["type_map"] = list(type_map)
    if neighbor_aparam:
        channels = {"type_nchanl": 2, "type_nlayer": 1, "numb_aparam": neighbor_aparam}
        descriptor = {"type": "se_a_tpe", "type_one_side": True, **channels, **descriptor}
    config["model"]["descriptor"].update(descriptor)
    core = core_config(config["model"], list(sel))
    statistics = {
        "descriptor/davg": np.zeros((2, 4)),
        "descriptor/dstd": np.full((2, 4), dstd),
        "fitting/bias_atom_e": np.array([-3.0, -1.0]),
    }
    if short_range is not None:
        core.update(short_range[0])
        statistics.update(short_range[1])
    for name, width in (("fparam", numb_fparam), ("aparam", numb_aparam)):
        if width:
            statistics[f"fitting/{name}_avg"] = np.zeros(width)
            statistics[f"fitting/{name}_istd"] = np.ones(width)
    model = _core.Model.create(json.dumps(core), statistics)
    _core.write_model_file(str(path), make_metadata(FROZEN, core, {}), model.tensors())
    return path


def write_tensor_model(path, kind="dipole", sel_type=(0,), sel=(20, 20), **descriptor):
    """Write a model of dipoles or polarizabilities of O and H."""
    raw = json.loads(json.dumps(INPUT))
    raw["model"]["fitting_net"] = {"type": kind, "sel_type": list(sel_type), "neuron": [8, 8], "seed": 3}
    raw["loss"] = {"type": "tensor", "pref": 1.0, "pref_atomic": 1.0}
    config = normalize(raw)
    config["model"]["descriptor"].update(descriptor)
    core = core_config(config["model"], list(sel))
    statistics = {"descriptor/davg": np.zeros((2, 4)), "descriptor/dstd": np.full((2, 4), 0.1)}
    if kind == "polar":
        statistics["fitting/constant_matrix"] = np.array([1.5, 0.5])
    model = _core.Model.create(json.dumps(core), statistics)
    _core.write_model_file(str(path), make_metadata(FROZEN, core, {}), model.tensors())
    return path


def write_dplr_model(path, model, dipole, **keys):
    """Write the energy model `model` with the modifier dipole_charge to `path` and return that; `dipole` is the file
    of its dipole model, which selects O, keywords change the section."""
    metadata, tensors = _core.read_model_file(str(model))
    inner, others = _core.read_model_file(str(dipole))
    section = {"type": "dipole_charge", "model_charge_map": [-8], "sys_charge_map": [6, 1], "ewald_h": 1.0}
    section.update(ewald_beta=0.4, model=json.loads(inner["config"]))
    section.update(keys)
    tensors.update({f"modifier/{k}": v for k, v in others.items()})
    config = {**json.loads(metadata["config"]), "modifier": section}
    _core.write_model_file(str(path), {**metadata, "config": json.dumps(config)}, tensors)
    return path
