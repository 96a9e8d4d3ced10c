# SPDX-License-Identifier: LGPL-3.0-or-later
"""Deterministic training runs of DeePMD-kit 3.2.0 (TensorFlow), to repeat step by step with dpcore.

    python tests/peer/make_cases.py FOLDER [CASE ...]

For each case: a generated system whose frames all fit in one batch, random labels, one step of
training to make ``start.pb``, then 20 steps from there with the learning curve in ``lcurve.out``
and the weights afterwards in ``end.pb``.  The peer is found through DPCORE_PEER, the folder of its
virtual environment.  A case that is complete is not made again.  This needs numpy only.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from peer.cases import CASES, DIPOLE

STEPS = 20
COMPLETE = "complete"
TYPE_MAP = ["O", "H"]
EVALUATE = """
import numpy as np
from deepmd.infer import DeepPot
data = {name: np.load(f"data/set.000/{name}.npy") for name in ("coord", "box")}
results = DeepPot("end.pb").eval(data["coord"], data["box"], np.loadtxt("data/type.raw", dtype=int))
np.savez("ref.npz", **dict(zip(("energy", "force", "virial"), results)))
"""


def make_dipole_model(target: Path) -> None:
    """target/dipole.pb, after some steps on the data of the case."""
    folder = target / "dipole"
    folder.mkdir()
    config = make_input(DIPOLE)
    config["training"]["training_data"]["systems"] = ["../data"]
    (folder / "input.json").write_text(json.dumps(config))
    dp = [str(peer_command()), "--tf"]
    run([*dp, "train", "input.json", "--skip-neighbor-stat"], folder)
    run([*dp, "freeze", "-o", "../dipole.pb"], folder)


def write_table(path: Path) -> None:
    """A short-range table from 0.4 to 3 A, which does not end with zeros."""
    r = 0.4 + 0.02 * np.arange(131)
    np.savetxt(
        path, np.column_stack([r, *(c * np.exp(-1.2 * r) / r for c in (40.0, 25.0, 10.0))]), fmt="%.10f"
    )


def peer_environment() -> Path:
    """The folder of the peer's virtual environment; it may be absent."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "versus" / "venv"
    return Path(os.environ.get("DPCORE_PEER", default))


def peer_command() -> Path | None:
    """The peer's ``dp``, None where it is not installed."""
    command = peer_environment() / "bin" / "dp"
    return command if command.is_file() else None


def write_system(
    folder: Path, n_frames: int, seed: int, one_atom: bool = False, numb_aparam: int = 1
) -> None:
    """A triclinic cell with 20 atoms on a disturbed grid, types mixed, or with one atom; all labels random."""
    rng = np.random.default_rng(seed)
    n = 1 if one_atom else 20
    cell = np.array([[7.4, 0.0, 0.0], [0.9, 7.1, 0.0], [-0.6, 0.5, 6.8]])
    cells = np.tile(cell, (n_frames, 1, 1))
    if one_atom:
        cells = 0.4 * cells + rng.uniform(-0.3, 0.3, (n_frames, 3, 3))
    grid = (
        np.stack(np.meshgrid(np.arange(3), np.arange(3), np.arange(3), indexing="ij"), -1).reshape(-1, 3)[:n]
        / 3
    )
    coord = (grid + rng.uniform(-0.09, 0.09, (n_frames, n, 3))) @ cells
    arrays = {
        "coord": coord.reshape(n_frames, -1),
        "box": cells.reshape(n_frames, 9),
        "energy": -40.0 + rng.normal(size=n_frames),
        "force": rng.normal(size=(n_frames, 3 * n)),
        "virial": 3.0 * rng.normal(size=(n_frames, 9)),
        "atom_ener": -2.0 + rng.normal(size=(n_frames, n)),
        "atom_pref": rng.uniform(0.5, 1.5, (n_frames, n)),
        "fparam": rng.normal(size=(n_frames, 2)),
        "aparam": rng.normal(size=(n_frames, n)),
    }
    (folder / "set.000").mkdir(parents=True)
    types = np.array([1] if one_atom else [0, 1, 1, 1, 0] * 4)
    arrays["dipole"] = rng.normal(size=(n_frames, 3))
    arrays["atomic_dipole"] = rng.normal(size=(n_frames, n * 3))
    arrays["polarizability"] = (20 * np.eye(3) + rng.normal(size=(n_frames, 3, 3))).reshape(n_frames, 9)
    arrays["atomic_polarizability"] = (np.eye(3) + rng.normal(size=(n_frames, n, 3, 3))).reshape(n_frames, -1)
    if numb_aparam > 1:
        arrays["aparam"] = rng.normal(size=(n_frames, n * numb_aparam))
    np.savetxt(folder / "type.raw", types, fmt="%d")
    (folder / "type_map.raw").write_text("\n".join(TYPE_MAP) + "\n")
    for name, values in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", values)


