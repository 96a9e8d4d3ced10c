# SPDX-License-Identifier: LGPL-3.0-or-later
"""Nets of a native model: a collection of layers by type or by pair of types.

The net of the types (t_0, t_1, ...) is item t_0 + ntypes * t_1 + ... of the list.  A layer is
``h = phi(x W + b) * idt``; with ``resnet`` its input is added where the width stays, twice side by side where
it doubles.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dpcore.convert.native.section import Section

__all__ = ["Net", "collection_tree", "layers_of", "net_tree", "read_collection", "zeros_like"]

ACTIVATIONS = ("tanh", "gelu", "relu", "relu6", "softplus", "sigmoid")
_ALIASES = {"gelu_tf": "gelu"}
_LINEAR = ("none", "linear")
_DTYPES = {"float64": np.float64, "float32": np.float32}


class Net:
    """Layers of a net: arrays by name (matrix, bias, maybe idt) for each, and where they were read."""

    def __init__(self, section: Section, layers: list[dict[str, np.ndarray]], activation: str) -> None:
        self.section, self.layers, self.activation = section, layers, activation

    @property
    def widths(self) -> list[int]:
        """Of the outputs of each layer."""
        return [layer["bias"].size for layer in self.layers]

    def tensors(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays under the names of the model file."""
        return {
            f"{prefix}/layer_{k}/{name}": a for k, one in enumerate(self.layers) for name, a in one.items()
        }

    @property
    def is_zero(self) -> bool:
        """Whether all weights are zero: what stands where there is no net."""
        return not any(layer["matrix"].any() or layer["bias"].any() for layer in self.layers)


