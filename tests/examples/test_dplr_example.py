# SPDX-License-Identifier: LGPL-3.0-or-later
"""examples/dplr: its data, two trainings with fewer steps, and a model that holds both."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import run_lammps
from training_case import dp

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.infer import DeepPot
from dpcore.test import test as run_test

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def shortened(name, steps):
    config = json.loads(Path(name).read_text())
    config["training"]["numb_steps"] = steps
    Path(name).write_text(json.dumps(config))
    return name


def test_the_example_trains_both_models(tmp_path, monkeypatch):
    shutil.copytree(EXAMPLES / "water" / "data", tmp_path / "water" / "data")
    folder = tmp_path / "dplr"
    shutil.copytree(EXAMPLES / "dplr", folder, ignore=shutil.ignore_patterns("data"))
    subprocess.run([sys.executable, folder / "make_data.py"], check=True)
    monkeypatch.chdir(folder)
    label = np.load("data/train/set.000/atomic_dipole.npy").reshape(30, -1, 3)
    assert 0.1 < np.linalg.norm(label, axis=-1).mean() < 0.25  # A
    assert dp("train", shortened("dipole.json", 150)) == 0
    assert dp("freeze", "-c", "dipole.ckpt", "-o", "dipole.dp") == 0
    assert dp("train", shortened("energy.json", 300)) == 0
    assert dp("freeze", "-o", "dplr.dp") == 0
    (before,) = run_test("model.ckpt-300", "data/test")
    Path("dipole.dp").unlink()  # it is inside
    (errors,) = run_test("dplr.dp", "data/test")
    assert errors.rmse("f") == before.rmse("f") < 0.8 * np.load("data/test/set.000/force.npy").std()
    model = DeepPot("dplr.dp")
    assert model.modifier_type == "dipole_charge"
    if not run_lammps.why_not():
        check_lammps(folder, model)


def check_lammps(folder, model):
    """The first energy is that of the frame, up to the mesh; the run is calm."""
    program = (
        (folder / "in.dplr")
        .read_text()
        .replace("index 10000", "index 20")
        .replace("thermo       100", "thermo 10")
    )
    out = run_lammps.lammps(folder, program, ranks=2)
    coord, box = (np.load(folder / f"data/test/set.000/{k}.npy")[:1] for k in ("coord", "box"))
    types = np.loadtxt(folder / "data/test/type.raw", dtype=int)
    rows = out.thermo()
    assert abs(rows["PotEng"][0] - model.eval(coord, box, types)[0].item()) < 2e-3
    assert len(rows["Step"]) == 3 and np.ptp(rows["PotEng"]) < 5
    assert "fix dplr" not in out.errors and "long-range energy is not part" not in out.text
