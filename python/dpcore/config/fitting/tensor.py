# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the fitting nets of tensors (`dipole`, `polar`) have in common."""

from __future__ import annotations

from typing import Any

from dargs import Argument

from dpcore.config.fitting.net import net_arguments
from dpcore.config.values import SEED, is_int, opt, rule
from dpcore.errors import InputError


def _is_sel_type(value: Any) -> bool:
    types = value if isinstance(value, list) else [value]
    return value is None or (len(types) > 0 and all(is_int(t) and t >= 0 for t in types))


SEL_TYPE = rule(_is_sel_type, "must be null, the index of a type, or a list of at least one")
NO_PARAMETERS = rule(lambda v: v == 0 and is_int(v), "must be 0: tensors depend on no parameters")


def arguments(what: str, old_name: str) -> list[Argument]:
    """The keys of the section; `what` is predicted, `old_name` another name of ``sel_type``."""
    return [
        *net_arguments(),
        opt(
            "sel_type",
            [list[int], int, None],
            None,
            f"The types whose atoms have {what}, as indices of `model/type_map`; null: all types.",
            SEL_TYPE,
            alias=[old_name],
        ),
        opt("seed", [int, None], None, "Seed of the initial parameters; null draws one.", SEED),
        opt("numb_fparam", int, 0, "Accepted if 0: tensors depend on no frame parameters.", NO_PARAMETERS),
        opt("numb_aparam", int, 0, "Accepted if 0: tensors depend on no atomic parameters.", NO_PARAMETERS),
    ]


def check(fitting: dict[str, Any], n_types: int | None, where: str) -> None:
    """Check ``sel_type`` and make it an ascending list of types, in place, once their number is known."""
    selected = fitting["sel_type"]
    if selected is None:
        if n_types is not None:
            fitting["sel_type"] = list(range(n_types))
        return
    selected = selected if isinstance(selected, list) else [selected]
    if len(set(selected)) != len(selected):
        raise InputError(f"expected different types, got {selected}", f"{where}/sel_type")
    if n_types is not None and max(selected) >= n_types:
        raise InputError(
            f"expected indices from 0 to {n_types - 1} of the {n_types} types of model/type_map, got "
            f"{selected}",
            f"{where}/sel_type",
        )
    fitting["sel_type"] = sorted(selected)