def read_collection(
    section: Section, ndim: int, n_types: int, n_in: int, precision: str, n_out: int | None = None
) -> dict[tuple[int, ...], Net]:
    """Nets by types; those that are null are left out.

    Parameters
    ----------
    ndim
        On how many types a net depends. A collection of 0 is one net for all types.
    n_in
        Numbers that the nets take.
    n_out
        Of a fitting net: outputs of its last, linear layer. None: an embedding net.
    """
    section.check_version(1)
    found, types = section.get("ndim", "a whole number"), section.get("ntypes", "a whole number")
    nets = section.items("networks")
    if found not in (0, ndim) or (found and types != n_types) or len(nets) != n_types**found:
        raise section.damaged(
            f"expected {n_types**ndim} nets by {ndim} of {n_types} types, got {len(nets)} by {found} of {types}"
        )
    out = {}
    for index in range(n_types**ndim):
        one = nets[index if found else 0]
        if one is not None:
            key = tuple(index // n_types**k % n_types for k in range(ndim))
            out[key] = _read_net(one, n_in, precision, n_out)
    return out


def _read_net(section: Section, n_in: int, precision: str, n_out: int | None) -> Net:
    section.check_version(2)
    fitting = n_out is not None
    if section.values.get("bias_out") is False:
        raise section.unsupported("a net without bias in its last layer (bias_out)", "dpcore has one with it")
    layers, activations = [], set()
    sections = section.items("layers")
    for k, layer in enumerate(sections):
        if layer is None:
            raise section.damaged("has a layer that is null")
        linear = fitting and k == len(sections) - 1
        arrays = _read_layer(layer, n_in, precision)
        name = layer.get("activation_function", "a text", "none")
        if linear:
            if name not in _LINEAR or "idt" in arrays:
                raise layer.damaged(f"expected a linear output layer, got {name}")
        else:
            activations.add(name)
            _check_skip(layer, n_in, arrays, fitting, k)
        n_in = arrays["bias"].size
        layers.append(arrays)
    if not layers or (fitting and len(layers) == 1):
        raise section.unsupported("a net without hidden layers", "dpcore needs one at least")
    if n_out is not None and n_in != n_out:
        raise section.damaged(f"expected {n_out} outputs, got {n_in}")
    if len(activations) != 1:
        raise section.unsupported(
            f"a net of different activations ({sorted(activations)})", "dpcore has one for all"
        )
    name = activations.pop()
    activation = _ALIASES.get(name, name)
    if activation not in ACTIVATIONS:
        raise section.unsupported(
            f"a net with the activation {name!r}", f"dpcore has {', '.join(ACTIVATIONS)}"
        )
    return Net(section, layers, activation)


def _read_layer(layer: Section, n_in: int, precision: str) -> dict[str, np.ndarray]:
    layer.check_version(2)
    matrix = layer.below("@variables").values.get("w")
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.shape[0] != n_in:
        raise layer.damaged(f"expected an array of {n_in} rows", "@variables/w")
    n_out = matrix.shape[1]
    dtype = _DTYPES[precision]
    bias = layer.array("b", (n_out,), optional=True)
    out = {
        "matrix": layer.array("w", (n_in, n_out)).astype(dtype),
        "bias": np.zeros(n_out, dtype) if bias is None else bias.astype(dtype),
    }
    idt = layer.array("idt", (n_out,), optional=True)
    if idt is not None:
        out["idt"] = idt.astype(dtype)
    return out


def _check_skip(layer: Section, n_in: int, arrays: dict[str, np.ndarray], fitting: bool, k: int) -> None:
    """The layer must add its input where dpcore's net does: see the descriptor's and the fitting's page."""
    n_out = arrays["bias"].size
    has = layer.get("resnet", "true or false") and n_out in (n_in, 2 * n_in)
    wants = (n_in == n_out and k > 0) if fitting else n_out in (n_in, 2 * n_in)
    if has != wants:
        raise layer.unsupported(
            f"a layer of {n_in} inputs and {n_out} outputs {'with' if has else 'without'} a skip connection",
            f"that of dpcore has {'one' if wants else 'none'}"
            + ("; if the model came from TensorFlow, give the original graph (.pb)" if fitting else ""),
        )
    if "idt" in arrays and not has:
        raise layer.damaged("has a time step (idt) and no skip connection")


def net_tree(
    layers: list[dict[str, np.ndarray]],
    activation: str,
    resnet_dt: bool,
    precision: str,
    fitting: bool,
    trainable: Any,
) -> dict[str, Any]:
    """The tree of a net from its layers (matrix, bias, maybe idt)."""
    n_in = layers[0]["matrix"].shape[0]
    out: list[dict[str, Any]] = []
    for k, layer in enumerate(layers):
        before, after = layer["matrix"].shape
        last = fitting and k == len(layers) - 1
        skip = (before == after and k > 0) if fitting else after in (before, 2 * before)
        out.append(
            {
                "@class": "Layer",
                "@version": 2,
                "bias": True,
                "use_timestep": "idt" in layer,
                "activation_function": "none" if last else activation,
                # true by habit where it changes nothing
                "resnet": not last and (skip or after not in (before, 2 * before)),
                "precision": precision,
                "trainable": trainable[k] if isinstance(trainable, list) else trainable,
                "@variables": {"w": layer["matrix"], "b": layer["bias"], "idt": layer.get("idt")},
            }
        )
    widths = [layer["bias"].size for layer in layers]
    net: dict[str, Any] = {
        "@class": "FittingNetwork" if fitting else "EmbeddingNetwork",
        "@version": 1 if fitting else 2,
        "in_dim": n_in,
        "neuron": widths[:-1] if fitting else widths,
        "activation_function": activation,
        "resnet_dt": resnet_dt,
        "precision": precision,
        "layers": out,
    }
    net.update({"out_dim": widths[-1], "bias_out": True} if fitting else {"bias": True})
    return net


def collection_tree(nets: list[dict[str, Any]], ndim: int, n_types: int, fitting: bool) -> dict[str, Any]:
    """The tree of a collection; the nets in their order."""
    return {
        "@class": "NetworkCollection",
        "@version": 1,
        "ndim": ndim,
        "ntypes": n_types,
        "network_type": "fitting_network" if fitting else "embedding_network",
        "networks": nets,
    }


def layers_of(tensors: dict[str, np.ndarray], prefix: str) -> list[dict[str, np.ndarray]]:
    """The layers of a net of the model file; [] if there is none."""
    out: list[dict[str, np.ndarray]] = []
    while f"{prefix}/layer_{len(out)}/matrix" in tensors:
        name = f"{prefix}/layer_{len(out)}"
        out.append({k: tensors[f"{name}/{k}"] for k in ("matrix", "bias", "idt") if f"{name}/{k}" in tensors})
    return out


def zeros_like(layers: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """Layers of zeros: what stands where there is no net."""
    return [{name: np.zeros_like(array) for name, array in layer.items()} for layer in layers]
