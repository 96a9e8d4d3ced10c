# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp model-devi and calc_model_devi: numbers, the table, options, refusals."""

import os

import numpy as np
import pytest
from make_system import make_system

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.errors import InputError
from dpcore.infer import DeepPot
from dpcore.model_devi import calc_model_devi, make_model_devi, write_model_devi_out
from make_model import write_model
from training_case import dp

TYPES = (0, 1, 1, 0, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [str(write_model(folder / f"{k}.dp", seed=k)) for k in range(1, 4)]


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A system with two sets in the current folder."""
    monkeypatch.chdir(tmp_path)
    return make_system("data", sizes=(3, 2), types=TYPES, keys=("coord", "box", "energy", "force", "virial"))


def frames_of(sets, key):
    return np.concatenate([s[key] for s in sets])


def predictions(files, sets, pbc=True):
    """Forces [n_models, n_frames, n_atoms, 3] and virials per atom [n_models, n_frames, 9]."""
    box = frames_of(sets, "box") if pbc else None
    each = [DeepPot(f).eval(frames_of(sets, "coord"), box, TYPES) for f in files]
    return np.array([e[1] for e in each]), np.array([e[2] for e in each]) / len(TYPES)


def expected(forces, virials, center_f=None, center_v=None, level_f=None, level_v=None):
    """The columns after the first, atom by atom."""
    rows = []
    for k in range(forces.shape[1]):
        of_atoms = []
        for i in range(forces.shape[2]):
            f = forces[:, k, i]
            mean = f.mean(axis=0) if center_f is None else center_f[k, i]
            d = np.sqrt(sum(np.dot(x - mean, x - mean) for x in f) / len(f))
            of_atoms.append(d if level_f is None else d / (np.linalg.norm(mean) + level_f))
        v = virials[:, k]
        mean = v.mean(axis=0) if center_v is None else center_v[k]
        of_v = np.sqrt(sum((x - mean) ** 2 for x in v) / len(v))
        if level_v is not None:
            of_v = of_v / (np.sqrt(np.sum(mean**2)) + level_v)
        rms = np.sqrt(np.mean(of_v**2))
        rows.append([max(of_v), min(of_v), rms, max(of_atoms), min(of_atoms), np.mean(of_atoms), *of_atoms])
    return np.array(rows)


def assert_close(found, wanted, relative=1e-10):
    assert found.shape == wanted.shape
    assert wanted.min() > 1e-8, "no deviation: the comparison says nothing"
    assert np.abs(found / wanted - 1).max() <= relative


def test_deviations_are_those_of_the_formulas(files, system):
    coord, box = frames_of(system, "coord"), frames_of(system, "box")
    models = [DeepPot(f) for f in files]
    found = calc_model_devi(coord, box, TYPES, models, frequency=10)
    assert found.shape == (5, 7) and (found[:, 0] == [0, 10, 20, 30, 40]).all()
    assert_close(found[:, 1:], expected(*predictions(files, system))[:, :6])
    found = calc_model_devi(coord, box, TYPES, models, atomic=True, relative=0.2, relative_v=0.05)
    assert_close(found[:, 1:], expected(*predictions(files, system), level_f=0.2, level_v=0.05))
    wanted = expected(*predictions(files, system, pbc=False))[:, :6]
    assert_close(calc_model_devi(coord, None, TYPES, models)[:, 1:], wanted)
    assert_close(calc_model_devi(coord, box, TYPES, models, nopbc=True)[:, 1:], wanted)


def test_the_table_of_a_system(files, system):
    """The layout that scripts for the reference read."""
    assert dp("model-devi", "-m", *files, "-s", "data", "-o", "out", "-f", "5") == 0
    lines = open("out").read().splitlines()
    titles = "max_devi_v", "min_devi_v", "avg_devi_v", "max_devi_f", "min_devi_f", "avg_devi_f"
    assert lines[0] == "#       step" + "".join(f"{t:>19s}" for t in titles)
    assert [len(line) for line in lines[1:]] == [12 + 6 * 19] * 5
    found = np.loadtxt("out")
    assert (found[:, 0] == [0, 5, 10, 15, 20]).all()
    assert_close(found[:, 1:], expected(*predictions(files, system))[:, :6], relative=1e-6)  # seven digits


def test_options_of_the_command(files, system):
    options = ["--atomic", "--relative", "0.2", "--relative_v", "0.05"]
    assert dp("model-devi", "-m", *files, "-s", "data", *options) == 0
    assert open("model_devi.out").readline().endswith(f"{'avg_devi_f':>19s}{'atm_devi_f(N)':>19s}\n")
    wanted = expected(*predictions(files, system), level_f=0.2, level_v=0.05)
    assert_close(np.loadtxt("model_devi.out")[:, 1:], wanted, relative=1e-6)
    assert dp("model-devi", "-m", files[0], "-s", "data", "--real_error") == 0
    labels = frames_of(system, "force").reshape(5, -1, 3), frames_of(system, "virial") / len(TYPES)
    wanted = expected(*predictions(files[:1], system), *labels)[:, :6]
    assert_close(np.loadtxt("model_devi.out")[:, 1:], wanted, relative=1e-6)
    os.remove("data/set.001/virial.npy")
    assert dp("model-devi", "-m", files[0], "-s", "data", "--real_error") == 0
    found = np.loadtxt("model_devi.out")[:, 1:]
    assert np.isnan(found[3:, :3]).all()  # nothing to compare with
    assert_close(found[:, 3:], wanted[:, 3:], relative=1e-6)
    assert_close(found[:3], wanted[:3], relative=1e-6)


def test_several_systems_stand_one_below_the_other(files, system):
    make_system("data/more", sizes=(2,), types=(1, 0), pbc=False, seed=4)
    tables = make_model_devi(models=files, system=".", output="out")
    assert [len(t) for t in tables] == [5, 2]
    names = [line for line in open("out").read().splitlines() if line.startswith("# ./")]
    assert names == ["# ./data", "# ./data/more"]
    np.testing.assert_allclose(np.loadtxt("out"), np.concatenate(tables), rtol=1e-6)


def test_parameters_come_from_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = ("coord", "box", "fparam", "aparam")
    sets = make_system("data", sizes=(2,), keys=keys)
    files = [str(write_model(f"{k}.dp", numb_fparam=2, numb_aparam=3, seed=k)) for k in (1, 2)]
    (found,) = make_model_devi(models=files, system="data")
    coord, box, fparam, aparam = (sets[0][k] for k in keys)
    options = {"fparam": fparam, "aparam": aparam}
    assert (found == calc_model_devi(coord, box, (0, 1, 1), [DeepPot(f) for f in files], **options)).all()
    assert (
        found
        != calc_model_devi(
            coord, box, (0, 1, 1), [DeepPot(f) for f in files], **{**options, "fparam": 0 * fparam}
        )
    ).any()


def test_what_does_not_fit_is_refused_and_leaves_no_file(files, system, tmp_path, capsys):
    other = str(write_model(tmp_path / "other.dp", numb_fparam=1))
    for words, arguments in (
        ("two or more models, got 1", ["-m", files[0]]),
        ("frame parameters: ", ["-m", *files, other]),
        ("absent.dp", ["-m", files[0], "absent.dp"]),
        ("none: no such folder", ["-m", *files, "-s", "none"]),
        ("--relative: expected 0 or more, got -1", ["-m", *files, "--relative=-1"]),
        ("--relative_v: expected 0 or more, got nan", ["-m", *files, "--relative_v=nan"]),
    ):
        assert dp("model-devi", "-s", "data", *arguments, "-o", "table") == 1
        message = capsys.readouterr().err
        assert words in message, message
        assert "other.dp" in message or other not in arguments
    make_system("unlabelled", keys=("coord", "box"))
    assert dp("model-devi", "-m", files[0], "-s", "unlabelled", "--real_error", "-o", "table") == 1
    assert "force labels of all frames" in capsys.readouterr().err
    coord = np.load("data/set.001/coord.npy")
    coord[1] = coord[1, 0]
    np.save("data/set.001/coord.npy", coord)
    assert dp("model-devi", "-m", *files, "-s", "data", "-o", "table") == 1
    message = capsys.readouterr().err
    assert "set.001" in message and "frame 1" in message
    assert not (tmp_path / "table").exists()
    with pytest.raises(InputError, match=r"expected 7 columns, got \[2, 8\]"):
        write_model_devi_out(np.zeros((2, 8)), "table")
