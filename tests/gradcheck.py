# SPDX-License-Identifier: LGPL-3.0-or-later
"""Random small models, finite differences, and what "agrees" means in the tests of the core.

Tolerances.  Differences are Richardson's, with an error of O(h^6) from the step and O(eps/h) of the
function from rounding.  The first is covered by the relative tolerance; the second is added as
``difference_noise``.  Every comparison fails on NaN.
"""

from __future__ import annotations

import json
from unittest import mock

import numpy as np
from dpcore import _core as core
from dpcore.grammar import numb_aparam
from reference import se_e2_a as oracle
from reference.agreement import relative_error
from small_systems import (  # noqa: F401
    RCUT,
    RCUT_SMTH,
    SMALL_SEL,
    TRICLINIC,
    System,
    grid_system,
    is_smooth,
    odd_systems,
    pair_vectors,
    random_system,
)

TOLERANCE = {
    # derivative of an energy by position or strain against its difference; measured up to 1.3e-9 (a steep
    # energy of an atom with a few slots, where the step counts), median 1e-11
    "force": 2e-9,
    # derivative of a loss by parameters against its difference; measured up to 1e-9, median 2e-12
    "gradient": 3e-9,
    # two ways to sum the same doubles (threads, groups of frames, order of atoms): some thousand operations
    # of 1.1e-16
    "rounding": 1e-12,
    # the same after a rotation or shift of coordinates: distances themselves change by 1e-16 * 10 A
    "geometry": 1e-11,
    # core against numpy oracle in double: derivatives lose a digit or two to cancellation between neighbours
    "oracle": 1e-10,
    # float32 nets against the same nets in double: eps = 6e-8, some ten layers of sums of some ten terms;
    # measured up to 2.4e-6
    "float32": 5e-6,
    # their parameter gradients: residuals of the loss are differences of numbers ten times as large, and
    # twice as many layers (value and tangent); measured up to 1.8e-5, median 3e-7
    "float32 gradient": 5e-5,
}
STEP = 4e-3
ACTIVATIONS = ("tanh", "gelu", "softplus", "sigmoid", "relu", "relu6")
KINKED = ("relu", "relu6")
LARGE = ("relu", "relu6", "softplus")  # embedding nets with outputs well above 1: their rows are made smaller


# ---- models ------------------------------------------------------------------

# "type_embedding": se_e2_a in a model with type embedding. Not in the list: loc_frame, which has no nets, is not
# continuous, and needs two neighbours of every atom
DESCRIPTORS = ("se_e2_a", "se_e2_r", "se_e3", "hybrid", "type_embedding", "se_a_tpe")
# those with exclude_types and type_one_side
EXCLUDING = ("se_e2_a", "se_e2_r", "hybrid", "type_embedding", "se_a_tpe")
TYPE_EMBEDDING = {
    "neuron": [2, 4],
    "activation_function": "tanh",
    "resnet_dt": True,
    "use_tebd_bias": True,
    "precision": "float64",
    "trainable": True,
    "seed": 3,
}


def make_config(descriptor=None, fitting=None, type_map=("A", "B")):
    """The `model` section of a small model, changed by the given keys.

    A hybrid descriptor has the parts se_e2_a and se_e2_r; the second has other widths and more slots. The axes of
    loc_frame are the two nearest of the first three of each type.
    """
    descriptor = dict(descriptor or {})
    kind = descriptor.pop("type", "se_e2_a")
    keys = {
        "sel": [14, 18, 9][: len(type_map)],
        "rcut": RCUT,
        "rcut_smth": RCUT_SMTH,
        "neuron": [3, 6, 6],
        "axis_neuron": 2,
        "activation_function": "tanh",
        "resnet_dt": False,
        "type_one_side": False,
        "precision": "float64",
        "trainable": True,
        "seed": 1,
        "exclude_types": [],
        "set_davg_zero": False,
        "online_table": False,  # training with the nets themselves, as exact as rounding
        **descriptor,
    }
    without_axis = {key: value for key, value in keys.items() if key != "axis_neuron"}
    neither = {k: v for k, v in without_axis.items() if k not in ("type_one_side", "exclude_types")}
    second = {"sel": [n and n + 2 for n in keys["sel"]], "neuron": [*keys["neuron"], 5]}
    section = {
        "se_e2_a": {"type": "se_e2_a", **keys},
        "se_e2_r": {"type": "se_e2_r", **without_axis},
        "se_e3": {"type": "se_e3", **neither},
        "se_a_tpe": {"type": "se_a_tpe", "type_nchanl": 3, "type_nlayer": 2, "numb_aparam": 0, **keys},
        "hybrid": {
            "type": "hybrid",
            "list": [{"type": "se_e2_a", **keys}, {"type": "se_e2_r", **without_axis, **second}],
        },
        "loc_frame": {
            "type": "loc_frame",
            "sel_a": [4, 5, 3][: len(type_map)],
            "sel_r": [3, 30, 9][: len(type_map)],
            "rcut": keys["rcut"],
            "axis_rule": [0, -1 - len(type_map), 0, 0, -1 - len(type_map), 1] * len(type_map),
            **{key: descriptor[key] for key in ("sel_a", "sel_r", "axis_rule") if key in descriptor},
        },
    }["se_e2_a" if kind == "type_embedding" else kind]
    return {
        "type_map": list(type_map),
        **({"type_embedding": dict(TYPE_EMBEDDING)} if kind == "type_embedding" else {}),
        "descriptor": section,
        "fitting_net": {
            "type": "ener",
            "numb_fparam": 0,
            "numb_aparam": 0,
            "neuron": [7, 7, 5],
            "activation_function": "tanh",
            "precision": "float64",
            "resnet_dt": True,
            "trainable": True,
            "rcond": 1e-3,
            "seed": 2,
            "atom_ener": [],
            **(fitting or {}),
        },
    }


