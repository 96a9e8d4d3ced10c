# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp show: what is in model files, checkpoints and files that are no models."""

import json

import numpy as np
import pytest
from make_model import write_model, write_tensor_model
from reference.agreement import reference_folder
from training_case import dp, make_case

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.compress import compress
from dpcore.errors import InputError
from dpcore.modelfile import read_model
from dpcore.show import ATTRIBUTES, facts, lines


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_case(folder, {"training/numb_steps": 4, "training/save_freq": 4})
        assert dp("train", "input.json") == 0 and dp("freeze", "-o", "model.dp") == 0
    return folder


def test_everything_is_told_of_a_trained_model(trained):
    found = facts(trained / "model.dp")
    assert tuple(found) == ATTRIBUTES
    file = read_model(trained / "model.dp")
    assert found["type-map"] == ["O", "H"] and found["descriptor"] == file.config["descriptor"]
    assert found["fitting-net"] == file.config["fitting_net"]
    model = found["model"]
    assert model["format"] == "dpcore-model 1" and model["kind"] == "ener" and not model["compressed"]
    assert (model["rcut"], model["ntypes"], model["dim_descriptor"]) == (4.0, 2, 12)
    assert model["bytes"] == (trained / "model.dp").stat().st_size and model["precision"] == ["float64"]
    training = found["training"]
    assert (training["numb_steps"], training["start_lr"], training["stop_lr"]) == (4, 0.01, 1e-4)
    assert training["training_data"] == ["train_a", "train_b"] and training["min_nbor_dist"] > 0
    assert found["tables"] == [] and facts(trained / "model.ckpt", ["training"])["training"]["step"] == 4


def test_parameters_are_counted_as_layers_say(tmp_path):
    """One-sided nets 1-3-6 of two types; fitting nets 12-5-5-1 of two types, without time steps."""
    path = write_model(tmp_path / "m.dp", resnet_dt=False)
    embedding = 2 * (1 * 3 + 3 + 3 * 6 + 6)
    file = read_model(path)
    idt = sum(v.size for k, v in file.tensors.items() if k.endswith("idt") and k.startswith("fitting"))
    fitting = 2 * (12 * 5 + 5 + 5 * 5 + 5 + 5 + 1) + idt
    assert facts(path, ["size"])["size"] == {
        "descriptor": embedding,
        "fitting-net": fitting,
        "total": embedding + fitting,
    }
    assert f"Parameters in total: {embedding + fitting:,}" in lines(facts(path, ["size"]))


def test_attributes_are_printed_in_the_order_asked(trained, capsys):
    assert dp("show", trained / "model.dp", "size", "type-map") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "Parameter counts:" and out[-1] == "The type_map is ['O', 'H']"


def test_json_is_for_scripts(trained, capsys):
    assert dp("show", trained / "model.dp", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(ATTRIBUTES) and found["model"]["kind"] == "ener"
    assert found["descriptor"]["sel"] == facts(trained / "model.dp")["descriptor"]["sel"]


def test_compressed_models_show_their_tables(tmp_path):
    path = write_model(tmp_path / "m.dp", dstd=0.3)
    file = read_model(path)
    file.metadata["training"] = json.dumps({"min_nbor_dist": 0.9})
    from dpcore import _core

    _core.write_model_file(str(path), file.metadata, file.tensors)
    compress(path, tmp_path / "c.dp", tolerance=1e-2)
    found = facts(tmp_path / "c.dp", ["model", "tables", "training"])
    assert found["model"]["compressed"] and len(found["tables"]) == 2
    assert found["training"]["compression"]["source"] == "m.dp"
    assert any("net_0" in line and "intervals" in line for line in lines(found))


def test_tensor_models_tell_their_selected_types(tmp_path):
    found = facts(write_tensor_model(tmp_path / "d.dp", "polar", (1,)))
    assert found["model"]["kind"] == "polar" and found["model"]["sel_type"] == [1]
    # the rotation matrix behind the descriptor is not part of it
    assert found["model"]["dim_descriptor"] == 12


def test_graphs_of_deepmd_kit_are_shown_as_what_they_are():
    found = facts(reference_folder("hybrid") / "graph.pb")
    assert found["model"]["format"] == "TensorFlow graph of DeePMD-kit"
    assert found["size"] == {"descriptor": 1160, "fitting-net": 7394, "total": 8554}
    assert found["training"]["start_lr"] == 0.01 and len(found["training"]["training_data"]) == 3


def test_what_is_no_model_is_named(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.zeros(3))
    assert dp("show", tmp_path / "x.npy") == 1 and "NumPy .npy array" in capsys.readouterr().err
    assert dp("show", tmp_path / "none.dp") == 1 and "no such model file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model-branch", "one task and no branches"),
        ("serialization-tree", "not in model files of dpcore"),
        ("descriptr", 'no attribute "descriptr".*Did you mean "descriptor"'),
    ],
)
def test_unknown_attributes_are_refused(trained, word, message):
    with pytest.raises(InputError, match=message):
        facts(trained / "model.dp", ["size", word])
