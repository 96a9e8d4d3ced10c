# SPDX-License-Identifier: LGPL-3.0-or-later
"""What made-up atoms need besides places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpcore.grammar import numb_aparam

if TYPE_CHECKING:
    import numpy as np

    from dpcore.modelfile import ModelFile

__all__ = ["random_parameters"]


def random_parameters(file: ModelFile, rng: np.random.RandomState, n_atoms: int) -> list[np.ndarray | None]:
    """Frame [d] and atomic [n_atoms, d] parameters about the averages of the training; None for none."""
    tensors = file.model_tensors()
    out: list[np.ndarray | None] = []
    for name, shape in (("fparam", ()), ("aparam", (n_atoms,))):
        mean, inverse = (tensors.get(f"fitting/{name}_{what}") for what in ("avg", "istd"))
        if mean is None or len(mean) == 0:
            # those of the descriptor alone are taken as they are: of order one
            width = numb_aparam(file.config) if name == "aparam" else 0
            out.append(rng.uniform(-0.5, 0.5, (n_atoms, width)) if width else None)
        else:
            out.append(mean + rng.uniform(-0.5, 0.5, (*shape, len(mean))) / inverse)
    return out
