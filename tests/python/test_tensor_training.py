# SPDX-License-Identifier: LGPL-3.0-or-later
"""Dipoles and polarizabilities from the input file to dp test."""

import json
import logging
import re

import numpy as np
import pytest
from make_input import changed
from make_system import SHARED, make_system
from training_case import INPUT, dp, open_reference, same_tensors, write_input

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.config import active_terms, core_config, labels_of_loss, normalize
from dpcore.convert import read_tensorflow_graph
from dpcore.data import DataCollection, DeepmdSystem, make_rng
from dpcore.errors import InputError
from dpcore.infer import DeepDipole, DeepPolar, DeepPotential
from dpcore.modelfile import read_model
from dpcore.stat import compute_statistics
from dpcore.test import test as run_test

LABELS = {"dipole": "dipole", "polar": "polarizability"}
LOSS = {"type": "tensor", "pref": 1.0, "pref_atomic": 2.0}
F = "model/fitting_net"


def fitting(kind, **changes):
    return {"type": kind, "sel_type": [0], "neuron": [5, 5], "seed": 2, **changes}


def make_case(folder, kind="dipole", changes=(), keys=None, **of_fitting):
    """Three systems with tensors of frames and atoms, and input.json."""
    name = LABELS[kind]
    keys = ("coord", "box", name, f"atomic_{name}") if keys is None else ("coord", "box", *keys)
    for part, types, seed in (
        ("train_a", (0, 1, 1, 0), 1),
        ("train_b", (1, 0, 0), 2),
        ("valid", (0, 1, 1, 0), 3),
    ):
        make_system(folder / part, sizes=(3, 2), types=types, keys=keys, seed=seed)
    return write_input(folder / "input.json", {F: fitting(kind, **of_fitting), "loss": LOSS, **dict(changes)})


@pytest.fixture(params=LABELS)
def kind(request):
    return request.param


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- training, freezing, testing ------------------------------------------------------------------


def test_initial_model_gives_the_types_and_which_of_them_are_selected(here, kind):
    make_case(here, kind, sel_type=None)
    assert dp("train", "input.json") == 0
    make_case(here, kind, {"model/type_map": ...}, sel_type=None)
    assert dp("train", "input.json", "--init-model", "model.ckpt") == 0
    assert json.loads((here / "out.json").read_text())["model"]["fitting_net"]["sel_type"] == [0, 1]


def test_from_the_input_to_the_test(here, kind, caplog):
    make_case(here, kind)
    assert dp("train", "input.json") == 0
    lines = (here / "lcurve.out").read_text().splitlines()
    names = [f"{n}_{part}" for n in ("rmse", "rmse_lc", "rmse_gl") for part in ("val", "trn")]
    assert lines[0].split() == ["#", "step", *names, "lr"]
    rows = np.array([[float(word) for word in line.split()] for line in lines[1:]])
    assert rows[:, 0].tolist() == [0, 5, 10, 15, 20] and np.isfinite(rows).all()
    assert dp("freeze", "-o", "m.dp") == 0
    model = DeepPotential("m.dp")
    assert type(model) is {"dipole": DeepDipole, "polar": DeepPolar}[kind]
    assert read_model("m.dp").metadata["kind"] == kind and model.get_sel_type() == [0]
    data = DeepmdSystem("valid", ["O", "H"], labels=[LABELS[kind]]).read(1)
    found = model.eval(data["coord"], data["box"], data["type"], atomic=False)
    assert np.array_equal(
        found, DeepPotential("model.ckpt").eval(data["coord"], data["box"], data["type"], False)
    )

    logging.getLogger("dpcore").propagate = True
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="dpcore"):
        run_test("m.dp", "valid", detail_file="det")
        run_test("m.dp", "valid", detail_file="atomic", atomic=True)
    detail = np.loadtxt("det.out")
    k = found.shape[1]
    assert detail.shape == (5, 2 * k) and np.allclose(detail[3:, k:], found, rtol=1e-15)
    rmse = np.sqrt(np.mean((detail[:, :k] - detail[:, k:]) ** 2))
    word = "Dipole" if kind == "dipole" else "Polarizability"
    for suffix, divisor in (("", 1), ("/sqrtN", np.sqrt(2)), ("/N", 2)):
        values = re.findall(rf"{word}  RMSE{suffix} +: (\S+)", caplog.text)
        assert values and all(float(v) == pytest.approx(rmse / divisor, rel=1e-5) for v in values)
    detail = np.loadtxt("atomic.out")  # of the two selected atoms of each frame
    rmse = np.sqrt(np.mean((detail[:, :k] - detail[:, k:]) ** 2))
    assert detail.shape == (10, 2 * k)
    values = re.findall(rf"Atomic {word.lower()}  RMSE +: (\S+)", caplog.text)
    assert values and all(float(v) == pytest.approx(rmse, rel=1e-5) for v in values)


