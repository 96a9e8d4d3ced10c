# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the scripts share: 16 water molecules from the data of examples/water, and the command line."""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from dpcore.calculator import DP

DATA = Path(__file__).resolve().parent.parent / "water" / "data" / "test"


def parse(what, steps, argv=None):
    """Arguments MODEL and --steps."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("model", help="model of O and H, such as demo_output/water.dp of `make demo`")
    parser.add_argument("--steps", type=int, default=steps, help="at most so many (default: %(default)s)")
    return parser.parse_args(argv)


def water(model, frame=0):
    """A frame of the test data with the model as its calculator."""
    coord, box = (np.load(DATA / "set.000" / f"{name}.npy")[frame] for name in ("coord", "box"))
    types = np.loadtxt(DATA / "type.raw", dtype=int)
    symbols = ["OH"[t] for t in types]
    atoms = Atoms(symbols, positions=coord.reshape(-1, 3), cell=box.reshape(3, 3), pbc=True)
    atoms.calc = DP(model)
    return atoms
