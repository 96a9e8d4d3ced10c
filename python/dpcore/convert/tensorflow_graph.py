# SPDX-License-Identifier: LGPL-3.0-or-later
"""DeePMD-kit TensorFlow graphs (0.12, 1.x to 3.x) as dpcore models.

What is read: the descriptors ``se_e2_a``, ``se_e2_r``, ``se_e3``, ``loc_frame`` and ``hybrid`` of these, and
the fitting nets ``ener``, and with ``se_e2_a`` ``dipole`` and ``polar``, also with type embedding; of compressed
models the tables.  Weights
and statistics are the constants of the graph; what no constant tells (cut-off,
skips, activation, how the bias enters) comes from its operations, and from the
training script stored in it for what the graph does not show (seeds, trainable).
"""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dpcore import __version__
from dpcore.convert.descriptor import n_types_of, read_descriptor, settle_axis_neuron
from dpcore.convert.energy_fitting import read_fitting
from dpcore.convert.graph import Graph
from dpcore.convert.graphdef import read_graph
from dpcore.convert.modifier import read_modifier, split_modifier
from dpcore.convert.script import read_script, section, value_of
from dpcore.convert.short_range import read_short_range
from dpcore.convert.tensor_fitting import read_tensor_fitting
from dpcore.convert.type_embedding import has_type_embedding, read_type_embedding
from dpcore.convert.unsupported import model_kind, refuse_unknown_operations, refuse_unsupported
from dpcore.grammar import descriptor_parts

# Names of the outputs; those with "_test" were used before 1.0.
_ENERGY_OUTPUTS = ("o_atom_energy", "o_energy", "atom_energy_test", "energy_test")
_LAST_OUTPUTS = ("o_virial", "virial_test")


def read_tensorflow_graph(
    path: str | Path, expected_format: str = "auto"
) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Read a frozen DeePMD-kit model and return a dpcore model.

    Parameters
    ----------
    path
        Binary (.pb) or text (.pbtxt) graph, recognised by content.
    expected_format
        ``"auto"``, ``"pb"`` or ``"pbtxt"``; the last two refuse the other form.

    Returns
    -------
    metadata
        Strings: format, format_version, dpcore_version, kind, config (JSON of the
        ``model`` section) and training (JSON summary; ``notes`` lists what the
        conversion changed or assumed).
    tensors
        ``descriptor/...`` and ``fitting/...`` arrays, of a modifier ``modifier/...``.

    Raises ``InputError`` for files that are damaged or no DeePMD-kit graphs, and
    for models that dpcore cannot represent (refused by name).
    """
    path = Path(path)
    whole = Graph(read_graph(path, expected_format), path)
    graph, dipole = split_modifier(whole)
    notes: list[str] = []
    config, tensors = _convert(graph, notes)
    if dipole is not None:
        inner = partial(_convert, notes=[])
        config["modifier"], more = read_modifier(whole, dipole, inner)
        tensors.update(more)
    model_metadata = {
        "format": "dpcore-model",
        "format_version": "1",
        "dpcore_version": __version__,
        "kind": config["fitting_net"]["type"],
        "config": json.dumps(config),
        "training": json.dumps(_training_summary(graph, read_script(graph), notes)),
    }
    if any("compress" in part for _, part in descriptor_parts(config["descriptor"])):
        model_metadata["model_type"] = "compressed_model"
    return model_metadata, tensors


def _convert(graph: Graph, notes: list[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Config and tensors of a graph without modifier; ``notes`` collects what the conversion changed."""
    script = read_script(graph)
    refuse_unsupported(graph, script)
    kind = model_kind(graph)
    graph.trace_forward(_energy_outputs(graph) if kind == "ener" else _tensor_outputs(graph, kind))
    refuse_unknown_operations(graph)

    types, n_numbers = {}, 0
    tensors: dict[str, np.ndarray] = {}
    if has_type_embedding(graph):
        embedding, tensors = read_type_embedding(graph, section(script, "model", "type_embedding"), notes)
        types, n_numbers = {"type_embedding": embedding}, embedding["neuron"][-1]
    descriptor, found = read_descriptor(graph, section(script, "model", "descriptor"), notes, n_numbers)
    tensors.update(found)
    n_types = n_types_of(descriptor)
    if types and tensors["type_embedding/layer_0/matrix"].shape[0] != n_types:
        raise graph.error(f"the net of the types is not for the {n_types} types of sel; the file is corrupt")
    type_map = _type_map(graph, section(script, "model"), n_types, notes)
    written = section(script, "model", "fitting_net")
    if kind == "ener":
        fitting, fitting_tensors = read_fitting(graph, written, n_types, notes)
    else:
        width = descriptor["neuron"][-1]
        fitting, fitting_tensors = read_tensor_fitting(graph, written, kind, n_types, width, notes)
    n_inputs = next(v for k, v in fitting_tensors.items() if k.endswith("/layer_0/matrix")).shape[0]
    settle_axis_neuron(graph, descriptor, fitting, n_inputs - n_numbers)
    tensors.update(fitting_tensors)
    notes.extend(_dropped_options(section(script, "model")))

    config = {"type_map": type_map, "descriptor": descriptor, "fitting_net": fitting, **types}
    if kind == "ener":
        keys, table = read_short_range(graph, section(script, "model"), n_types)
        config.update(keys)
        tensors.update(table)
    return config, tensors


