# SPDX-License-Identifier: LGPL-3.0-or-later
"""The installed C++ headers and library, used as another program would: with find_package and with a plain compiler line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

_core = pytest.importorskip("dpcore._core")

ROOT = Path(__file__).resolve().parents[2]
PREFIX = Path(_core.__file__).parent
COMPILER = os.environ.get("CXX") or shutil.which("g++")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A small random O H model; its cut-off exceeds the cell of check_list.cpp."""
    config = {
        "type_map": ["O", "H"],
        "descriptor": {
            "type": "se_e2_a", "sel": [30, 60], "rcut": 5.5, "rcut_smth": 1.0, "neuron": [4, 8], "axis_neuron": 3,
            "activation_function": "tanh", "seed": 3,
        },
        "fitting_net": {"type": "ener", "neuron": [10, 10], "activation_function": "tanh", "resnet_dt": True, "seed": 4},
    }
    tensors = {
        "descriptor/davg": np.array([[0.1, 0, 0, 0], [0.05, 0, 0, 0]]),
        "descriptor/dstd": np.array([[0.2, 0.1, 0.1, 0.1], [0.3, 0.2, 0.2, 0.2]]),
        "fitting/bias_atom_e": np.array([-3.0, -1.0]),
    }
    path = tmp_path_factory.mktemp("cpp") / "model with space.dp"
    made = _core.Model.create(json.dumps(config), tensors)
    _core.write_model_file(
        str(path), {"format": "dpcore-model", "kind": "ener", "config": made.config}, made.tensors()
    )
    return path


def compile_program(source: Path, target: Path) -> None:
    """One compiler line, as a user without CMake would write it."""
    library = PREFIX / "lib"
    subprocess.run(
        [COMPILER, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{PREFIX / 'include'}", str(source), "-o", str(target),
         f"-L{library}", "-ldpcore", f"-Wl,-rpath,{library}"],
        check=True,
    )


def test_neighbour_list_with_ghosts_equals_periodic_frame(model, tmp_path):
    compile_program(ROOT / "tests/cpp/check_list.cpp", tmp_path / "check")
    out = subprocess.run([tmp_path / "check", model], check=True, capture_output=True, text=True).stdout
    found = re.fullmatch(r"worst (\S+) scale (\S+) frames 1 refused 1 single (\S+)\n", out)
    assert found, out
    worst, scale, single = map(float, found.groups())
    assert scale > 1e-4, "forces vanish: the comparison says nothing"
    assert worst <= 1e-12
    assert single <= 1e-5  # coordinates rounded to float32


def test_find_package_builds_the_example(model, tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    configure = ["cmake", "-S", str(ROOT / "examples/cpp"), "-B", str(tmp_path), f"-DCMAKE_PREFIX_PATH={PREFIX}"]
    subprocess.run(configure, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(tmp_path)], check=True, capture_output=True)
    out = subprocess.run([tmp_path / "infer_water", model], check=True, capture_output=True, text=True).stdout
    expected = _core.Model.read(str(model)).evaluate(
        np.array([[0, 0, 0, 0.96, 0, 0, -0.24, 0.93, 0]]), 10 * np.eye(3).reshape(1, 9), np.array([0, 1, 1])
    )
    energy = float(re.search(r"energy (\S+) eV", out).group(1))
    assert abs(energy - expected["energy"][0]) <= 1e-11
    forces = np.array(re.findall(r"force\s+(\S+)\s+(\S+)\s+(\S+)", out), dtype=float)
    np.testing.assert_allclose(forces, expected["force"][0], rtol=0, atol=1e-11)


def test_missing_model_is_one_clear_line(tmp_path):
    compile_program(ROOT / "examples/cpp/infer_water.cpp", tmp_path / "infer")
    done = subprocess.run([tmp_path / "infer", tmp_path / "absent"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "absent" in done.stderr and done.stderr.count("\n") == 1
