# SPDX-License-Identifier: LGPL-3.0-or-later
"""The input file of training: its keys, defaults and checks."""

from __future__ import annotations

from dpcore.config.compat import convert_old_format, version_of
from dpcore.config.doc import gen_doc
from dpcore.config.loss import active_terms, labels_of_loss
from dpcore.config.model import core_config, set_type_map
from dpcore.config.normalize import load_input, normalize
from dpcore.config.read import read_input
from dpcore.config.schema import gen_args
from dpcore.errors import InputError, suggest

__all__ = [
    "InputError",
    "active_terms",
    "convert_old_format",
    "core_config",
    "gen_args",
    "gen_doc",
    "labels_of_loss",
    "load_input",
    "normalize",
    "read_input",
    "set_type_map",
    "suggest",
    "version_of",
]
