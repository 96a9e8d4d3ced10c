# SPDX-License-Identifier: LGPL-3.0-or-later
"""The activation functions of the core against extended precision, number by number.

A fitting net with one neuron whose only input with a weight is the atomic parameter gives E_i = phi(aparam_i)
for atoms without neighbours, so that every value of phi is seen as it is.
"""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import make_config, make_tensors, model

LONG = np.longdouble
WIDE = np.concatenate(
    [
        np.linspace(-20, 20, 4001),
        np.random.default_rng(1).normal(size=2000),
        10.0 ** np.linspace(-300, 0, 301),
        -(10.0 ** np.linspace(-300, 0, 301)),
        [0.0, -0.0, 5.999999, 6.0, 6.000001, 30.0, -30.0],
    ]
)


def phi_of_core(activation, precision, z):
    """phi(z) [n] as the core computes it in this precision."""
    config = make_config(
        {"set_davg_zero": True},
        {"activation_function": activation, "precision": precision, "neuron": [1], "numb_aparam": 1},
    )
    tensors = make_tensors(config)
    for name, value in tensors.items():
        if name.startswith("fitting/"):
            tensors[name] = np.zeros_like(value)
    tensors["fitting/aparam_istd"] = np.ones(1)
    for kind in (0, 1):
        tensors[f"fitting/net_{kind}/layer_0/matrix"][-1] = 1.0
        tensors[f"fitting/net_{kind}/layer_1/matrix"][:] = 1.0
    n = len(z)
    coord = np.zeros((1, n, 3))
    coord[0, :, 0] = 10.0 * np.arange(n)
    found = model(config, tensors).evaluate(
        coord.reshape(1, -1), None, np.arange(n) % 2, aparam=np.asarray(z)[None], atomic=True
    )
    return found["atom_energy"][0]


def exact(activation, z):
    z = np.asarray(z).astype(LONG)
    if activation == "tanh":
        return np.tanh(z)
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-z))
    if activation == "softplus":
        return np.where(z > 0, z, 0) + np.log1p(np.exp(-np.abs(z)))
    if activation == "relu":
        return np.maximum(z, 0)
    if activation == "relu6":
        return np.clip(z, 0, 6)
    c = np.sqrt(2 / LONG("3.14159265358979323846264338327950288"))
    return z / 2 * (1 + np.tanh(c * (z + LONG("0.044715") * z**3)))


@pytest.mark.skipif(np.finfo(LONG).eps > 1e-18, reason="no extended precision on this machine")
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "relu", "relu6", "gelu"])
def test_values_are_right_to_a_few_units_of_the_last_place(activation, precision):
    real = np.dtype(precision).type
    z = WIDE.astype(real).astype(float)
    z = z[(np.abs(z) >= np.finfo(real).tiny) | (z == 0)]
    found, expected = phi_of_core(activation, precision, z).astype(LONG), exact(activation, z)
    # gelu has 1 + tanh, which cancels for negative z: its error is one of z, not of the result
    size = np.abs(z) if activation == "gelu" else np.abs(expected).astype(float)
    unit = np.spacing(size.astype(real)).astype(float)
    assert np.all(np.isfinite(found))
    error = np.max(np.abs(found - expected) / unit)
    assert error <= 3.0, f"{error} units at z = {z[np.argmax(np.abs(found - expected) / unit)]}"


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "relu", "relu6", "gelu"])
def test_large_arguments_reach_the_limits(activation, precision):
    z = np.array([40.0, 90.0, 710.0, 1e4, 1e30])
    low, high = {
        "tanh": (-1.0, 1.0),
        "sigmoid": (0.0, 1.0),
        "softplus": (0.0, None),
        "relu": (0.0, None),
        "relu6": (0.0, 6.0),
        "gelu": (0.0, None),
    }[activation]
    if activation == "gelu":  # the cube of z must not overflow to a NaN either
        z = np.append(z, 1e36)
    above, below = phi_of_core(activation, precision, z), phi_of_core(activation, precision, -z)
    assert np.array_equal(above, z.astype(precision) if high is None else np.full(len(z), high))
    assert np.max(np.abs(below - low)) <= 1e-17
