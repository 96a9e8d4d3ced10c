# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp train: what it writes, and what it refuses."""

import json
import os
import re

import numpy as np
import pytest
from make_system import SHARED, make_system
from training_case import dp, make_case, read_curve, same_tensors, write_input

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.checkpoint import Checkpoints, find_checkpoint
from dpcore.errors import InputError
from dpcore.modelfile import read_model
from dpcore.train import train
from dpcore.training.learning_curve import LearningCurve, average_terms
from dpcore.training.loop import _Clock


@pytest.fixture
def case(tmp_path, monkeypatch):
    """A folder with data and input.json, as the current folder."""
    monkeypatch.chdir(tmp_path)
    make_case(tmp_path)
    return tmp_path


# ---- what a run writes ---------------------------------------------------------------------------


def test_a_run_writes_curve_checkpoints_and_complete_input(case, capsys):
    assert dp("train", "input.json") == 0
    curve = read_curve()
    assert curve["step"].tolist() == [0, 5, 10, 15, 20]
    names = "step rmse_val rmse_trn rmse_e_val rmse_e_trn rmse_f_val rmse_f_trn rmse_v_val rmse_v_trn lr"
    assert list(curve.dtype.names) == names.split()
    assert all(np.isfinite(curve[name]).all() for name in curve.dtype.names)
    assert os.readlink("model.ckpt") == "model.ckpt-20"
    assert (case / "checkpoint").read_text().splitlines() == [
        'model_checkpoint_path: "model.ckpt-20"',
        'all_model_checkpoint_paths: "model.ckpt-10"',
        'all_model_checkpoint_paths: "model.ckpt-20"',
    ]
    written = json.loads((case / "out.json").read_text())
    sel = written["model"]["descriptor"]["sel"]
    assert len(sel) == 2 and all(isinstance(n, int) and n % 4 == 0 for n in sel)
    assert written["training"]["numb_steps"] == 20
    log = capsys.readouterr().err
    assert re.search(r"average training time: \d+\.\d+ s/batch \(exclude first 5 batches\)\n", log)
    assert re.search(r"batch {7}5 training time \d+\.\d\d s, testing time \d+\.\d\d s, ", log)
    assert "finished training" in log and re.search(r"wall time: \d+\.\d{3} s", log)
    assert log.index("saved checkpoint model.ckpt-20") < log.index("average training time")


def test_lines_of_the_curve_have_the_columns_of_the_reference(tmp_path):
    curve = LearningCurve(tmp_path / "lcurve.out", ["rmse", "rmse_e"], validation=True)
    curve.add(1000, {"rmse": 26.7, "rmse_e": 0.0915}, {"rmse": 1.0, "rmse_e": float("nan")}, 0.002)
    curve.close()
    header, row = (tmp_path / "lcurve.out").read_text().splitlines()
    assert header == "#  step      rmse_val    rmse_trn    rmse_e_val  rmse_e_trn         lr"
    assert row == "   1000      1.00e+00    2.67e+01           nan    9.15e-02    2.0e-03"


def test_the_model_file_tells_how_it_was_trained(case):
    assert dp("train", "input.json") == 0
    training = read_model("model.ckpt").training
    assert training["numb_steps"] == 20 and training["source"] == "dp train"
    assert training["min_nbor_dist"] > 1.0 and len(training["max_nbor_size"]) == 2
    assert training["input"]["training"]["seed"] == 3
    assert set(training["rmse"]) == {"trn", "val"}
    last = read_curve()[-1]
    assert training["rmse"]["val"]["rmse_f"] == pytest.approx(last["rmse_f_val"], rel=5e-3)


def test_training_makes_the_loss_smaller(case):
    """All frames are in one batch, so that the rows compare."""
    one = {"training/training_data": {"systems": ["train_b"], "batch_size": 4}, "training/numb_steps": 60}
    write_input(case / "input.json", {**one, "training/validation_data": ...})
    assert dp("train", "input.json") == 0
    curve = read_curve()
    assert curve["rmse_e_trn"][-1] < 0.9 * curve["rmse_e_trn"][0]


