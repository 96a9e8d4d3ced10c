# SPDX-License-Identifier: LGPL-3.0-or-later
"""The reference models, and what "agrees" means.

Relative error of an array is max|a - b| / max|b|, over all frames and components:
one number, insensitive to components that are zero by symmetry.  NaN on either
side makes it infinite, so that ``error <= tolerance`` fails.

Tolerances (double precision nets / single precision nets):

* core against reference: 1e-10 / 1e-5 for every quantity, the acceptance limits;
* oracle against reference: energies 1e-12, derivatives 1e-10 / 1e-5, and 1e-11 / 1e-5
  for the atomic energies without their bias, which is 1e2 to 1e3 times larger and
  would hide errors of the nets.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

import numpy as np
import pytest

ENERGY_MODELS = (
    "se_e2_a",
    "se_e2_a_two_side",
    "se_e2_a_exclude",
    "se_e2_a_gelu",
    "se_e2_a_softplus",
    "se_e2_a_davg0_atomener",
    "se_e2_a_f32",
    "fparam",
    "aparam",
    "nopbc",
    "se_e2_r",
    "se_e3",
    "loc_frame",
    "hybrid",
    "srtab",
    "se_e2_a_tebd",
)
QUANTITIES = ("energy", "force", "virial", "atom_energy", "atom_virial")
SINGLE_PRECISION = ("se_e2_a_f32",)


def shared_data() -> Path:
    """The folder of shared test data, from DPCORE_TEST_DATA or beside the project."""
    default = Path(__file__).resolve().parents[2].parent / "shared"
    return Path(os.environ.get("DPCORE_TEST_DATA", default))


def reference_folder(name: str) -> Path:
    """Folder of one reference model; skips the test where it is absent."""
    folder = shared_data() / "reference" / name
    if not folder.is_dir():
        pytest.skip(f"no reference model {name} (set DPCORE_TEST_DATA to the shared data)")
    return folder


def reference_values(name: str) -> dict[str, np.ndarray]:
    """Inputs and outputs of one reference model (see README.md beside the models).

    The forces and virials of loc_frame are without the mistake of DeePMD-kit's, which `loc_frame.strays` explains.
    """
    values = stored_values(name)
    if name == "loc_frame":
        force, virial = _strays(name)
        values["force"] = values["force"] - force
        values["atom_virial"] = values["atom_virial"] - virial
        values["virial"] = values["virial"] - virial.sum(axis=1)
    return values


def stored_values(name: str) -> dict[str, np.ndarray]:
    """Inputs and outputs of one reference model as DeePMD-kit gives them."""
    with np.load(reference_folder(name) / "ref.npz") as stored:
        return {key: stored[key] for key in stored.files}


@functools.lru_cache
def _strays(name: str) -> tuple[np.ndarray, np.ndarray]:
    from dpcore.convert import read_tensorflow_graph
    from reference import loc_frame

    metadata, tensors = read_tensorflow_graph(reference_folder(name) / "graph.pb")
    values = stored_values(name)
    config = json.loads(metadata["config"])
    return loc_frame.strays(config, tensors, values["coord"], values["box"], values["type"])


def relative_error(value: np.ndarray, reference: np.ndarray) -> float:
    """max|value - reference| / max|reference|; infinite when anything is not finite."""
    value = np.asarray(value, dtype=np.float64)
    reference = np.asarray(reference, dtype=np.float64)
    assert value.size == reference.size and value.size > 0
    if not (np.all(np.isfinite(value)) and np.all(np.isfinite(reference))):
        return np.inf
    scale = np.max(np.abs(reference))
    assert scale > 0.0, "a reference of zeros tests nothing"
    return float(np.max(np.abs(value.reshape(-1) - reference.reshape(-1))) / scale)
