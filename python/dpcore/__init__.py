# SPDX-License-Identifier: LGPL-3.0-or-later
"""dpcore: train, freeze, test and run Deep Potential models without a deep-learning framework.

Importing this package is cheap: what needs numpy or the compiled core is loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "DeepPot": "dpcore.infer",
    "InputError": "dpcore.errors",
}

__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    """Import the module behind a public name on its first use (PEP 562)."""
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'dpcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
