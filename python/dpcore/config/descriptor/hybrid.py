# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``hybrid``: several descriptors side by side."""

from __future__ import annotations

from typing import Any

from dargs import Argument, Variant

from dpcore.config.descriptor import se_e2_a, se_e2_r

NAME = "hybrid"
ALIASES = ()
DOC = "Several descriptors side by side, each with its own neighbours and nets."

PARTS = {module.NAME: module for module in (se_e2_a, se_e2_r)}


def arguments() -> list[Argument]:
    """The keys of the descriptor section."""
    kind = Variant(
        "type",
        [Argument(m.NAME, dict, m.arguments(), alias=list(m.ALIASES), doc=m.DOC) for m in PARTS.values()],
        doc="The kind of this descriptor.",
    )
    return [
        Argument(
            "list",
            list,
            [],
            [kind],
            repeat=True,
            doc=f"The descriptors, at least one: sections with the keys of {' or '.join(PARTS)}. The fitting "
            "net gets their outputs one after the other.",
        )
    ]


def check(descriptor: dict[str, Any], n_types: int | None, where: str) -> None:
    """Check each descriptor of the list."""
    for k, part in enumerate(descriptor["list"]):
        PARTS[part["type"]].check(part, n_types, f"{where}/list/{k}")
