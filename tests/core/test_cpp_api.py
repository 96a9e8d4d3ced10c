# SPDX-License-Identifier: LGPL-3.0-or-later
"""The installed C++ headers and library, used as another program would."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore import _core
from dpcore.infer import DeepPotential
from make_model import write_model, write_tensor_model

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
            "type": "se_e2_a",
            "sel": [30, 60],
            "rcut": 5.5,
            "rcut_smth": 1.0,
            "neuron": [4, 8],
            "axis_neuron": 3,
            "activation_function": "tanh",
            "seed": 3,
        },
        "fitting_net": {
            "type": "ener",
            "neuron": [10, 10],
            "activation_function": "tanh",
            "resnet_dt": True,
            "seed": 4,
        },
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


WATER = np.array([[0, 0, 0, 0.96, 0, 0, -0.24, 0.93, 0]]), 10 * np.eye(3).reshape(1, 9), np.array([0, 1, 1])


def output_of(*command) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def compile_program(source: Path, target: Path) -> None:
    """One compiler line, as a user without CMake would write it."""
    library = PREFIX / "lib"
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{PREFIX / 'include'}"]
    link = [f"-L{library}", "-ldpcore", f"-Wl,-rpath,{library}"]
    subprocess.run([COMPILER, *flags, source, "-o", target, *link], check=True)


def test_neighbour_list_with_ghosts_equals_periodic_frame(model, tmp_path):
    compile_program(ROOT / "tests/cpp/check_list.cpp", tmp_path / "check")
    out = output_of(tmp_path / "check", model)
    found = re.fullmatch(r"worst (\S+) scale (\S+) frames 1 refused 1 single (\S+)\n", out)
    assert found, out
    worst, scale, single = map(float, found.groups())
    assert scale > 1e-4, "forces vanish: the comparison says nothing"
    assert worst <= 1e-12
    assert single <= 1e-5  # coordinates rounded to float32


def test_find_package_builds_the_example(model, tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    output_of("cmake", "-S", ROOT / "examples/cpp", "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={PREFIX}")
    output_of("cmake", "--build", tmp_path)
    out = output_of(tmp_path / "infer_water", model)
    expected = _core.Model.read(str(model)).evaluate(*WATER)
    in_c = output_of(tmp_path / "infer_water_c", model)
    assert in_c.splitlines()[1:] == out.splitlines()[1:]
    energy = float(re.search(r"energy (\S+) eV", out).group(1))
    assert abs(energy - expected["energy"][0]) <= 1e-11
    forces = np.array(re.findall(r"force\s+(\S+)\s+(\S+)\s+(\S+)", out), dtype=float)
    np.testing.assert_allclose(forces, expected["force"][0], rtol=0, atol=1e-11)


def test_model_deviation_agrees_with_numpy(tmp_path):
    names = [str(write_model(tmp_path / f"{k}.dp", seed=k)) for k in (1, 2, 3)]
    other = str(write_model(tmp_path / "other.dp", rcut=3.0))
    compile_program(ROOT / "tests/cpp/check_devi.cpp", tmp_path / "check")
    out = output_of(tmp_path / "check", *names, other)
    found = json.loads(out)
    assert (found["models"], found["ntypes"], found["types"], found["cutoff"]) == (3, 2, "O H", 4.0)
    atoms = np.array([found["coord"]]), np.array([found["box"]]), np.array([0, 1, 1, 0, 1, 1])
    each = [_core.Model.read(name).evaluate(*atoms, atomic=True) for name in names]
    x = {k: np.array([e[k][0] for e in each]) for k in each[0]}
    for key, values in x.items():
        np.testing.assert_allclose(found[key], values.ravel(), rtol=0, atol=1e-12, err_msg=key)
    std = x["force"].std(axis=0)
    wanted = {
        "avg_energy": [x["energy"].mean()],
        "avg_ae": x["atom_energy"].mean(axis=0),
        "std_e": x["atom_energy"].std(axis=0),
        "std_v": x["virial"].std(axis=0),
        "relative_v": x["virial"].std(axis=0) / (np.abs(x["virial"].mean(axis=0)) + 0.7),
        "std_f": np.linalg.norm(std, axis=1),
        "relative_f": np.linalg.norm(std, axis=1) / (np.linalg.norm(x["force"].mean(axis=0), axis=1) + 0.5),
    }
    for key, values in wanted.items():
        assert np.all(np.asarray(values) != 0), f"{key} vanishes: the comparison says nothing"
        np.testing.assert_allclose(found[key], values, rtol=0, atol=1e-12, err_msg=key)
    np.testing.assert_allclose(found["std_f32"], wanted["std_f"], rtol=0, atol=1e-4)  # coordinates in float32
    assert found["without_atomic"] <= 1e-13 and found["list"] <= 1e-12 and found["single"] <= 1e-3
    low = _core.Model.read(names[0])
    low = _core.Model(low.config, low.tensors(), "low").evaluate(*atoms)["energy"][0]
    assert found["low"][0] == pytest.approx(low, abs=1e-12) and found["low"][0] != found["energy"][0]
    assert found["low"][1] == pytest.approx(low, abs=1e-5)  # coordinates in float32
    words = (
        "called twice", "call init first", "no model files", r"rcut: \S*1\.dp has 4 A, \S*other\.dp has 3 A",
        "file_contents: expected nothing or 3", "expected high, mixed or low, got 'half'", "there are no values", "model 1 has 1 values, expected 2",
        "not a multiple of the stride 3", "coord: expected 3 numbers",
    )  # fmt: skip
    assert len(found["errors"]) == len(words)
    for word, message in zip(words, found["errors"]):
        assert re.search(word, message), message


def test_example_of_model_deviation(model, tmp_path):
    compile_program(ROOT / "examples/cpp/model_devi.cpp", tmp_path / "model_devi")
    names = [str(write_model(tmp_path / f"{k}.dp", seed=k)) for k in (1, 2)]
    out = output_of(tmp_path / "model_devi", *names)
    each = [_core.Model.read(name).evaluate(*WATER) for name in names]
    energies = [float(e) for e in re.findall(r"energy (\S+) eV", out)]
    np.testing.assert_allclose(energies, [e["energy"][0] for e in each], rtol=0, atol=1e-11)
    std = np.linalg.norm(np.std([e["force"][0] for e in each], axis=0), axis=1)
    found = [float(x) for x in re.search(r"max (\S+) min (\S+)", out).groups()]
    np.testing.assert_allclose(found, [std.max(), std.min()], rtol=1e-6)
    rms = np.sqrt(np.mean(np.std([e["virial"][0] for e in each], axis=0) ** 2))
    assert abs(float(re.search(r"rms (\S+)", out)[1]) / rms - 1) <= 1e-6
    done = subprocess.run([tmp_path / "model_devi", names[0], model], capture_output=True, text=True)
    assert done.returncode == 1 and "rcut" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake")
def test_find_package_in_a_project_of_c_alone(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.18)\nproject(only_c LANGUAGES C)\nfind_package(dpcore REQUIRED)\n"
        f"add_executable(infer {ROOT / 'examples/cpp/infer_water.c'})\n"
        "target_link_libraries(infer PRIVATE dpcore::core)\n"
    )
    configure = ["cmake", "-S", str(tmp_path), "-B", str(tmp_path / "b"), f"-DCMAKE_PREFIX_PATH={PREFIX}"]
    for command in (configure, ["cmake", "--build", str(tmp_path / "b")]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_missing_model_is_one_clear_line(tmp_path):
    compile_program(ROOT / "examples/cpp/infer_water.cpp", tmp_path / "infer")
    done = subprocess.run([tmp_path / "infer", tmp_path / "absent"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "absent" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("kind, k", [("dipole", 3), ("polar", 9)])
def test_deep_tensor_agrees_with_python(model, tmp_path, kind, k):
    path = write_tensor_model(tmp_path / "tensor.dp", kind, [1])
    compile_program(ROOT / "tests/cpp/check_tensor.cpp", tmp_path / "check")
    lines = output_of(tmp_path / "check", path, model).splitlines()
    found = {line.split()[0]: np.array(line.split()[1:], dtype=float) for line in lines[:5]}
    coord = np.array([[0, 0, 0, 0.96, 0, 0, -0.24, 0.93, 0, 2.8, 0.1, 0.4]])
    names = ("total", "force", "virial", "atomic", "atom_virial")
    wanted = dict(zip(names, DeepPotential(path).eval_full(coord, None, [0, 1, 1, 0], atomic=True)))
    wanted["atomic"] = wanted["atomic"][:, 1:3]
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value.ravel(), rtol=0, atol=1e-12 * np.abs(value).max())
    worst, single, rest = re.fullmatch(r"worst (\S+) single (\S+) (k .*)", lines[5]).groups()
    scale = max(np.abs(v).max() for v in wanted.values())
    assert float(worst) <= 1e-12 * scale and 0 < float(single) <= 1e-4 * scale
    assert rest == f"k {k} selected 1 types O H rcut 4" and lines[6] == "refused 7"
