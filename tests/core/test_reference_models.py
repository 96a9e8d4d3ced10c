# SPDX-License-Identifier: LGPL-3.0-or-later
"""Every reference model, converted and evaluated by the core, against the stored values.

The acceptance limit is a relative error (reference.agreement: max|a - b| / max|b|
over all frames) of 1e-10 for every quantity, 1e-5 where the nets are float32.  The
same limits hold against the numpy oracle.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from reference import se_e2_a as oracle
from reference.agreement import (
    ENERGY_MODELS,
    QUANTITIES,
    SINGLE_PRECISION,
    reference_folder,
    reference_values,
    relative_error,
)

pytest.importorskip("dpcore._core", reason="the compiled core is not built")
pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")

from dpcore import _core as core
from dpcore.convert import read_tensorflow_graph
from dpcore.convert_from import convert_from
from dpcore.grammar import descriptor_parts
from dpcore.infer import DeepPot


def limit_of(name):
    return 1e-5 if name in SINGLE_PRECISION else 1e-10


@pytest.fixture(scope="module", params=ENERGY_MODELS)
def case(request, tmp_path_factory):
    """(name, path of the converted model, reference values) of one model."""
    name = request.param
    graph = reference_folder(name) / "graph.pb"
    # The name of an old script: the content decides, not the suffix.
    path = tmp_path_factory.mktemp(name) / "frozen_model.pb"
    convert_from("auto", graph, path)
    return name, path, reference_values(name)


def evaluate(path, values):
    """All outputs of ``DeepPot.eval``, by name."""
    results = DeepPot(str(path)).eval(
        values["coord"],
        values.get("box"),
        values["type"],
        atomic=True,
        fparam=values.get("fparam"),
        aparam=values.get("aparam"),
    )
    return dict(zip(("energy", "force", "virial", "atom_energy", "atom_virial"), results))


def test_core_gives_the_reference_values(case):
    name, path, values = case
    found = evaluate(path, values)
    for key in QUANTITIES:
        assert found[key].shape == values[key].shape, key
        error = relative_error(found[key], values[key])
        assert error <= limit_of(name), f"{name}: {key}: relative error {error}"


def test_core_agrees_with_the_oracle_on_the_energy_without_bias(case):
    """The bias is 1e2 to 1e3 times what the nets give and would hide their errors."""
    name, path, values = case
    metadata, tensors = core.read_model_file(str(path))
    config = json.loads(metadata["config"])
    parameters = [values.get("fparam"), values.get("aparam")]
    expected = oracle.evaluate(
        config, tensors, values["coord"], values.get("box"), values["type"], *parameters
    )["atom_energy"]
    bias = tensors["fitting/bias_atom_e"][values["type"]]
    found = evaluate(path, values)["atom_energy"].reshape(expected.shape)
    error = relative_error(found - bias, expected - bias)
    assert error <= limit_of(name), f"{name}: relative error {error}"


def test_file_holds_what_was_converted(case):
    name, path, _ = case
    metadata, tensors = core.read_model_file(str(path))
    graph = reference_folder(name) / "graph.pb"
    expected_metadata, expected = read_tensorflow_graph(graph)
    assert metadata["config"] == expected_metadata["config"]
    assert metadata["training"] == expected_metadata["training"]
    assert set(tensors) == set(expected)
    for key, value in expected.items():
        assert tensors[key].dtype == value.dtype and np.array_equal(tensors[key], value), key


def test_potential_tells_what_it_is(case):
    name, path, values = case
    potential = DeepPot(str(path))
    config = json.loads(read_tensorflow_graph(reference_folder(name) / "graph.pb")[0]["config"])
    n_types = len(config["type_map"])
    assert potential.get_type_map() == config["type_map"]
    assert potential.get_ntypes() == n_types
    rcut = max(part["rcut"] for _, part in descriptor_parts(config["descriptor"]))
    assert potential.get_rcut() == pytest.approx(rcut, rel=1e-7)
    assert potential.get_dim_fparam() == config["fitting_net"]["numb_fparam"]
    assert potential.get_dim_aparam() == config["fitting_net"]["numb_aparam"]
    n_atoms = len(values["type"])
    energy, force, virial = potential.eval(
        values["coord"][:1],
        None if "box" not in values else values["box"][:1],
        values["type"],
        fparam=values["fparam"][:1] if "fparam" in values else None,
        aparam=values["aparam"][:1] if "aparam" in values else None,
    )
    assert energy.shape == (1, 1) and force.shape == (1, n_atoms, 3) and virial.shape == (1, 9)


@pytest.mark.parametrize(
    "change",
    [
        # None of the references has radii that single precision cannot hold.
        pytest.param({"rcut": 6.0, "rcut_smth": 1.8}, id="rcut_smth rounded"),
        pytest.param({"rcut": 4.1, "rcut_smth": 3.3}, id="both rounded"),
        pytest.param({"sel": [2, 3, 1]}, id="more neighbours than sel"),
        pytest.param({"sel": [10, 0, 10]}, id="no slots for a type"),
        pytest.param({"exclude_types": [[0, 1], [2, 2]]}, id="one-sided with exclude_types"),
    ],
)
def test_core_agrees_with_the_oracle_on_settings_without_a_reference(change):
    metadata, tensors = read_tensorflow_graph(reference_folder("nopbc") / "graph.pb")
    values = reference_values("nopbc")
    config = json.loads(metadata["config"])
    config["descriptor"].update(change)
    model = core.Model(json.dumps(config), tensors)
    types = values["type"].astype(np.int32)
    found = model.evaluate(values["coord"], None, types, None, None, True)
    expected = oracle.evaluate(config, tensors, values["coord"], None, types)
    bias = tensors["fitting/bias_atom_e"][types]
    for results in (found, expected):
        results["atom_energy"] = results["atom_energy"] - bias
    for key in ("atom_energy", "force", "virial", "atom_virial"):
        error = relative_error(found[key], expected[key])
        assert error <= 1e-10, f"{key}: relative error {error}"
