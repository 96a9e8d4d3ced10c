# SPDX-License-Identifier: LGPL-3.0-or-later
"""The water example: its data set is sound, and its demonstration runs from training to pictures."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "water"
DATA = EXAMPLE / "data"
SPLITS = ("train", "valid", "test")
N_ATOMS = 48
WIDTHS = {"coord": 3 * N_ATOMS, "box": 9, "force": 3 * N_ATOMS, "virial": 9}


@pytest.mark.parametrize(
    "name",
    [
        "input_se_e2_r.json",
        "input_se_e3.json",
        "input_hybrid.json",
        "input_type_embedding.json",
        "input_loc_frame.json",
        "input_se_a_tpe.json",
    ],
)
def test_inputs_of_other_descriptors_train(name, tmp_path, monkeypatch):
    """A few steps lower the loss."""
    pytest.importorskip("dpcore._core", reason="the compiled core is not built")
    from dpcore.cli import main

    config = json.loads((EXAMPLE / name).read_text())
    config["training"].update(numb_steps=30, disp_freq=10, save_freq=30)
    for key in ("training_data", "validation_data"):
        config["training"][key]["systems"] = [
            str(EXAMPLE / path) for path in config["training"][key]["systems"]
        ]
    monkeypatch.chdir(tmp_path)
    Path("input.json").write_text(json.dumps(config))
    assert main(["train", "input.json"]) == 0
    curve = np.genfromtxt("lcurve.out", names=True)
    key, most = ("rmse_e_val", 0.5) if name == "input_se_e3.json" else ("rmse_f_val", 0.85)
    assert curve[key][-1] < most * curve[key][0]


def load(name):
    """The arrays of one system in float64."""
    return {p.stem: np.load(p).astype(np.float64) for p in (DATA / name / "set.000").glob("*.npy")}


def script(name):
    """A script of the example as a module."""
    spec = importlib.util.spec_from_file_location(f"water_{name}", EXAMPLE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fractional(data):
    """Fractional coordinates, [n_frames, n_atoms, 3]."""
    cells = data["box"].reshape(-1, 3, 3)
    return np.einsum("fni,fij->fnj", data["coord"].reshape(len(cells), -1, 3), np.linalg.inv(cells))


# ------------------------------------------------------------------------------------------ the data
@pytest.mark.parametrize("name", SPLITS)
def test_arrays_have_the_documented_shapes_and_are_finite(name):
    data = load(name)
    n_frames = len(data["energy"])
    assert set(data) == {"energy", *WIDTHS}
    assert n_frames >= 50 and data["energy"].shape == (n_frames,)
    for key, width in WIDTHS.items():
        assert data[key].shape == (n_frames, width), key
    assert all(np.isfinite(values).all() for values in data.values())
    assert np.load(DATA / name / "set.000" / "energy.npy").dtype == np.float64


@pytest.mark.parametrize("name", SPLITS)
def test_types_are_oxygen_and_hydrogen_of_16_molecules(name):
    assert (DATA / name / "type_map.raw").read_text().split() == ["O", "H"]
    assert (DATA / name / "type.raw").read_text().split() == ["0", "1", "1"] * 16


@pytest.mark.parametrize("name", SPLITS)
def test_labels_obey_the_symmetries_of_an_isolated_energy(name):
    data = load(name)
    force = data["force"].reshape(len(data["energy"]), N_ATOMS, 3)
    virial = data["virial"].reshape(-1, 3, 3)
    assert np.abs(force.sum(axis=1)).max() < 1e-4  # float32 of 48 forces up to 15 eV/A
    np.testing.assert_allclose(virial, virial.transpose(0, 2, 1), rtol=0, atol=1e-4)
    assert np.abs(force).max() < 15.0 and force.std() > 0.5
    assert virial.std() > 1.0 and np.ptp(data["energy"]) / N_ATOMS > 0.02


@pytest.mark.parametrize("name", SPLITS)
def test_geometries_are_liquid_water(name):
    data = load(name)
    cells = data["box"].reshape(-1, 3, 3)
    volume = np.linalg.det(cells)  # positive: right-handed
    density = 16 * 18.015 / 0.602214 / volume
    assert density.min() > 0.75 and density.max() < 1.25
    position = fractional(data)
    assert position.min() > -1e-5 and position.max() < 1 + 1e-5
    delta = position[:, :, None] - position[:, None]
    delta -= np.round(delta)
    distance = np.linalg.norm(np.einsum("fnmi,fij->fnmj", delta, cells), axis=-1)
    distance[:, range(N_ATOMS), range(N_ATOMS)] = np.inf
    assert distance.min() > 0.7
    oxygen = np.arange(0, N_ATOMS, 3)
    for hydrogen in (1, 2):  # every molecule is whole
        bonds = distance[:, oxygen, oxygen + hydrogen]
        assert bonds.max() < 1.4


def test_splits_have_no_frame_in_common():
    sets = {name: fractional(load(name)) for name in SPLITS}
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        for frame in sets[other]:
            delta = sets[one] - frame
            delta -= np.round(delta)
            # two frames of one trajectory are within 0.1 of the cell here, independent ones at about 0.5
            assert np.sqrt((delta**2).sum(axis=-1).mean(axis=-1)).min() > 0.3, (one, other)


def test_data_is_small_and_says_where_it_comes_from():
    assert sum(p.stat().st_size for p in DATA.rglob("*") if p.is_file()) < 2_000_000
    text = (DATA / "README.md").read_text()
    for word in ("GFN1-xTB", "tblite", "Langevin", "Licence"):
        assert word in text
    for name in SPLITS:
        assert f"| `{name}` | {len(load(name)['energy'])} |" in text


@pytest.mark.parametrize("name", SPLITS)
def test_labels_are_what_the_script_computes(name):
    pytest.importorskip("tblite", reason="repeating the labels needs tblite")
    ase = pytest.importorskip("ase")
    generate = script("generate_data")
    data = load(name)
    frame = len(data["energy"]) // 2
    atoms = ase.Atoms(
        generate.SYMBOLS,
        positions=data["coord"][frame].reshape(-1, 3),
        cell=data["box"][frame].reshape(3, 3),
        pbc=True,
    )
    energy, force, virial = generate.label(atoms)
    assert energy == pytest.approx(data["energy"][frame], abs=1e-5)
    np.testing.assert_allclose(force.ravel(), data["force"][frame], rtol=0, atol=1e-4)
    np.testing.assert_allclose(virial.ravel(), data["virial"][frame], rtol=0, atol=1e-3)


# ----------------------------------------------------------------------------------------- the input
def test_input_names_the_data_and_the_types():
    settings = json.loads((EXAMPLE / "input.json").read_text())
    training = settings["training"]
    assert settings["model"]["type_map"] == ["O", "H"]
    for part in ("training_data", "validation_data"):
        for system in training[part]["systems"]:
            assert (EXAMPLE / system / "type.raw").is_file()
    assert "data/test" not in json.dumps(training)  # held out
    assert training["numb_steps"] % settings["learning_rate"]["decay_steps"] == 0
    assert training["numb_steps"] % training["disp_freq"] == 0


def test_input_passes_the_check_of_dp_train():
    pytest.importorskip("dargs")
    config = pytest.importorskip("dpcore.config")
    config.normalize(json.loads((EXAMPLE / "input.json").read_text()))


# ------------------------------------------------------------------------------------- the whole way
@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Folder and printed text of `run_demo.py --quick`."""
    pytest.importorskip("dpcore._core", reason="the compiled core is not built")
    pytest.importorskip("matplotlib")
    if shutil.which("dp", path=sysconfig.get_path("scripts")) is None:
        pytest.skip("the dp command is not installed beside this Python")
    where = tmp_path_factory.mktemp("demo")
    command = [sys.executable, str(EXAMPLE / "run_demo.py"), "--quick"]
    done = subprocess.run(
        command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout
    return where / "demo_output", done.stdout


def test_demo_leaves_model_curve_and_pictures(demo):
    folder, _ = demo
    for name in ("water.dp", "lcurve.out", "detail.e.out", "detail.f.out", "detail.v.out"):
        assert (folder / name).stat().st_size > 0
    for name in ("learning_curve.png", "parity.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_demo_learns(demo):
    from dpcore.plot import read_detail, read_learning_curve

    folder, _ = demo
    curve = read_learning_curve(folder / "lcurve.out")
    assert np.isfinite(np.concatenate(list(curve.values()))).all()
    for key in ("rmse_val", "rmse_f_val", "rmse_v_val"):
        assert curve[key][-3:].mean() < 0.7 * curve[key][0], key
    force, predicted = read_detail(folder / "detail")["force"]
    # the quick steps end at 23 to 54 % of the spread with seeds 1 to 4; a model that does not learn is at 100 %
    assert np.sqrt(((predicted - force) ** 2).mean()) < 0.6 * force.std()


def test_demo_prints_a_table_and_one_answer_everywhere(demo):
    _, text = demo
    assert "Errors on 67 frames not seen in training" in text
    for name in ("energy", "force", "virial"):
        assert any(line.startswith(name) and line.endswith("%") for line in text.splitlines()), name
    line = next(line for line in text.splitlines() if line.endswith("from what dp test printed"))
    assert float(line.split()[1]) < 1e-8


def test_model_of_the_demo_is_compressed_as_the_readme_says(demo, tmp_path):
    from dpcore.cli import main
    from dpcore.infer import DeepPot

    assert "dp compress -i water.dp -o water-c.dp" in (EXAMPLE / "README.md").read_text()
    model, compressed = demo[0] / "water.dp", tmp_path / "water-c.dp"
    assert main(["compress", "-i", str(model), "-o", str(compressed)]) == 0
    data = load("test")
    types = np.loadtxt(DATA / "test" / "type.raw", dtype=int)
    found, expected = (DeepPot(m).eval(data["coord"], data["box"], types) for m in (compressed, model))
    assert np.abs(expected[1]).max() > 1
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--steps", "0"], "--steps: expected 1 or more"), (["--out", "taken"], "--out taken: cannot make")],
)
def test_demo_refuses_bad_options(tmp_path, arguments, words):
    pytest.importorskip("dpcore._core", reason="the compiled core is not built")
    if shutil.which("dp", path=sysconfig.get_path("scripts")) is None:
        pytest.skip("the dp command is not installed beside this Python")
    (tmp_path / "taken").write_text("a file, not a folder")
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "run_demo.py"), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0 and words in done.stderr
    assert "Traceback" not in done.stderr
