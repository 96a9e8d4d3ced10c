# SPDX-License-Identifier: LGPL-3.0-or-later
"""Dense layers of a frozen graph: weights, activation and time step (idt).

A layer is ``h = phi(x W + b)``, optionally ``h * idt``.  Names give the weights;
what is done with them is read from the operations that use them, so that a
variant this package does not have is noticed and refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dpcore.convert.graph import Graph, source_name
from dpcore.errors import InputError

# Operation -> activation_function.  "Gelu" and "GeluCustom" are DeePMD-kit's own
# operations and use the tanh form.
ACTIVATION_OPS = {
    "Tanh": "tanh",
    "Relu": "relu",
    "Relu6": "relu6",
    "Softplus": "softplus",
    "Sigmoid": "sigmoid",
    "Gelu": "gelu",
    "GeluCustom": "gelu",
}
_ADD_OPS = {"BiasAdd", "Add", "AddV2"}
# The inner coefficient of the tanh form of gelu, 0.5 x (1 + tanh(c (x + 0.044715 x^3))).
GELU_COEFFICIENT = 0.044715


@dataclass
class DenseLayer:
    """One layer: matrix [n_in, n_out], bias [n_out], idt [n_out] or None.

    ``sums`` are the nodes that hold ``x W + b`` (two where the net is used twice);
    ``activation`` is None for a linear layer; ``rounded_gelu`` marks one whose gelu
    has a coefficient of single precision.
    """

    matrix: np.ndarray
    bias: np.ndarray
    idt: np.ndarray | None
    activation: str | None
    sums: list[Any]
    rounded_gelu: bool = False
    has_bias: bool = True

    def tensors(self, prefix: str) -> dict[str, np.ndarray]:
        """The layer's arrays under the names of the model file."""
        arrays = {f"{prefix}/matrix": self.matrix}
        if self.has_bias:
            arrays[f"{prefix}/bias"] = self.bias
        if self.idt is not None:
            arrays[f"{prefix}/idt"] = self.idt
        return arrays


def read_layer(graph: Graph, matrix: str, bias: str, idt: str, linear: bool) -> DenseLayer:
    """Read one layer from the names of its three constants.

    ``linear`` layers have no activation and no idt.  Without the constant of the bias the layer has none, and
    zeros stand for it.  Raises ``InputError`` for
    damaged shapes, non-finite weights and layer forms that dpcore does not have.
    """
    weights = _network_tensor(graph, matrix)
    has_bias = graph.in_forward(bias) or not graph.in_forward(matrix)
    offsets = (
        _network_tensor(graph, bias).reshape(-1) if has_bias else np.zeros(weights.shape[-1], weights.dtype)
    )
    if weights.ndim != 2 or offsets.shape[0] != weights.shape[1]:
        raise graph.error(
            f"{matrix!r} has shape {list(weights.shape)} and {bias!r} "
            f"{offsets.shape[0]} values; expected [n_in, n_out] and n_out; corrupt file"
        )
    products = graph.users(matrix)
    sums = []
    for product in products:
        if product.op == "Cast":
            raise graph.error(
                f"{matrix!r} is cast before use: a mixed-precision model "
                "(training/mixed_precision), which dpcore does not have; freeze a model "
                "trained without it"
            )
        transposed = any(product.attr[key].b for key in ("transpose_a", "transpose_b"))
        followers = graph.users(product.name)
        if product.op == "MatMul" and not transposed and not has_bias:
            sums.append(product)
            continue
        if product.op != "MatMul" or transposed or len(followers) != 1:
            raise _unknown_form(graph, matrix, [product, *followers])
        total = followers[0]
        terms = {graph.resolve(source_name(reference)) for reference in total.input}
        if total.op not in _ADD_OPS or terms != {product.name, bias}:
            raise _unknown_form(graph, matrix, [product, total])
        sums.append(total)
    if not sums:
        raise graph.error(
            f"the energy does not depend on {matrix!r}; the file is corrupt or of an unknown version"
        )
    scale = None
    if graph.in_forward(idt):
        scale = _network_tensor(graph, idt).reshape(-1)
        if linear or scale.shape != offsets.shape:
            raise graph.error(
                f"{idt!r} has {scale.shape[0]} values where the layer allows "
                f"{0 if linear else offsets.shape[0]}; the file is corrupt"
            )
    activation = None if linear else _activation(graph, matrix, sums)
    rounded = not linear and _has_rounded_gelu(graph, sums, weights.dtype)
    return DenseLayer(weights, offsets, scale, activation, sums, rounded, has_bias)


@dataclass(frozen=True)
class EmbeddingForm:
    """What an embedding net has: skips, time steps on them, activations."""

    has_skip: bool
    has_idt: bool
    activations: frozenset[str | None]


