# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp freeze and dp test: the model file, the errors that are printed, the files of details."""

import json
import logging
import re

import numpy as np
import pytest
from make_system import make_system
from training_case import KEYS, dp, make_case, same_tensors

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore import _core
from dpcore.errors import InputError
from dpcore.freeze import freeze
from dpcore.infer import DeepPot
from dpcore.modelfile import read_model
from dpcore.plot import read_detail
from dpcore.test import Errors
from dpcore.test import test as run_test


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a trained and frozen model and its data."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_case(folder, {"training/numb_steps": 10, "training/save_freq": 5}, keys=(*KEYS, "atom_ener"))
        assert dp("train", "input.json") == 0
        assert dp("freeze", "-o", "model.pb") == 0
    return folder


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """An empty current folder; the model and the data are in `trained`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- freeze --------------------------------------------------------------------------------------


def test_a_frozen_model_is_the_checkpoint_without_the_state_of_training(trained):
    frozen, checkpoint = read_model(trained / "model.pb"), read_model(trained / "model.ckpt")
    assert frozen.metadata["format"] == "dpcore-model" and "trainer" not in frozen.metadata
    assert frozen.config == checkpoint.config and frozen.training == checkpoint.training
    assert set(frozen.tensors) == set(checkpoint.model_tensors())
    assert all((frozen.tensors[k] == v).all() for k, v in checkpoint.model_tensors().items())


@pytest.mark.parametrize(("where", "step"), [(".", 10), ("model.ckpt", 10), ("model.ckpt-5", 5)])
def test_folder_prefix_or_file_say_which_checkpoint(trained, tmp_path, where, step):
    out = freeze(trained / where, tmp_path / "m.dp")
    assert read_model(out).training["numb_steps"] == step


def test_the_default_name_is_that_of_old_scripts(trained, here):
    assert dp("freeze", "-c", trained, "-n", "o_energy,o_force") == 0
    assert same_tensors("frozen_model.pb", trained / "model.pb")


def test_what_cannot_be_frozen(trained, here):
    with pytest.raises(InputError, match='holds no checkpoint: there is no list named "checkpoint"'):
        freeze(".")
    with pytest.raises(InputError, match="is a frozen model already"):
        freeze(trained / "model.pb")
    with pytest.raises(InputError, match="would overwrite the checkpoint"):
        freeze(trained / "model.ckpt", trained / "model.ckpt-10")
    with pytest.raises(InputError, match="folder of the output does not exist"):
        freeze(trained, "no/where.pb")


# ---- test ----------------------------------------------------------------------------------------


def lines_of_test(capsys, *words):
    """The lines that dp test prints, without the mark of the log."""
    assert dp("test", *words) == 0
    return [line[len("DPCORE INFO    ") :] for line in capsys.readouterr().err.splitlines()]


def expected_errors(trained, name):
    """Errors by quantity from the model's predictions for a system: (MAE, RMSE)."""
    model = DeepPot(trained / "model.pb")
    types = np.loadtxt(trained / name / "type.raw", dtype=int)
    differences = {key: [] for key in ("e", "ea", "f", "v", "va")}
    for folder in sorted((trained / name).glob("set.*")):
        data = {path.stem: np.load(path) for path in folder.glob("*.npy")}
        e, f, v = model.eval(data["coord"], data["box"], types)
        differences["e"].append(e.ravel() - data["energy"])
        differences["f"].append((f.reshape(len(e), -1) - data["force"]).ravel())
        differences["v"].append((v - data["virial"]).ravel())
    n = len(types)
    for key in "ev":
        differences[f"{key}a"] = [d / n for d in differences[key]]
    joined = {key: np.concatenate(d) for key, d in differences.items()}
    return {key: (np.abs(d).mean(), np.sqrt((d**2).mean())) for key, d in joined.items()}


