# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``model`` section: types, descriptor, fitting net, and how the statistics are taken."""

from __future__ import annotations

import copy
import logging
from typing import Any

from dargs import Argument

from dpcore.config import descriptor, fitting, modifier, type_embedding
from dpcore.config.values import (
    OPTIONAL_NON_NEGATIVE,
    OPTIONAL_POSITIVE_SINGLE,
    POSITIVE,
    POSITIVE_INT,
    opt,
    rule,
)
from dpcore.errors import InputError
from dpcore.grammar import descriptor_parts

log = logging.getLogger(__name__)

SHORT_RANGE_KEYS = ("use_srtab", "smin_alpha", "sw_rmin", "sw_rmax", "srtab_add_bias")
_NEED_ROTATION = ("dipole", "polar")
_STORED_AS = {"default": "float64", "float16": "float32"}


def _is_type_map(value: Any) -> bool:
    return value is None or (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(name, str) and name.split() == [name] for name in value)
        and len(set(value)) == len(value)
    )


TYPE_MAP = rule(_is_type_map, 'must be a list of different names without blanks, for example ["O", "H"]')


def argument() -> Argument:
    """The section and its keys."""
    return Argument(
        "model",
        dict,
        [
            opt(
                "type_map",
                [list[str], None],
                None,
                "The names of the atom types; type t of the model is the name at position t. Without it the "
                "names come from the type_map.raw files of the training data.",
                TYPE_MAP,
            ),
            opt(
                "data_stat_nbatch",
                int,
                10,
                "How many batches of each training system enter the statistics taken before training.",
                POSITIVE_INT,
            ),
            opt(
                "data_stat_protect",
                float,
                1e-2,
                "Smallest standard deviation by which frame and atomic parameters are divided.",
                POSITIVE,
            ),
            opt(
                "data_bias_nsample",
                int,
                10,
                "Accepted for compatibility; the energy bias uses the batches of `data_stat_nbatch`.",
                POSITIVE_INT,
            ),
            *_short_range(),
            Argument("descriptor", dict, [], [descriptor.variant()], doc="How an atom's surroundings enter."),
            Argument("fitting_net", dict, [], [fitting.variant()], doc="What the model predicts, and how."),
            type_embedding.argument(),
            Argument(
                "modifier",
                [dict, None],
                [],
                [modifier.variant()],
                optional=True,
                default=None,
                doc="An energy that stands beside the net's. Null: none.",
            ),
        ],
        doc="The model.",
    )


def _short_range() -> list[Argument]:
    """The keys of the short-range table."""
    return [
        opt(
            "use_srtab",
            [str, None],
            None,
            "File of a short-range table, which takes over from the net where atoms come close: a text file with "
            "the distance in A in its first column and the energies in eV of the pairs of types (0,0), (0,1), ..., "
            "(1,1), ... in the others. Null: none.",
        ),
        opt(
            "smin_alpha",
            [float, None],
            None,
            "With `use_srtab`: the length in A in the soft minimum of an atom's distances, by which the table is "
            "switched on.",
            OPTIONAL_POSITIVE_SINGLE,
        ),
        opt(
            "sw_rmin",
            [float, None],
            None,
            "With `use_srtab`: below this soft minimum of its distances, in A, an atom has the energy of the table "
            "alone.",
            OPTIONAL_NON_NEGATIVE,
        ),
        opt(
            "sw_rmax",
            [float, None],
            None,
            "With `use_srtab`: above this soft minimum of its distances, in A, an atom has the energy of the net "
            "alone.",
            OPTIONAL_POSITIVE_SINGLE,
        ),
        opt(
            "srtab_add_bias",
            bool,
            True,
            "With `use_srtab`: whether the energy bias of an atom's type is added to its energy from the table.",
        ),
    ]


def check(model: dict[str, Any]) -> None:
    """Check the keys of `model` against each other and settle the precision of the nets, in place.

    ``default`` becomes ``float64``; ``float16`` becomes ``float32`` and is logged.
    """
    n_types = None if model["type_map"] is None else len(model["type_map"])
    for section, registry in (("descriptor", descriptor.REGISTRY), ("fitting_net", fitting.REGISTRY)):
        keys = model[section]
        registry[keys["type"]].check(keys, n_types, f"model/{section}")
    _check_short_range(model)
    _check_modifier(model, n_types)
    _check_aparam(model)
    kind, surroundings = model["fitting_net"]["type"], model["descriptor"]["type"]
    if kind in _NEED_ROTATION and surroundings not in descriptor.WITH_ROTATION:
        raise InputError(
            f"{kind} needs the rotation matrix of the descriptor {' or '.join(descriptor.WITH_ROTATION)}; {surroundings} has none",
            "model/fitting_net/type",
        )
    for where, keys in descriptor_parts(model["descriptor"]):
        _settle(keys, where)
    _settle(model["fitting_net"], "model/fitting_net")
    if model["type_embedding"] is not None:
        _settle(model["type_embedding"], "model/type_embedding")


