# SPDX-License-Identifier: LGPL-3.0-or-later
"""Training runs of both programs on real data from the same start: how far their learning curves differ.

    python tests/peer/compare_runs.py FOLDER [RUN ...] [--steps N]

For each run DeePMD-kit trains one step to make ``start.pb``; then both train N steps (200) from it with
``--init-frz-model`` and the same input.  Of one system the first frames make one batch, so that every step has
the same frames in both, whatever their random numbers; of several systems more frames are drawn one by one, in the same
order by both; a folder that is named again gives its next frames.  A model with a modifier follows a dipole model
that DeePMD-kit trains first. FOLDER gets ``RUN/peer/lcurve.out`` and ``RUN/ours/lcurve.out``; a table of the
largest differences is printed. The data are found through DPCORE_TEST_DATA, the peer through DPCORE_PEER, our
``dp`` beside this Python.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from peer import make_cases

DATA = Path(os.environ.get("DPCORE_TEST_DATA", Path(__file__).resolve().parents[3] / "shared")) / "data"
FRAMES, FRAMES_OF_MANY = 2, 8
DESCRIPTOR = {
    "type": "se_e2_a",
    "sel": [46, 92],
    "rcut": 6.0,
    "rcut_smth": 0.5,
    "neuron": [5, 10, 20],
    "axis_neuron": 4,
    "type_one_side": True,
    "seed": 1,
    "precision": "float64",
}
RADIAL = {key: value for key, value in DESCRIPTOR.items() if key != "axis_neuron"}
ENERGY = {"type": "ener", "start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 1000, "limit_pref_f": 1}


def run_of(systems, type_map=("O", "H"), descriptor=None, fitting=None, loss=None, start_lr=0.003):
    return {
        "model": {
            "type_map": list(type_map),
            "descriptor": {**DESCRIPTOR, **(descriptor or {})},
            "fitting_net": {"neuron": [24, 24, 24], "resnet_dt": True, "seed": 2, **(fitting or {})},
        },
        "loss": {**ENERGY, "start_pref_v": 0.02, "limit_pref_v": 1} if loss is None else loss,
        "systems": systems.split(),
        "start_lr": start_lr,
    }


TENSOR = "water_tensor/{}/training_data_reformat/{}_system"
RUNS = {
    "dipole": run_of(
        TENSOR.format("dipole", "atomic"),
        fitting={"type": "dipole", "sel_type": [0]},
        loss={"type": "tensor", "pref": 0.0, "pref_atomic": 1.0},
    ),
    "polar": run_of(
        TENSOR.format("polar", "global"),
        fitting={"type": "polar", "sel_type": [0]},
        loss={"type": "tensor", "pref": 1.0, "pref_atomic": 0.0},
    ),
    "fparam": run_of("fparam/e3000_i2000", ["Be"], {"sel": [60]}, {"numb_fparam": 1}, ENERGY),
    "nopbc": run_of("nopbc/C3H3O4", ["C", "H", "O"], {"sel": [10, 10, 10]}, loss=ENERGY),
    "dplr_dipole": run_of(
        "dplr/data",
        fitting={"type": "dipole", "sel_type": [0]},
        loss={"type": "tensor", "pref": 0.0, "pref_atomic": 1.0},
    ),
    "se_e2_r": run_of("water/data_0"),
    "hybrid": run_of("water/data_0"),
}
RUNS["dplr_dipole_systems"] = {**RUNS["dplr_dipole"], "systems": 3 * ["dplr/data"]}
RUNS["dplr_energy"] = run_of("dplr/data dplr/data")
RUNS["dplr_energy"]["model"]["modifier"] = {
    "type": "dipole_charge",
    "model_name": "../dipole.pb",
    "model_charge_map": [-8],
    "sys_charge_map": [6, 1],
    "ewald_beta": 0.4,
    "ewald_h": 1.0,
}
WATER = "water/data_0 water/data_1 water/data_2"
# its hidden units are so far in saturation that the peer's 1 - tanh^2 is rounding; at ten times the rate this shows
RUNS["se_e3"] = run_of(WATER, start_lr=0.0003)
RUNS["se_e3"]["model"]["descriptor"] = {
    "type": "se_e3",
    "sel": [12, 24],
    "rcut": 3.2,
    "rcut_smth": 0.5,
    "neuron": [2, 4, 8],
    "seed": 1,
}
RUNS["type_embedding"] = run_of(WATER)
RUNS["type_embedding"]["model"]["type_embedding"] = {"neuron": [2, 4, 8], "seed": 3}
RUNS["se_e2_r"]["model"]["descriptor"] = {**RADIAL, "type": "se_e2_r"}
RUNS["hybrid"]["model"]["descriptor"] = {
    "type": "hybrid",
    "list": [{**DESCRIPTOR, "sel": [20, 40], "rcut": 4.0}, {**RADIAL, "type": "se_e2_r"}],
}


def make_input(name, steps):
    case = RUNS[name]
    rate = case["start_lr"]
    return {
        "model": case["model"],
        "learning_rate": {"type": "exp", "decay_steps": 50, "start_lr": rate, "stop_lr": rate / 30},
        "loss": case["loss"],
        "training": {
            "training_data": {
                "systems": [f"../data_{k}" for k in range(len(case["systems"]))],
                "batch_size": FRAMES if len(case["systems"]) == 1 else 1,
            },
            "numb_steps": steps,
            "seed": 10,
            "disp_file": "lcurve.out",
            "disp_freq": min(10, steps),
            "save_freq": steps,
        },
    }


def copy_frames(source, frames, target):
    """Some frames of a system's first set."""
    shutil.rmtree(target, ignore_errors=True)
    first = sorted(source.glob("set.*"))[0]
    (target / "set.000").mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file():
            shutil.copyfile(path, target / path.name)
    for path in first.glob("*.npy"):
        np.save(target / "set.000" / path.name, np.load(path)[frames])


