# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where the kernels of this build run, and what that means for comparisons."""

from __future__ import annotations

import numpy as np
import pytest

core = pytest.importorskip("dpcore._core", reason="the compiled core is not built")

# elsewhere, on GPUs and where they are emulated, frames' pairs are not kept and tables are others
ON_HOST = core.backend() in ("serial", "openmp")
# GPUs add forces in the order in which threads come
FIXED_ORDER = ON_HOST or core.backend() == "emulated"
fixed_order = pytest.mark.skipif(not FIXED_ORDER, reason="no two runs on a GPU have the same last digits")


def same_bits(found, expected, single=False) -> bool:
    """Equal to the last bit; on GPUs to rounding of the largest number, of float32 sums where `single`."""
    found, expected = np.asarray(found), np.asarray(expected)
    if FIXED_ORDER or found.shape != expected.shape or not found.size:
        return np.array_equal(found, expected)
    limit = 1e-5 if single or found.dtype == np.float32 else 1e-11
    return bool(np.abs(found - expected).max() <= limit * np.abs(expected).max())
