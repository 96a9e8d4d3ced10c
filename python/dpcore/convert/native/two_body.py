# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptors ``se_e2_a`` and ``se_e2_r`` (native name ``se_r``) in native models.

Statistics stand once for each slot, equal for all of a centre type.  One net for each neighbour type, or for
each pair (centre, neighbour); excluded pairs have a net of zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dpcore.convert.native.networks import (
    Net,
    collection_tree,
    layers_of,
    net_tree,
    read_collection,
    zeros_like,
)
from dpcore.convert.native.section import Section

__all__ = [
    "check_common",
    "env_mat_tree",
    "read_se_e2_a",
    "read_se_e2_r",
    "read_sel",
    "read_statistics",
    "settle_resnet_dt",
    "statistics_tree",
    "write_se_e2_a",
    "write_se_e2_r",
]

Tensors = dict[str, np.ndarray]
NEWEST = 3


def check_common(section: Section) -> None:
    """Refuse what no descriptor of dpcore has."""
    section.check_version(NEWEST)
    section.refuse(
        spin="dpcore has no magnetic moments yet",
        env_protection="dpcore has the environment matrix without it (0.0, the default)",
    )
    if section.values.get("env_mat") is not None:
        section.below("env_mat").refuse(use_exp_switch="dpcore has the polynomial switch")


def read_sel(section: Section, n_types: int) -> list[int]:
    """Slots for neighbours of each type."""
    sel: list[int] = section.get("sel", "a list of whole numbers")
    if len(sel) != n_types or min(sel) < 0 or sum(sel) == 0:
        raise section.damaged(f"expected {n_types} numbers >= 0 with a positive sum, got {sel}", "sel")
    return sel


def env_mat_tree(config: dict[str, Any]) -> dict[str, Any]:
    """The section of the environment matrix."""
    radii = {"rcut": config["rcut"], "rcut_smth": config["rcut_smth"]}
    return {**radii, "protection": 0.0, "use_exp_switch": False}


def read_statistics(
    section: Section, n_types: int, sel: list[int], n_components: int, prefix: str
) -> Tensors:
    """davg and dstd [n_types, n_components]; one slot stands for all."""
    out = {}
    for name in ("davg", "dstd"):
        table = section.array(name, (n_types, sum(sel), n_components))
        if not (table == table[:, :1]).all():
            raise section.unsupported(
                f"a model whose {name} differs between the neighbours of one centre type",
                "DeePMD-kit makes them equal, so the file was edited",
            )
        out[f"{prefix}{name}"] = table[:, 0].astype(np.float64)
    if not (out[f"{prefix}dstd"] > 0).all():
        raise section.damaged("has numbers that are not positive", "@variables/dstd")
    return out


def statistics_tree(tensors: Tensors, prefix: str, sel: list[int]) -> dict[str, np.ndarray]:
    """The reverse of `read_statistics`."""
    return {
        name: np.repeat(np.asarray(tensors[f"{prefix}{name}"], np.float64)[:, None], sum(sel), axis=1)
        for name in ("davg", "dstd")
    }


def settle_resnet_dt(section: Section, nets: list[Net], n_in: int, fitting: bool) -> bool:
    """Whether nets have time steps; all must have one form, with time steps on all skips or on none."""
    forms = {(tuple(net.widths), net.activation) for net in nets}
    if len(forms) > 1:
        raise section.unsupported(
            f"nets of different forms ({sorted(forms)})", "dpcore has one form for all types"
        )
    has = set()
    for net in nets:
        before = n_in
        for k, layer in enumerate(net.layers[:-1] if fitting else net.layers):
            after = layer["bias"].size
            if (before == after and k > 0) if fitting else after in (before, 2 * before):
                has.add("idt" in layer)
            before = after
    if len(has) > 1:
        raise section.damaged("has time steps (idt) on some layers with a skip connection only")
    return has.pop() if has else section.get("resnet_dt", "true or false", False)


