# SPDX-License-Identifier: LGPL-3.0-or-later
"""Value rules shared by the argument declarations.

Each rule is a dictionary of the two keywords by which `dargs.Argument` takes a check of one value
(`extra_check`, `extra_check_errmsg`), so that a declaration reads
``opt("rcut", float, 6.0, "Cut-off radius in angstrom.", POSITIVE)``.  Python counts ``True`` as an
integer; an input file does not, so every numeric rule refuses booleans, infinities and NaN.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Callable

from dargs import Argument

from dpcore.errors import suggest

Rule = dict  # the keywords extra_check and extra_check_errmsg

ACTIVATIONS = ("tanh", "gelu", "relu", "relu6", "softplus", "sigmoid")
PRECISIONS = ("default", "float16", "float32", "float64")

LARGEST_INT = 2**31 - 1
# the normal numbers of single precision, in which the core keeps cut-offs, learning rates and prefactors
SMALLEST_SINGLE, LARGEST_SINGLE = 1.2e-38, 3.4e38


def rule(check: Callable[[Any], bool], message: str) -> Rule:
    """Bundle a predicate and the sentence that ends ``<key>: got <value>; ...``."""
    return {"extra_check": check, "extra_check_errmsg": message}


def opt(name: str, dtype: Any, default: Any, doc: str, rule: Rule | None = None, alias: Iterable[str] = ()):
    """Declare an optional key: its type, default, text for the manual, value rule and other names."""
    return Argument(name, dtype, optional=True, default=default, doc=doc, alias=list(alias), **(rule or {}))


def is_int(value: Any) -> bool:
    """Whether `value` is an integer of at most 32 bits and not a boolean."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INT


def is_number(value: Any) -> bool:
    """Whether `value` is a real number that a float can hold, and not a boolean."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    )


def _list_of(item: Callable[[Any], bool], minimum: int = 0) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) >= minimum and all(map(item, value))


POSITIVE = rule(lambda v: is_number(v) and v > 0, "must be a finite number above 0")
POSITIVE_SINGLE = rule(
    lambda v: is_number(v) and SMALLEST_SINGLE <= v <= LARGEST_SINGLE,
    f"must be a finite number above 0 that single precision can hold ({SMALLEST_SINGLE} to {LARGEST_SINGLE})",
)
NON_NEGATIVE_SINGLE = rule(
    lambda v: is_number(v) and 0 <= v <= LARGEST_SINGLE,
    f"must be a finite number, 0 or above and at most {LARGEST_SINGLE}",
)
POSITIVE_INT = rule(lambda v: is_int(v) and v > 0, f"must be an integer above 0 and at most {LARGEST_INT}")
NON_NEGATIVE_INT = rule(
    lambda v: is_int(v) and v >= 0, f"must be an integer, 0 or above and at most {LARGEST_INT}"
)
INTEGER = rule(is_int, f"must be an integer of at most {LARGEST_INT}")


def is_path(value: Any) -> bool:
    """Whether `value` can be the name of a file or folder."""
    return isinstance(value, str) and value.strip() != "" and "\0" not in value


NON_EMPTY_TEXT = rule(is_path, "must not be empty, nor hold a null character")
NEURON = rule(
    _list_of(lambda n: is_int(n) and n > 0, 1),
    f"must be a list of at least one layer width, each an integer above 0 and at most {LARGEST_INT}",
)
SEED = rule(
    lambda v: v is None or (isinstance(v, int) and not isinstance(v, bool) and abs(v) < 2**63),
    "must be an integer of at most 63 bits, or null for a seed drawn from the system",
)
OPTIONAL_POSITIVE = rule(
    lambda v: v is None or (is_number(v) and v > 0), "must be null or a finite number above 0"
)
OPTIONAL_POSITIVE_SINGLE = rule(
    lambda v: v is None or (is_number(v) and SMALLEST_SINGLE <= v <= LARGEST_SINGLE),
    f"must be null or a finite number above 0 ({SMALLEST_SINGLE} to {LARGEST_SINGLE})",
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
