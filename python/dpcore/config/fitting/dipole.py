# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``dipole``: a vector of each selected atom."""

from __future__ import annotations

from dargs import Argument

from dpcore.config.fitting import tensor

NAME = "dipole"
ALIASES = ()
DOC = "Dipoles of atoms of the selected types, and their sum. Train with the loss `tensor`."

check = tensor.check


def arguments() -> list[Argument]:
    """The keys of the fitting section."""
    return tensor.arguments("dipoles", "dipole_type")
