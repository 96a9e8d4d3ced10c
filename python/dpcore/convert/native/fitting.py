# SPDX-License-Identifier: LGPL-3.0-or-later
"""Fitting nets of native models: a line in `KINDS` for each that dpcore has.

    ener     E_i = (net(x) + bias_atom_e) out_std + out_bias, minus net(x with zero descriptor) for atom_ener
    dipole   mu_i = (net(x) + bias_atom_e) Q
    polar    alpha_i = scale (Q^t A Q + c), A = diag(y) or (Y + Y^t)/2, c = constant_matrix + mean of the diagonal
             of out_bias if shift_diag

Files that DeePMD-kit's TensorFlow backend wrote keep what its graphs compute: A = Y + Y^t, and c without the
scale.  dpcore has A = Y + Y^t and c without the scale, whatever the file.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np

from dpcore.convert.native.networks import collection_tree, layers_of, net_tree, read_collection, zeros_like
from dpcore.convert.native.section import Section
from dpcore.convert.native.two_body import settle_resnet_dt
from dpcore.errors import InputError

__all__ = ["KINDS", "read_fitting", "write_fitting"]

Tensors = dict[str, np.ndarray]
_PARAMETERS = ("fparam", "aparam")


class Source(NamedTuple):
    """What the sections of a fitting net are read with."""

    n_types: int
    n_columns: int  # of the descriptor
    width: int  # of the rotation matrix; 0 without one
    tensorflow: bool  # whether the TensorFlow backend wrote the file
    out_bias: np.ndarray  # [n_types, outputs of the model]
    out_std: np.ndarray


def read_fitting(section: Section, source: Source, notes: list[str]) -> tuple[dict[str, Any], Tensors]:
    """Config section and tensors (``fitting/...``)."""
    name = section.get("type", "a text")
    if name not in KINDS:
        raise section.unsupported(f"a model with the fitting net {name}", f"dpcore has {', '.join(KINDS)}")
    section.refuse(
        use_aparam_as_mask="dpcore has aparam as input of the fitting net, not as a mask",
        dim_case_embd="dpcore has no case embedding",
        layer_name="dpcore has no shared layers",
        tot_ener_zero="dpcore has no fit of zero total energy",
        spin="dpcore has no magnetic moments yet",
    )
    if section.values.get("default_fparam") is not None:
        notes.append("fitting/default_fparam was dropped: fparam must be given")
    return KINDS[name].read(section, source)


def write_fitting(
    config: dict[str, Any], tensors: Tensors, type_map: list[str], n_columns: int, width: int, path: object
) -> dict[str, Any]:
    """The tree of a fitting net."""
    kind = KINDS.get(config["type"])
    if kind is None:
        raise InputError(f"the fitting net {config['type']} has no form in native models", path)
    return {**kind.write(config, tensors, n_columns, width), "type_map": type_map}


# ---- what they have in common --------------------------------------------------------------------


def _read_nets(
    section: Section, source: Source, n_out: int, selected: list[int]
) -> tuple[dict[str, Any], Tensors]:
    """Config and tensors of the nets of the selected types, with the bias of the net's outputs in the last layer."""
    precision = section.precision()
    sizes = {f"numb_{p}": section.get(f"numb_{p}", "a whole number", 0) for p in _PARAMETERS}
    n_in = source.n_columns + sum(sizes.values())
    nets = read_collection(section.below("nets"), 1, source.n_types, n_in, precision, n_out)
    missing = [t for t in selected if (t,) not in nets]
    if missing:
        raise section.damaged(f"has no net for the types {missing}", "nets")
    used = [nets[(t,)] for t in selected]
    tensors: Tensors = {}
    for t, net in zip(selected, used):
        tensors.update(net.tensors(f"fitting/net_{t}"))
    for p in _PARAMETERS:
        if sizes[f"numb_{p}"]:
            shape = (sizes[f"numb_{p}"],)
            tensors[f"fitting/{p}_avg"] = section.array(f"{p}_avg", shape).astype(np.float64)
            tensors[f"fitting/{p}_istd"] = section.array(f"{p}_inv_std", shape).astype(np.float64)
    config = {
        "type": section.get("type", "a text"),
        **sizes,
        "neuron": used[0].widths[:-1],
        "activation_function": used[0].activation,
        "precision": precision,
        "resnet_dt": settle_resnet_dt(section, used, n_in, True),
        "seed": None,
    }
    return config, tensors


