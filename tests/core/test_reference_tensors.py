# SPDX-License-Identifier: LGPL-3.0-or-later
"""The reference models of dipoles and polarizabilities, converted, against the stored values."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from reference import tensor as oracle
from reference.agreement import reference_folder, reference_values, relative_error

pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")

from dpcore.convert import read_tensorflow_graph
from dpcore.convert_from import convert_from
from dpcore.errors import InputError
from dpcore.infer import DeepDipole, DeepPolar, DeepPot, DeepPotential

MODELS = ("dipole_atomic", "dipole_global", "polar_atomic", "polar_global")


@pytest.fixture(scope="module", params=MODELS)
def case(request, tmp_path_factory):
    """(name, path of the converted model, reference values) of one model."""
    name = request.param
    path = tmp_path_factory.mktemp(name) / "frozen_model.pb"
    convert_from("auto", reference_folder(name) / "graph.pb", path)
    return name, path, reference_values(name)


def arguments(values):
    return values["coord"], values.get("box"), values["type"]


def test_models_give_the_reference_values(case):
    """The acceptance limit is 1e-10; measured 1e-14."""
    name, path, values = case
    model = DeepPotential(path)
    assert type(model) is (DeepDipole if "dipole" in name else DeepPolar)
    names = ("tensor", "force", "virial", "atom_tensor", "atom_virial")
    found = dict(zip(names, model.eval_full(*arguments(values), atomic=True)))
    found["atomic"] = model.eval(*arguments(values))
    for key, value in found.items():
        assert value.shape == values[key].shape, key
        assert relative_error(value, values[key]) <= 1e-12, key
    assert relative_error(model.eval(*arguments(values), atomic=False), values["tensor"]) <= 1e-12
    assert len(model.eval_full(*arguments(values))) == 3


def test_oracle_agrees_with_the_reference(case):
    name, _, values = case
    metadata, tensors = read_tensorflow_graph(reference_folder(name) / "graph.pb")
    import json

    coord, box, types = arguments(values)
    found = oracle.evaluate(
        json.loads(metadata["config"]), tensors, coord[:1], None if box is None else box[:1], types
    )
    assert relative_error(found, values["atomic"][:1]) <= 1e-11


def test_models_tell_what_they_are(case):
    name, path, _ = case
    kind = name.split("_")[0]
    model = DeepPotential(str(path))
    assert (model.model_type, model.output_dim) == (kind, {"dipole": 3, "polar": 9}[kind])
    assert model.get_sel_type() == [0] and model.get_type_map() == ["O", "H"] and model.get_ntypes() == 2
    for method in (model.get_dim_fparam, model.get_dim_aparam):
        with pytest.raises(NotImplementedError):
            method()
    assert repr(model).startswith("DeepDipole(" if kind == "dipole" else "DeepPolar(")
    again = pickle.loads(pickle.dumps(model))
    assert type(again) is type(model) and copy.deepcopy(model) is model


def test_the_class_must_fit_the_model(case):
    name, path, _ = case
    other = DeepPolar if "dipole" in name else DeepDipole
    for wrong in (DeepPot, other):
        with pytest.raises(InputError, match=f'kind "{name.split("_")[0]}".*DeepPotential'):
            wrong(path)
    with pytest.raises(TypeError, match="unexpected keyword"):
        DeepPotential(path, load_prefx="load")


@pytest.mark.parametrize("key", ["fparam", "aparam", "efield", "mixed_type"])
def test_arguments_without_meaning_are_refused(case, key):
    _, path, values = case
    model = DeepPotential(path)
    for method in (model.eval, model.eval_full):
        with pytest.raises(InputError, match=f"^{key}: "):
            method(*arguments(values), **{key: True})


def test_nan_is_named(case):
    _, path, values = case
    coord, box, types = arguments(values)
    coord = coord.copy()
    coord[1, 7] = np.nan
    with pytest.raises(ValueError, match=r"frame 1.*atom 2"):
        DeepPotential(path).eval(coord, box, types)