def test_the_printed_lines(trained, here, capsys):
    lines = lines_of_test(capsys, "-m", trained / "model.pb", "-s", trained / "train_a")
    errors = expected_errors(trained, "train_a")
    mark = "# ----------------------------------------------- "

    def pair(name, key, per, unit):
        mae, rmse = errors[key]
        return [f"{name} {'MAE' + per:11s} : {mae:e} {unit}", f"{name} {'RMSE' + per:11s} : {rmse:e} {unit}"]

    numbers = [
        *pair("Energy", "e", "", "eV"),
        *pair("Energy", "ea", "/Natoms", "eV"),
        *pair("Force ", "f", "", "eV/A"),
        *pair("Virial", "v", "", "eV"),
        *pair("Virial", "va", "/Natoms", "eV"),
    ]
    assert any(line.startswith("Energy RMSE/Natoms : ") for line in numbers)
    assert any(line.startswith("Force  RMSE        : ") for line in numbers)
    assert lines == [
        "# ---------------output of dp test--------------- ",
        f"# testing system : {trained / 'train_a'}",
        "# number of test data : 5 ",
        *numbers,
        mark,
        "# ----------weighted average of errors----------- ",
        "# number of systems : 1",
        *numbers,
        mark,
    ]


def test_the_average_weighs_every_number_alike(trained, here, capsys):
    lines = lines_of_test(capsys, "-m", trained / "model.pb", "-s", trained)
    assert "# number of systems : 3" in lines
    results = run_test(trained / "model.pb", trained)
    total = Errors()
    for errors in results:
        total.merge(errors)
    squares = sum(r.rmse("f") ** 2 * r.sums["f"][2] for r in results)
    assert total.rmse("f") == pytest.approx(np.sqrt(squares / sum(r.sums["f"][2] for r in results)))
    assert f"Force  RMSE        : {total.rmse('f'):e} eV/A" in lines[-9:]


def test_details_hold_every_number(trained, here):
    (here / "d.v.out").write_text("of an earlier test")
    assert dp("test", "-m", trained / "model.pb", "-s", trained, "-d", "d.txt") == 0
    heads = {
        "e": "data_e pred_e",
        "e_peratom": "data_e pred_e",
        "f": "data_fx data_fy data_fz pred_fx pred_fy pred_fz",
    }
    for key, head in heads.items():
        lines = [line for line in (here / f"d.{key}.out").read_text().splitlines() if line[0] == "#"]
        systems = [trained / name for name in ("train_a", "train_b", "valid")]
        assert lines == [f"# {system}: {head}" for system in systems]
    virial = (here / "d.v.out").read_text().splitlines()
    assert virial[0].split()[2:] == [f"{w}_v{a}{b}" for w in ("data", "pred") for a in "xyz" for b in "xyz"]
    assert re.fullmatch(r"(-?\d\.\d{18}e[+-]\d\d ?){18}", virial[1])
    detail = read_detail("d")
    assert detail["natoms"].tolist() == [4] * 5 + [3] * 4 + [4] * 3
    assert detail["force"][0].shape == (4 * 5 + 3 * 4 + 4 * 3, 3)
    per_atom = np.loadtxt("d.v_peratom.out")
    np.testing.assert_allclose(per_atom[:5], np.loadtxt("d.v.out")[:5] / 4, rtol=1e-15)


def test_the_number_of_frames_and_their_choice(trained, here, capsys):
    model, system = trained / "model.pb", trained / "train_a"
    energies = np.concatenate([np.load(system / f"set.00{i}" / "energy.npy") for i in range(2)])
    assert "# number of test data : 4 " in lines_of_test(
        capsys, "-m", model, "-s", system, "-n", 4, "-d", "d"
    )
    assert np.loadtxt("d.e.out")[:, 0].tolist() == energies[:4].tolist()
    assert "# number of test data : 5 " in lines_of_test(capsys, "-m", model, "-s", system, "-n", 99)
    chosen = []
    for seed in (1, 1, 2, 3):
        words = ("-m", model, "-s", system, "-n", 2, "--shuffle-test", "-r", seed, "-d", "d")
        assert dp("test", *words) == 0
        chosen.append(np.loadtxt("d.e.out")[:, 0].tolist())
    assert chosen[0] == chosen[1] and len({tuple(c) for c in chosen}) > 1
    assert all(set(c) <= set(energies) for c in chosen)


def test_atomic_energies(trained, here, capsys):
    lines = lines_of_test(capsys, "-m", trained / "model.pb", "-s", trained / "valid", "-a")
    assert any(re.fullmatch(r"Atomic ener RMSE   : \d\.\d{6}e[+-]\d\d eV", line) for line in lines)


