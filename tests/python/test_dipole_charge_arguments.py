# SPDX-License-Identifier: LGPL-3.0-or-later
"""Wrong arguments of DipoleChargeModifier and EwaldRecp are named."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.errors import InputError
from dpcore.infer import DipoleChargeModifier, EwaldRecp
from make_model import write_tensor_model
from make_system import random_frames


@pytest.fixture(scope="module")
def dipole(tmp_path_factory):
    """A model of dipoles of O, and not of H."""
    return write_tensor_model(tmp_path_factory.mktemp("model") / "dipole.dp")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([-8, 1], [6, 1]), "expected 1 charge"),
        (([-8], [6]), "expected 2 charge"),
        ((["x"], [6, 1]), "model_charge_map: expected an array of numbers"),
        (([-8], [6, np.nan]), "sys_charge_map: expected finite charges"),
        (([-8], [6, 1], None), "ewald_h: expected one finite number"),
        (([-8], [6, 1], 1.0, [1, 2]), "ewald_beta: expected one finite number"),
        (([-8], [6, 1], -1.0), "ewald_h: expected a distance > 0"),
    ],
)
def test_wrong_charges_are_refused(dipole, arguments, text):
    with pytest.raises(InputError, match=re.escape(text)):
        DipoleChargeModifier(dipole, *arguments)


def test_wrong_frames_are_refused(dipole):
    types = np.array([0, 1, 1, 0])
    label = random_frames(3, 4)
    of, ewald = DipoleChargeModifier(dipole, [-8], [6, 1]), EwaldRecp(1.0, 0.5)
    good = (label["coord"], label["box"], types)
    for change, text in (
        ((label["coord"][:, :-1], good[1], types), "coord: expected shape [3, 12], got [3, 11]"),
        ((label["coord"][:2], good[1], types), "coord: expected shape [3, 12], got [2, 12]"),
        ((good[0], label["box"][:, :8], types), "box: expected shape [n_frames, 9], got [3, 8]"),
        ((good[0], good[1], types + 0.5), "atom 0 has type"),
        ((good[0], good[1], ["O"] * 4), "atype: expected an array of numbers"),
        ((good[0], good[1], types + 7), "the model knows types 0 to 1"),
        ((good[0] * np.nan, good[1], types), "expected finite positions"),
    ):
        with pytest.raises(InputError, match=re.escape(text)):
            of.eval(*change)
    with pytest.raises(InputError, match="charge: expected"):
        ewald.eval(np.zeros((3, 6)), np.zeros(5), label["box"])
    with pytest.raises(InputError, match="coord: expected shape"):
        ewald.eval(np.zeros((3, 5)), np.zeros((3, 2)), label["box"])
    with pytest.raises(InputError, match="the cell has no volume"):
        ewald.eval(np.zeros((1, 3)), np.ones((1, 1)), np.zeros((1, 9)))
    with pytest.raises(InputError, match="box: is missing"):
        of.modify_data({"coord": label["coord"], "type": types})
    mixed = np.array([types, types[::-1], types])
    with pytest.raises(InputError, match="the frames have different atoms"):
        of.modify_data({**label, "type": np.where(np.arange(3)[:, None] == 1, 1 - mixed, mixed)})
