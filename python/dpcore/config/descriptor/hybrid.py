# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of ``hybrid``: several descriptors side by side."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from dargs import Argument, Variant

NAME = "hybrid"
ALIASES = ()
DOC = "Several descriptors side by side, each with its own neighbours and nets."


def _parts() -> dict[str, ModuleType]:
    """The descriptors that may stand in the list: all but this one."""
    from dpcore.config.descriptor import REGISTRY

    return {name: module for name, module in REGISTRY.items() if name != NAME}


def arguments() -> list[Argument]:
    """The keys of the descriptor section."""
    kind = Variant(
        "type",
        [Argument(m.NAME, dict, m.arguments(), alias=list(m.ALIASES), doc=m.DOC) for m in _parts().values()],
        doc="The kind of this descriptor.",
    )
    return [
        Argument(
            "list",
            list,
            [],
            [kind],
            repeat=True,
            doc=f"The descriptors, at least one: sections with the keys of {' or '.join(_parts())}. The fitting "
            "net gets their outputs one after the other.",
        )
    ]


def check(descriptor: dict[str, Any], n_types: int | None, where: str) -> None:
    """Check each descriptor of the list."""
    modules = _parts()
    for k, part in enumerate(descriptor["list"]):
        modules[part["type"]].check(part, n_types, f"{where}/list/{k}")
