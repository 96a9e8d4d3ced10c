# SPDX-License-Identifier: LGPL-3.0-or-later
"""examples/srtab: its table, a training with fewer steps, and what the model says of colliding atoms."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_case import dp

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.infer import DeepPot

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_example_repels_colliding_atoms(tmp_path, monkeypatch):
    shutil.copytree(EXAMPLES / "water" / "data", tmp_path / "water" / "data")
    folder = tmp_path / "srtab"
    shutil.copytree(EXAMPLES / "srtab", folder, ignore=shutil.ignore_patterns("zbl.txt"))
    subprocess.run([sys.executable, folder / "make_table.py"], check=True)
    monkeypatch.chdir(folder)
    config = json.loads(Path("input.json").read_text())
    config["training"]["numb_steps"] = 60
    Path("short.json").write_text(json.dumps(config))
    assert dp("train", "short.json") == 0 and dp("freeze", "-o", "srtab.dp") == 0
    assert dp("test", "-m", "srtab.dp", "-s", "../water/data/test", "-n", "2") == 0
    Path("zbl.txt").rename("away.txt")  # the model holds it
    model = DeepPot("srtab.dp")
    r = np.array([0.1, 0.2, 0.3])
    coord = np.zeros((3, 6))
    coord[:, 3] = r
    _, force, _ = model.eval(coord, None, [0, 1])
    # the derivative of the potential as make_table.py writes it
    x = (8**0.23 + 1) / 0.46850
    terms = [(0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162)]
    expected = 14.399645 * 8 * sum(c * np.exp(-d * x * r) * (1 / r**2 + d * x / r) for c, d in terms)
    np.testing.assert_allclose(force[:, 1, 0], expected, rtol=1e-3)
