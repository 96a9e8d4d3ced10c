# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``se_e2_r``: the two-body embedding of the distances alone."""

from __future__ import annotations

from dargs import Argument

from dpcore.config.descriptor import two_body

NAME = "se_e2_r"
ALIASES = ("se_r",)
DOC = "Smooth two-body embedding of the distances of the neighbours alone: cheaper, and blind to angles."

check = two_body.check


def arguments() -> list[Argument]:
    """The keys of the descriptor section."""
    return two_body.arguments(
        "Whether the mean of the environment matrix is set to 0. An empty neighbour slot then enters the "
        "embedding net as 0, which is not a descriptor of zeros."
    )
