# SPDX-License-Identifier: LGPL-3.0-or-later
"""A kind of bad input: how it comes about, the command line that meets it, and what its message says."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from make_input import changed
from make_system import make_system

MODEL = {
    "type_map": ["O", "H"],
    "descriptor": {
        "type": "se_e2_a",
        "sel": [10, 20],
        "rcut": 4.0,
        "rcut_smth": 1.0,
        "neuron": [3, 6],
        "axis_neuron": 2,
        "seed": 1,
    },
    "fitting_net": {"neuron": [5, 5], "seed": 1},
}
INPUT = {
    "model": MODEL,
    "learning_rate": {"start_lr": 0.001, "stop_lr": 1e-5, "decay_steps": 10},
    "loss": {},
    "training": {
        "training_data": {"systems": ["data"], "batch_size": 1},
        "numb_steps": 2,
        "disp_freq": 1,
        "save_freq": 2,
        "seed": 1,
    },
}
# reads every label, and frame and atomic parameters
EVERYTHING = {
    "model/fitting_net/numb_fparam": 2,
    "model/fitting_net/numb_aparam": 3,
    **{f"loss/{edge}_pref_{term}": 1.0 for edge in ("start", "limit") for term in ("v", "ae", "pf")},
}
ALL_KEYS = ("coord", "box", "energy", "force", "virial", "atom_ener", "atom_pref", "fparam", "aparam")
SIZES = (4, 3)
TYPES = (0, 1, 1)
# the sets of the training data
A, B = "data/set.000", "data/set.001"


def nothing(folder: Path) -> None:
    """Leave the folder as it is."""


@dataclass(frozen=True)
class Case:
    """A command that cannot be carried out.

    Attributes
    ----------
    words
        The command line.
    expect
        What the message holds: the place, what is wrong, what was expected.
    prepare
        Spoils a good folder.
    code
        The exit code: 1, or 2 where the command line itself is wrong.
    """

    words: Sequence[str]
    expect: Sequence[str]
    prepare: Callable[[Path], object] = nothing
    code: int = 1


def make_folder(folder: Path) -> None:
    """Data, inputs, and a checkpoint and models trained with them."""
    from dpcore.cli import main

    make_system(folder / "data", sizes=SIZES, types=TYPES, keys=ALL_KEYS)
    make_system(folder / "valid", sizes=(2,), types=TYPES, keys=ALL_KEYS, seed=9)
    (folder / "all.json").write_text(json.dumps(changed(EVERYTHING, INPUT)))
    assert main(["train", "all.json"]) == 0 and main(["freeze", "-o", "parameters.dp"]) == 0
    (folder / "input.json").write_text(json.dumps(INPUT))
    assert main(["train", "input.json"]) == 0 and main(["freeze", "-o", "model.dp"]) == 0
    for name in ("lcurve.out", "out.json"):
        (folder / name).unlink()


def write_input(
    folder: Path, changes: dict | None = None, name: str = "input.json", base: dict = INPUT
) -> None:
    """Write an input with values set at paths like ``model/descriptor/rcut``."""
    (folder / name).write_text(json.dumps(changed(changes or {}, copy.deepcopy(base))))


def edit(name: str, change: Callable[[np.ndarray], np.ndarray | None]) -> Callable[[Path], None]:
    """Rewrite an array of ``data`` with what `change` returns, or does to it."""

    def prepare(folder: Path) -> None:
        path = folder / "data" / name
        array = np.load(path, allow_pickle=False)
        out = change(array)
        np.save(path, array if out is None else out, allow_pickle=True)

    return prepare


def put(name: str, index: object, value: float) -> Callable[[Path], None]:
    """Set a number of an array of ``data``."""
    return edit(name, lambda array: array.__setitem__(index, value))


def write(name: str, content: str | bytes) -> Callable[[Path], None]:
    """Write a file."""
    content = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(content)


def remove(*names: str) -> Callable[[Path], None]:
    """Remove files."""
    return lambda folder: [(folder / name).unlink() for name in names]


def replaced_by_folder(name: str) -> Callable[[Path], None]:
    """Put a folder where a file was."""

    def prepare(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return prepare


def both(*steps: Callable[[Path], object]) -> Callable[[Path], None]:
    """One after the other."""
    return lambda folder: [step(folder) for step in steps]


def train(prepare, *expect, changes=None):
    """Training that reads every label and every parameter of ``data``."""

    def all_of_it(folder):
        write_input(folder, {**EVERYTHING, **(changes or {})})
        prepare(folder)

    return Case(["train", "input.json"], expect, all_of_it)
