# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp doctor: it finds what is there, and notices what is wrong."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore import __version__, _core, clients, doctor
from dpcore.clients import NotInstalled, c, python
from reference import se_e2_a as oracle
from training_case import dp


@pytest.fixture
def quick(monkeypatch):
    """Python and C only."""
    few = [client for client in clients.CLIENTS if client.name in ("Python", "C")]
    monkeypatch.setattr(doctor, "CLIENTS", few)


def test_the_expected_numbers_are_those_of_the_formulas(tmp_path):
    metadata, tensors = _core.read_model_file(str(doctor.make_model(tmp_path / "m.dp")))
    frame = doctor.six_atoms()
    config = json.loads(metadata["config"])
    out = oracle.evaluate(config, tensors, frame.coord.reshape(1, -1), frame.cell.reshape(1, 9), frame.types)
    trace = np.trace(out["virial"].reshape(3, 3))
    found = (np.ravel(out["energy"])[0], np.linalg.norm(out["force"]), trace)
    np.testing.assert_allclose(found, doctor.EXPECTED, rtol=0, atol=1e-11)
    assert np.linalg.norm(out["force"]) > 0.1 and abs(trace) > 0.1


def test_everything_installed_is_right(capfd):
    assert dp("doctor") == 0
    out = capfd.readouterr().out
    assert (
        f"dpcore         {__version__}" in out and f"{_core.backend()}, {_core.num_threads()} threads" in out
    )
    lines = {line[:16].strip(): line[16:].split() for line in out.split("six atoms")[1].splitlines()[1:]}
    assert list(lines) == ["Python", "C++", "C", "ASE", "LAMMPS 1 rank", "LAMMPS 2 ranks", "i-PI"]
    assert lines["Python"][0] == "ok" and all(words[0] != "FAILED" for words in lines.values())


def test_json_for_scripts(quick, capfd):
    assert dp("doctor", "--json") == 0
    content = json.loads(capfd.readouterr().out)
    assert [(x["client"], x["state"]) for x in content["clients"]] == [("Python", "ok"), ("C", "ok")]
    assert {"dpcore", "engine", "library", "LAMMPS", "LAMMPS plugin", "dp_ipi", "ASE"} <= set(
        content["facts"]
    )


def test_a_wrong_client_is_noticed(quick, monkeypatch, capfd):
    right = c.evaluate
    monkeypatch.setattr(c, "evaluate", lambda *args: right(*args)._replace(energy=-15.0))
    assert dp("doctor") == 1
    assert (
        "C               FAILED    3.7e-02  energy/atom of the six atoms is off by" in capfd.readouterr().out
    )


def test_a_wrong_engine_is_noticed(quick, monkeypatch, capfd):
    """All clients agree, and all are wrong."""
    right = {module: module.evaluate for module in (python, c)}
    for module, evaluate in right.items():
        wrong = lambda *args, f=evaluate: (r := f(*args))._replace(force=1.001 * r.force)  # noqa: E731
        monkeypatch.setattr(module, "evaluate", wrong)
    assert dp("doctor") == 1
    assert "Python          FAILED" in capfd.readouterr().out


def test_what_is_not_installed_is_no_failure(quick, monkeypatch, capfd):
    def absent(*args):
        raise NotInstalled("pip install 'dpcore[x]'")

    monkeypatch.setattr(c, "evaluate", absent)
    monkeypatch.setattr("dpcore.clients.lammps.find", absent)
    assert dp("doctor") == 0
    out = capfd.readouterr().out
    assert "C               not run            not installed: pip install 'dpcore[x]'" in out
    assert "LAMMPS         not installed: pip install 'dpcore[x]'" in out


def test_a_core_that_cannot_be_loaded_is_told_in_one_line():
    code = (
        "import sys; sys.modules['dpcore._core'] = None\n"
        "from dpcore.cli import main\nsys.exit(main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "dpcore._core: cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr
