# SPDX-License-Identifier: LGPL-3.0-or-later
"""Inputs of versions 0 and 1 of the reference, rewritten to today's layout.

Version 0 is flat: every key at the top level.  Version 1 has the sections, but the keys of the data
stand directly in ``training``.
"""

from __future__ import annotations

import copy
from typing import Any

from dpcore.errors import InputError, suggest

# keys of version 1's training section that now live in training/training_data, and their names there
_DATA_KEYS = {
    "systems": "systems",
    "set_prefix": "set_prefix",
    "batch_size": "batch_size",
    "sys_prob": "sys_probs",
    "sys_probs": "sys_probs",
    "sys_weights": "sys_probs",
    "auto_prob": "auto_prob",
    "auto_prob_style": "auto_prob",
}

# flat key of version 0 -> where it goes; None: had no effect on the model and has no successor
_FLAT: dict[str, tuple[str, ...] | None] = {
    "sel_a": ("model/descriptor/sel",),  # of loc_frame sel_a, and two keys more
    "rcut": ("model/descriptor/rcut",),
    "rcut_smth": ("model/descriptor/rcut_smth",),
    "filter_neuron": ("model/descriptor/neuron",),
    "axis_neuron": ("model/descriptor/axis_neuron",),
    "n_axis_neuron": ("model/descriptor/axis_neuron",),
    "filter_resnet_dt": ("model/descriptor/resnet_dt",),
    "fitting_neuron": ("model/fitting_net/neuron",),
    "n_neuron": ("model/fitting_net/neuron",),
    "resnet_dt": ("model/fitting_net/resnet_dt",),
    "fitting_resnet_dt": ("model/fitting_net/resnet_dt",),
    "type_map": ("model/type_map",),
    "start_lr": ("learning_rate/start_lr",),
    "decay_steps": ("learning_rate/decay_steps",),
    "decay_rate": ("learning_rate/decay_rate",),
    "seed": ("model/descriptor/seed", "model/fitting_net/seed", "training/seed"),
    **{
        f"{edge}_pref_{term}": (f"loss/{edge}_pref_{term}",)
        for edge in ("start", "limit")
        for term in ("e", "f", "v", "ae")
    },
    **{key: (f"training/{key}",) for key in ("systems", "set_prefix", "batch_size", "stop_batch")},
    **{key: (f"training/{key}",) for key in ("disp_file", "disp_freq", "numb_test", "save_freq")},
    **{key: (f"training/{key}",) for key in ("save_ckpt", "disp_training", "time_training")},
    **{key: (f"training/{key}",) for key in ("profiling", "profiling_file")},
    "use_smooth": None,
    "load_ckpt": None,
    "coord_norm": None,
    "type_fitting_net": None,
}

# the keys of the smooth descriptor have no effect on the other one, nor has a seed
_FLAT_LOC_FRAME: dict[str, tuple[str, ...] | None] = {
    **_FLAT,
    **{
        key: None
        for key in ("rcut_smth", "filter_neuron", "axis_neuron", "n_axis_neuron", "filter_resnet_dt")
    },
    **{key: (f"model/descriptor/{key}",) for key in ("sel_a", "sel_r", "axis_rule")},
    "seed": ("model/fitting_net/seed", "training/seed"),
}

# what a flat file must hold to be taken for version 0, rather than for one whose model section is missing
_MARKS = {"use_smooth", "sel_a", "filter_neuron", "fitting_neuron", "n_neuron"}


def version_of(raw: dict[str, Any]) -> int:
    """The layout of an input: 0, 1, or 2 for today's (and for anything that is neither)."""
    if "model" not in raw:
        return 0 if _MARKS & set(raw) else 2
    training = raw.get("training")
    return 1 if isinstance(training, dict) and "systems" in training else 2


def convert_old_format(raw: dict[str, Any]) -> dict[str, Any]:
    """Return `raw` in today's layout; a copy if it is of version 0 or 1, `raw` itself otherwise.

    Raises
    ------
    InputError
        For a key that version 0 did not have, or a model it had that this version has not.
    """
    version = version_of(raw)
    if version == 2:
        return raw
    raw = copy.deepcopy(raw)
    return _from_version_1(_from_version_0(raw) if version == 0 else raw)


def _from_version_0(raw: dict[str, Any]) -> dict[str, Any]:
    smooth = raw.get("use_smooth", False)
    if not isinstance(smooth, bool):
        raise InputError("must be true (the descriptor se_e2_a) or false (loc_frame)", "use_smooth")
    kind = "se_e2_a" if smooth else "loc_frame"
    flat = _FLAT if smooth else _FLAT_LOC_FRAME
    out: dict[str, Any] = {
        "model": {"descriptor": {"type": kind}, "fitting_net": {"type": "ener"}},
        "learning_rate": {"type": "exp"},
        "loss": {"type": "ener"},
        "training": {},
    }
    # resnet_dt stands for both names of the fitting net's key; the more specific one is read last
    for key in sorted(raw, key=lambda k: (k == "fitting_resnet_dt", 0)):
        if key not in flat:
            raise InputError(f"unknown key of an input of version 0.{suggest(key, flat)}", key)
        for target in flat[key] or ():
            *sections, name = target.split("/")
            section = out
            for part in sections:
                section = section[part]
            section[name] = copy.deepcopy(raw[key])
    # version 0 switched off at the cut-off itself unless told otherwise
    if smooth and "rcut" in raw and "rcut_smth" not in raw:
        raise InputError("is missing; with this input's sharp cut-off no smooth model exists", "rcut_smth")
    return out


def _from_version_1(raw: dict[str, Any]) -> dict[str, Any]:
    training = raw["training"]
    data: dict[str, Any] = {}
    for key in [k for k in training if k in _DATA_KEYS]:
        name = _DATA_KEYS[key]
        if name in data:
            raise InputError(f"is given twice, once under another name: {key}", f"training/{name}")
        data[name] = training.pop(key)
    if "training_data" in training:
        raise InputError(
            f"stands beside the older training/{next(iter(data))}; keep one of the two",
            "training/training_data",
        )
    training["training_data"] = data
    return raw
