# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptors an input file may name.

A descriptor is one module here with

- ``NAME``, ``ALIASES``, ``DOC``;
- ``arguments() -> list[dargs.Argument]``: its keys, defaults and single-value checks;
- ``check(descriptor, n_types, where)``: checks that concern several keys; `n_types` is None while unknown;

and one line in `REGISTRY`.
"""

from __future__ import annotations

from dargs import Argument, Variant

from dpcore.config.descriptor import hybrid, loc_frame, se_a_tpe, se_e2_a, se_e2_r, se_e3

REGISTRY = {module.NAME: module for module in (se_e2_a, se_e2_r, se_e3, se_a_tpe, loc_frame, hybrid)}

# those with a rotation matrix, which tensors need
WITH_ROTATION = ("se_e2_a", "se_a_tpe")

# names of the manual which this version does not provide: refused by name, not as a misspelling
NOT_SUPPORTED = (
    "se_a_ebd_v2", "se_atten", "se_atten_v2", "se_e3_tebd", "se_a_mask", "dpa1", "dpa2", "dpa3",
)  # fmt: skip


def variant() -> Variant:
    """The ``type`` switch of ``model/descriptor``."""
    return Variant(
        "type",
        [Argument(m.NAME, dict, m.arguments(), alias=list(m.ALIASES), doc=m.DOC) for m in REGISTRY.values()],
        doc="The kind of descriptor, which turns an atom's surroundings into numbers.",
    )