def _read(
    section: Section, n_types: int, prefix: str, name: str, n_components: int, keys: dict[str, Any]
) -> tuple[dict[str, Any], Tensors]:
    check_common(section)
    sel = read_sel(section, n_types)
    precision, one_side = section.precision(), section.get("type_one_side", "true or false")
    excluded = {tuple(sorted(pair)) for pair in _pairs(section, n_types)}
    nets = read_collection(section.below("embeddings"), 1 if one_side else 2, n_types, 1, precision)
    tensors = read_statistics(section, n_types, sel, n_components, prefix)
    used = {}
    for types, net in nets.items():
        if one_side or tuple(sorted(types)) not in excluded:
            used["_".join(map(str, types))] = net
    expected = n_types if one_side else n_types**2 - len({(a, b) for p in excluded for a, b in (p, p[::-1])})
    if len(used) != expected:
        raise section.damaged(f"expected {expected} nets, got {len(used)}", "embeddings")
    forms = list(used.values())
    if not forms:
        raise section.unsupported("a model in which all pairs are excluded", "it has no descriptor")
    for types, net in used.items():
        tensors.update(net.tensors(f"{prefix}net_{types}"))
    config = {
        "type": name,
        "sel": sel,
        "rcut": float(section.get("rcut", "a number")),
        "rcut_smth": float(section.get("rcut_smth", "a number")),
        "neuron": forms[0].widths,
        **keys,
        "activation_function": forms[0].activation,
        "resnet_dt": settle_resnet_dt(section, forms, 1, False),
        "type_one_side": one_side,
        "precision": precision,
        "trainable": section.get("trainable", "true or false", True),
        "seed": None,
        "exclude_types": [list(pair) for pair in sorted(excluded)],
        "set_davg_zero": section.get("set_davg_zero", "true or false", False),
    }
    return config, tensors


def _pairs(section: Section, n_types: int) -> list[list[int]]:
    pairs = section.get("exclude_types", "a list", [])
    for pair in pairs:
        if not (
            isinstance(pair, list)
            and len(pair) == 2
            and all(type(t) is int and 0 <= t < n_types for t in pair)
        ):
            raise section.damaged(f"expected pairs of types below {n_types}, got {pair!r}", "exclude_types")
    return pairs


def _write(
    config: dict[str, Any], tensors: Tensors, prefix: str, name: str, keys: dict[str, Any]
) -> dict[str, Any]:
    sel, n_types, one_side = config["sel"], len(config["sel"]), config["type_one_side"]
    pairs = (
        [(b,) for b in range(n_types)]
        if one_side
        else [(a, b) for b in range(n_types) for a in range(n_types)]
    )
    layers = [layers_of(tensors, f"{prefix}net_{'_'.join(map(str, pair))}") for pair in pairs]
    any_net = next(net for net in layers if net)
    nets = [
        net_tree(
            net or zeros_like(any_net),
            config["activation_function"],
            config["resnet_dt"],
            config["precision"],
            False,
            config["trainable"],
        )
        for net in layers
    ]
    return {
        "@class": "Descriptor",
        "type": name,
        "@version": 2,
        **{key: config[key] for key in ("rcut", "rcut_smth", "sel", "neuron", "resnet_dt", "trainable")},
        **keys,
        "type_one_side": one_side,
        "exclude_types": config["exclude_types"],
        "env_protection": 0.0,
        "set_davg_zero": config["set_davg_zero"],
        "activation_function": config["activation_function"],
        "precision": config["precision"],
        "spin": None,
        "env_mat": env_mat_tree(config),
        "embeddings": collection_tree(nets, 1 if one_side else 2, n_types, False),
        "@variables": statistics_tree(tensors, prefix, sel),
    }


def read_se_e2_a(section: Section, n_types: int, prefix: str) -> tuple[dict[str, Any], Tensors]:
    """Config section and tensors."""
    axis = section.get("axis_neuron", "a whole number")
    return _read(section, n_types, prefix, "se_e2_a", 4, {"axis_neuron": axis})


def write_se_e2_a(config: dict[str, Any], tensors: Tensors, prefix: str) -> dict[str, Any]:
    """The tree."""
    return _write(config, tensors, prefix, "se_e2_a", {"axis_neuron": config["axis_neuron"]})


def read_se_e2_r(section: Section, n_types: int, prefix: str) -> tuple[dict[str, Any], Tensors]:
    """Config section and tensors."""
    return _read(section, n_types, prefix, "se_e2_r", 1, {})


def write_se_e2_r(config: dict[str, Any], tensors: Tensors, prefix: str) -> dict[str, Any]:
    """The tree."""
    return _write(config, tensors, prefix, "se_r", {})
