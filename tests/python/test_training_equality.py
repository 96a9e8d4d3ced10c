# SPDX-License-Identifier: LGPL-3.0-or-later
"""Twenty steps of the reference implementation, repeated from the same weights on the same frame.

The learning curve has to be equal to print precision, and the weights afterwards have to differ by less
than 1e-4 of the distance that they moved.
"""

import shutil

import numpy as np
import pytest
from make_system import SHARED
from training_case import dp

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.modelfile import read_model

CASE = SHARED / "reference" / "training" / "se_e2_a"

pytestmark = pytest.mark.skipif(not CASE.is_dir(), reason=f"no reference data in {CASE}")


def rows(path):
    return [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of the repeated run."""
    folder = tmp_path_factory.mktemp("equality")
    shutil.copytree(CASE / "data", folder / "data")
    shutil.copy(CASE / "input.json", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert dp("train", "input.json", "--init-frz-model", CASE / "start.pb") == 0
    return folder


def test_the_learning_curve_is_that_of_the_reference(trained):
    expected = rows(CASE / "lcurve.out")
    assert len(expected) == 21
    assert rows(trained / "lcurve.out") == expected


def test_the_weights_are_those_of_the_reference(trained):
    start, end = (read_model(CASE / name).tensors for name in ("start.pb", "end.pb"))
    ours = read_model(trained / "model.ckpt").model_tensors()
    assert set(ours) == set(start) == set(end)
    moved = {key: np.linalg.norm(end[key] - start[key]) for key in start}
    assert sum(distance > 0 for distance in moved.values()) > 20
    for key, distance in moved.items():
        assert np.linalg.norm(ours[key] - end[key]) <= 1e-4 * distance, key
