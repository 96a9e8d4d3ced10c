# SPDX-License-Identifier: LGPL-3.0-or-later
"""The fitting net ``ener`` of a frozen graph.

One net per centre type, or with type embedding one for all.  How the energy of the isolated atom and the energy bias
enter changed between versions; what counts is what the graph computes:

* the final bias alone (up to 2.1);
* plus ``fitting_attr/t_bias_atom_e`` (2.2 and later);
* then times ``t_out_std`` plus ``t_out_bias`` (3.x);
* with atom_ener the net is evaluated a second time with a zero descriptor and
  subtracted, and a constant ``atom_<t>_ener`` (2.0, 2.1) or the bias is added.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dpcore.convert.graph import Graph, source_name
from dpcore.convert.networks import DenseLayer, check_chain, gelu_note, read_layer
from dpcore.convert.script import value_of
from dpcore.convert.type_embedding import has_type_embedding
from dpcore.convert.unsupported import DESCRIPTOR_OPS

_DEFAULT_RCOND = 1e-3
_OUT_BIAS = "model_attr/model_attr/t_out_bias"
_OUT_STD = "model_attr/model_attr/t_out_std"


def read_fitting(
    graph: Graph, script: dict[str, Any], n_types: int, notes: list[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Config section and tensors (``fitting/...``) of the fitting net.

    ``script`` is its section of the training script ({} in old graphs), ``notes``
    collects what the conversion changed.  Raises ``InputError`` for damaged nets
    and for forms dpcore does not have.
    """
    shared = has_type_embedding(graph)
    nets = [read_net(graph, None)] if shared else [read_net(graph, centre) for centre in range(n_types)]
    for centre, net in enumerate(nets):
        if net[-1].bias.size != 1:
            raise graph.error(
                f"'final_layer_type_{centre}' has {net[-1].bias.size} outputs, expected 1 (the energy); "
                "the model is not an energy model"
            )
    check_nets(graph, nets)
    subtracted = [_subtracts_vacuum(graph, centre, net) for centre, net in enumerate(nets)]
    bias = _bias(graph, nets, n_types, notes)
    tensors: dict[str, np.ndarray] = {"fitting/bias_atom_e": bias}
    for centre, net in enumerate(nets):
        for k, layer in enumerate(net):
            name = "net" if shared else f"net_{centre}"
            tensors.update(layer.tensors(f"fitting/{name}/layer_{k}"))
    sizes = {}
    for key, name in (("fparam", "dfparam"), ("aparam", "daparam")):
        sizes[key] = _parameter_size(graph, key, f"fitting_attr/{name}")
        if sizes[key]:
            for part in ("avg", "istd"):
                values = _parameter_statistics(graph, key, part, sizes[key])
                tensors[f"fitting/{key}_{part}"] = values
    hidden = nets[0][:-1]
    notes.extend(gelu_note("fitting_net", hidden))
    skips = any(has_skip(hidden, k) for k in range(len(hidden)))
    if script.get("precision") == "float16":
        notes.append("fitting_net: the float16 weights are kept and evaluated in float32")
    config = {
        "type": "ener",
        "numb_fparam": sizes["fparam"],
        "numb_aparam": sizes["aparam"],
        "neuron": [layer.bias.size for layer in hidden],
        "activation_function": hidden[0].activation,
        "precision": nets[0][-1].matrix.dtype.name,
        "resnet_dt": (
            any(layer.idt is not None for layer in hidden)
            if skips
            else value_of(graph, script, "resnet_dt", "true or false", False)
        ),
        "trainable": value_of(graph, script, "trainable", "true, false or a list of them", True),
        "rcond": value_of(graph, script, "rcond", "a number", _DEFAULT_RCOND),
        "seed": script.get("seed"),
        "atom_ener": _atom_ener(graph, script, subtracted, shared, bias),
    }
    return config, tensors


def read_net(graph: Graph, centre: int | None) -> list[DenseLayer]:
    """Hidden layers and the linear output layer of one centre type; None: of the net for all types."""
    layers: list[DenseLayer] = []
    suffix = "" if centre is None else f"_type_{centre}"
    while f"layer_{len(layers)}{suffix}/matrix" in graph:
        scope = f"layer_{len(layers)}{suffix}"
        layers.append(read_layer(graph, f"{scope}/matrix", f"{scope}/bias", f"{scope}/idt", False))
    scope = f"final_layer{suffix}"
    layers.append(read_layer(graph, f"{scope}/matrix", f"{scope}/bias", f"{scope}/idt", True))
    if len(layers) == 1:
        raise graph.error(
            "cannot convert a model whose fitting net has no hidden layers (neuron = []): dpcore "
            "needs one at least"
        )
    check_chain(graph, f"the fitting net of type {centre}", layers)
    return layers


def has_skip(hidden: list[DenseLayer], k: int) -> bool:
    """The rule of the fitting net: a skip where the width stays, not on layer 0."""
    return k > 0 and hidden[k].bias.size == hidden[k - 1].bias.size


def check_nets(graph: Graph, nets: list[list[DenseLayer]]) -> None:
    """All nets must be of one form, with time steps exactly on the skips or nowhere."""
    forms = set()
    for centre, net in enumerate(nets):
        hidden = net[:-1]
        skips = [has_skip(hidden, k) for k in range(len(hidden))]
        time_steps = {layer.idt is not None for layer, skip in zip(hidden, skips) if skip}
        stray = any(layer.idt is not None for layer, skip in zip(hidden, skips) if not skip)
        if stray or len(time_steps) > 1:
            raise graph.error(
                f"the fitting net of type {centre} has time steps (idt) on some "
                "layers only, or on layers without a skip; the file is corrupt or of an unknown "
                "version"
            )
        shapes = tuple(layer.matrix.shape for layer in net)
        activations = frozenset(layer.activation for layer in hidden)
        forms.add((shapes, activations, *time_steps, net[0].matrix.dtype.name))
    if len(forms) > 1 or any(len(form[1]) > 1 for form in forms):
        raise graph.error(
            f"the fitting nets differ in size, activation, time step or precision: "
            f"{sorted(map(str, forms))}; dpcore has one form for all types"
        )


def _subtracts_vacuum(graph: Graph, centre: int, net: list[DenseLayer]) -> bool:
    """True when the net is used as net(x) - net(x with zero descriptor)."""
    uses = {len(layer.sums) for layer in net}
    if uses == {1}:
        return False
    outputs = [total.name for total in net[-1].sums]
    environment = [node.name for node in graph if node.op in DESCRIPTOR_OPS]
    with_descriptor = [
        name for name in outputs if environment[0] in graph.ancestors([name], values_only=True)
    ]
    differences = [
        [graph.resolve_cast(source_name(reference)) for reference in node.input]
        for node in graph.forward_nodes()
        if node.op == "Sub"
    ]
    if uses == {2} and len(with_descriptor) == 1:
        without = next(name for name in outputs if name not in with_descriptor)
        if [with_descriptor[0], without] in differences:
            return True
    raise graph.error(
        f"the fitting net of type {centre} is used {sorted(uses)} times, and not as "
        "the difference to the isolated atom (atom_ener); the model is of a version dpcore does "
        "not know"
    )


def _per_type(graph: Graph, name: str, n_types: int, default: float) -> np.ndarray:
    """A constant of one value per type, float64; ``default`` where it is not used."""
    if not graph.in_forward(name):
        return np.full(n_types, default)
    values = graph.const(name)
    if values.dtype.kind != "f" or values.size != n_types or not np.all(np.isfinite(values)):
        raise graph.error(
            f"{name!r} should be {n_types} finite numbers (one per type), is "
            f"{values.dtype} of shape {list(values.shape)}; the file is corrupt"
        )
    return values.reshape(-1).astype(np.float64)


def _bias(graph: Graph, nets: list[list[DenseLayer]], n_types: int, notes: list[str]) -> np.ndarray:
    """The constant per type beside the final bias, [n_types] eV, float64.

    A scale (t_out_std) other than one is multiplied into the output layer.
    """
    bias = _per_type(graph, "fitting_attr/t_bias_atom_e", n_types, 0.0)
    for centre in range(n_types):
        name = f"atom_{centre}_ener"
        if graph.in_forward(name):
            bias[centre] += float(graph.number(name))
    scale = _per_type(graph, _OUT_STD, n_types, 1.0)
    if len(nets) < n_types and np.any(scale != scale[0]):
        raise graph.error(
            f"t_out_std = {scale.tolist()} differs between types that share a net; not supported"
        )
    for centre in np.nonzero(scale[: len(nets)] != 1.0)[0]:
        output = nets[centre][-1]
        output.matrix = (output.matrix * scale[centre]).astype(output.matrix.dtype)
        output.bias = (output.bias * scale[centre]).astype(output.bias.dtype)
        notes.append(f"t_out_std = {scale[centre]} of type {centre} is in its output layer now")
    return bias * scale + _per_type(graph, _OUT_BIAS, n_types, 0.0)


def _atom_ener(
    graph: Graph, script: dict[str, Any], subtracted: list[bool], shared: bool, bias: np.ndarray
) -> list[float | None]:
    """atom_ener of the config: a number for the types with the difference, else None; where types share a net,
    what the script says.
    """
    if not any(subtracted):
        return []
    written = value_of(graph, script, "atom_ener", "a list of numbers or null", [])
    if shared:
        padded = written + [None] * (len(bias) - len(written))
        return padded if any(e is not None for e in written) else bias.tolist()
    values: list[float | None] = []
    for centre, is_difference in enumerate(subtracted):
        given = written[centre] if centre < len(written) else None
        number = float(bias[centre]) if given is None else float(given)
        values.append(number if is_difference else None)
    return values


def _parameter_size(graph: Graph, key: str, name: str) -> int:
    """numb_fparam or numb_aparam; 0 in graphs older than the parameter."""
    size = int(graph.number(name)) if graph.is_const(name) else 0
    # se_a_tpe may take aparam in place of the fitting net
    elsewhere = key == "aparam" and any(node.op == "MapAparam" for node in graph.forward_nodes())
    if size < 0 or (size == 0 and graph.in_forward(f"t_{key}") and not elsewhere):
        raise graph.error(f"the energy depends on t_{key} but {name!r} is {size}; corrupt file")
    return size


def _parameter_statistics(graph: Graph, key: str, part: str, size: int) -> np.ndarray:
    """Average or inverse standard deviation of fparam/aparam, [size], float64."""
    name = f"fitting_attr/t_{key}_{part}"
    values = graph.const(name)
    if values.dtype.kind != "f" or values.size != size or not np.all(np.isfinite(values)):
        raise graph.error(
            f"{name!r} should be {size} finite numbers, is {values.dtype} of shape "
            f"{list(values.shape)}; the file is corrupt"
        )
    return values.reshape(-1).astype(np.float64)