def descriptor_parts(config):
    """(prefix of the tensors, section) of the descriptor or of each part of a hybrid one."""
    section = config["descriptor"]
    if section["type"] != "hybrid":
        return [("descriptor/", section)]
    return [(f"descriptor/part_{k}/", part) for k, part in enumerate(section["list"])]


def net_of(config, *types):
    """The prefix of the net of a pair of types (centre, neighbour) in the first part of the descriptor, or of
    one type in the fitting.
    """
    section = descriptor_parts(config)[0][0] if len(types) == 2 else "fitting/"
    if config.get("type_embedding") or (len(types) == 2 and config["descriptor"]["type"] == "se_a_tpe"):
        return f"{section}net/"
    return section + "_".join(["net", *map(str, types)]) + "/"


def make_statistics(config, seed=0, angular=True):
    """davg, dstd, bias and parameter statistics, all different from the trivial ones.

    angular: davg and dstd differ between x, y and z, which data never give: no rotational symmetry.
    """
    rng = np.random.default_rng([13, seed])
    fitting, n = config["fitting_net"], len(config["type_map"])
    tensors = {}
    for prefix, part in descriptor_parts(config):
        if part["type"] == "loc_frame":
            columns = 4 * sum(part["sel_a"]) + sum(part["sel_r"])
            tensors[f"{prefix}davg"] = rng.uniform(-0.2, 0.4, (n, columns))
            tensors[f"{prefix}dstd"] = rng.uniform(0.3, 0.9, (n, columns))
            continue
        davg = rng.uniform(0.05, 0.25, (n, 4)) * [1.0, angular, angular, angular]
        if part["set_davg_zero"]:
            davg *= 0.0
        dstd = rng.uniform(0.15, 0.3, (n, 4)) * (3.0 if part["activation_function"] in LARGE else 1.0)
        if not angular:
            dstd[:, 1:] = dstd[:, 1:2]
        if part["type"] == "se_e3":
            davg[:, 1:] = 0.0
        columns = 1 if part["type"] == "se_e2_r" else 4
        tensors.update({f"{prefix}davg": davg[:, :columns], f"{prefix}dstd": dstd[:, :columns]})
    constant = {"ener": "bias_atom_e", "polar": "constant_matrix"}.get(fitting["type"])
    if constant:
        tensors[f"fitting/{constant}"] = rng.uniform(-1.0, 1.0, n)
    for name in ("fparam", "aparam"):
        if fitting.get(f"numb_{name}"):
            tensors[f"fitting/{name}_avg"] = rng.normal(size=fitting[f"numb_{name}"])
            tensors[f"fitting/{name}_istd"] = rng.uniform(0.5, 1.5, fitting[f"numb_{name}"])
    return tensors


def make_tensors(config, seed=0, angular=True):
    """All tensors of a model; weights of order one, so that no part of the gradient is lost beside another.

    Nets with kinks get large biases and small matrices, to stay on one side of each kink.
    """
    rng = np.random.default_rng([17, seed])
    sections = {"descriptor": descriptor_parts(config)[0][1], "fitting_net": config["fitting_net"]}
    sections["type_embedding"] = config.get("type_embedding")
    tensors = core.Model.create(json.dumps(config), make_statistics(config, seed, angular)).tensors()
    for name in sorted(tensors):
        section = {"fitting": "fitting_net"}.get(name.split("/")[0], name.split("/")[0])
        activation, kind = sections[section].get("activation_function"), name.split("/")[-1]
        value, shape = tensors[name], tensors[name].shape
        if kind == "matrix":
            scale = {"relu": 0.4, "relu6": 0.4}.get(activation, 1.2)
            if section == "fitting_net" and shape[1] == 1:
                scale = 4.0 if activation in KINKED else 1.2
            elif section == "fitting_net" and "layer_0" in name:  # descriptors are larger for nets with kinks
                inner = sections["descriptor"].get("activation_function")  # None: loc_frame
                scale *= {"relu": 0.5, "relu6": 0.1, None: 0.5}.get(inner, 2.0)
            value = scale * rng.normal(size=shape) / np.sqrt(shape[0])
        elif kind == "bias":
            levels = {"relu": [-1.7, 1.7, 2.1], "relu6": [-2.5, 3.0, 3.0, 9.0]}.get(activation, [0.0])
            spread = 0.1 if activation in KINKED else 0.5
            value = rng.permutation(np.resize(levels, shape[0])) + spread * rng.normal(size=shape)
        elif kind == "idt":
            value = rng.uniform(0.4, 1.1, shape)
        if "/amplify/" in name:  # small: the energy is steep in these, for the steps of differences
            value = 0.3 * np.sqrt(shape[-1] / sections["descriptor"]["neuron"][-1]) * value
        elif "/types/" in name and kind == "bias":  # channels of order one
            value = 1.0 + 0.5 * value
        tensors[name] = value.astype(tensors[name].dtype)
    return tensors


