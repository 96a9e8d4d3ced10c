# SPDX-License-Identifier: LGPL-3.0-or-later
"""The protocol of dp_ipi without a socket and without a model: layout, units and order of every number."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from dpcore import _core
from ipi_tools import BOHR, HARTREE

ROOT = Path(__file__).resolve().parents[2]
PREFIX = Path(_core.__file__).parent
COMPILER = os.environ.get("CXX") or shutil.which("g++")
N_ATOMS = 3

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program that echoes; see check_ipi.cpp."""
    path = tmp_path_factory.mktemp("stream") / "check_ipi"
    include, library = PREFIX / "include", PREFIX / "lib"
    subprocess.run(
        [COMPILER, "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{include}", f"-I{ROOT / 'ipi_driver'}",
         ROOT / "tests/cpp/check_ipi.cpp", ROOT / "ipi_driver/protocol.cpp", "-o", path,
         f"-L{library}", "-ldpcore", f"-Wl,-rpath,{library}"],
        check=True,
    )  # fmt: skip
    return path


@pytest.fixture(params=["together", "eager"])
def talk(program, request):
    """Sends messages and returns (answers, last word); reads ahead before it evaluates or not."""

    def send(*parts):
        message = b"".join(p.ljust(12).encode() if isinstance(p, str) else p.tobytes() for p in parts)
        env = {**os.environ, **({"EAGER": "1"} if request.param == "eager" else {})}
        done = subprocess.run(
            [program, str(N_ATOMS)], input=message, capture_output=True, timeout=20, env=env, check=True
        )
        return done.stdout, done.stderr.decode()

    return send


def int32(*values):
    return np.array(values, np.int32)


def structures(n):
    """h [n, 3, 3], a stand-in for its inverse, and positions [n, N_ATOMS, 3] as sent, all different."""
    h = np.arange(1.0, 9 * n + 1).reshape(n, 3, 3)
    return h, -h, 100 + np.arange(3.0 * n * N_ATOMS).reshape(n, N_ATOMS, 3)


def expected(h, x):
    """The answer of the echo to GETFORCE."""
    n = len(h)
    parts = [
        b"FORCEREADY  ", (h[:, 1, 0] * BOHR / HARTREE).tobytes(), int32(N_ATOMS).tobytes(),
        (x * BOHR / HARTREE * BOHR).tobytes(), (h * BOHR / HARTREE).tobytes(),
        *[int32(2).tobytes() + b"{}" for _ in range(n)],
    ]  # fmt: skip
    return b"".join(parts)


def same(found, answer, n):
    """Equal texts and integers, numbers to rounding."""
    assert len(found) == len(answer)
    numbers = [slice(12, 12 + 8 * n), slice(16 + 8 * n, 16 + 8 * n * (1 + 3 * N_ATOMS + 9))]
    for part in numbers:
        values, wanted = np.frombuffer(found[part]), np.frombuffer(answer[part])
        np.testing.assert_allclose(values, wanted, rtol=1e-14, atol=0)
    for rest in (slice(12), slice(numbers[0].stop, numbers[1].start), slice(numbers[1].stop, None)):
        assert found[rest] == answer[rest]


def test_columns_of_the_cell_and_the_virial(talk):
    h, inverse, x = structures(1)
    found, end = talk("INIT", int32(0, 0), "POSDATA", h, inverse, int32(N_ATOMS), x, "GETFORCE", "EXIT")
    same(found, expected(h, x), 1)
    assert end == "exit 1"


def test_a_batch(talk):
    h, inverse, x = structures(2)
    cells = np.stack([h, inverse], axis=1)
    text = np.frombuffer(b"batch_size:2", np.uint8)
    found, end = talk("INIT", int32(7, 12), text, "POSDATA", int32(N_ATOMS), cells, x, "GETFORCE", "EXIT")
    same(found, expected(h, x), 2)
    assert end == "exit 2"


def test_status_tells_what_comes_next(talk):
    h, inverse, x = structures(1)
    data = ("STATUS", "POSDATA", h, inverse, int32(N_ATOMS), x)
    found, end = talk("STATUS", "INIT", int32(0, 0), *data, "STATUS", "STATUS", "GETFORCE", "STATUS")
    assert found[:48] == b"NEEDINIT    READY       HAVEDATA    HAVEDATA    "
    assert found[-12:] == b"READY       " and end == "closed: end of input"


def test_new_positions_replace_those_without_getforce(talk):
    h, inverse, x = structures(1)
    first, second = (("POSDATA", h, inverse, int32(N_ATOMS), y) for y in (x, 2 * x))
    found, end = talk(*first, *second, "GETFORCE", "EXIT")
    same(found, expected(h, 2 * x), 1)
    assert end.startswith("exit")


@pytest.mark.parametrize(
    "message, word",
    [
        (("POSDATA", np.zeros(18), int32(4)), "error: POSDATA: got 4 atoms, but conf.xyz has 3"),
        (("INIT", int32(0, 1 << 30)), "error: INIT: expected a text of 0 to 1048576 bytes"),
        (("POSDATA", np.zeros(18), int32(3), np.zeros(2)), "closed"),
        (("QUIT",), 'error: unexpected header "QUIT"'),
    ],
)
def test_wrong_messages(talk, message, word):
    assert talk(*message)[1].startswith(word)
