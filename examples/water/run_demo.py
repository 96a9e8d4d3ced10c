#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""Train, freeze, test and use a water model: the whole way in a minute or two.

Calls the `dp` command of the Python that runs this script, as a user would, in a folder
of its own (default demo_output/ under the current folder), prints what to type by hand,
and ends with a table of errors on frames the training has not seen and two pictures.

    python run_demo.py                        # what `make demo` runs
    python run_demo.py --steps 40000          # a better model
    python run_demo.py --quick                # a few seconds, to see that everything works
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL = "water.dp"
QUICK_STEPS = 600
# What a run leaves in its folder; removed before the next one so that nothing old is taken for new.
LEFTOVERS = (
    "input.json",
    "out.json",
    "lcurve.out",
    "checkpoint",
    "model.ckpt*",
    MODEL,
    "detail.*.out",
    "learning_curve.png",
    "parity.png",
)


def main():
    options = parse_options()
    dp = find_dp()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"--out {options.out}: cannot make this folder: {error.strerror}")
    out = options.out.resolve()
    for pattern in LEFTOVERS:
        for old in out.glob(pattern):
            old.unlink()

    steps = write_input(out, options)
    frames = len(load_labels("test")["energy"])
    print(f"Water demo in {out}: {steps} training steps\n")

    seconds = run(out, "1/4  Train", dp, "train", "input.json")
    run(out, "2/4  Freeze: one file that holds the whole model", dp, "freeze", "-o", MODEL)
    test_data = relative(HERE / "data" / "test", out)
    run(
        out,
        f"3/4  Test on {frames} frames of a trajectory that the training has not seen",
        *(dp, "test", "-m", MODEL, "-s", test_data, "-n", str(frames), "-d", "detail"),
    )
    evaluate_one_frame(out)
    drawn = draw(out)
    ratio = print_table(out, steps, seconds, drawn)
    if not options.quick and options.steps is None and not ratio < 0.5:
        sys.exit(
            "The force error is above half of the labels' spread: this model has not learned.\n"
            "Please report it."
        )


def parse_options():
    parser = argparse.ArgumentParser(description="Train, freeze, test and use a water model.")
    parser.add_argument("--steps", type=int, help="training steps (default: numb_steps of input.json)")
    parser.add_argument(
        "--out", type=Path, default=Path("demo_output"), help="output folder (default: demo_output)"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"only {QUICK_STEPS} steps unless --steps is given"
    )
    options = parser.parse_args()
    if options.steps is not None and options.steps < 1:
        parser.error(f"--steps: expected 1 or more, got {options.steps}")
    return options


def find_dp():
    """Path of the `dp` command that belongs to this Python."""
    try:
        import dpcore.infer  # noqa: F401
    except ImportError as error:
        sys.exit(
            f"This Python ({sys.executable}) cannot import dpcore ({error}).\n"
            "Install it first: `make demo` in the project folder does everything, or `pip install .` there."
        )
    dp = shutil.which("dp", path=sysconfig.get_path("scripts"))
    if dp is None:
        sys.exit(f"No command `dp` beside {sys.executable}, although dpcore is there; reinstall it with pip.")
    return dp


