# SPDX-License-Identifier: LGPL-3.0-or-later
"""Values and both derivatives of the activation functions against extended precision, in units of the last place.

The limits are those of docs/theory/activations.md, which is read here. Values are held against the spacing of numbers at the
exact value (gelu: at the argument), derivatives against that at 1, the size of the largest derivative.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[2]
COMPILER = os.environ.get("CXX") or shutil.which("g++")
LONG = np.longdouble
NAMES = ["linear", "tanh", "sigmoid", "softplus", "relu", "relu6", "gelu"]

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C++ compiler"),
    pytest.mark.skipif(np.finfo(LONG).eps > 1e-18, reason="no extended precision on this machine"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """nn/activation.hpp compiled with the options of the core; what Kokkos would add are words that mean inline."""
    path = tmp_path_factory.mktemp("activations") / "activations.so"
    source = REPOSITORY / "tests/cpp"
    options = (
        "-std=c++17 -O3 -march=native -fno-math-errno -fno-trapping-math -fopenmp-simd -shared -fPIC".split()
    )
    include = [f"-I{source / 'kokkos_words'}", f"-I{REPOSITORY / 'core/src'}"]
    subprocess.run([COMPILER, *options, *include, source / "activations.cpp", "-o", path], check=True)
    return ctypes.CDLL(str(path))


@pytest.fixture(scope="module")
def limits():
    """{(activation, precision): limits of y, d1, d2} as the page states them."""
    text = (REPOSITORY / "docs/theory/activations.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (float\d\d) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", text, re.M)
    found = {(name, precision): [float(x) for x in numbers] for name, precision, *numbers in rows}
    assert set(found) == {(name, p) for name in NAMES for p in ("float64", "float32")}
    return found


def points(real):
    rng = np.random.default_rng(3)
    tiny = 10.0 ** np.linspace(-30, 0, 301)
    z = np.concatenate([np.linspace(-25, 25, 20001), rng.normal(size=20000), tiny, -tiny])
    z = np.concatenate([z, [0.0, 50.0, -50.0, 80.0, -80.0, 300.0, -300.0, 1e4, -1e4]])
    z = z.astype(real)
    edges = np.array([0, 6], real)  # on and beside the kinks
    return np.concatenate([z, edges, np.nextafter(edges, real(10)), np.nextafter(edges, real(-10))])


def exact(name, z):
    """y, d1, d2 in extended precision, by formulas without cancellation (but gelu's 1 + tanh)."""
    z = z.astype(LONG)
    one, zero = np.ones_like(z), np.zeros_like(z)
    small = np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z)))
    sigmoid = np.where(z < 0, small, 1 / (1 + np.exp(-np.abs(z))))
    slope = np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2
    if name == "linear":
        return z, one, zero
    if name == "tanh":
        square = 4 * np.exp(-2 * np.abs(z)) / (1 + np.exp(-2 * np.abs(z))) ** 2
        return np.tanh(z), square, -2 * np.tanh(z) * square
    if name == "sigmoid":
        return sigmoid, slope, -slope * np.tanh(z / 2)
    if name == "softplus":
        return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))), sigmoid, slope
    if name == "relu":
        return np.maximum(z, 0), np.where(z > 0, one, zero), zero
    if name == "relu6":
        return np.clip(z, 0, 6), np.where((z > 0) & (z < 6), one, zero), zero
    c, a = np.sqrt(2 / LONG("3.14159265358979323846264338327950288")), LONG("0.044715")
    u, du, ddu = c * (z + a * z**3), c * (1 + 3 * a * z * z), 6 * c * a * z
    t = np.tanh(u)
    square = 4 * np.exp(-2 * np.abs(u)) / (1 + np.exp(-2 * np.abs(u))) ** 2
    dt, ddt = square * du, square * ddu - 2 * t * square * du * du
    return z / 2 * (1 + t), (1 + t) / 2 + z / 2 * dt, dt + z / 2 * ddt


def errors(library, name, precision):
    """The largest errors of y, d1 and d2 in units of the last place, and where."""
    real = np.dtype(precision).type
    z = points(real)
    found = [np.empty_like(z) for _ in range(3)]
    function = getattr(library, f"{name}_{precision}")
    function(ctypes.c_size_t(len(z)), *(x.ctypes.data_as(ctypes.c_void_p) for x in [z, *found]))
    expected = exact(name, z)
    for value in found:
        assert np.all(np.isfinite(value)), f"{name}: not finite at {z[~np.isfinite(value)]}"
    # exp is clamped where 2^k would leave the normal numbers: what is smaller has no digits to keep
    smallest = 2 * np.finfo(real).tiny
    size = np.abs(z if name == "gelu" else expected[0].astype(real))
    gone = size < smallest
    assert np.all(np.abs(found[0][gone]) <= smallest)
    unit = np.where(gone, np.inf, np.spacing(size).astype(float))
    units = [unit, float(np.finfo(real).eps), float(np.finfo(real).eps)]
    ratio = [np.abs(f.astype(LONG) - e) / u for f, e, u in zip(found, expected, units)]
    return [(float(np.max(r)), float(z[np.argmax(r)])) for r in ratio]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives_are_as_accurate_as_documented(library, limits, name, precision):
    for what, (error, at), limit in zip(
        ("y", "d1", "d2"), errors(library, name, precision), limits[name, precision]
    ):
        assert error <= limit, f"{what} is wrong by {error:.3g} units at z = {at:.17g}; documented: {limit}"
