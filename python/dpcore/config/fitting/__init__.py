# SPDX-License-Identifier: LGPL-3.0-or-later
"""The fitting nets an input file may name: one module each, as described in `dpcore.config.descriptor`.

The check of a fitting net is ``check(fitting, n_types, where)``.
"""

from __future__ import annotations

from dargs import Argument, Variant

from dpcore.config.fitting import dipole, ener, polar

REGISTRY = {module.NAME: module for module in (ener, dipole, polar)}

NOT_SUPPORTED = ("global_polar", "wfc", "dos", "property")


def variant() -> Variant:
    """The ``type`` switch of ``model/fitting_net``."""
    return Variant(
        "type",
        [Argument(m.NAME, dict, m.arguments(), alias=list(m.ALIASES), doc=m.DOC) for m in REGISTRY.values()],
        optional=True,
        default_tag="ener",
        doc="What the fitting net predicts.",
    )