def kink_distance(config, tensors, system):
    """Smallest distance of any pre-activation from a kink of relu or relu6."""
    nearest = [np.inf]
    original = oracle.activation

    def watched(name, x):
        if name in KINKED and x.size:
            kinks = (0.0, 6.0) if name == "relu6" else (0.0,)
            nearest.append(min(np.min(np.abs(x - k)) for k in kinks))
        return original(name, x)

    with mock.patch.object(oracle, "activation", watched):
        evaluate_oracle(config, tensors, system)
    return min(nearest)


def smooth_tensors(config, systems, margin=5 * STEP):
    """make_tensors() of the first seed with which no neuron is near a kink on any of the systems."""
    sections = [descriptor_parts(config)[0][1], config["fitting_net"]]
    names = [section.get("activation_function") for section in sections]
    for seed in range(50):
        tensors = make_tensors(config, seed)
        if not set(names) & set(KINKED) or all(kink_distance(config, tensors, s) > margin for s in systems):
            return tensors
    raise AssertionError("every seed has a neuron near a kink: take other numbers")


def with_parameters(config, system):
    """The system with as many random frame and atomic parameters as the model takes."""
    return system.with_params(config["fitting_net"].get("numb_fparam", 0), numb_aparam(config))


def evaluate_oracle(config, tensors, system):
    return oracle.evaluate(
        config, tensors, system.coord, system.box, system.types, system.fparam, system.aparam
    )


def model(config, tensors):
    return core.Model(json.dumps(config), tensors)


def evaluate(potential, system, atomic=False, **more):
    return potential.evaluate(
        system.coord, system.box, system.types, system.fparam, system.aparam, atomic, **more
    )


TENSOR_FITTINGS = {
    "dipole": {"type": "dipole"},
    "polar": {"type": "polar", "fit_diag": True, "scale": [1.5, 0.7], "shift_diag": True},
    "polar, full matrix": {"type": "polar", "fit_diag": False, "scale": [0.8, 1.2], "shift_diag": True},
}


def make_tensor_config(name, sel_type=None, descriptor=None, **fitting):
    """The `model` section of a small model of tensors, one of TENSOR_FITTINGS."""
    config = make_config(descriptor)
    shared = {
        k: config["fitting_net"][k]
        for k in ("neuron", "activation_function", "precision", "resnet_dt", "seed")
    }
    config["fitting_net"] = {**shared, "sel_type": sel_type, **TENSOR_FITTINGS[name], **fitting}
    return config


# ---- differences and comparisons ------------------------------------------------


def difference(f, step=STEP):
    """df/dt at 0 of f(t): central differences of steps h, h/2 and h/4, extrapolated twice (Richardson)."""
    first, second, third = ((f(h) - f(-h)) / (2 * h) for h in (step, step / 2, step / 4))
    coarse, fine = (4 * second - first) / 3, (4 * third - second) / 3
    return (16 * fine - coarse) / 15


def difference_noise(scale, step=STEP):
    """Rounding error of difference() for values of this size: 8 units of the last place over the
    smallest step.
    """
    return 8 * np.finfo(float).eps * scale / (step / 4)


def assert_close(value, expected, kind, what="", noise=0.0):
    """max|value - expected| <= TOLERANCE[kind] * max|expected| + noise; false on NaN, and if all is zero."""
    error = relative_error(value, expected)
    limit = TOLERANCE[kind] + noise / np.max(np.abs(expected))
    assert error <= limit, f"{what}: relative error {error:.2e} (limit {limit:.1e})"


def assert_zero(value, scale, kind="rounding", what=""):
    """max|value| <= TOLERANCE[kind] * scale; false on NaN."""
    largest = np.max(np.abs(value)) if np.all(np.isfinite(value)) else np.inf
    assert largest <= TOLERANCE[kind] * scale, f"{what}: {largest:.2e} should be zero (scale {scale:.1e})"


def assert_agree(found, expected, kind):
    """Every array of `expected` against that of `found`; those that are zero (a lone atom feels no
    force) to zero.
    """
    for key, value in expected.items():
        assert found[key].shape == value.shape, key
        if np.max(np.abs(value)) < 1e-11:
            assert_zero(found[key], 1.0, kind, key)
        else:
            assert_close(found[key], value, kind, key)