def _write_nets(
    config: dict[str, Any], tensors: Tensors, n_types: int, n_columns: int, version: int
) -> dict[str, Any]:
    """The tree that all fitting nets share; types without a net have one of zeros."""
    layers = [layers_of(tensors, f"fitting/net_{t}") for t in range(n_types)]
    any_net = next(net for net in layers if net)
    trainable = config.get("trainable", True)
    if not isinstance(trainable, list):
        trainable = [trainable] * len(any_net)
    form = (config["activation_function"], config["resnet_dt"], config["precision"], True, trainable)
    nets = [net_tree(net or zeros_like(any_net), *form) for net in layers]
    statistics = {
        f"{p}_{theirs}": tensors.get(f"fitting/{p}_{ours}")
        for p in _PARAMETERS
        for theirs, ours in (("avg", "avg"), ("inv_std", "istd"))
    }
    n_out = any_net[-1]["bias"].size
    return {
        "@class": "Fitting",
        "type": config["type"],
        "@version": version,
        "ntypes": n_types,
        "dim_descrpt": n_columns,
        "mixed_types": False,
        "neuron": config["neuron"],
        "resnet_dt": config["resnet_dt"],
        "numb_fparam": config.get("numb_fparam", 0),
        "numb_aparam": config.get("numb_aparam", 0),
        "dim_case_embd": 0,
        "default_fparam": None,
        "rcond": config.get("rcond"),
        "tot_ener_zero": False,
        "trainable": trainable,
        "activation_function": config["activation_function"],
        "precision": config["precision"],
        "layer_name": None,
        "use_aparam_as_mask": False,
        "spin": None,
        "exclude_types": [],
        "nets": collection_tree(nets, 1, n_types, True),
        "@variables": {"bias_atom_e": np.zeros((n_types, n_out)), **statistics, "case_embd": None},
    }


# ---- ener ----------------------------------------------------------------------------------------


def _read_ener(section: Section, source: Source) -> tuple[dict[str, Any], Tensors]:
    section.check_version(4)
    n = source.n_types
    if section.get("dim_out", "a whole number", 1) != 1:
        raise section.unsupported("a model of more than one number", "dpcore has energies with the net ener")
    section.refuse(exclude_types="dpcore has no atoms without energy; give them a type of their own")
    config, tensors = _read_nets(section, source, 1, list(range(n)))
    bias, std = section.array("bias_atom_e", (n, 1))[:, 0].astype(np.float64), source.out_std[:, 0]
    for t in range(n):
        if std[t] != 1.0:
            for name in ("matrix", "bias"):
                key = f"fitting/net_{t}/layer_{len(config['neuron'])}/{name}"
                tensors[key] = (tensors[key] * std[t]).astype(tensors[key].dtype)
    tensors["fitting/bias_atom_e"] = bias * std + source.out_bias[:, 0]
    trainable = section.get("trainable", "a list", True)
    if trainable in ([True] * (len(config["neuron"]) + 1), [False] * (len(config["neuron"]) + 1)):
        trainable = trainable[0]
    atom_ener = section.get("atom_ener", "a list", [])
    if any(item is not None for item in atom_ener):
        if len(atom_ener) > n:
            raise section.damaged(f"expected at most {n} numbers, got {len(atom_ener)}", "atom_ener")
        # a number, or none beyond the list, means "the difference"; the bias has the number that counts
        config["atom_ener"] = [
            None if t < len(atom_ener) and atom_ener[t] is None else float(tensors["fitting/bias_atom_e"][t])
            for t in range(n)
        ]
    else:
        config["atom_ener"] = []
    config.update(trainable=trainable, rcond=section.get("rcond", "a number", 1e-3))
    return config, tensors


def _write_ener(config: dict[str, Any], tensors: Tensors, n_columns: int, width: int) -> dict[str, Any]:
    bias = np.asarray(tensors["fitting/bias_atom_e"], np.float64)
    out = _write_nets(config, tensors, len(bias), n_columns, 4)
    out["@variables"]["bias_atom_e"] = bias[:, None]
    return {**out, "var_name": "energy", "dim_out": 1, "atom_ener": config.get("atom_ener") or []}


# ---- tensors -------------------------------------------------------------------------------------


