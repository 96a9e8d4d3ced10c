# SPDX-License-Identifier: LGPL-3.0-or-later
"""Training, freezing and using models with atomic parameters of neighbours (se_a_tpe with numb_aparam)."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.infer import DeepPot
from training_case import KEYS, dp, make_case, read_curve, same_tensors

DESCRIPTOR = {
    "type": "se_a_tpe",
    "sel": "auto:3",
    "rcut": 4.0,
    "rcut_smth": 1.0,
    "neuron": [4, 8],
    "axis_neuron": 3,
    "type_one_side": True,
    "type_nchanl": 2,
    "numb_aparam": 3,
    "seed": 2,
}
PLAIN = {"sel": "auto:3", "type": "se_r", "rcut": 3.0, "rcut_smth": 1.0, "neuron": [4], "seed": 3}
MODELS = {
    "alone": {"model/descriptor": DESCRIPTOR},
    "of the fitting too": {"model/descriptor": DESCRIPTOR, "model/fitting_net/numb_aparam": 3},
    "hybrid": {"model/descriptor": {"type": "hybrid", "list": [PLAIN, DESCRIPTOR]}},
}


@pytest.fixture(params=MODELS)
def trained(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_case(tmp_path, MODELS[request.param], keys=(*KEYS, "aparam"))
    assert dp("train", "input.json") == 0 and dp("freeze", "-o", "m.dp") == 0
    return tmp_path


def read(name):
    return np.load(f"valid/set.000/{name}.npy")


def test_train_freeze_and_use(trained, capfd):
    curve = read_curve()
    assert curve["rmse_trn"][-1] < curve["rmse_trn"][0] and np.all(np.isfinite(curve["rmse_f_val"]))
    assert dp("test", "-m", "m.dp", "-s", "valid") == 0 and dp("show", "m.dp", "size") == 0
    model, types = DeepPot("m.dp"), np.loadtxt("valid/type.raw", dtype=int)
    assert model.get_dim_aparam() == 3 and model.has_aparam
    frames, aparam = (read("coord"), read("box"), types), read("aparam")
    energy, force, *_ = model.eval(*frames, aparam=aparam)
    for k in range(len(energy)):
        one = model.eval(read("coord")[k], read("box")[k], types, aparam=aparam[k].reshape(-1, 3))
        np.testing.assert_allclose(one[1][0], force[k], rtol=0, atol=1e-12)
    descriptor = model.eval_descriptor(*frames, aparam=aparam[0])
    same = model.eval_descriptor(*frames, aparam=np.tile(aparam[0], (len(energy), 1)))
    np.testing.assert_array_equal(descriptor, same)
    assert np.abs(descriptor - model.eval_descriptor(*frames, aparam=[0, 0, 0])).max() > 1e-9
    assert dp("eval-desc", "-m", "m.dp", "-s", "valid", "-o", "desc") == 0
    expected = model.eval_descriptor(*frames, aparam=aparam)
    np.testing.assert_allclose(np.load("desc/valid.npy"), expected, rtol=0, atol=1e-14)
    for call in (model.eval, model.eval_descriptor):
        with pytest.raises(ValueError, match=r"aparam: the model needs 3 atomic parameter\(s\)"):
            call(*frames)
        with pytest.raises(ValueError, match="aparam: nan in frame 0, atom 1"):
            call(*frames, aparam=np.where(np.arange(aparam[0].size) == 4, np.nan, aparam[0]))


def test_a_continued_run_ends_as_one_in_a_piece(trained):
    shutil.copy("model.ckpt-20", "whole.dp")
    assert dp("train", "input.json", "--restart", "model.ckpt-10") == 0
    assert same_tensors("model.ckpt-20", "whole.dp")


def test_no_table_stands_for_it(trained, capfd):
    assert dp("compress", "-i", "m.dp", "-o", "c.dp") == 1
    assert "se_a_tpe, which with numb_aparam" in capfd.readouterr().err and not (trained / "c.dp").exists()


def test_every_client_gives_the_same(trained, capfd):
    """Of ghosts too, which have the parameters of the atoms they are images of."""
    assert dp("verify", "-m", "m.dp", "-c", "c", "-c", "ase") == 0


def test_data_without_parameters(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    make_case(tmp_path, MODELS["alone"])
    assert dp("train", "input.json") == 1
    message = capfd.readouterr().err
    assert "aparam.npy: no such file" in message and "numb_aparam > 0" in message