def read_curve(path):
    lines = path.read_text().splitlines()
    return lines[0].split()[1:], np.array([line.split() for line in lines if line[0] != "#"], dtype=float)


def copy_systems(systems, target):
    """target/data_0, data_1 and so on."""
    n = FRAMES if len(systems) == 1 else FRAMES_OF_MANY
    for k, system in enumerate(systems):
        begin = n * systems[:k].count(system)
        copy_frames(DATA / system, slice(begin, begin + n), target / f"data_{k}")


def compare(name, folder, steps):
    """Train with both and return {column: (largest relative difference, last of the peer, last of ours)}."""
    target = folder / name
    # with one thread between operations the peer waits for ever where a modifier takes several systems
    peer = ["env", "DP_INTER_OP_PARALLELISM_THREADS=2", str(make_cases.peer_command()), "--tf"]
    copy_systems(RUNS[name]["systems"], target)
    inputs = {part: make_input(name, 1 if part == "first" else steps) for part in ("first", "peer", "ours")}
    if "modifier" in RUNS[name]["model"]:
        inputs["dipole"] = make_input("dplr_dipole", steps)
    for part, config in inputs.items():
        (target / part).mkdir(parents=True, exist_ok=True)
        (target / part / "input.json").write_text(json.dumps(config, indent=1))
    if "dipole" in inputs:
        make_cases.run([*peer, "train", "input.json", "--skip-neighbor-stat"], target / "dipole")
        make_cases.run([*peer, "freeze", "-o", "../dipole.pb"], target / "dipole")
    make_cases.run([*peer, "train", "input.json", "--skip-neighbor-stat"], target / "first")
    make_cases.run([*peer, "freeze", "-o", "../start.pb"], target / "first")
    words = ["train", "input.json", "--skip-neighbor-stat", "--init-frz-model", "../start.pb"]
    make_cases.run([*peer, *words], target / "peer")
    ours = [sys.executable, "-m", "dpcore.cli", *words]
    subprocess.run(ours, cwd=target / "ours", check=True, capture_output=True)
    columns, theirs = read_curve(target / "peer/lcurve.out")
    ours_columns, mine = read_curve(target / "ours/lcurve.out")
    assert theirs[:, 0].tolist() == mine[:, 0].tolist(), "the curves have other steps"
    out = {}
    for column in columns[1:]:
        a, b = theirs[:, columns.index(column)], mine[:, ours_columns.index(column)]
        assert np.array_equal(np.isnan(a), np.isnan(b)), f"{column} has labels in one curve only"
        out[column] = (
            float(np.nanmax(np.abs(a - b) / np.maximum(np.abs(a), 1e-300), initial=0)),
            a[0],
            a[-1],
            b[-1],
        )
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"of {', '.join(RUNS)}; default: all")
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    if make_cases.peer_command() is None:
        sys.exit(f"DeePMD-kit is not installed in {make_cases.peer_environment()}; set DPCORE_PEER")
    print(
        f"{'run':12s} {'column':12s} {'largest rel. difference':>24s} "
        f"{'first':>12s} {'last, peer':>12s} {'ours':>12s}"
    )
    for name in args.runs or RUNS:
        for column, (error, first, last, mine) in compare(name, args.folder.absolute(), args.steps).items():
            print(
                f"{name:12s} {column:12s} {error:24.1e} {first:12.3e} {last:12.3e} {mine:12.3e}", flush=True
            )


if __name__ == "__main__":
    main()
