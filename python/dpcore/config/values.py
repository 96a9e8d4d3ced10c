# SPDX-License-Identifier: LGPL-3.0-or-later
"""Value rules shared by the argument declarations.

Each rule is a dictionary of the two keywords by which `dargs.Argument` takes a check of one value
(`extra_check`, `extra_check_errmsg`), so that a declaration reads
``opt("rcut", float, 6.0, "Cut-off radius in angstrom.", POSITIVE)``.  Python counts ``True`` as an
integer; an input file does not, so every numeric rule refuses booleans, infinities and NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Callable

from dargs import Argument

from dpcore.errors import suggest

Rule = dict  # the keywords extra_check and extra_check_errmsg

ACTIVATIONS = ("tanh", "gelu", "relu", "relu6", "softplus", "sigmoid")
PRECISIONS = ("default", "float16", "float32", "float64")


def rule(check: Callable[[Any], bool], message: str) -> Rule:
    """Bundle a predicate and the sentence that ends ``<key>: got <value>; ...``."""
    return {"extra_check": check, "extra_check_errmsg": message}


def opt(name: str, dtype: Any, default: Any, doc: str, rule: Rule | None = None, alias: Iterable[str] = ()):
    """Declare an optional key: its type, default, text for the manual, value rule and other names."""
    return Argument(name, dtype, optional=True, default=default, doc=doc, alias=list(alias), **(rule or {}))


def is_int(value: Any) -> bool:
    """Whether `value` is an integer and not a boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether `value` is a finite real number and not a boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _list_of(item: Callable[[Any], bool], minimum: int = 0) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) >= minimum and all(map(item, value))


POSITIVE = rule(lambda v: is_number(v) and v > 0, "must be a finite number above 0")
NON_NEGATIVE = rule(lambda v: is_number(v) and v >= 0, "must be a finite number, 0 or above")
POSITIVE_INT = rule(lambda v: is_int(v) and v > 0, "must be an integer above 0")
NON_NEGATIVE_INT = rule(lambda v: is_int(v) and v >= 0, "must be an integer, 0 or above")
INTEGER = rule(is_int, "must be an integer")
NON_EMPTY_TEXT = rule(lambda v: isinstance(v, str) and v.strip() != "", "must not be empty")
NEURON = rule(
    _list_of(lambda n: is_int(n) and n > 0, 1),
    "must be a list of at least one layer width, each an integer above 0",
)
SEED = rule(
    lambda v: v is None or (is_int(v) and abs(v) < 2**63),
    "must be an integer of at most 63 bits, or null for a seed drawn from the system",
)
OPTIONAL_POSITIVE = rule(
    lambda v: v is None or (is_number(v) and v > 0), "must be null or a finite number above 0"
)
OPTIONAL_NON_NEGATIVE = rule(
    lambda v: v is None or (is_number(v) and v >= 0), "must be null or a finite number, 0 or above"
)


class _OneOf:
    """Predicate of `one_of`; a class so that the error can add a suggestion."""

    def __init__(self, choices: Iterable[str]) -> None:
        self.choices = tuple(choices)

    def __call__(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.choices

    def hint(self, value: Any) -> str:
        return suggest(value, self.choices)


def one_of(choices: Iterable[str]) -> Rule:
    """Rule: one of some words; a near miss is met with a suggestion."""
    choices = tuple(choices)
    return rule(_OneOf(choices), "must be one of " + ", ".join(f'"{c}"' for c in choices))


# "gelu_tf" is the name which later versions of the reference give to the same tanh form of gelu
ACTIVATION = one_of((*ACTIVATIONS, "gelu_tf"))
PRECISION = one_of(PRECISIONS)
