# SPDX-License-Identifier: LGPL-3.0-or-later
"""examples/dipole: its data, and a training with fewer steps."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_case import dp

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.infer import DeepDipole
from dpcore.test import test as run_test

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_example_learns_the_dipoles(tmp_path, monkeypatch):
    shutil.copytree(EXAMPLES / "water" / "data", tmp_path / "water" / "data")
    folder = tmp_path / "dipole"
    shutil.copytree(EXAMPLES / "dipole", folder, ignore=shutil.ignore_patterns("data"))
    subprocess.run([sys.executable, folder / "make_data.py"], check=True)
    monkeypatch.chdir(folder)
    arrays = {p.stem: np.load(p) for p in Path("data/test/set.000").glob("*.npy")}
    n_frames = len(arrays["coord"])
    atomic = arrays["atomic_dipole"].reshape(n_frames, -1, 3)
    norm = np.linalg.norm(atomic, axis=-1)
    assert 0.3 < norm.min() and norm.max() < 0.7  # whole molecules
    np.testing.assert_allclose(atomic.sum(axis=1), arrays["dipole"], atol=1e-5)

    config = json.loads(Path("input.json").read_text())
    config["training"]["numb_steps"] = 300
    Path("short.json").write_text(json.dumps(config))
    assert dp("train", "short.json") == 0
    (errors,) = run_test("model.ckpt", "data/test", atomic=True)
    assert errors.rmse("ad") < 0.04  # of 0.28 e*A; 0.02 was seen
    types = np.loadtxt("data/test/type.raw", dtype=int)
    model = DeepDipole("model.ckpt")
    total, force, virial = model.eval_full(arrays["coord"], arrays["box"], types)
    assert force.shape == (n_frames, 3, len(types), 3) and virial.shape == (n_frames, 3, 9)
    np.testing.assert_allclose(
        total, model.eval(arrays["coord"], arrays["box"], types).sum(axis=1), atol=1e-12
    )
    assert np.abs(force.sum(axis=2)).max() < 1e-10 * np.abs(force).max()  # charges sum to zero
