# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp train: an interrupted run goes on as if it had not stopped; other starts than new weights."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from training_case import dp, make_case, read_curve, same_tensors, write_input

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.checkpoint import find_checkpoint
from dpcore.errors import InputError
from dpcore.modelfile import read_model
from dpcore.train import train


@pytest.fixture
def case(tmp_path, monkeypatch):
    """A folder with data and input.json, as the current folder."""
    monkeypatch.chdir(tmp_path)
    make_case(tmp_path)
    return tmp_path


# ---- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_restart_repeats_the_run_bit_by_bit(case, precision):
    nets = {f"model/{part}/precision": precision for part in ("descriptor", "fitting_net")}
    write_input(case / "input.json", nets)
    assert dp("train", "input.json") == 0
    os.rename("model.ckpt-20", "straight")
    curve = (case / "lcurve.out").read_text()
    assert dp("train", "input.json", "--restart", "model.ckpt-10") == 0
    assert same_tensors("straight", "model.ckpt-20")
    assert read_model("straight").trainer == read_model("model.ckpt-20").trainer
    assert (case / "lcurve.out").read_text() == curve


def test_a_restart_takes_the_newest_checkpoint_of_a_folder_and_counts_no_neighbours(case, capsys):
    write_input(case / "input.json", {"training/numb_steps": 10})
    assert dp("train", "input.json") == 0
    write_input(case / "input.json", {"training/numb_steps": 15})
    capsys.readouterr()
    assert dp("train", "input.json", "-r", ".") == 0
    log = capsys.readouterr().err
    assert "changed since the checkpoint: training/numb_steps: 10 -> 15" in log
    assert "min nbor dist" not in log
    assert read_curve()["step"].tolist() == [0, 5, 10, 15]


def test_nothing_to_do_after_the_last_step(case, capsys):
    assert dp("train", "input.json") == 0
    assert dp("train", "input.json", "-r", "model.ckpt") == 0
    assert "nothing to do" in capsys.readouterr().err


def test_init_model_begins_at_step_0_with_the_weights_and_the_optimiser(case):
    assert dp("train", "input.json") == 0
    before = read_model("model.ckpt-20")
    write_input(case / "input.json", {"training/numb_steps": 1})
    assert dp("train", "input.json", "--init-model", "model.ckpt-20") == 0
    after = read_model("model.ckpt-1")
    assert after.tensors["trainer/counters"][2] == before.tensors["trainer/counters"][2] + 1
    assert read_curve()["step"].tolist() == [0]
    moved = max(np.abs(after.tensors[k] - v).max() for k, v in before.model_tensors().items())
    assert 0 < moved < 0.05


def test_init_frz_model_begins_with_the_weights_alone(case):
    assert dp("train", "input.json") == 0
    assert dp("freeze", "-o", "frozen.pb") == 0
    write_input(case / "input.json", {"training/numb_steps": 1})
    assert dp("train", "input.json", "--init-frz-model", "frozen.pb") == 0
    after = read_model("model.ckpt-1")
    assert after.tensors["trainer/counters"][2] == 1
    assert after.training["source"] == "dp train, started from frozen.pb"
    frozen = read_model("frozen.pb").tensors
    assert (after.tensors["descriptor/davg"] == frozen["descriptor/davg"]).all()
    assert 0 < np.abs(after.tensors["fitting/net_0/layer_0/matrix"]
                      - frozen["fitting/net_0/layer_0/matrix"]).max() < 0.05  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model/type_map": ["H", "O"]}, r'type_map: the input has \["H", "O"\], the model \["O", "H"\]'),
        (
            {"model/descriptor/neuron": [4, 8]},
            r"descriptor/neuron: the input has \[4, 8\], the model \[3, 6\]",
        ),
        ({"model/descriptor/rcut": 4.5}, "descriptor/rcut: the input has 4.5, the model 4.0"),
        ({"model/descriptor/sel": [5, 5]}, r"descriptor/sel: the input has \[5, 5\]"),
        ({"model/fitting_net/neuron": [5, 6]}, "fitting_net/neuron"),
        ({"model/fitting_net/resnet_dt": False}, "does not fit the input: .*idt"),
    ],
)
@pytest.mark.parametrize("option", ["--init-frz-model", "--restart"])
def test_another_model_than_the_start_is_refused(case, changes, message, option):
    write_input(case / "input.json", {"training/numb_steps": 1})
    assert dp("train", "input.json") == 0
    write_input(case / "input.json", changes)
    key = option[2:].replace("-", "_")
    with pytest.raises(InputError, match=message):
        train("input.json", **{key: "model.ckpt"})


def test_only_one_start_and_of_the_right_kind(case):
    write_input(case / "input.json", {"training/numb_steps": 1})
    assert dp("train", "input.json") == 0
    assert dp("freeze", "-o", "frozen.pb") == 0
    with pytest.raises(InputError, match="--init-model and --restart should not be set at the same time"):
        train("input.json", init_model="model.ckpt", restart="model.ckpt")
    with pytest.raises(InputError, match="frozen.pb: is a frozen model, and --restart wants a checkpoint"):
        train("input.json", restart="frozen.pb")
    with pytest.raises(InputError, match="no such checkpoint"):
        train("input.json", restart="nowhere/model.ckpt")


# ---- stopping ------------------------------------------------------------------------------------


def start(case, n_steps):
    """A training in a process of its own, as a queue would start it; returns when it displays steps."""
    options = {"numb_steps": n_steps, "disp_freq": 1, "max_ckpt_keep": 0}
    write_input(case / "input.json", {f"training/{key}": value for key, value in options.items()})
    process = subprocess.Popen(
        [sys.executable, "-m", "dpcore.cli", "train", "input.json"],
        cwd=case,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not ((case / "lcurve.out").exists() and (case / "lcurve.out").read_text().count("\n") > 5):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGUSR1", 0), ("SIGINT", 130)])
def test_a_signal_saves_a_checkpoint_and_says_how_to_go_on(case, name, code):
    process = start(case, 10**6)
    process.send_signal(getattr(signal, name))
    _, log = process.communicate(timeout=60)
    assert process.returncode == code
    step = int(re.search(rf"stopped by {name} after (\d+) of 1000000 steps", log)[1])
    assert "resume with: dp train INPUT --restart model.ckpt" in log
    assert find_checkpoint("model.ckpt").is_file()
    assert os.readlink("model.ckpt") == f"model.ckpt-{step}"
    assert read_curve()["step"][-1] == step


def test_after_a_hard_kill_the_run_goes_on_with_the_same_numbers(case):
    process = start(case, 2000)
    while not (case / "model.ckpt").exists():
        time.sleep(0.02)
    process.kill()
    process.communicate()
    step = int(os.readlink("model.ckpt").rpartition("-")[2])
    for path in case.glob("model.ckpt-*"):  # killed between writing a checkpoint and the link to it
        if int(path.name.rpartition("-")[2]) > step:
            path.unlink()
    before = [line for line in (case / "lcurve.out").read_text().splitlines(keepends=True)]
    process = subprocess.Popen(
        [sys.executable, "-m", "dpcore.cli", "train", "input.json", "-r", "model.ckpt"],
        cwd=case,
        stderr=subprocess.DEVNULL,
    )
    while not (case / f"model.ckpt-{step + 20}").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    after = (case / "lcurve.out").read_text().splitlines(keepends=True)
    assert [int(line.split()[0]) for line in after[1 : step + 22]] == list(range(step + 21))
    known = [line for line in before if line.endswith("\n")]
    assert after[: len(known)] == known[: len(after)]
