# SPDX-License-Identifier: LGPL-3.0-or-later
"""The learning-rate schedule against its formula and against a curve of the reference."""

import numpy as np
import pytest
from dpcore.config import load_input
from dpcore.errors import InputError
from dpcore.learning_rate import ExponentialLearningRate, make_learning_rate
from make_system import SHARED


def test_falls_by_the_same_factor_on_every_stair():
    lr = ExponentialLearningRate(1e-3, 1e-8, 5000, 1_000_000)
    assert lr.decay_steps == 5000
    assert lr.decay_rate == pytest.approx(1e-5 ** (1 / 200), rel=1e-15)
    assert lr.value(0) == lr.value(4999) == float(np.float32(1e-3))
    assert lr.value(5000) / lr.value(0) == pytest.approx(lr.decay_rate, rel=1e-6)
    assert lr.value(1_000_000) == pytest.approx(1e-8, rel=2e-5)


def test_is_rounded_once_to_single_precision():
    """Long double has the power to more digits than the rounding needs."""
    lr = ExponentialLearningRate(2e-3, 1e-4, 5, 500)
    for step in range(0, 501, 5):
        expected = np.longdouble(2e-3) * np.power(np.longdouble(0.05), np.longdouble(step) / 500)
        assert isinstance(lr.value(step), float)
        assert lr.value(step) == float(np.float32(expected))


@pytest.mark.parametrize(
    ("numb_steps", "decay_steps", "used"),
    [(20, 5, 5), (20, 20, 1), (20, 5000, 1), (1000, 5000, 11), (1009, 5000, 11), (1010, 5000, 100)],
)
def test_stairs_as_long_as_the_run_are_shortened(numb_steps, decay_steps, used):
    assert ExponentialLearningRate(1e-3, 1e-8, decay_steps, numb_steps).decay_steps == used


def test_rejects_what_makes_no_schedule():
    for args in [(0.0, 1e-8, 10, 100), (1e-3, 0.0, 10, 100), (1e-3, 1e-8, 0, 100), (1e-3, 1e-8, 10, 0)]:
        with pytest.raises(InputError, match="must be above 0"):
            ExponentialLearningRate(*args)


def test_prints_the_column_of_the_reference_curve():
    folder = SHARED / "reference" / "training" / "se_e2_a"
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}")
    config = load_input(folder / "input.json")
    lr = make_learning_rate(config["learning_rate"], config["training"]["numb_steps"])
    rows = [line.split() for line in (folder / "lcurve.out").read_text().splitlines() if line[0] != "#"]
    assert len(rows) > 10
    for row in rows:
        assert f"{lr.value(int(row[0])):.1e}" == row[-1]
