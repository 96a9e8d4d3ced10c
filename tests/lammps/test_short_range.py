# SPDX-License-Identifier: LGPL-3.0-or-later
"""pair_style deepmd with a short-range table: the numbers of DeepPot, and atoms nearer than the table by ID."""

from __future__ import annotations

import re

import numpy as np
import pytest
from dpcore.infer import DeepPot
from make_model import write_model
from run_lammps import HEAD, assert_same, lammps, measure
from short_range_table import make_table

KEYS = {"use_srtab": "t.txt", "smin_alpha": 0.2, "sw_rmin": 0.8, "sw_rmax": 2.9, "srtab_add_bias": True}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """(with a table, without)"""
    folder = tmp_path_factory.mktemp("short_range")
    return (
        write_model(folder / "table.dp", sel=(40, 40), short_range=(KEYS, make_table(2))),
        write_model(folder / "plain.dp", sel=(40, 40)),
    )


@pytest.mark.parametrize("ranks", [1, 2])
def test_everything_equals_deeppot(tmp_path, models, box, ranks):
    head = HEAD + f"pair_style deepmd {models[0]}\npair_coeff * * O H\n"
    expected, plain = (
        DeepPot(m).eval(box.coord[None], box.cell[None], box.types, atomic=True) for m in models
    )
    assert np.abs(expected[1] - plain[1]).max() > 1e-2, "the table was not used"
    assert_same(measure(tmp_path, head, ranks), expected)


def test_atoms_nearer_than_the_table_are_named_by_their_ids(tmp_path, models, box):
    head = HEAD + f"pair_style deepmd {models[0]}\npair_coeff * * O H\n"
    script = head + "create_atoms 1 single 3 3 3 units box\ncreate_atoms 2 single 3 3 3.3 units box\nrun 0\n"
    out = lammps(tmp_path, script, check=False)
    assert out.code != 0
    assert re.search(r"step 0: atoms (49 and 50|50 and 49) \(IDs\) are nearer than 0\.5 A, where", out.errors)
