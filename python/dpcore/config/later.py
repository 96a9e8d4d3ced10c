# SPDX-License-Identifier: LGPL-3.0-or-later
"""Keys of the manual, or of later versions of it, which this version does not have.

Such a key is not a misspelling.  Where its value asks for nothing (the default that the reference
writes into its own normalised inputs), it is dropped; otherwise it is refused by name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from dpcore.errors import InputError, show

log = logging.getLogger(__name__)

ANY = object()  # the key only tunes something else that is itself refused: any value may be dropped
CACHE = object()  # the key asks for speed alone: any value may be dropped, with a warning

_DATA = {"rglob_patterns": [None, []], "min_pair_dist": [0, None]}

# section -> key -> the values that ask for nothing
LATER: dict[str, dict[str, Any]] = {
    "": {
        "nvnmd": [None, {}],
        "validating": [None, {}],
        "optimizer": [None, {}, {"type": "Adam"}],
    },
    "model": {
        "type": ["standard"],
        "compress": [None],
        "spin": [None],
        "pair_exclude_types": [None, []],
        "atom_exclude_types": [None, []],
        "preset_out_bias": [None],
        "model_branch_alias": ANY,
        "info": ANY,
        "finetune_head": [None],
        "model_dict": [],
        "shared_dict": [None, {}],
        "bridging_method": ["None", None],
        "bridging_r_inner": ANY,
        "bridging_r_outer": ANY,
    },
    "model/descriptor": {"env_protection": [0], "spin": [None], "type_map": ANY, "ntypes": ANY},
    "model/type_embedding": {"use_econf_tebd": [False]},
    "model/fitting_net": {
        "default_fparam": [None],
        "dim_case_embd": [0],
        "use_aparam_as_mask": [False],
        "layer_name": [None, []],
    },
    "learning_rate": {
        "stop_lr_ratio": [None],
        "warmup_steps": [0],
        "warmup_ratio": [None],
        "warmup_start_factor": ANY,
        "smooth": [False],
    },
    "loss": {
        "start_pref_h": [0],
        "limit_pref_h": [0],
        "use_default_pf": [False],
        "enable_atom_ener_coeff": [False],
        "start_pref_gf": [0],
        "limit_pref_gf": [0],
        "numb_generalized_coord": [0],
        "use_huber": [False],
        "huber_delta": ANY,
        "loss_func": ["mse"],
        "f_use_norm": [False],
        "intensive_ener_virial": [False],
        "enable_atomic_weight": [False],
    },
    "training": {
        "numb_epoch": [None],
        "num_epoch": [None],
        "data_dict": [],
        "mixed_precision": [None],
        "opt_type": ["Adam"],
        "stat_file": CACHE,
        "stat_file_mode": ANY,
        "save_dir": [None],
        "ckpt_keep_ratio": [None],
        "enable_ema": [False],
        "ema_decay": ANY,
        "ema_ckpt_keep": ANY,
        "change_bias_after_training": [False],
        "disp_avg": [False],
        "enable_profiler": [False],
        "gradient_max_norm": [None, 0],
        "acc_freq": [1],
        "zero_stage": [0],
        "neighbor_graph_method": ANY,
        "enable_compile": [False],
        "enable_tf32": ANY,
        "model_prob": [None, {}],
    },
    "training/training_data": _DATA,
    "training/validation_data": _DATA,
}


def drop_or_refuse(config: dict[str, Any]) -> None:
    """Remove the keys of `LATER` that ask for nothing, in place, and refuse the others.

    Raises
    ------
    InputError
        Naming the key, and that it is known but not supported by this version.
    """
    for section, where, keys in _sections(config):
        for key in [k for k in where if k in keys]:
            path = f"{section}/{key}" if section else key
            neutral = keys[key]
            if neutral is CACHE:
                log.warning("%s: has no effect in this version", path)
            elif neutral is not ANY and not any(where[key] == value for value in neutral):
                raise InputError(
                    f"this key of the reference's manual is not supported by this version of dpcore "
                    f"(got {show(where[key])}); remove it, or use a version that has it",
                    path,
                )
            del where[key]


def _sections(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Path, section and its later keys; the parts of a hybrid descriptor have those of a descriptor."""
    for path, keys in LATER.items():
        section: Any = config
        for part in filter(None, path.split("/")):
            section = section.get(part) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            continue
        yield path, section, keys
        parts = section.get("list") if path == "model/descriptor" else None
        for k, part in enumerate(parts if isinstance(parts, list) else []):
            if isinstance(part, dict):
                yield f"{path}/list/{k}", part, keys