def test_a_run_goes_on_from_its_checkpoint(here, kind):
    make_case(here, kind)
    assert dp("train", "input.json") == 0
    (here / "model.ckpt-20").rename("whole")
    assert dp("train", "input.json", "--restart", "model.ckpt-10") == 0
    assert same_tensors("model.ckpt-20", "whole")


def test_labels_of_some_systems_only(here):
    make_case(here, "dipole")
    (here / "train_a" / "set.000" / "dipole.npy").unlink()
    (here / "train_a" / "set.001" / "dipole.npy").unlink()
    for index in (0, 1):
        (here / "valid" / f"set.00{index}" / "atomic_dipole.npy").unlink()
    assert dp("train", "input.json") == 0
    lines = (here / "lcurve.out").read_text().splitlines()
    rows = np.array([[float(word) for word in line.split()] for line in lines[1:]])
    assert np.isnan(rows[:, 3]).all() and np.isfinite(rows[:, [1, 2, 5]]).all()


@pytest.mark.parametrize("name", ["dipole_atomic", "polar_atomic", "polar_global"])
def test_starting_from_a_graph_of_the_reference(here, name):
    folder = SHARED / "reference" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    graph = str(folder / "graph.pb")
    model = json.loads((folder / "input.json").read_text())["model"]
    descriptor, fitting_net = model["descriptor"], model["fitting_net"]
    changes = {"model/descriptor": descriptor, "training/numb_steps": 2, F: fitting_net}
    make_case(here, fitting_net["type"], changes)
    assert dp("train", "input.json", "--init-frz-model", graph) == 0
    assert dp("train", "input.json", "--init-frz-model", "model.ckpt") == 0
    write_input(here / "input.json", {**changes, "loss": LOSS, F: {**fitting_net, "sel_type": [1]}})
    assert dp("train", "input.json", "--init-frz-model", graph) == 1


# ---- data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_files_hold_selected_atoms_or_all(tmp_path, dtype):
    (arrays, *_) = make_system(
        tmp_path, types=(0, 1, 1, 0), keys=("coord", "box", "atomic_dipole"), dtype=dtype
    )
    whole = arrays["atomic_dipole"].reshape(4, 4, 3)
    for sel_type, atoms in ((None, [0, 1, 2, 3]), ([0, 1], [0, 1, 2, 3]), ([0], [0, 3]), ([1], [1, 2])):
        for content in (whole, whole[:, atoms]):
            np.save(tmp_path / "set.000" / "atomic_dipole.npy", content.reshape(4, -1))
            system = DeepmdSystem(tmp_path, labels=["dipole", "atomic_dipole"], sel_type=sel_type)
            batch = system.read(0, [2, 1])
            assert np.array_equal(batch["atomic_dipole"], whole[[2, 1]][:, atoms].reshape(2, -1))
            assert batch["find_atomic_dipole"] == 1.0 and batch["find_dipole"] == 0.0
            assert not batch["dipole"].any() and batch["dipole"].shape == (2, 3)


def test_wrong_shapes_and_nan_are_named(tmp_path):
    make_system(
        tmp_path, types=(0, 1, 1, 0), keys=("coord", "box", "polarizability", "atomic_polarizability")
    )
    file = tmp_path / "set.000" / "atomic_polarizability.npy"
    np.save(file, np.zeros((4, 9 * 3)))
    with pytest.raises(InputError, match=r"\[4, 18\].*sel_type") as caught:
        DeepmdSystem(tmp_path, labels=["atomic_polarizability"], sel_type=[0]).check()
    assert str(file) == str(caught.value.where)
    values = np.zeros((4, 18))
    values[2, 10] = np.nan
    np.save(file, values)
    with pytest.raises(InputError, match="NaN in frame 2"):
        DeepmdSystem(tmp_path, labels=["atomic_polarizability"], sel_type=[0]).check()
    np.save(tmp_path / "set.000" / "polarizability.npy", np.zeros((4, 6)))
    with pytest.raises(InputError, match="all nine components"):
        DeepmdSystem(tmp_path, labels=["polarizability"]).check()


# ---- statistics ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dipole_atomic", "dipole_global", "polar_atomic", "polar_global"])
def test_statistics_are_those_of_the_reference(name, monkeypatch):
    """With the same seed the same frames are drawn, so that all constants agree to rounding."""
    model, data = open_reference(name, monkeypatch)
    _, expected = read_tensorflow_graph(SHARED / "reference" / name / "graph.pb")
    found = compute_statistics(model, core_config(model, model["descriptor"]["sel"]), data).tensors()
    constants = {k for k in expected if "net_" not in k}
    assert set(found) == constants
    for key in constants:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-12, atol=1e-15, err_msg=key)


