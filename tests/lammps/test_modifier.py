# SPDX-License-Identifier: LGPL-3.0-or-later
"""pair_style deepmd with a model that has the modifier dipole_charge: the model without it, and a warning."""

from __future__ import annotations

import numpy as np
from dpcore.infer import DeepPot
from make_model import write_dplr_model, write_model, write_tensor_model
from run_lammps import HEAD, assert_same, lammps, measure


def test_the_long_range_part_is_left_out_with_a_warning(tmp_path, box):
    plain = write_model(tmp_path / "plain.dp", sel=(40, 40))
    dipole = write_tensor_model(tmp_path / "dipole.dp", sel=(40, 40))
    whole = write_dplr_model(tmp_path / "dplr.dp", plain, dipole)
    head = HEAD + f"pair_style deepmd {whole}\npair_coeff * * O H\n"
    expected = DeepPot(plain).eval(box.coord[None], box.cell[None], box.types, atomic=True)
    complete = DeepPot(whole).eval(box.coord[None], box.cell[None], box.types)
    assert np.abs(complete[1] - expected[1]).max() > 1e-2
    assert_same(measure(tmp_path, head), expected)
    out = lammps(tmp_path, head + "fix 1 all nve\nrun 3\n")
    assert (
        out.text.count("has the modifier dipole_charge (DPLR), whose long-range energy is not part of") == 1
    )
