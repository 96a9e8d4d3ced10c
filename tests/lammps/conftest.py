# SPDX-License-Identifier: LGPL-3.0-or-later
"""Tests of pair_style deepmd run the program lmp; they are skipped where it or the plugin is not installed."""

import pytest
import run_lammps
from make_model import write_model
from run_lammps import HEAD, make_box


def pytest_collection_modifyitems(items):
    """Skip with the reason."""
    reason = run_lammps.why_not()
    for item in items:
        if reason and "tests/lammps/" in str(item.path):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A random model of O and H."""
    return write_model(tmp_path_factory.mktemp("model") / "model.dp", sel=(40, 40))


@pytest.fixture(scope="session")
def others(tmp_path_factory):
    """Three more models of the kind of `model`."""
    folder = tmp_path_factory.mktemp("models")
    return [write_model(folder / f"{seed}.dp", sel=(40, 40), seed=seed) for seed in (11, 12, 13)]


@pytest.fixture
def box(tmp_path):
    """A triclinic box, written to box.data."""
    box = make_box()
    box.write(tmp_path / "box.data")
    return box


@pytest.fixture
def head(model):
    """A script up to the pair style."""
    return HEAD + f"pair_style deepmd {model}\npair_coeff * * O H\n"