def _check_short_range(model: dict[str, Any]) -> None:
    model["use_srtab"] = model["use_srtab"] or None
    if model["use_srtab"] is None:
        given = [key for key in ("smin_alpha", "sw_rmin", "sw_rmax") if model[key] is not None]
        if given:
            log.warning("model/%s has no effect without model/use_srtab", given[0])
        return
    if model["fitting_net"]["type"] != "ener":
        raise InputError(
            f"a short-range table holds energies, and the fitting net is {model['fitting_net']['type']}; "
            "remove one of the two",
            "model/use_srtab",
        )
    for key in ("smin_alpha", "sw_rmin", "sw_rmax"):
        if model[key] is None:
            raise InputError("is needed beside use_srtab", f"model/{key}")
    if not model["sw_rmin"] < model["sw_rmax"]:
        raise InputError(
            f"got {model['sw_rmax']:g}, not above sw_rmin ({model['sw_rmin']:g}), where the switch begins",
            "model/sw_rmax",
        )


def _check_modifier(model: dict[str, Any], n_types: int | None) -> None:
    section, where = model["modifier"], "model/modifier"
    if section is None:
        return
    if model["fitting_net"]["type"] != "ener":
        raise InputError(
            f"modifies energies, and the fitting net is {model['fitting_net']['type']}; remove one of the two",
            where,
        )
    modifier.REGISTRY[section["type"]].check(section, n_types, where)


def _check_aparam(model: dict[str, Any]) -> None:
    """All that takes atomic parameters takes the same ones."""
    fitting, others = model["fitting_net"].get("numb_aparam", 0), 0
    for where, part in descriptor_parts(model["descriptor"]):
        mine = part.get("numb_aparam", 0)
        if mine > 0 and model["fitting_net"]["type"] != "ener":
            raise InputError(
                f"{model['fitting_net']['type']} has no atomic parameters; leave it out",
                f"{where}/numb_aparam",
            )
        if mine > 0 and (fitting or others or mine) != mine:
            raise InputError(
                f"is {mine}, but {fitting or others} elsewhere in the model, of the same numbers of each atom "
                "(aparam.npy); make them equal, or one of them 0",
                f"{where}/numb_aparam",
            )
        others = others or mine


def _settle(keys: dict[str, Any], where: str) -> None:
    """Replace names that mean the same as another by that other, and say where that costs precision."""
    if keys.get("precision") == "float16":
        log.warning("%s/precision: float16 is stored and computed as float32", where)
    if "precision" in keys:
        keys["precision"] = _STORED_AS.get(keys["precision"], keys["precision"])
    if keys.get("activation_function") == "gelu_tf":
        keys["activation_function"] = "gelu"


def set_type_map(config: dict[str, Any], names: list[str] | None, n_types: int) -> None:
    """Complete a configuration without ``model/type_map`` from the data, in place.

    Parameters
    ----------
    config
        The normalised input.  One that has a type map keeps it.
    names
        The names the data have for the types; None if they have none.
    n_types
        Number of types in the data.

    Types without a name, also those that only a list of ``sel`` tells of, are called ``Type_0``,
    ``Type_1``, ...  Repeats the checks that need the number of types.
    """
    model = config["model"]
    if model["type_map"] is not None:
        return
    parts = descriptor_parts(model["descriptor"])
    lists = [part.get("sel", part.get("sel_a")) for _, part in parts]
    known = list(names or [])
    total = max([len(known), n_types, *(len(sel) for sel in lists if isinstance(sel, list))])
    known += [f"Type_{i}" for i in range(len(known), total)]
    if not _is_type_map(known):
        raise InputError(f"the data name the types {known}, not all different", "model/type_map")
    model["type_map"] = known
    check(model)


def core_config(model: dict[str, Any], sel: list[int] | None = None) -> dict[str, Any]:
    """The part of a normalised ``model`` section that the core and the model file hold, without the modifier.

    Parameters
    ----------
    model
        The normalised section; its type map must be known.
    sel
        Neighbour slots per type of all descriptors, in place of those of the section.
    """
    sections = ("descriptor", "fitting_net", "type_embedding")
    out = {key: copy.deepcopy(model[key]) for key in sections if model.get(key) is not None}
    for where, part in descriptor_parts(out["descriptor"]):
        if "sel" not in part:  # loc_frame
            continue
        if sel is not None:
            part["sel"] = [int(n) for n in sel]
        if not isinstance(part["sel"], list):
            raise InputError("is still to be counted in the training data", f"{where}/sel")
    if model["type_map"] is None:
        raise InputError("is still to be taken from the training data", "model/type_map")
    if model["use_srtab"] is not None:
        out.update({key: model[key] for key in SHORT_RANGE_KEYS})
    return {"type_map": list(model["type_map"]), **out}
