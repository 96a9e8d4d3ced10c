# SPDX-License-Identifier: LGPL-3.0-or-later
"""examples/aparam: its data, a training with fewer steps, and that the charges of neighbours count."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_case import dp, read_curve

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.infer import DeepPot

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "aparam"


def test_the_example_learns_forces_that_depend_on_charges(tmp_path, monkeypatch):
    folder = tmp_path / "aparam"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data"))
    subprocess.run([sys.executable, folder / "make_data.py"], check=True)
    monkeypatch.chdir(folder)
    config = json.loads(Path("input.json").read_text())
    config["training"].update(numb_steps=120, disp_freq=40)
    Path("short.json").write_text(json.dumps(config))
    assert dp("train", "short.json") == 0 and dp("freeze", "-o", "ions.dp") == 0
    assert dp("test", "-m", "ions.dp", "-s", "data/test", "-n", "2") == 0
    curve = read_curve()
    assert curve["rmse_f_val"][-1] < 0.8 * curve["rmse_f_val"][0]
    coord, box, force, charge = (
        np.load(f"data/test/set.000/{k}.npy") for k in ("coord", "box", "force", "aparam")
    )
    model, types = DeepPot("ions.dp"), np.zeros(24, dtype=int)

    def error(aparam):
        return np.sqrt(
            np.mean((model.eval(coord, box, types, aparam=aparam)[1].reshape(10, -1) - force) ** 2)
        )

    assert error(charge) < 0.7 * error(charge[:, ::-1])


def test_forces_of_the_data_are_derivatives(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import make_data

    rng = np.random.default_rng(2)
    cell = np.diag([5.2, 5.2, 7.8])
    x, q = rng.uniform(0, 5, (4, 3)), rng.uniform(-1, 1, 4)
    x[:, 2] += 2.0 * np.arange(4)
    _, force, virial = make_data.label(x, cell, q)
    for index in ((0, 0), (2, 1)):
        shift = np.zeros((4, 3))
        shift[index] = 1e-5
        rise = make_data.label(x + shift, cell, q)[0] - make_data.label(x - shift, cell, q)[0]
        assert abs(-rise / 2e-5 - force[index]) < 1e-5 * max(1, np.abs(force).max())
    strain = np.eye(3) + 1e-5 * np.outer([1, 0, 0], [0, 1, 0])
    back = np.eye(3) - 1e-5 * np.outer([1, 0, 0], [0, 1, 0])
    rise = (
        make_data.label(x @ strain.T, cell @ strain.T, q)[0]
        - make_data.label(x @ back.T, cell @ back.T, q)[0]
    )
    assert abs(-rise / 2e-5 - virial[1]) < 1e-5 * max(1, np.abs(virial).max())