def embedding_form(graph: Graph, name: str, layers: list[DenseLayer]) -> EmbeddingForm:
    """The form of an embedding net, with a skip where the width stays or doubles; time steps are on all of
    them or on none.
    """
    skips = [layer.matrix.shape[1] in (layer.matrix.shape[0], 2 * layer.matrix.shape[0]) for layer in layers]
    time_steps = {layer.idt is not None for layer, skip in zip(layers, skips) if skip}
    stray = any(layer.idt is not None for layer, skip in zip(layers, skips) if not skip)
    if stray or len(time_steps) > 1:
        raise graph.error(
            f"{name} has time steps (idt) on some layers only, "
            "or on layers without a skip; the file is corrupt or of an unknown version"
        )
    return EmbeddingForm(any(skips), time_steps == {True}, frozenset(layer.activation for layer in layers))


def _network_tensor(graph: Graph, name: str) -> np.ndarray:
    """A constant of a net: float64 or float32, finite.  float16 becomes float32."""
    value = graph.const(name)
    if value.dtype.kind != "f":
        raise graph.error(f"{name!r} holds {value.dtype}, expected floats; corrupt file")
    if not np.all(np.isfinite(value)):
        raise graph.error(
            f"{name!r} holds NaN or infinite values; the training diverged or the file is corrupt"
        )
    return value.astype(np.float32) if value.dtype.itemsize == 2 else value


def _activation(graph: Graph, matrix: str, sums: list[Any]) -> str:
    """The activation applied to ``x W + b``, the same wherever the layer is used."""
    names = {_activation_after(graph, matrix, total) for total in sums}
    if len(names) != 1:
        raise graph.error(f"{matrix!r} is used with several activations: {names}")
    return names.pop()


def _activation_after(graph: Graph, matrix: str, total: Any) -> str:
    followers = graph.users(total.name)
    if len(followers) == 1 and followers[0].op in ACTIVATION_OPS:
        return ACTIVATION_OPS[followers[0].op]
    if _gelu_coefficient(graph, followers) is not None:
        return "gelu"
    raise graph.error(
        f"the layer of {matrix!r} has an activation function that dpcore does not "
        f"have (operations {sorted({node.op for node in followers}) or 'none'}); it has "
        f"{', '.join(sorted(set(ACTIVATION_OPS.values())))}"
    )


def _gelu_coefficient(graph: Graph, followers: list[Any]) -> float | None:
    """The inner coefficient of gelu written out as x^3, tanh ...; else None.

    DeePMD-kit 1.x has it, and ``gelu_tf``, whose coefficient is rounded to float32.
    """
    for power in (node for node in followers if node.op == "Pow"):
        for scaled in graph.users(power.name):
            for name in (graph.resolve_cast(source_name(ref)) for ref in scaled.input):
                if scaled.op == "Mul" and graph.is_const(name):
                    value = graph.const(name)
                    if value.size == 1 and abs(float(value.reshape(-1)[0]) - GELU_COEFFICIENT) < 1e-6:
                        return float(value.reshape(-1)[0])
    return None


def _has_rounded_gelu(graph: Graph, sums: list[Any], dtype: np.dtype) -> bool:
    """True for a float64 layer whose gelu coefficient is not GELU_COEFFICIENT exactly."""
    found = [_gelu_coefficient(graph, graph.users(total.name)) for total in sums]
    return dtype == np.float64 and any(c is not None and c != GELU_COEFFICIENT for c in found)


def gelu_note(section: str, layers: list[DenseLayer]) -> list[str]:
    """What to tell about a section whose gelu is not exactly the same."""
    if not any(layer.rounded_gelu for layer in layers):
        return []
    return [
        f"{section}: gelu_tf became gelu; TensorFlow rounds a coefficient of gelu_tf to single "
        "precision, so energies and forces differ in the eighth digit or later"
    ]


def _unknown_form(graph: Graph, matrix: str, nodes: list[Any]) -> InputError:
    found = ", ".join(f"{node.op} {node.name!r}" for node in nodes)
    return graph.error(
        f"the layer of {matrix!r} is not of the form phi(x W + b) ({found}); "
        "the model is of a kind or version that dpcore does not know"
    )


def check_chain(graph: Graph, name: str, layers: list[DenseLayer]) -> None:
    """Consecutive layers must fit, and share one precision and activation."""
    for previous, layer in zip(layers, layers[1:]):
        if layer.matrix.shape[0] != previous.matrix.shape[1]:
            raise graph.error(
                f"{name}: a layer of {layer.matrix.shape[0]} inputs follows one of "
                f"{previous.matrix.shape[1]} outputs; the file is corrupt"
            )
    precisions = {
        array.dtype.name
        for layer in layers
        for array in (layer.matrix, layer.bias, layer.idt)
        if array is not None
    }
    if len(precisions) > 1:
        raise graph.error(f"{name} mixes precisions {sorted(precisions)}; not supported")
