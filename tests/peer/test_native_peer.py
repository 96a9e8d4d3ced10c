# SPDX-License-Identifier: LGPL-3.0-or-later
"""Native model files mean the same to DeePMD-kit: what it writes we read, what we write it reads.

The peer's numpy backend evaluates a native file as it is (without forces); its TensorFlow backend takes a graph that
the peer makes of it, which gives forces and virials.
"""

import numpy as np
import pytest
from dpcore.convert_backend import convert_backend
from dpcore.infer import DeepPotential
from dpcore.modelfile import read_model
from peer import make_cases
from peer.evaluate import convert, evaluate
from reference.agreement import ENERGY_MODELS, reference_folder, reference_values, relative_error

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        make_cases.peer_command() is None,
        reason=f"DeePMD-kit is not installed in {make_cases.peer_environment()} (set DPCORE_PEER)",
    ),
]
ENERGY = ("energy", "force", "virial", "atom_energy", "atom_virial")
TENSORS = ("dipole_atomic", "polar_global", "polar_atomic")
NOT_NATIVE = ("srtab", "se_e2_a_tebd", "loc_frame")  # refused in both directions: tests/python/test_native.py
MODELS = tuple(name for name in ENERGY_MODELS if name not in NOT_NATIVE)


def frames_of(values):
    return {key: values[key] for key in ("coord", "box", "type", "fparam", "aparam") if key in values}


@pytest.mark.parametrize("name", [*MODELS, *TENSORS])
def test_models_that_the_peer_writes_have_the_weights_of_its_graphs(name, tmp_path):
    """The peer's converter and ours take the same numbers out of a graph."""
    graph = reference_folder(name) / "graph.pb"
    convert(tmp_path, graph, "native.dp")
    native, original = read_model(tmp_path / "native.dp").tensors, read_model(graph).tensors
    assert set(native) == set(original)
    assert all(np.array_equal(native[key], value) for key, value in original.items())


@pytest.mark.parametrize("name", MODELS)
def test_energy_models_that_we_write_give_the_peer_the_same(name, tmp_path):
    """Measured 5e-16 for energies, 2e-14 for virials."""
    values = reference_values(name)
    limit = 1e-5 if name.endswith("f32") else 1e-10
    for form in (".dp", ".yaml"):
        convert_backend(reference_folder(name) / "graph.pb", tmp_path / f"native{form}")
    convert(tmp_path, "native.dp", "graph.pb")
    *numpy, tensorflow = evaluate(tmp_path, frames_of(values), "native.dp", "native.yaml", "graph.pb")
    for found in numpy:
        assert {"energy", "atom_energy"} <= set(found)
        assert all(relative_error(found[key], values[key]) <= limit for key in ("energy", "atom_energy"))
    assert set(ENERGY) <= set(tensorflow)
    assert all(relative_error(tensorflow[key], values[key]) <= limit for key in ENERGY)


@pytest.mark.parametrize("name", TENSORS)
def test_models_of_tensors_that_we_write_give_the_peer_the_same(name, tmp_path):
    """Of polar with fit_diag = false the peer's TensorFlow backend takes twice what the others take."""
    values = reference_values(name)
    for form in (".dp", ".yaml"):
        convert_backend(reference_folder(name) / "graph.pb", tmp_path / f"native{form}")
    convert(tmp_path, "native.dp", "graph.pb")
    *numpy, tensorflow = evaluate(tmp_path, frames_of(values), "native.dp", "native.yaml", "graph.pb")
    assert all(relative_error(found["atomic"], values["atomic"]) <= 1e-10 for found in numpy)
    if name != "polar_atomic":
        assert relative_error(tensorflow["atomic"], values["atomic"]) <= 1e-10
    ours = DeepPotential(tmp_path / "native.dp").eval(values["coord"], values.get("box"), values["type"])
    assert relative_error(ours, values["atomic"]) <= 1e-10