def make_descriptor(changes: dict) -> dict:
    """The section of a descriptor; each part of a hybrid one is the base input with its own changes."""
    if changes.get("type") == "hybrid":
        return {"type": "hybrid", "list": [make_descriptor(part) for part in changes["list"]]}
    keys = {
        "type": "se_e2_a",
        "sel": [16, 24],
        "rcut": 4.1,
        "rcut_smth": 0.7,
        "neuron": [4, 8, 16],
        "axis_neuron": 4,
        "resnet_dt": False,
        "type_one_side": True,
        "seed": 11,
        "precision": "float64",
        **changes,
    }
    if keys["type"] == "loc_frame":
        return changes
    angles = ["axis_neuron", "type_one_side"]
    not_here = {"se_e2_r": ["axis_neuron"], "se_e3": angles, "se_t": angles}
    return {key: value for key, value in keys.items() if key not in not_here.get(keys["type"], [])}


def make_input(case: dict) -> dict:
    """The peer's input of one case: its changes of the base input."""
    precision = {"precision": "float64"}
    return {
        "model": {
            "type_map": TYPE_MAP,
            "descriptor": make_descriptor(case.get("descriptor", {})),
            "fitting_net": {
                "type": "ener",
                "neuron": [16, 16],
                "resnet_dt": True,
                "seed": 12,
                **precision,
                **case.get("fitting", {}),
            },
            **case.get("model", {}),
        },
        "learning_rate": {"type": "exp", "start_lr": 0.003, "stop_lr": 0.0002, "decay_steps": 5},
        "loss": case["loss"]
        if case.get("loss", {}).get("type") == "tensor"
        else {
            "type": "ener",
            "start_pref_e": 0.02,
            "limit_pref_e": 1,
            "start_pref_f": 1000,
            "limit_pref_f": 1,
            "start_pref_v": 0.5,
            "limit_pref_v": 1,
            "start_pref_ae": 0.1,
            "limit_pref_ae": 0.2,
            **case.get("loss", {}),
        },
        "training": {
            "training_data": {"systems": ["data"], "batch_size": case.get("n_frames", 1)},
            "numb_steps": STEPS,
            "seed": 13,
            "disp_file": "lcurve.out",
            "disp_freq": 1,
            "save_freq": STEPS,
        },
    }


def run(command: list[str], folder: Path) -> None:
    one = {
        "OMP_NUM_THREADS": "1",
        "DP_INTRA_OP_PARALLELISM_THREADS": "1",
        "DP_INTER_OP_PARALLELISM_THREADS": "1",
    }
    env = {**os.environ, **one, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise RuntimeError(f"{' '.join(command)} failed in {folder}:\n{tail}")


def make_case(name: str, folder: Path) -> Path:
    """Make one case in folder/name, unless it is complete; returns that folder."""
    target = folder / name
    if (target / COMPLETE).is_file():
        return target
    dp = peer_command()
    if dp is None:
        raise RuntimeError(f"DeePMD-kit is not installed in {peer_environment()}; set DPCORE_PEER")
    shutil.rmtree(target, ignore_errors=True)
    first = target / "first"
    first.mkdir(parents=True)
    seed = 100 + list(CASES).index(name)
    numb_aparam = CASES[name].get("descriptor", {}).get("numb_aparam", 1)
    size = (CASES[name].get("n_frames", 1), seed, CASES[name].get("one_atom", False))
    write_system(target / "data", *size, numb_aparam)
    write_table(target / "table.txt")
    config = make_input(copy.deepcopy(CASES[name]))
    if "modifier" in config["model"]:
        make_dipole_model(target)
        config["model"]["modifier"]["model_name"] = str(target / "dipole.pb")
    (target / "input.json").write_text(json.dumps(config, indent=1))

    config["training"].update(numb_steps=1, save_freq=1)
    config["training"]["training_data"]["systems"] = ["../data"]
    if "use_srtab" in config["model"]:
        config["model"]["use_srtab"] = "../table.txt"
    if CASES[name].get("one_atom"):
        config["learning_rate"].update(start_lr=1e-20, stop_lr=1e-20)
    (first / "input.json").write_text(json.dumps(config))
    tensorflow = [str(dp), "--tf"]
    run([*tensorflow, "train", "input.json", "--skip-neighbor-stat"], first)
    run([*tensorflow, "freeze", "-o", "../start.pb"], first)
    run([*tensorflow, "train", "input.json", "--skip-neighbor-stat", "--init-frz-model", "start.pb"], target)
    run([*tensorflow, "freeze", "-o", "end.pb"], target)
    if "modifier" in config["model"]:
        run([str(peer_environment() / "bin" / "python"), "-c", EVALUATE], target)
    (target / COMPLETE).touch()
    return target


def main(arguments: list[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    unknown = [name for name in arguments[1:] if name not in CASES]
    if unknown:
        sys.exit(f"unknown cases: {', '.join(unknown)}; known are {', '.join(CASES)}")
    for name in arguments[1:] or CASES:
        print(make_case(name, Path(arguments[0]).absolute()))


if __name__ == "__main__":
    main(sys.argv[1:])
