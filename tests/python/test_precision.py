# SPDX-License-Identifier: LGPL-3.0-or-later
"""Every interface evaluates in the precision that is asked for, and refuses words that are none."""

import copy
import pickle

import numpy as np
import pytest
from make_system import random_frames

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore import calc_model_devi
from dpcore.infer import DeepDipole, DeepPot, DeepPotential
from dpcore.verify import verify
from make_model import write_model, write_tensor_model
from training_case import dp, make_case

TYPES = [0, 1, 1, 0]
WORDS = ("high", "mixed", "low")


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch):
    monkeypatch.delenv("DP_INTERFACE_PREC", raising=False)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "m.dp")


def force(model):
    frames = random_frames(1, len(TYPES), seed=5)
    return model.eval(frames["coord"], frames["box"], TYPES)[1]


def test_deeppot(monkeypatch, path):
    """The argument stands over the environment, which stands over the file."""
    of = {word: force(DeepPot(path, precision=word)) for word in WORDS}
    np.testing.assert_array_equal(force(DeepPot(path)), of["high"])
    scale = np.abs(of["high"]).max()
    for word in ("mixed", "low"):
        assert 0 < np.abs(of[word] - of["high"]).max() < 5e-6 * scale
    assert not np.array_equal(of["mixed"], of["low"])
    for word in WORDS:
        monkeypatch.setenv("DP_INTERFACE_PREC", word)
        model = DeepPot(path)
        assert model.precision == word and f"precision {word}" in repr(model)
        np.testing.assert_array_equal(force(model), of[word])
        np.testing.assert_array_equal(force(DeepPot(path, precision="low")), of["low"])
        np.testing.assert_array_equal(force(DeepPotential(path)), of[word])
    monkeypatch.setenv("DP_INTERFACE_PREC", "")
    assert DeepPot(path).precision == "stored"


def test_copies_keep_it(monkeypatch, path):
    model = DeepPotential(path, precision="low")
    monkeypatch.setenv("DP_INTERFACE_PREC", "mixed")  # of the process that unpickles
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.precision == "low"
        np.testing.assert_array_equal(force(other), force(model))
    monkeypatch.delenv("DP_INTERFACE_PREC")
    assert pickle.loads(pickle.dumps(DeepPot(path))).precision == "stored"


def test_tensors(tmp_path):
    path = write_tensor_model(tmp_path / "d.dp", "dipole")
    frames = random_frames(1, len(TYPES), seed=5)
    high, low = (
        DeepDipole(path, precision=w).eval(frames["coord"], frames["box"], TYPES) for w in ("high", "low")
    )
    assert 0 < np.abs(low - high).max() < 5e-6 * np.abs(high).max()


def test_calculators(path):
    ase = pytest.importorskip("ase", reason="ASE is not installed")
    from dpcore.calculator import DP

    frames = random_frames(1, len(TYPES), seed=5)
    atoms = ase.Atoms(
        ["OH"[t] for t in TYPES], frames["coord"].reshape(-1, 3), cell=frames["box"].reshape(3, 3), pbc=True
    )
    atoms.calc = DP(path, precision="low")
    np.testing.assert_array_equal(atoms.get_forces(), force(DeepPot(path, precision="low"))[0])
    assert atoms.calc.parameters["precision"] == "low"
    with pytest.raises(ValueError, match="precision: cannot be changed; make a new calculator"):
        atoms.calc.set(precision="high")
    with pytest.raises(ValueError, match="precision: the model is open already; give it to DeepPot"):
        DP(DeepPot(path), precision="low")


@pytest.mark.parametrize("wrong", ["double", "High", "", "stored", 32, b"low"])
def test_other_words_are_refused(monkeypatch, path, wrong):
    for open_ in (DeepPot, DeepPotential):
        with pytest.raises(ValueError, match="^precision: expected high, mixed or low, got "):
            open_(path, precision=wrong)
    if isinstance(wrong, str) and wrong:
        monkeypatch.setenv("DP_INTERFACE_PREC", wrong)
        with pytest.raises(
            ValueError, match=f"DP_INTERFACE_PREC: expected high, mixed or low, got '{wrong}'"
        ):
            DeepPot(path)
        assert DeepPot(path, precision="low").precision == "low"  # not looked at


def test_dp_test(tmp_path, monkeypatch, capfd):
    make_case(tmp_path)
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "m.dp")
    words = ("test", "-m", "m.dp", "-s", "valid", "-d")
    for options in (["high"], ["low", "--precision", "low"]):
        assert dp(*words, *options) == 0
        assert ("# precision: low" in capfd.readouterr().err) == (len(options) > 1)
    monkeypatch.setenv("DP_INTERFACE_PREC", "mixed")
    for others in (("test",), ("eval-desc", "-o", "desc"), ("model-devi", "m.dp", "-o", "devi.out")):
        verb, *more = others
        assert dp(verb, "-s", "valid", "-m", "m.dp", *more) == 0
        assert "# precision: mixed" in capfd.readouterr().err
    monkeypatch.delenv("DP_INTERFACE_PREC")
    high, low = (np.loadtxt(f"{name}.f.out")[:, 3:] for name in ("high", "low"))
    assert 0 < np.abs(low - high).max() < 5e-6 * np.abs(high).max()
    assert dp(*words, "x", "--precision", "single") == 1
    assert "precision: expected high, mixed or low, got 'single'" in capfd.readouterr().err


def test_commands_that_make_models_are_not_affected(tmp_path, monkeypatch):
    """dp train and dp compress write the same model, whatever the environment says; it is not even read."""
    files = {}
    for word in ("", "low"):
        monkeypatch.setenv("DP_INTERFACE_PREC", word)
        folder = tmp_path / f"with_{word}"
        folder.mkdir()
        make_case(folder)
        monkeypatch.chdir(folder)
        assert dp("train", "input.json") == 0
        assert dp("freeze", "-o", "m.dp") == 0
        assert dp("compress", "-i", "m.dp", "-o", "c.dp", "-s", "0.01") == 0
        files[word] = [(folder / name).read_text() for name in ("lcurve.out",)]
        files[word] += [force(DeepPot(folder / name, precision="high")) for name in ("m.dp", "c.dp")]
    assert files[""][0] == files["low"][0]
    for one, other in zip(files[""][1:], files["low"][1:]):
        np.testing.assert_array_equal(one, other)


def test_model_deviation_takes_it_from_the_environment(monkeypatch, path):
    frames = random_frames(1, len(TYPES), seed=5)
    models = [DeepPot(path, precision=w) for w in ("high", "low")]
    deviation = calc_model_devi(frames["coord"], frames["box"], TYPES, models)
    assert 0 < deviation[0, 4] < 1e-4


@pytest.mark.parametrize("word", ["mixed", "low"])
def test_all_clients_agree(tmp_path, word):
    """Compiled programs and LAMMPS too: the same numbers but for the order of sums."""
    model = write_model(tmp_path / "m.dp", sel=(60, 60), dstd=0.02)
    rows, limit, why = verify(model, clients=["C++", "C", "ASE", "LAMMPS 2 ranks", "i-PI"], precision=word)
    assert limit == 1e-4 and word in why
    assert not [row for row in rows if row.failed]
    exact, _, _ = verify(model, clients=["C"], precision="high")
    assert max(row.worst["force"] for row in exact) <= 1e-10
