# SPDX-License-Identifier: LGPL-3.0-or-later
"""Evaluate trained models from Python.

from dpcore.infer import DeepPot
model = DeepPot("frozen_model.pb")
energy, force, virial = model.eval(coords, cells, atom_types)
"""

from __future__ import annotations

import os
from typing import Any

from dpcore.infer.deep_eval import DeepEval, known_precision
from dpcore.infer.deep_pot import DeepPot
from dpcore.infer.deep_tensor import DeepDipole, DeepPolar
from dpcore.infer.dipole_charge import DipoleChargeModifier, EwaldRecp
from dpcore.modelfile import read_model

__all__ = ["DeepDipole", "DeepPolar", "DeepPot", "DeepPotential", "DipoleChargeModifier", "EwaldRecp"]


def DeepPotential(
    model_file: str | os.PathLike[str],
    load_prefix: str = "load",
    default_tf_graph: bool = False,
    *,
    precision: str | None = None,
    **kwargs: Any,
) -> DeepEval:
    """Open a model as the class that fits its kind: `DeepPot`, `DeepDipole` or `DeepPolar`."""
    precision = known_precision(precision)
    file = read_model(model_file)
    kind = {"dipole": DeepDipole, "polar": DeepPolar}.get(file.kind, DeepPot)
    kind._check_keywords(kwargs)
    model = kind.__new__(kind)
    model._open(file, precision)
    return model
