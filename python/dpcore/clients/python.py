# SPDX-License-Identifier: LGPL-3.0-or-later
"""`dpcore.infer.DeepPot`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dpcore.clients import Frame, Result
from dpcore.infer import DeepPot

__all__ = ["evaluate", "find"]


def find() -> str:
    """The extension module."""
    from dpcore import _core

    return _core.__file__


def evaluate(model: str, frame: Frame, folder: Path) -> Result:
    """Evaluate a frame."""
    energy, force, virial, atom_energy, atom_virial = DeepPot(model).eval(
        frame.coord.reshape(1, -1),
        None if frame.cell is None else frame.cell.reshape(1, 9),
        frame.types,
        atomic=True,
        fparam=frame.fparam,
        aparam=frame.aparam,
    )
    return Result(float(energy[0, 0]), force[0], virial[0], np.ravel(atom_energy), atom_virial[0])