def _read_tensor(section: Section, source: Source, n_out: int) -> tuple[dict[str, Any], Tensors]:
    if source.width == 0:
        raise section.unsupported(
            f"a {section.get('type', 'a text')} model with this descriptor",
            "dpcore has tensors with se_e2_a only, whose rotation matrix they need",
        )
    section.refuse(
        numb_fparam="models of tensors take no frame parameters", numb_aparam="nor atomic parameters"
    )
    n = source.n_types
    excluded = section.get("exclude_types", "a list of whole numbers", [])
    nets = section.below("nets").items("networks")
    selected = [t for t in range(n) if t not in excluded and nets[t if len(nets) > 1 else 0] is not None]
    if not selected:
        raise section.damaged("selects no type", "exclude_types")
    config, tensors = _read_nets(section, source, n_out, selected)
    # the TensorFlow backend writes zeros, sometimes of another shape, and does not read them
    bias = None if source.tensorflow else section.array("bias_atom_e", (n, n_out), optional=True)
    for t in selected if bias is not None else []:
        key = f"fitting/net_{t}/layer_{len(config['neuron'])}/bias"
        tensors[key] = (tensors[key] + bias[t]).astype(tensors[key].dtype)
    return {**config, "sel_type": selected}, tensors


def _read_dipole(section: Section, source: Source) -> tuple[dict[str, Any], Tensors]:
    section.check_version(4)
    return _read_tensor(section, source, source.width)


def _read_polar(section: Section, source: Source) -> tuple[dict[str, Any], Tensors]:
    section.check_version(5)
    n, diagonal = source.n_types, section.get("fit_diag", "true or false", True)
    config, tensors = _read_tensor(section, source, source.width if diagonal else source.width**2)
    scale = section.array("scale", (n,)).astype(np.float64)
    shift = section.get("shift_diag", "true or false", True)
    constant = np.zeros(n)
    if shift:
        diag = source.out_bias.reshape(n, 3, 3).diagonal(axis1=1, axis2=2).mean(axis=1)
        constant = section.array("constant_matrix", (n,)).astype(np.float64) + diag
        if not source.tensorflow:
            constant = constant * scale
    for t in config["sel_type"] if not (diagonal or source.tensorflow) else []:
        for name in ("matrix", "bias"):
            key = f"fitting/net_{t}/layer_{len(config['neuron'])}/{name}"
            tensors[key] = tensors[key] * tensors[key].dtype.type(0.5)
    unselected = [t for t in range(n) if t not in config["sel_type"]]
    constant[unselected], scale[unselected] = 0.0, 1.0
    tensors["fitting/constant_matrix"] = constant
    return {**config, "fit_diag": diagonal, "scale": scale.tolist(), "shift_diag": shift}, tensors


def _write_tensor(
    config: dict[str, Any], tensors: Tensors, n_types: int, n_columns: int, width: int, version: int
) -> dict[str, Any]:
    out = _write_nets(config, tensors, n_types, n_columns, version)
    selected = config["sel_type"]
    excluded = [] if selected is None else [t for t in range(n_types) if t not in selected]
    return {**out, "var_name": config["type"], "embedding_width": width, "exclude_types": excluded}


def _write_dipole(config: dict[str, Any], tensors: Tensors, n_columns: int, width: int) -> dict[str, Any]:
    n_types = 1 + max(int(k.split("/")[1][4:]) for k in tensors if k.startswith("fitting/net_"))
    n_types = max(n_types, len(tensors.get("descriptor/davg", ())))
    out = _write_tensor(config, tensors, n_types, n_columns, width, 4)
    return {**out, "r_differentiable": True, "c_differentiable": True}


def _write_polar(config: dict[str, Any], tensors: Tensors, n_columns: int, width: int) -> dict[str, Any]:
    """The scale is multiplied into the last layer, so that what is done with it does not matter."""
    constant = np.asarray(tensors["fitting/constant_matrix"], np.float64)
    tensors = dict(tensors)
    for t, scale in enumerate(config["scale"]):
        for name in ("matrix", "bias"):
            key = f"fitting/net_{t}/layer_{len(config['neuron'])}/{name}"
            if key in tensors:
                factor = scale if config["fit_diag"] else 2 * scale
                tensors[key] = (tensors[key] * factor).astype(tensors[key].dtype)
    out = _write_tensor(config, tensors, len(constant), n_columns, width, 5)
    out["@variables"].update(scale=np.ones((len(constant), 1)), constant_matrix=constant)
    # the constants count whether or not training would set them
    return {**out, "fit_diag": config["fit_diag"], "shift_diag": bool(config["shift_diag"] or constant.any())}


class Kind(NamedTuple):
    """How a fitting net is read and written; the numbers that the model predicts."""

    read: Callable[[Section, Source], tuple[dict[str, Any], Tensors]]
    write: Callable[[dict[str, Any], Tensors, int, int], dict[str, Any]]
    n_out: int


KINDS = {
    "ener": Kind(_read_ener, _write_ener, 1),
    "dipole": Kind(_read_dipole, _write_dipole, 3),
    "polar": Kind(_read_polar, _write_polar, 9),
}