def test_terms_without_labels_are_left_out(trained, here, capsys):
    make_system(here / "part", sizes=(2,), types=(0, 1, 1, 0), keys=("coord", "box", "energy"))
    lines = lines_of_test(capsys, "-m", trained / "model.pb", "-s", "part", "-d", "d")
    assert not any(line.startswith(("Force", "Virial")) for line in lines)
    assert "# 100 % of the frames have no force label" in lines
    assert (here / "d.e.out").exists() and not (here / "d.f.out").exists()


def test_large_systems_are_tested_in_groups(trained, here, monkeypatch):
    whole = run_test(trained / "model.pb", trained / "train_a", detail_file="a")
    monkeypatch.setattr("dpcore.test._ATOMS_AT_ONCE", 8)
    parts = run_test(trained / "model.pb", trained / "train_a", detail_file="b")
    assert parts[0].rmse("f") == pytest.approx(whole[0].rmse("f"), rel=1e-14)
    np.testing.assert_allclose(np.loadtxt("a.f.out"), np.loadtxt("b.f.out"), rtol=1e-12, atol=1e-14)


def test_a_list_of_systems_and_another_prefix(trained, here, capsys):
    (here / "list").write_text(f"{trained / 'train_b'}\n\n{trained / 'valid'}\n")
    assert "# number of systems : 2" in lines_of_test(capsys, "-m", trained / "model.pb", "-f", "list")
    with pytest.raises(InputError, match=r"holds neither a folder other\.\* nor coord.raw"):
        run_test(trained / "model.pb", trained / "valid", set_prefix="other")


def test_a_checkpoint_can_be_tested(trained, here):
    one = run_test(trained / "model.ckpt", trained / "valid")[0]
    assert one.sums == run_test(trained / "model.pb", trained / "valid")[0].sums


def test_what_cannot_be_tested(trained, here):
    model = trained / "model.pb"
    with pytest.raises(InputError, match="no such model file"):
        run_test("none.pb", trained)
    with pytest.raises(InputError, match="holds no data system"):
        run_test(model, here)
    with pytest.raises(InputError, match="--numb-test: expected 0"):
        run_test(model, trained, numb_test=-1)
    make_system(here / "bare", sizes=(2,), types=(0, 1), keys=("coord", "box"))
    with pytest.raises(InputError, match="none of the systems has labels"):
        run_test(model, here / "bare")
    make_system(here / "gold", sizes=(1,), types=(0, 1), names=("Au", "H"))
    with pytest.raises(InputError, match='type "Au" is not in the type map of the model'):
        run_test(model, here / "gold")
    with pytest.raises(InputError, match="in a folder that exists"):
        run_test(model, trained, detail_file="no/where")


# ---- files ---------------------------------------------------------------------------------------


def test_files_that_are_no_models(trained, here):
    blob = (trained / "model.pb").read_bytes()
    (here / "cut.pb").write_bytes(blob[: len(blob) // 2])
    (here / "text.pb").write_text("hello")
    for name in ("cut.pb", "text.pb"):
        with pytest.raises(InputError, match=name):
            read_model(name)
    file = read_model(trained / "model.pb")
    for key, value, message in (
        ("config", "{", '"config" of the file is not JSON'),
        ("training", "[]", '"training" of the file is not a JSON object'),
        ("kind", "dipole", 'said to hold a model of kind "dipole"'),
        ("kind", "dos", 'holds a model of kind "dos"'),
    ):
        _core.write_model_file("bad.pb", {**file.metadata, key: value}, file.tensors)
        bad = read_model("bad.pb")
        with pytest.raises(InputError, match=message):
            bad.config, bad.training, bad.model()
    tensors = dict(file.tensors)
    del tensors["descriptor/davg"]
    _core.write_model_file("bad.pb", file.metadata, tensors)
    with pytest.raises(InputError, match="bad.pb: .*descriptor/davg"):
        DeepPot("bad.pb")


def test_numbers_that_json_lacks_are_null_in_the_metadata(trained):
    from dpcore.modelfile import make_metadata

    config = read_model(trained / "model.pb").config
    metadata = make_metadata("dpcore-model", config, {"rmse": {"trn": {"rmse_v": float("nan")}}})
    assert json.loads(metadata["training"]) == {"rmse": {"trn": {"rmse_v": None}}}


def test_the_log_tells_what_was_saved(trained, here, caplog):
    with caplog.at_level(logging.INFO, "dpcore"):
        freeze(trained / "model.ckpt-5", "m.dp")
    assert "(step 5) is saved in m.dp" in caplog.text
