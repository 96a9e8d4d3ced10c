# SPDX-License-Identifier: LGPL-3.0-or-later
"""dpcore: train, freeze, test and run Deep Potential models without a deep-learning framework.

Importing this package is cheap: what needs numpy or the compiled core is loaded when first used.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# GNU's OpenMP reads this when the compiled core is loaded. Its default spins for milliseconds at the end of every
# parallel loop; where another process wants the same cores, that makes a training step several times slower.
if not any(name in os.environ for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")):
    os.environ["GOMP_SPINCOUNT"] = "2000"

_LAZY = {
    "DeepDipole": "dpcore.infer",
    "DeepPolar": "dpcore.infer",
    "DeepPot": "dpcore.infer",
    "DeepPotential": "dpcore.infer",
    "InputError": "dpcore.errors",
    "calc_model_devi": "dpcore.model_devi",
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
