# SPDX-License-Identifier: LGPL-3.0-or-later
"""The modifiers an input file may name: one module each, as for the descriptors, and a line in `REGISTRY`."""

from __future__ import annotations

from dargs import Argument, Variant

from dpcore.config.modifier import dipole_charge

REGISTRY = {module.NAME: module for module in (dipole_charge,)}


def variant() -> Variant:
    """The ``type`` switch of ``model/modifier``."""
    return Variant(
        "type",
        [Argument(m.NAME, dict, m.arguments(), doc=m.DOC) for m in REGISTRY.values()],
        doc="The kind of modifier.",
    )
