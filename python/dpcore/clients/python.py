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
    energy, force, virial, *atomic = DeepPot(model).eval(
        frame.coord.reshape(1, -1),
        None if frame.cell is None else frame.cell.reshape(1, 9),
        frame.types,
        atomic=not frame.modifier,
        fparam=frame.fparam,
        aparam=frame.aparam,
    )
    of_atoms = (np.ravel(atomic[0]), atomic[1][0]) if atomic else ()
    return Result(float(energy[0, 0]), force[0], virial[0], *of_atoms)
