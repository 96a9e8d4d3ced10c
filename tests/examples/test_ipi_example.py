# SPDX-License-Identifier: LGPL-3.0-or-later
"""The i-PI example runs as it stands, with a random model."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from make_model import write_model

pytest.importorskip("dpcore._core", reason="the compiled core is not built")
pytest.importorskip("ipi")

from dpcore.ipi import program
from ipi_tools import script

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ipi"
FILES = ("run.sh", "input.xml", "conf.xyz", "water.json")
PATHS = os.pathsep.join([str(Path(script("dp")).parent), os.environ["PATH"]])

pytestmark = pytest.mark.skipif(program() is None, reason="dp_ipi was not built")


def run(folder):
    return subprocess.run(
        [EXAMPLE / "run.sh", folder],
        env={**os.environ, "PATH": PATHS},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_dynamics_with_two_clients(tmp_path):
    for name in FILES:
        shutil.copy(EXAMPLE / name, tmp_path)
    text = (tmp_path / "input.xml").read_text()
    assert "<total_steps> 200 </total_steps>" in text
    (tmp_path / "input.xml").write_text(text.replace("<total_steps> 200 ", "<total_steps> 20 "))
    write_model(tmp_path / "water.dp", sel=(40, 80))
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the server says EXIT") == 2
    values = np.loadtxt(tmp_path / "water.out")
    assert values.shape == (21, 7) and np.isfinite(values).all()
    conserved, potential = values[:, 2], values[:, 5]
    assert np.ptp(conserved) < 0.02 and np.ptp(potential) > 0
    assert all((tmp_path / f"water.pos_{bead}.xyz").stat().st_size for bead in range(8))


def test_without_a_model_it_says_what_to_do(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 1 and "no water.dp in" in done.stderr
