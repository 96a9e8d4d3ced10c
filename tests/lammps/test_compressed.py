# SPDX-License-Identifier: LGPL-3.0-or-later
"""pair_style deepmd with a compressed model: the numbers of DeepPot, and word of atoms outside the tables."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dpcore import _core
from dpcore.infer import DeepPot
from run_lammps import HEAD, assert_same, lammps, measure


@pytest.fixture(scope="module")
def models(model, tmp_path_factory):
    """(original, compressed with tables up to 1.5 A), the latter so coarse that its forces are its own."""
    metadata, tensors = _core.read_model_file(str(model))
    config = json.loads(metadata["config"])
    config["descriptor"]["compress"] = {
        "min_nbor_dist": 1.5, "step": 1.0, "extrapolate": 1, "check_frequency": 2,
    }  # fmt: skip
    path = tmp_path_factory.mktemp("compressed") / "c.dp"
    _core.write_model_file(str(path), {**metadata, "config": json.dumps(config)}, tensors)
    return model, path


@pytest.mark.parametrize("ranks", [1, 2])
def test_everything_equals_deeppot(tmp_path, models, box, ranks):
    original, compressed = models
    head = HEAD + f"pair_style deepmd {compressed}\npair_coeff * * O H\n"
    expected, exact = (
        DeepPot(m).eval(box.coord[None], box.cell[None], box.types, atomic=True)
        for m in (compressed, original)
    )
    assert np.abs(expected[1] - exact[1]).max() > 1e-9, "the tables were not used"
    assert_same(measure(tmp_path, head, ranks), expected)


def test_atoms_outside_of_the_tables_are_reported_as_often_as_asked(tmp_path, models, box):
    box.coord[1] = box.coord[0] + [0.4, 0, 0]
    box.write(tmp_path / "box.data")
    head = HEAD + f"pair_style deepmd {models[1]}\npair_coeff * * O H\ntimestep 1e-9\n"
    out = lammps(tmp_path, head + "fix 1 all nve\nrun 5\n")
    assert out.text.count("nearer than the tables") >= 2 and "the nearest 0.4 A" in out.text
