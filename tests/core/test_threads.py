# SPDX-License-Identifier: LGPL-3.0-or-later
"""The threads that a build promises really run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dpcore import _core as core

TESTS = Path(__file__).resolve().parents[1]
SETTINGS = Path(core.__file__).parent / "include/dpcore/version.h"

# how many threads of the process have done work between two moments
PROGRAM = """
import os, sys
sys.path.insert(0, {tests!r})
from dpcore import _core as core
if {wanted}:
    core.set_num_threads({wanted})
from gradcheck import evaluate, grid_system, make_config, make_tensors, model
config = make_config()
potential = model(config, make_tensors(config))
system = grid_system()
for _ in range(50):
    evaluate(potential, system)
busy = 0
for task in os.listdir("/proc/self/task"):
    fields = open(f"/proc/self/task/{{task}}/schedstat").read().split()
    busy += int(fields[0]) > 1_000_000  # ns on a core
print(core.num_threads(), busy)
"""


def threads(environment, wanted=0):
    env = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    env["OPENBLAS_NUM_THREADS"] = "1"  # numpy's own threads are not meant
    program = PROGRAM.format(tests=str(TESTS), wanted=wanted)
    out = subprocess.run(
        [sys.executable, "-c", program],
        env={**env, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(map(int, out.split()))


@pytest.mark.skipif(core.backend() == "emulated", reason="built elsewhere")
def test_the_backend_is_the_one_of_the_build():
    built_for = re.search(r'DPCORE_BACKEND_NAME "(\w+)"', SETTINGS.read_text()).group(1)
    assert core.backend() == built_for


@pytest.mark.skipif(core.backend() != "openmp", reason="a build without OpenMP")
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="no times of threads in /proc")
@pytest.mark.parametrize("n", [1, 2])
def test_as_many_threads_work_as_asked_for(n):
    assert threads({"OMP_NUM_THREADS": str(n)}) == (n, n)
    assert threads({"OMP_NUM_THREADS": "2"}, wanted=n) == (n, n)


def test_no_thread_is_refused():
    with pytest.raises(core.Error, match="at least 1 thread, got 0"):
        core.set_num_threads(0)


FORK = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from dpcore import _core as core
from gradcheck import evaluate, grid_system, make_config, make_tensors, model
config = make_config()
potential = model(config, make_tensors(config))
system = grid_system()
expected = evaluate(potential, system)["energy"]
assert core.num_threads() == 2
child = os.fork()
signal.alarm(30)  # the end of a process that hangs
ok = abs(evaluate(potential, system)["energy"] - expected).max() < 1e-12
ok = ok and core.num_threads() == (2 if child else 1)
if not child:
    sys.exit(0 if ok else 1)  # with all that happens at the end of a process
sys.exit(0 if ok and os.waitpid(child, 0)[1] == 0 else 1)
"""


@pytest.mark.skipif(core.backend() != "openmp", reason="a build without OpenMP")
def test_a_forked_process_goes_on_with_one_thread():
    """The threads of OpenMP do not survive a fork, as multiprocessing does it; waiting for them would hang."""
    program = FORK.format(tests=str(TESTS))
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], env=environment, check=True, timeout=60)