def _tensor_outputs(graph: Graph, kind: str) -> list[str]:
    """The node of the tensors of atoms, which is always there."""
    if f"o_{kind}" not in graph:
        raise graph.error(
            f"the graph has no output o_{kind}; the file is truncated or no frozen {kind} model"
        )
    return [f"o_{kind}"]


def _energy_outputs(graph: Graph) -> list[str]:
    """The nodes of the energy; the virial, the last output, must be there too."""
    outputs = [name for name in _ENERGY_OUTPUTS if name in graph]
    if not outputs or not any(name in graph for name in _LAST_OUTPUTS):
        raise graph.error(
            f"the graph has no energy or no virial output (expected {' or '.join(_ENERGY_OUTPUTS)}, "
            f"and {' or '.join(_LAST_OUTPUTS)}); the file is truncated or not a frozen energy model"
        )
    return outputs


def _dropped_options(script: dict[str, Any]) -> list[str]:
    """Options of the script that dpcore lacks and that do not change the graph."""
    notes = []
    for key in ("pair_exclude_types", "atom_exclude_types"):
        if script.get(key):
            notes.append(f"model/{key} = {script[key]} was dropped: it has no effect in the graph")
    if section(script, "fitting_net").get("default_fparam") is not None:
        notes.append("fitting_net/default_fparam was dropped: fparam must be given")
    return notes


def _training_summary(graph: Graph, script: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    training = section(script, "training")
    distance = None
    if graph.is_const("train_attr/min_nbor_dist"):
        stored = float(graph.number("train_attr/min_nbor_dist"))
        distance = stored if math.isfinite(stored) else None
    return {
        "min_nbor_dist": distance,
        "max_nbor_size": [],
        "input": script or None,
        "numb_steps": training.get("numb_steps", training.get("stop_batch")),
        "source": f"converted from {graph.path.name}",
        "notes": notes,
    }


def _type_map(graph: Graph, script: dict[str, Any], n_types: int, notes: list[str]) -> list[str]:
    """Names of the types: from the graph, else from the script, else Type_0 ..."""
    names: list[str] = []
    if graph.is_const("model_attr/tmap"):
        names = graph.string("model_attr/tmap").split()
    names = names or value_of(graph, script, "type_map", "a list of texts", [])
    if not names:
        names = [f"Type_{index}" for index in range(n_types)]
        notes.append(f"the graph has no type_map; the types are named {' '.join(names)}")
    if len(names) != n_types or len(set(names)) != n_types:
        raise graph.error(
            f"type_map {names} does not name the {n_types} types of the descriptor; the file is corrupt"
        )
    return names
