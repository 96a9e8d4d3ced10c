# SPDX-License-Identifier: LGPL-3.0-or-later
"""Two hundred steps on real data from the same start: the learning curves of both programs as printed."""

import pytest
from peer import compare_runs, make_cases

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        make_cases.peer_command() is None,
        reason=f"DeePMD-kit is not installed in {make_cases.peer_environment()} (set DPCORE_PEER)",
    ),
    pytest.mark.skipif(
        not compare_runs.DATA.is_dir(), reason="no shared data (set DPCORE_TEST_DATA to their folder)"
    ),
]


@pytest.mark.parametrize("name", compare_runs.RUNS)
def test_curves_are_the_same(name, tmp_path):
    """Three digits are printed: one unit of the last one is up to 1e-2."""
    for column, (error, *_) in compare_runs.compare(name, tmp_path, 200).items():
        assert error <= 1.1e-2, column
