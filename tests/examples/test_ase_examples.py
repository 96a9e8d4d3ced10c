# SPDX-License-Identifier: LGPL-3.0-or-later
"""The scripts of examples/ase run, with a model of random weights."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")
pytest.importorskip("ase", reason="ASE is not installed")

from make_model import write_model

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ase"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a script with some steps in a folder of its own; return what its main returns."""
    model = write_model(tmp_path / "m.dp", sel=(40, 80), dstd=0.02)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.delitem(sys.modules, "water", raising=False)

    def call(name, steps):
        spec = importlib.util.spec_from_file_location(f"ase_example_{name}", EXAMPLE / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main([str(model), "--steps", str(steps)])

    yield call
    sys.modules.pop("water", None)


def test_relaxation_lowers_the_energy(run, tmp_path):
    before, after = run("relax", 5)
    assert after < before - 0.01
    assert (tmp_path / "relaxed.extxyz").is_file()


def test_relaxation_of_the_cell_lowers_the_pressure(run):
    pytest.importorskip("ase.filters", reason="this ASE has no FrechetCellFilter")
    before, after = run("relax_cell", 10)
    assert abs(after) < 0.9 * abs(before)


def test_energy_is_conserved(run):
    energies = run("nve", 40)
    assert len(energies) == 21 and np.ptp(energies) <= 1e-4


def test_acoustic_sum_rule(run):
    """Whole translations cost nothing: three frequencies vanish, the others do not."""
    pytest.importorskip("phonopy", reason="phonopy is not installed")
    frequencies = np.sort(np.abs(run("phonons", 5)))
    assert len(frequencies) == 3 * 48
    assert frequencies[2] <= 0.02 and frequencies[3] > 0.2
