# SPDX-License-Identifier: LGPL-3.0-or-later
"""libdpcore as C programs see it: what it exports, the header, the example, the commands of the manual."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from c_library import LIBRARY, PREFIX, expected
from make_model import write_model

ROOT = Path(__file__).resolve().parents[2]
HEADER = PREFIX / "include/dpcore/c_api.h"
CC = shutil.which("cc") or shutil.which("gcc")
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
LINK = [f"-I{PREFIX / 'include'}", f"-L{PREFIX / 'lib'}", "-ldpcore", f"-Wl,-rpath,{PREFIX / 'lib'}"]

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="libdpcore is not a shared library")
needs_compiler = pytest.mark.skipif(CC is None, reason="no C compiler")


@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
def test_only_the_interface_is_exported():
    nm = ["nm", "-D", "--defined-only", LIBRARY]
    listing = subprocess.run(nm, check=True, capture_output=True, text=True).stdout
    symbols = {line.split()[-1].split("@")[0] for line in listing.splitlines()}
    ours = re.compile(r"DP_\w+|_ZNK?6dpcore\w+|_ZT[ISV]N6dpcore\w+")
    assert not [s for s in symbols if not ours.fullmatch(s)]
    assert not [s for s in symbols if re.search(r"Kokkos|Eigen|nlohmann", s)]
    assert "_ZTIN6dpcore5ErrorE" in symbols  # or Error cannot be caught outside
    declared = set(re.findall(r"\b(DP_\w+)\(", HEADER.read_text(encoding="utf-8")))
    assert len(declared) > 70
    assert declared == {s for s in symbols if s.startswith("DP_")}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "with space.dp")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if CC is None:
        pytest.skip("no C compiler")
    target = tmp_path_factory.mktemp("program") / "infer_water"
    source = ROOT / "examples/cpp/infer_water.c"
    subprocess.run([CC, "-std=c99", *STRICT, source, "-o", target, *LINK], check=True)
    return target


def test_example_gives_what_python_gives(program, model):
    out = subprocess.run([program, model], check=True, capture_output=True, text=True).stdout
    assert out.startswith("types O H, cutoff 4 A\n")
    water = np.array([0, 0, 0, 0.96, 0, 0, -0.24, 0.93, 0])
    wanted = expected(str(model), water, 10 * np.eye(3).ravel(), [0, 1, 1])
    assert abs(float(re.search(r"energy (\S+) eV", out)[1]) - wanted["energy"][0]) <= 1e-11
    forces = np.array(re.findall(r"force\s+(\S+)\s+(\S+)\s+(\S+)", out), dtype=float)
    np.testing.assert_allclose(forces, wanted["force"][0], rtol=0, atol=1e-11)


def test_example_names_what_is_wrong(program, tmp_path):
    done = subprocess.run([program, tmp_path / "absent.dp"], capture_output=True, text=True)
    assert done.returncode == 1 and "absent.dp" in done.stderr and done.stderr.count("\n") == 1


def test_neighbours_beyond_sel_are_told_once(program, tmp_path, monkeypatch):
    tight = write_model(tmp_path / "tight.dp", sel=(1, 1))
    done = subprocess.run([program, tight], check=True, capture_output=True, text=True)
    assert done.stderr.count("more neighbours") == 1 and "tight.dp" in done.stderr
    monkeypatch.setenv("DP_STRICT_SEL", "1")
    done = subprocess.run([program, tight], capture_output=True, text=True)
    assert done.returncode == 1 and "DP_STRICT_SEL" in done.stderr


@needs_compiler
@pytest.mark.parametrize("language, standard", [("c", "c99"), ("c", "c17"), ("c++", "c++17")])
def test_header_compiles_alone(language, standard, tmp_path):
    source = tmp_path / "header.c"
    source.write_text('#include "deepmd/c_api.h"\nint main(void) { return DP_C_API_VERSION < 20; }\n')
    flags = [f"-std={standard}", *STRICT, "-fsyntax-only", "-x", language, f"-I{PREFIX / 'include'}"]
    subprocess.run([CC, *flags, source], check=True)


@needs_compiler
@pytest.mark.parametrize("page, program", [("c.md", "infer_water.c"), ("cpp.md", "infer_water.cpp")])
def test_commands_of_the_manual_run(page, program, model, tmp_path):
    """The compiler's line of the page, with the example beside it."""
    lines = re.search(
        r"```sh\n(PREFIX=.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL
    )[1]
    shutil.copy(ROOT / "examples/cpp" / program, tmp_path)
    shutil.copy(model, tmp_path / "water.dp")
    lines = lines.replace("$(python ", f"$({sys.executable} ")
    done = subprocess.run(["sh", "-e", "-c", lines], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "energy" in done.stdout and "force" in done.stdout