@pytest.mark.parametrize("shift_diag", [True, False])
@pytest.mark.parametrize("which", ["atomic_polarizability", "polarizability"])
def test_the_mean_diagonal_is_found_by_least_squares(here, shift_diag, which):
    """Systems of different composition, labels that are sums over types exactly."""
    diagonal = {0: 2.5, 1: -0.75}
    config = normalize(make_case(here, "polar", keys=(which,), sel_type=[0, 1], shift_diag=shift_diag))
    for part, types in (("train_a", (0, 1, 1, 0)), ("train_b", (1, 0, 0))):
        for index, frames in ((0, 3), (1, 2)):
            alpha = np.array([np.diag([1, 2, 3]) / 2 * diagonal[t] for t in types])
            if which == "polarizability":
                alpha = alpha.sum(axis=0, keepdims=True)
            np.save(
                here / part / f"set.00{index}" / f"{which}.npy", np.tile(alpha.reshape(1, -1), (frames, 1))
            )
    model = config["model"]
    data = DataCollection(
        config["training"]["training_data"], make_rng(1), ["O", "H"], labels_of_loss(config["loss"], "polar"),
        sel_type=[0, 1],
    )  # fmt: skip
    found = compute_statistics(model, core_config(model, [10, 10]), data).constant_matrix
    np.testing.assert_allclose(found, [2.5, -0.75] if shift_diag else [0, 0], rtol=1e-12)


# ---- the input file ----------------------------------------------------------------------------------


def settled(**changes):
    return normalize(changed({F: fitting("polar", **changes), "loss": LOSS}, INPUT))


def test_defaults_and_short_forms():
    assert settled(sel_type=None)["model"]["fitting_net"]["sel_type"] == [0, 1]
    assert settled(sel_type=1)["model"]["fitting_net"]["sel_type"] == [1]
    assert settled(sel_type=[1, 0])["model"]["fitting_net"]["sel_type"] == [0, 1]
    assert settled(scale=2, sel_type=[0, 1])["model"]["fitting_net"]["scale"] == [2.0, 2.0]
    assert settled(scale=[3, 4], sel_type=None)["model"]["fitting_net"]["scale"] == [3.0, 4.0]
    assert settled(scale=[3, 4])["model"]["fitting_net"]["scale"] == [3.0, 1.0]  # of type 0 alone
    assert settled(scale=[3], sel_type=[1])["model"]["fitting_net"]["scale"] == [1.0, 3.0]
    config = settled()
    assert normalize(config) == config
    alias = changed({F: {"type": "dipole", "dipole_type": [1]}, "loss": LOSS}, INPUT)
    assert normalize(alias)["model"]["fitting_net"]["sel_type"] == [1]
    loss = normalize(changed({F: fitting("dipole"), "loss": {**LOSS, "pref": 0}}, INPUT))["loss"]
    assert active_terms(loss, "dipole") == {"lc": "atomic_dipole"}
    assert labels_of_loss(LOSS, "polar") == ("atomic_polarizability", "polarizability")


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ({F: fitting("dipole", sel_type=[2])}, f"{F}/sel_type", "indices from 0 to 1"),
        ({F: fitting("dipole", sel_type=[0, 0])}, f"{F}/sel_type", "different types"),
        ({F: fitting("dipole", sel_type=[])}, f"{F}/sel_type", "list of at least one"),
        ({F: fitting("dipole", sel_type=-1)}, f"{F}/sel_type", "index of a type"),
        ({F: fitting("dipole", numb_fparam=1)}, f"{F}/numb_fparam", "must be 0"),
        ({F: fitting("dipole", fit_diag=True)}, f"{F}/fit_diag", "unknown key"),
        ({F: fitting("polar", scale=[1.0, 2.0, 3.0])}, f"{F}/scale", "each of the 2 types"),
        ({F: fitting("polar", scale="a")}, f"{F}/scale", "a number, or a list"),
        ({F: fitting("dipole"), "loss": {"type": "ener"}}, "loss/type", 'trained with the loss "tensor"'),
        ({F: {"type": "ener"}}, "loss/type", 'trained with the loss "ener"'),
        ({F: fitting("dipole"), "loss": {"type": "tensor", "pref": 1.0}}, "loss/pref_atomic", "required"),
        ({F: fitting("dipole"), "loss": {**LOSS, "pref": -1.0}}, "loss/pref", "0 or above"),
        (
            {F: fitting("dipole"), "loss": {**LOSS, "pref": 0, "pref_atomic": 0}},
            "loss",
            "nothing to train on",
        ),
        ({F: fitting("dipole"), "loss": {**LOSS, "start_pref_e": 1}}, "loss/start_pref_e", "unknown key"),
    ],
)
def test_wrong_input_is_refused_by_key(changes, where, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        normalize(changed({"loss": LOSS, **changes}, INPUT))
    assert caught.value.where == where
