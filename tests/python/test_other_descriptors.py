# SPDX-License-Identifier: LGPL-3.0-or-later
"""Training, continuing, freezing and using models with se_e2_r, se_e3, se_a_tpe, loc_frame, hybrid, type embedding."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.grammar import descriptor_parts
from dpcore.infer import DeepPot
from dpcore.modelfile import read_model
from reference.agreement import relative_error
from training_case import dp, make_case, read_curve, same_tensors, write_input

NEAR = {
    "type": "se_a",
    "sel": "auto:3",
    "rcut": 3.0,
    "rcut_smth": 1.0,
    "neuron": [3, 6],
    "axis_neuron": 2,
    "seed": 1,
}
FAR = {
    "type": "se_r",
    "sel": "auto:3",
    "rcut": 4.0,
    "rcut_smth": 1.0,
    "neuron": [4, 8],
    "type_one_side": True,
    "seed": 2,
}
ANGLES = {"type": "se_at", "sel": "auto:3", "rcut": 4.0, "rcut_smth": 1.0, "neuron": [4, 8], "seed": 3}
# axes: the two nearest of all types
LOCAL = {
    "type": "loc_frame",
    "sel_a": [3, 5],
    "sel_r": [2, 9],
    "rcut": 5.0,
    "axis_rule": [0, -3, 0, 0, -3, 1] * 2,
}
DESCRIPTORS = {
    "se_e2_r": FAR,
    "se_e3": ANGLES,
    "loc_frame": LOCAL,
    "hybrid": {"type": "hybrid", "list": [NEAR, FAR, {**FAR, "precision": "float32"}]},
    "type_embedding": {**FAR, "type": "se_a", "axis_neuron": 3, "type_one_side": False},
    "hybrid with se_e3": {"type": "hybrid", "list": [FAR, ANGLES]},
    "hybrid with loc_frame": {"type": "hybrid", "list": [FAR, LOCAL]},
    "se_e3 with type_embedding": ANGLES,
    "se_a_tpe": {**FAR, "type": "se_a_ebd", "axis_neuron": 3, "type_nchanl": 2},
}


def changes_of(kind, **more):
    """Changes of the input that make it one of the kind, and others."""
    types = {"neuron": [2, 4], "seed": 4} if kind.endswith("type_embedding") else None
    return {"model/descriptor": DESCRIPTORS[kind], "model/type_embedding": types, **more}


@pytest.fixture(params=DESCRIPTORS)
def kind(request, tmp_path, monkeypatch):
    """The name of the descriptor; in a folder with data and input."""
    monkeypatch.chdir(tmp_path)
    make_case(tmp_path, changes_of(request.param))
    return request.param


def test_train_freeze_and_use(kind, capfd):
    assert dp("train", "input.json") == 0
    names = {
        "hybrid": "hybrid of se_e2_a",
        "hybrid with se_e3": "hybrid of se_e2_r",
        "hybrid with loc_frame": "hybrid of se_e2_r",
        "type_embedding": "se_e2_a",
    }
    name = names.get(kind, kind.split()[0])
    log = capfd.readouterr().err
    assert f"model: {name} (rcut" in log
    assert ("with type embedding (4 numbers)" in log) == kind.endswith("type_embedding")
    curve = read_curve()
    assert curve["rmse_trn"][-1] < curve["rmse_trn"][0] and np.all(np.isfinite(curve["rmse_f_val"]))
    assert dp("freeze", "-o", "m.dp") == 0 and dp("test", "-m", "m.dp", "-s", "valid") == 0
    file, model = read_model("m.dp"), DeepPot("m.dp")
    assert dp("show", "m.dp", "size") == 0
    weights = sum(v.size for k, v in file.tensors.items() if "/layer_" in k)
    assert f"Parameters in total: {weights:,}" in capfd.readouterr().out
    coord, box = (np.load(f"valid/set.000/{name}.npy") for name in ("coord", "box"))
    types = np.loadtxt("valid/type.raw", dtype=int)
    energy, force, virial, atom_energy, atom_virial = model.eval(coord, box, types, atomic=True)
    assert np.abs(force).max() > 1e-6 and model.get_rcut() == (5.0 if kind.endswith("loc_frame") else 4.0)
    np.testing.assert_allclose(atom_energy.sum(axis=1), energy, rtol=1e-12)
    np.testing.assert_allclose(atom_virial.sum(axis=1), virial, rtol=1e-6, atol=1e-9)
    if kind == "hybrid":
        sels = [part["sel"] for part in file.config["descriptor"]["list"]]
        assert sels[0] < sels[1] == sels[2]  # counted within 3 A and within 4 A
        dtypes = {
            k.split("/")[1]: v.dtype.name for k, v in file.tensors.items() if k.endswith("layer_0/matrix")
        }
        assert [dtypes[f"part_{k}"] for k in range(3)] == ["float64", "float64", "float32"]


def test_a_continued_run_ends_as_one_in_a_piece(kind, tmp_path):
    assert dp("train", "input.json") == 0
    shutil.copy("model.ckpt-20", "whole.dp")
    assert dp("train", "input.json", "--restart", "model.ckpt-10") == 0
    assert same_tensors("model.ckpt-20", "whole.dp")


def test_weights_of_a_model_are_taken_and_others_refused(kind, tmp_path, capfd):
    assert dp("train", "input.json") == 0 and dp("freeze", "-o", "m.dp") == 0
    write_input(tmp_path / "more.json", changes_of(kind, **{"training/numb_steps": 1}))
    assert dp("train", "more.json", "--init-frz-model", "m.dp") == 0
    if kind.endswith("type_embedding"):
        for types, message in (
            ({"neuron": [2, 5]}, "type_embedding/neuron: the input has [2, 5], the model [2, 4]"),
            (None, "type_embedding: the input has null, the model"),
        ):
            write_input(tmp_path / "other.json", changes_of(kind, **{"model/type_embedding": types}))
            assert dp("train", "other.json", "--init-frz-model", "m.dp") == 1
            assert message in capfd.readouterr().err
        return
    if kind == "loc_frame":
        other = {**LOCAL, "axis_rule": [0, -3, 0, 0, -3, 2] * 2}
        write_input(tmp_path / "other.json", {"model/descriptor": other})
        assert dp("train", "other.json", "--init-frz-model", "m.dp") == 1
        assert "descriptor/axis_rule: the input has [0, -3, 0, 0, -3, 2, 0" in capfd.readouterr().err
    if kind.startswith("hybrid with") or kind == "loc_frame":
        return
    other = "se_e2_r" if kind == "hybrid" else "hybrid"
    write_input(tmp_path / "other.json", changes_of(other))
    capfd.readouterr()
    assert dp("train", "other.json", "--init-frz-model", "m.dp") == 1
    message = capfd.readouterr().err
    assert "descriptor/type: the input has" in message and '"hybrid of se_e2_a, se_e2_r, se_e2_r"' in message
    wider = {**DESCRIPTORS.get("" if kind == "hybrid" else kind, FAR), "neuron": [4, 9]}
    changed = {"type": "hybrid", "list": [NEAR, wider, FAR]} if kind == "hybrid" else wider
    write_input(tmp_path / "other.json", {"model/descriptor": changed})
    assert dp("train", "other.json", "--init-frz-model", "m.dp") == 1
    where = "descriptor/list/1/neuron" if kind == "hybrid" else "descriptor/neuron"
    assert f"{where}: the input has [4, 9], the model [4, 8]" in capfd.readouterr().err


def test_compress(kind, capfd, monkeypatch):
    """Tables serve the other descriptors as they serve se_e2_a, and each part of a hybrid descriptor."""
    assert dp("train", "input.json") == 0 and dp("freeze", "-o", "m.dp") == 0
    capfd.readouterr()
    if kind.endswith("loc_frame"):
        assert dp("compress", "-i", "m.dp", "-o", "c.dp") == 1
        assert "loc_frame, which has no embedding nets to compress" in capfd.readouterr().err
        return
    assert dp("compress", "-i", "m.dp", "-o", "c.dp") == 0
    printed = capfd.readouterr().err
    file, original = read_model("c.dp"), read_model("m.dp")
    parts = [part for _, part in descriptor_parts(file.config["descriptor"])]
    assert all(part["compress"]["step"] == 0.01 for part in parts)
    tables = [t["net"] for t in file.model().tables()]
    if kind.startswith("hybrid"):
        assert {net.split("/")[0] for net in tables} == {f"part_{k}" for k in range(len(parts))}
    assert f"{len(tables)} table(s)" in printed and all(f"{net} " in printed for net in tables)
    coord, box = (np.load(f"valid/set.000/{name}.npy") for name in ("coord", "box"))
    types = np.loadtxt("valid/type.raw", dtype=int)
    with monkeypatch.context() as patch:
        patch.setenv("DP_EXACT_NETS", "1")
        expected = DeepPot("m.dp").eval(coord, box, types)
    compressed = DeepPot("c.dp")
    assert compressed.compressed and not DeepPot("m.dp").compressed
    for one, other in zip(expected, compressed.eval(coord, box, types)):
        assert relative_error(other, one) <= 1e-8
    # a pair nearer than the tables reach is counted and evaluated by the nets
    two, near = np.array([0, 1]), np.array([[0.0, 0, 0, 0.05, 0, 0]])
    with monkeypatch.context() as patch:
        patch.setenv("DP_EXACT_NETS", "1")
        expected = DeepPot("m.dp").eval(near, None, two)
    capfd.readouterr()
    assert relative_error(compressed.eval(near, None, two)[0], expected[0]) <= 1e-6  # a part is float32
    assert compressed._model.outside_tables()["pairs"] > 0
    assert dp("compress", "-i", "c.dp", "-o", "again.dp") == 1
    assert "is compressed already" in capfd.readouterr().err
    assert dp("compress", "-i", "c.dp", "-o", "undone.dp", "--undo") == 0
    undone = read_model("undone.dp")
    assert undone.config == original.config and "model_type" not in undone.metadata
    assert all(np.array_equal(undone.tensors[key], value) for key, value in original.tensors.items())
    assert dp("compress", "-i", "m.dp", "-o", "fine.dp", "--tol", "1e-7") == 0
    assert dp("train", "input.json", "--init-frz-model", "c.dp") == 0