def test_equal_seeds_give_equal_bytes(case):
    assert dp("train", "input.json") == 0
    os.rename("model.ckpt-20", "first")
    assert dp("train", "input.json") == 0
    assert same_tensors("first", "model.ckpt-20")


def test_a_missing_label_is_nan_in_the_curve_and_absent_in_the_log(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_case(tmp_path, keys=("coord", "box", "energy", "force"))
    assert dp("train", "input.json") == 0
    curve = read_curve()
    assert np.isnan(curve["rmse_v_trn"]).all() and np.isfinite(curve["rmse_f_val"]).all()
    log = capsys.readouterr().err
    assert "no training system has virial labels" in log and "rmse_v" not in log


def test_without_validation_there_are_only_columns_of_training(case):
    write_input(case / "input.json", {"training/validation_data": ...})
    assert dp("train", "input.json") == 0
    assert list(read_curve().dtype.names) == ["step", *"rmse_trn rmse_e_trn rmse_f_trn rmse_v_trn lr".split()]


def test_checkpoints_do_not_wait_for_displays_and_the_last_step_is_saved(case):
    write_input(
        case / "input.json",
        {"training/save_freq": 3, "training/disp_freq": 7, "training/max_ckpt_keep": 2},
    )
    assert dp("train", "input.json") == 0
    assert sorted(p.name for p in case.glob("model.ckpt-*")) == ["model.ckpt-18", "model.ckpt-20"]


def test_other_names_and_no_curve(case, capsys):
    changes = {"save_ckpt": "deep/er/m", "disp_training": False, "save_freq": 0, "numb_steps": 2}
    write_input(case / "input.json", {f"training/{k}": v for k, v in changes.items()})
    assert dp("train", "input.json", "-o", "full.json") == 0
    assert (case / "full.json").exists() and not (case / "lcurve.out").exists()
    assert os.readlink("deep/er/m") == "m-2"
    assert re.search(
        r"average training time: \S+ s/batch \(exclude first 1 batches\)", capsys.readouterr().err
    )


def test_input_in_yaml_and_in_the_layout_of_version_1(case):
    import yaml

    config = json.loads((case / "input.json").read_text())
    data = config["training"].pop("training_data")
    del config["training"]["validation_data"]
    config["training"].update(data)
    (case / "old.yaml").write_text(yaml.safe_dump(config))
    assert dp("train", "old.yaml") == 0
    assert "training_data" in json.loads((case / "input_v2_compat.json").read_text())["training"]


def test_the_type_map_can_come_from_the_data(case):
    write_input(case / "input.json", {"model/type_map": ...})
    assert dp("train", "input.json") == 0
    assert read_model("model.ckpt").config["type_map"] == ["O", "H"]


@pytest.mark.parametrize(
    ("n_steps", "disp_freq", "expected"), [(400, 100, 100), (150, 100, 10), (10, 100, 5), (1, 100, 0)]
)
def test_how_many_first_steps_do_not_count(n_steps, disp_freq, expected):
    clock = _Clock(n_steps, disp_freq)
    for step in range(n_steps):
        clock.add(1000.0 if step < expected else 0.5)
    assert clock.summary() == f"average training time: 0.500000 s/batch (exclude first {expected} batches)"


def test_means_over_batches_leave_out_missing_labels():
    nan = float("nan")
    mean = average_terms([{"rmse": 1.0, "rmse_v": nan}, {"rmse": 4.0, "rmse_v": 2.0}], [10, 20])
    assert mean == {"rmse": 3.0, "rmse_v": 2.0}
    assert np.isnan(average_terms([{"rmse_v": nan}], [10])["rmse_v"])


# ---- what goes wrong -----------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_and_names_the_frames(case):
    huge = {"learning_rate/start_lr": 1e34, "learning_rate/stop_lr": 1e33, "training/save_freq": 1}
    nets = {f"model/{part}/activation_function": "relu" for part in ("descriptor", "fitting_net")}
    write_input(case / "input.json", {**huge, **nets})
    message = r"train_[ab]/set.00\d, frame\(s\) \d: training stopped after 1 steps: .*not finite"
    with pytest.raises(InputError, match=message) as caught:
        train("input.json")
    assert "the last good checkpoint is model.ckpt-1" in str(caught.value)
    assert (case / "model.ckpt-1").is_file()
    for path in case.glob("model.ckpt-*"):
        assert all(np.isfinite(t).all() for t in read_model(path).tensors.values())


def test_a_nan_label_names_file_and_frame(case):
    force = np.load("train_a/set.001/force.npy")
    force[1, 4] = np.nan
    np.save("train_a/set.001/force.npy", force)
    with pytest.raises(InputError, match=r"set.001/force.npy: NaN in frame 1, atom 1"):
        train("input.json")


def test_automatic_sel_needs_the_count(case):
    with pytest.raises(InputError, match="model/descriptor/sel: .*--skip-neighbor-stat"):
        train("input.json", skip_neighbor_stat=True)
    write_input(case / "input.json", {"model/descriptor/sel": [8, 8]})
    assert train("input.json", skip_neighbor_stat=True) == 0
    assert read_model("model.ckpt").training["min_nbor_dist"] is None


def test_a_file_in_the_way_of_checkpoints_is_not_replaced(case):
    (case / "model.ckpt").write_text("mine")
    with pytest.raises(InputError, match="model.ckpt: is no link to a checkpoint"):
        train("input.json")
    assert (case / "model.ckpt").read_text() == "mine"


def test_checkpoints_of_tensorflow_are_refused_by_name(tmp_path):
    (tmp_path / "model.ckpt-10.index").touch()
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-10"\n')
    for where in (tmp_path, tmp_path / "model.ckpt-10"):
        with pytest.raises(InputError, match="is a checkpoint of TensorFlow"):
            find_checkpoint(where)


def test_a_checkpoint_with_numbers_that_are_not_finite_is_not_written(tmp_path):
    checkpoints = Checkpoints(tmp_path / "model.ckpt")
    with pytest.raises(InputError, match="after step 7 the parameters 'a' are not all finite"):
        checkpoints.save(7, {"format": "dpcore-checkpoint"}, {"a": np.array([np.inf])})
    assert list(tmp_path.iterdir()) == []


def test_a_prefix_means_its_checkpoint_of_the_highest_step(tmp_path):
    for name in ("m-9", "m-10", "m-x", "other-99"):
        (tmp_path / name).touch()
    assert find_checkpoint(tmp_path / "m").name == "m-10"


# ---- forms of systems and models -----------------------------------------------------------------


def test_parameters_and_systems_without_cell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("train_a", "train_b", "valid"):
        keys = ("coord", "energy", "force", "fparam", "aparam")
        make_system(tmp_path / name, sizes=(3,), types=(0, 1, 1), pbc=False, keys=keys)
    write_input(
        tmp_path / "input.json",
        {"model/fitting_net/numb_fparam": 2, "model/fitting_net/numb_aparam": 3, "training/numb_steps": 3},
    )
    assert dp("train", "input.json") == 0
    assert read_model("model.ckpt").tensors["fitting/aparam_avg"].shape == (3,)


@pytest.mark.skipif(not (SHARED / "data" / "water").is_dir(), reason="no shared water data")
def test_ten_steps_on_water(tmp_path, monkeypatch):
    water = SHARED / "data" / "water"
    config = json.loads((water / "input_se_e2_a.json").read_text())
    config["model"]["descriptor"].update(neuron=[5, 10], axis_neuron=4)
    config["model"]["fitting_net"]["neuron"] = [20, 20]
    training = config["training"]
    training.update(numb_steps=10, disp_freq=5)
    for part in ("training_data", "validation_data"):
        training[part]["systems"] = [str(water / s) for s in training[part]["systems"]]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.json").write_text(json.dumps(config))
    assert dp("train", "input.json") == 0
    curve = read_curve()
    assert curve["step"].tolist() == [0, 5, 10]
    assert 0.5 < curve["rmse_f_val"][0] < 1.5
    assert read_model("model.ckpt").training["max_nbor_size"] == [38, 72]
