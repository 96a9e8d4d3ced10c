# SPDX-License-Identifier: LGPL-3.0-or-later
"""Graphs of se_a_tpe and of polarizabilities with type embedding, written by the tests themselves, come back as they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")
pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")

from dpcore.convert import read_tensorflow_graph
from dpcore.errors import InputError
from dpcore.infer import DeepPotential
from gradcheck import make_config, make_tensor_config, make_tensors, model
from reference.graph_editing import assert_same_tensors, edited, set_values
from reference.graph_writing import write_polar_with_types, write_se_a_tpe
from small_systems import odd_systems

SYSTEM = odd_systems()["triclinic"]
CENTRES = np.zeros(6, dtype=np.int32)


def assert_same_config(metadata, config):
    found = json.loads(metadata["config"])
    assert found["type_map"] == config["type_map"]
    for section in ("descriptor", "fitting_net"):
        for key, value in config[section].items():
            if key not in ("online_table", "trainable", "atom_ener", "numb_fparam", "numb_aparam"):
                assert found[section][key] == value, f"{section}/{key}"


@pytest.mark.parametrize("one_side", [True, False])
@pytest.mark.parametrize("keys", [{}, {"resnet_dt": True, "neuron": [4, 8, 8], "type_nlayer": 1}], ids=str)
def test_se_a_tpe(one_side, keys, tmp_path):
    config = make_config({"type": "se_a_tpe", "type_one_side": one_side, **keys})
    tensors = make_tensors(config)
    path = write_se_a_tpe(tmp_path / "graph.pb", config, tensors)
    metadata, found = read_tensorflow_graph(path)
    assert_same_tensors(found, tensors)
    assert_same_config(metadata, config)
    energy = DeepPotential(path).eval(SYSTEM.coord, SYSTEM.box, SYSTEM.types)[0]
    expected = model(config, tensors).evaluate(SYSTEM.coord, SYSTEM.box, SYSTEM.types)["energy"]
    np.testing.assert_allclose(energy.ravel(), expected, rtol=1e-12)


def test_se_a_tpe_with_other_slots_is_refused(tmp_path):
    config = make_config({"type": "se_a_tpe"})
    path = write_se_a_tpe(tmp_path / "graph.pb", config, make_tensors(config))
    types = np.zeros(sum(config["descriptor"]["sel"]))
    damaged = edited(path, tmp_path, lambda graph: set_values(graph, "t_nei_type", types))
    with pytest.raises(InputError, match="'t_nei_type' does not hold the types of the slots of sel"):
        read_tensorflow_graph(damaged)


@pytest.mark.parametrize("types", [["A", "B"], ["A"]], ids=["two types", "one type"])
@pytest.mark.parametrize("keys", [{}, {"fit_diag": False, "shift_diag": False}], ids=["diagonal", "matrix"])
def test_polarizabilities_with_type_embedding(types, keys, tmp_path):
    one = make_config({"type": "type_embedding", "type_one_side": True}, type_map=types)
    config = {
        **make_tensor_config("polar", [0]),
        **{key: one[key] for key in ("type_map", "type_embedding", "descriptor")},
    }
    config["fitting_net"] = {**config["fitting_net"], "scale": [1.3, 1.0][: len(types)], **keys}
    tensors = make_tensors(config)
    tensors["fitting/constant_matrix"] = (
        np.array([0.7, 0.0])[: len(types)] * config["fitting_net"]["shift_diag"]
    )
    path = write_polar_with_types(tmp_path / "graph.pb", config, tensors)
    metadata, found = read_tensorflow_graph(path)
    assert_same_tensors(found, tensors)
    assert_same_config(metadata, config)
    tensor = DeepPotential(path).eval(SYSTEM.coord, SYSTEM.box, CENTRES, atomic=True)
    assert np.abs(tensor).max() > 1e-3
