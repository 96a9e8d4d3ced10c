# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``training`` section: data, length, output."""

from __future__ import annotations

import logging
from typing import Any

from dargs import Argument

from dpcore.config.values import (
    INTEGER,
    NON_EMPTY_TEXT,
    NON_NEGATIVE_INT,
    POSITIVE_INT,
    SEED,
    is_int,
    is_number,
    is_path,
    opt,
    rule,
)
from dpcore.errors import InputError
from dpcore.grammar import auto_batch_atoms, auto_prob_blocks

log = logging.getLogger(__name__)


def _is_batch_size(value: Any) -> bool:
    if isinstance(value, str):
        return auto_batch_atoms(value) is not None
    sizes = value if isinstance(value, list) else [value]
    return len(sizes) > 0 and all(is_int(size) and size > 0 for size in sizes)


def _is_systems(value: Any) -> bool:
    paths = value if isinstance(value, list) else [value]
    return len(paths) > 0 and all(map(is_path, paths))


def _is_sys_probs(value: Any) -> bool:
    return value is None or (isinstance(value, list) and len(value) > 0 and all(map(is_number, value)))


SYSTEMS = rule(
    _is_systems,
    "must be a list of at least one folder, or one folder that is searched for systems at any depth",
)
BATCH_SIZE = rule(
    _is_batch_size,
    'must be an integer above 0, a list of one for each system, "auto" (as many frames as hold 32 atoms) '
    'or "auto:N" (as many as hold N atoms)',
)
AUTO_PROB = rule(
    lambda value: value == "prob_uniform" or auto_prob_blocks(value) is not None,
    'must be "prob_uniform", "prob_sys_size" or "prob_sys_size;begin:end:weight;..." with begin < end and '
    "weights of 0 or above, not all 0",
)
SYS_PROBS = rule(
    _is_sys_probs,
    "must be null or a list of one number for each system (negative: share what the others leave)",
)


def _data_keys(what: str) -> list[Argument]:
    return [
        Argument(
            "systems",
            [list[str], str],
            doc=f"The {what} systems: a list of folders that hold type.raw, or one folder below which every "
            "folder that holds type.raw is taken.",
            **SYSTEMS,
        ),
        opt(
            "set_prefix", str, "set", "The sets of a system are its folders `<set_prefix>.*`.", NON_EMPTY_TEXT
        ),
        opt(
            "batch_size",
            [int, list[int], str],
            "auto",
            "Frames in a batch: a number, a list of one number for each system, `auto` or `auto:N` for as "
            "many frames as are needed to hold 32 or N atoms.",
            BATCH_SIZE,
        ),
        opt(
            "auto_prob",
            str,
            "prob_sys_size",
            "How often a system is drawn: `prob_uniform` for all alike, `prob_sys_size` in proportion to "
            "their numbers of batches, `prob_sys_size;begin:end:weight;...` for blocks of systems (end not "
            "included) that share a weight in that proportion.",
            AUTO_PROB,
            alias=["auto_prob_style"],
        ),
        opt(
            "sys_probs",
            [list, None],
            None,
            "The probability of each system; overrides `auto_prob`. Systems with a negative number share "
            "what is left in proportion to their numbers of batches.",
            SYS_PROBS,
            alias=["sys_weights"],
        ),
    ]


def argument() -> Argument:
    """The section and its keys."""
    validation = [
        *_data_keys("validation"),
        opt(
            "numb_btch",
            int,
            1,
            "How many batches are averaged for one line of the learning curve.",
            POSITIVE_INT,
            alias=["numb_batch"],
        ),
    ]
    return Argument(
        "training",
        dict,
        [
            Argument("training_data", dict, _data_keys("training"), doc="What the model is trained on."),
            Argument(
                "validation_data",
                [dict, None],
                validation,
                optional=True,
                default=None,
                doc="What the model is tried on during training, without learning from it.",
            ),
            Argument(
                "numb_steps",
                int,
                alias=["stop_batch", "num_step", "num_steps", "numb_step"],
                doc="Number of training steps, one batch each.",
                **POSITIVE_INT,
            ),
            opt("seed", [int, None], None, "Seed of the order of frames and systems.", SEED),
            opt("disp_file", str, "lcurve.out", "File of the learning curve.", NON_EMPTY_TEXT),
            opt("disp_freq", int, 1000, "Steps between two lines of the learning curve.", POSITIVE_INT),
            opt("numb_test", [int, list, str], 1, "Accepted for old inputs, without effect."),
            opt(
                "save_freq",
                int,
                1000,
                "Steps between two checkpoints; 0 or below: only the one after the last step.",
                INTEGER,
            ),
            opt("save_ckpt", str, "model.ckpt", "Name that checkpoints begin with.", NON_EMPTY_TEXT),
            opt("max_ckpt_keep", int, 5, "How many checkpoints are kept; 0 keeps all.", NON_NEGATIVE_INT),
            opt("disp_training", bool, True, "Whether the learning curve is written."),
            opt("time_training", bool, True, "Whether the log tells the time taken."),
            opt("profiling", bool, False, "Accepted with a warning: this version writes no profile."),
            opt("profiling_file", str, "timeline.json", "File of the profile.", NON_EMPTY_TEXT),
            opt(
                "tensorboard",
                bool,
                False,
                "Accepted with a warning: this version writes no logs for TensorBoard.",
            ),
            opt("tensorboard_log_dir", str, "log", "Folder of the logs for TensorBoard.", NON_EMPTY_TEXT),
            opt("tensorboard_freq", int, 1, "Steps between two entries for TensorBoard.", POSITIVE_INT),
        ],
        doc="The data, the length of training and what it writes.",
    )


def check(training: dict[str, Any]) -> None:
    """Check what concerns several keys, and say which accepted keys have no effect yet."""
    for name in ("training_data", "validation_data"):
        data, where = training[name], f"training/{name}"
        if data is None or not isinstance(data["systems"], list):
            continue  # a folder to search: its number of systems is known once it has been read
        n_systems = len(data["systems"])
        for key in ("batch_size", "sys_probs"):
            if isinstance(data[key], list) and len(data[key]) != n_systems:
                raise InputError(
                    f"expected one value for each of the {n_systems} systems, got {len(data[key])}",
                    f"{where}/{key}",
                )
    for key in ("profiling", "tensorboard"):
        if training[key]:
            log.warning("training/%s: not available in this version; training goes on without it", key)
