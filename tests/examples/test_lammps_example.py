# SPDX-License-Identifier: LGPL-3.0-or-later
"""The inputs of examples/lammps run, with models of random weights."""

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

import run_lammps
from dpcore.infer import DeepPot
from make_model import write_model

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lammps"

pytestmark = pytest.mark.skipif(bool(run_lammps.why_not()), reason=run_lammps.why_not() or "-")


@pytest.fixture
def folder(tmp_path):
    shutil.copy(EXAMPLE / "water.data", tmp_path)
    return tmp_path


@pytest.mark.parametrize("ranks", [1, 2])
def test_water(folder, ranks):
    model = write_model(folder / "water.dp", sel=(40, 80), dstd=0.5)
    program = (EXAMPLE / "in.water").read_text().replace("index 10000", "index 100")
    thermo = run_lammps.lammps(folder, program, ranks).thermo()
    data = np.loadtxt(folder / "water.data", skiprows=15)
    box = np.diag([float(line.split()[1]) for line in (folder / "water.data").read_text().splitlines()[4:7]])
    energy = DeepPot(model).eval(data[None, :, 2:], box[None], data[:, 1].astype(int) - 1)[0].item()
    assert thermo["PotEng"][0] == pytest.approx(8 * energy, rel=1e-7)
    assert thermo["Step"].tolist() == [0, 100]
    assert run_lammps.read_dump(folder / "water.dump").shape == (8 * len(data), 5)


def test_deviation(folder):
    for seed, name in enumerate("abcd", 20):
        write_model(folder / f"{name}.dp", sel=(40, 80), seed=seed, dstd=0.5)
    run_lammps.lammps(folder, (EXAMPLE / "in.deviation").read_text().replace("index 1000", "index 20"))
    rows = np.loadtxt(folder / "model_devi.out")
    assert rows[:, 0].tolist() == [0, 10, 20]
    assert (rows[:, 4] > 0).all()


def test_data_file_is_the_frame_of_the_water_example(folder):
    coord = np.load(EXAMPLE.parent / "water/data/test/set.000/coord.npy")[0].reshape(-1, 3)
    np.testing.assert_allclose(
        np.loadtxt(folder / "water.data", skiprows=15)[:, 2:], coord, rtol=0, atol=1e-7
    )
