# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp train draws the batches that DeePMD-kit 3.2.0 draws, from whatever it starts."""

import frame_order
import pytest
from training_case import dp

pytest.importorskip("dpcore._core", reason="the compiled core is not built")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a finished run, and what it drew."""
    folder = tmp_path_factory.mktemp("order")
    frame_order.make_order_case(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        drawn = frame_order.trace(patch)
        assert dp("train", "input.json") == 0
    return folder, drawn


def test_new_weights(trained):
    assert trained[1] == (frame_order.STATISTICS + frame_order.FRESH).split()


@pytest.mark.parametrize("option", ["--init-model", "--init-frz-model"])
def test_given_weights_take_no_batches_for_statistics(trained, option, tmp_path, monkeypatch):
    frame_order.make_order_case(tmp_path)
    monkeypatch.chdir(tmp_path)
    drawn = frame_order.trace(monkeypatch)
    assert dp("train", "input.json", option, trained[0] / "model.ckpt") == 0
    assert drawn == frame_order.STARTED.split()


@pytest.mark.parametrize("step", [3, 6, 9])
def test_a_restart_goes_on_in_the_same_order(trained, step, tmp_path, monkeypatch):
    """The next batch of training is in the checkpoint, the rest is drawn as before."""
    folder, before = trained
    frame_order.make_order_case(tmp_path)
    monkeypatch.chdir(tmp_path)
    drawn = frame_order.trace(monkeypatch)
    assert dp("train", "input.json", "--restart", folder / f"model.ckpt-{step}") == 0
    assert drawn and drawn == before[-len(drawn) :]
    assert sum(one.startswith("t") for one in drawn) == frame_order.STEPS - step