def write_input(out, options):
    """Write this run's input.json: the example's, with its own paths and number of steps."""
    settings = json.loads((HERE / "input.json").read_text())
    training = settings["training"]
    for part in ("training_data", "validation_data"):
        training[part]["systems"] = [relative(HERE / path, out) for path in training[part]["systems"]]
    full = training["numb_steps"]
    steps = options.steps or (QUICK_STEPS if options.quick else full)
    if steps != full:  # same course of the learning rate, shortened or stretched
        rate = settings["learning_rate"]
        rate["decay_steps"] = max(1, round(rate["decay_steps"] * steps / full))
        training["numb_steps"] = steps
        training["disp_freq"] = max(1, min(training["disp_freq"], steps // 10))
        training["save_freq"] = min(training["save_freq"], steps)
    (out / "input.json").write_text(json.dumps(settings, indent=2) + "\n")
    return steps


def relative(path, start):
    """`path` as seen from `start`; with forward slashes, as in an input file."""
    return Path(os.path.relpath(path, start)).as_posix()


def run(folder, title, *command):
    """Run a command in `folder`, its output on the screen; return the seconds it took."""
    shown = " ".join(shlex.quote(word) for word in (Path(command[0]).name, *command[1:]))
    print(f"== {title}\n$ {shown}", flush=True)
    start = time.perf_counter()
    status = subprocess.run(command, cwd=folder, check=False).returncode
    if status:
        sys.exit(f"`{shown}` in {folder} ended with status {status}; its message is above.")
    print(flush=True)
    return time.perf_counter() - start


def load_labels(name):
    """Arrays of data/<name>/set.000 as a dict, and `types` [n_atoms]."""
    import numpy as np

    system = HERE / "data" / name
    labels = {file.stem: np.load(file) for file in sorted((system / "set.000").glob("*.npy"))}
    labels["types"] = np.loadtxt(system / "type.raw", dtype=int, ndmin=1)
    return labels


def evaluate_one_frame(out):
    """Use the model from Python, as a script would, and compare with what `dp test` said."""
    from dpcore.infer import DeepPot
    from dpcore.plot import read_detail

    print("== 4/4  Use the model from Python\n>>> from dpcore.infer import DeepPot")
    print(
        f'>>> model = DeepPot("{MODEL}")\n>>> energy, force, virial = model.eval(coords, cells, atom_types)'
    )
    labels = load_labels("test")
    model = DeepPot(str(out / MODEL))
    names = (HERE / "data" / "test" / "type_map.raw").read_text().split()
    types = [model.get_type_map().index(names[t]) for t in labels["types"]]
    energy, force, virial = model.eval(labels["coord"][:1], labels["box"][:1], types)
    tested = read_detail(out / "detail")["energy"][1][0]
    n = len(types)
    print(f"test frame 0: energy {energy.item():.4f} eV, label {labels['energy'].ravel()[0]:.4f} eV")
    print(f"              force  {rms(force.ravel() - labels['force'][0]):.4f} eV/A RMS from the label")
    print(
        f"              virial {rms(virial.ravel() - labels['virial'][0]) / n:.4f} eV/atom RMS from the label"
    )
    print(f"              energy {abs(energy.item() - tested):.1e} eV from what dp test printed\n")


def rms(values):
    return float((values**2).mean() ** 0.5)


def draw(out):
    """Write the two pictures; returns their names (none without matplotlib, with a hint)."""
    from dpcore.plot import plot_learning_curve, plot_parity

    try:
        plot_learning_curve(out / "lcurve.out", out / "learning_curve.png")
        plot_parity(out / "detail", out / "parity.png", title="Water, frames not seen in training")
    except ImportError as error:  # no matplotlib; everything else is done
        print(f"No pictures: {error}\n")
        return []
    return ["learning_curve.png", "parity.png"]


def print_table(out, steps, seconds, drawn):
    """Print errors on the test frames; returns force RMSE / spread of the force labels."""
    from dpcore.plot import read_detail

    detail = read_detail(out / "detail")
    natoms = detail["natoms"]
    energy, predicted = (values / natoms for values in detail["energy"])
    virial, predicted_virial = (values / natoms[:, None] for values in detail["virial"])
    force, predicted_force = detail["force"]
    rows = [
        ("energy", "meV/atom", rms(predicted - energy), energy.std()),
        ("force", "meV/A", rms(predicted_force - force), force.std()),
        ("virial", "meV/atom", rms(predicted_virial - virial), rms(virial - virial.mean(axis=0))),
    ]
    print(f"Errors on {len(energy)} frames not seen in training")
    print(f"{'':8s} {'unit':9s} {'RMSE':>9s} {'spread of labels':>17s} {'RMSE/spread':>12s}")
    for name, unit, error, spread in rows:
        print(f"{name:8s} {unit:9s} {1e3 * error:9.2f} {1e3 * spread:17.1f} {100 * error / spread:10.1f} %")
    print(f"\n{steps} steps in {seconds:.0f} s ({1e3 * seconds / steps:.1f} ms per step, start-up included)")
    print("Files in " + str(out) + ": " + ", ".join([MODEL, "lcurve.out", *drawn]))
    return rows[1][2] / rows[1][3]


if __name__ == "__main__":
    main()
