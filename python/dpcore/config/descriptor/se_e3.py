# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``se_e3``: the embedding of the angles between two neighbours."""

from __future__ import annotations

from dargs import Argument

from dpcore.config.descriptor import two_body

NAME = "se_e3"
ALIASES = ("se_at", "se_a_3be", "se_t")
DOC = "Smooth three-body embedding of the angles between two neighbours, one net for each two types of neighbours."

check = two_body.check

_NOT_HERE = ("type_one_side", "exclude_types")


def arguments() -> list[Argument]:
    """The keys of the descriptor section."""
    keys = two_body.arguments(
        "Whether the radial mean of the environment matrix is set to 0. Without effect: this descriptor has "
        "angular components alone, whose mean is 0."
    )
    return [key for key in keys if key.name not in _NOT_HERE]
