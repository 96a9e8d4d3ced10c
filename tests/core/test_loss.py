# SPDX-License-Identifier: LGPL-3.0-or-later
"""The loss and the quantities of the learning curve against their formulas in numpy.

    L = p_e <dE^2>/N + p_f <dF^2> + p_v <dV^2>/N + p_ae <dE_i^2> + p_pf <w_i dF_i^2>
    p = limit + ((start - limit) (1/start_lr)) lr in float32;  relative_f = eps: dF_i / (|F_i label| + eps)
Curve: rmse = sqrt(L), rmse_e = sqrt(<dE^2>)/N, rmse_v = sqrt(<dV^2>)/N, rmse_f, rmse_ae, rmse_pf
are sqrt(< >).
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import evaluate, make_config, make_tensors, model, odd_systems
from training import LABELS, LOSSES, LR, START_LR, make_batch, make_loss

pytestmark = pytest.mark.usefixtures("exact_nets")

SYSTEMS = odd_systems()
CONFIG = make_config()
POTENTIAL = model(CONFIG, make_tensors(CONFIG))
ALL = LOSSES["all"]


def losses(loss, batch, lr=LR, start_lr=START_LR):
    return core.Trainer(POTENTIAL, json.dumps(loss)).losses(batch, lr, start_lr)


def prefactor_at(start, limit, lr, start_lr):
    """In the order in which TensorFlow is left with it after it folded the constants."""
    single = np.float32
    return single(limit) + single(start - limit) * (single(1) / single(start_lr)) * single(lr)


def formula(loss, batch, found, lr, start_lr):
    """The dictionary that Trainer.losses gives, from predictions `found`."""
    nf, n = found["atom_energy"].shape

    def prefactor(key, label):
        start, limit = loss[f"start_pref_{key}"], loss[f"limit_pref_{key}"]
        return batch[f"find_{label}"] * float(prefactor_at(start, limit, lr, start_lr))

    d_force = found["force"].reshape(nf, n, 3) - batch["force"].reshape(nf, n, 3)
    if loss["relative_f"] is not None:
        length = np.linalg.norm(batch["force"].reshape(nf, n, 3), axis=2, keepdims=True)
        d_force = d_force / (length + loss["relative_f"])
    squares = {  # name: (label, mean square, factor in the loss, factor in the curve)
        "e": ("energy", np.mean((found["energy"] - batch["energy"]) ** 2), 1 / n, 1 / n),
        "f": ("force", np.mean(d_force**2), 1, 1),
        "v": ("virial", np.mean((found["virial"] - batch["virial"]) ** 2), 1 / n, 1 / n),
        "ae": ("atom_ener", np.mean((found["atom_energy"] - batch["atom_ener"]) ** 2), 1, 1),
        "pf": ("atom_pref", np.mean(batch["atom_pref"][:, :, None] * d_force**2), 1, 1),
    }
    out, total = {}, 0.0
    for key, (label, square, in_loss, in_curve) in squares.items():
        if loss[f"start_pref_{key}"] == 0 and loss[f"limit_pref_{key}"] == 0:
            continue
        present = batch[f"find_{label}"] and (key != "pf" or batch["find_force"])
        out[f"rmse_{key}"] = np.sqrt(square) * in_curve if present else np.nan
        if present:
            total += prefactor(key, label) * square * in_loss
    out["rmse"] = np.sqrt(total)
    return out


def check(loss, batch, system, lr=LR, start_lr=START_LR):
    found = losses(loss, batch, lr, start_lr)
    expected = formula(loss, batch, evaluate(POTENTIAL, system, atomic=True), lr, start_lr)
    assert sorted(found) == sorted(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-13, abs=0.0, nan_ok=True), key


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("term", LOSSES)
def test_every_term(name, term):
    check(LOSSES[term], make_batch(SYSTEMS[name]), SYSTEMS[name])


@pytest.mark.parametrize("label", LABELS)
def test_an_absent_label_is_nan_and_adds_nothing(label):
    system = SYSTEMS["several frames"]
    batch = make_batch(system, without=(label,))
    check(ALL, batch, system)
    for missing in ("find", "array", "both"):
        less = dict(batch)
        if missing in ("find", "both"):
            del less[f"find_{label}"]
        if missing in ("array", "both"):
            del less[label]
        check(ALL, {**less, label: batch[label], f"find_{label}": 0.0}, system)
        assert losses(ALL, less, LR, START_LR) == pytest.approx(
            losses(ALL, batch, LR, START_LR), nan_ok=True, rel=0.0
        )


def test_no_label_at_all():
    found = losses(ALL, make_batch(SYSTEMS["triclinic"], without=LABELS))
    assert found.pop("rmse") == 0.0
    assert len(found) == 5 and all(np.isnan(v) for v in found.values())


@pytest.mark.parametrize("relative_f", [0.0, 1.0, 1e6])
def test_relative_force(relative_f):
    loss = make_loss(f=(1.0, 1.0), pf=(1.0, 2.0), relative_f=relative_f)
    check(loss, make_batch(SYSTEMS["several frames"]), SYSTEMS["several frames"])


@pytest.mark.parametrize("lr", [START_LR, 0.77 * START_LR, 1e-8])
def test_prefactors_follow_the_learning_rate(lr):
    check(ALL, make_batch(SYSTEMS["triclinic"]), SYSTEMS["triclinic"], lr=lr)


def test_prefactors_are_single_precision():
    """Each operation is rounded: another order, or a fused multiply-add, shows in some of the rates."""
    start, limit, start_lr = 0.02, 0.3, 3e-3
    batch = make_batch(SYSTEMS["triclinic"])
    largest = 0
    for lr in start_lr * np.linspace(0.03, 1, 20):
        found = losses(make_loss(e=(start, limit)), batch, lr, start_lr)
        rounded = float(prefactor_at(start, limit, lr, start_lr))
        assert found["rmse"] ** 2 == pytest.approx(rounded * found["rmse_e"] ** 2 * 6, rel=1e-14)
        largest = max(largest, abs(rounded / (limit + (start - limit) * lr / start_lr) - 1))
    assert largest > 1e-8


def test_defaults_of_the_loss_section():
    batch, system = make_batch(SYSTEMS["triclinic"]), SYSTEMS["triclinic"]
    full = make_loss(e=(0.02, 1.0), f=(1000.0, 1.0))
    assert losses({}, batch) == losses(full, batch)
    check(full, batch, system)


def test_frames_weigh_the_same_alone_and_together():
    system = SYSTEMS["several frames"]
    batch = make_batch(system)
    together = losses(ALL, batch)["rmse"] ** 2
    alone = []
    for k in range(system.n_frames):
        one = {key: v[k : k + 1] if np.ndim(v) == 2 or key == "energy" else v for key, v in batch.items()}
        alone.append(losses(ALL, one)["rmse"] ** 2)
    assert together == pytest.approx(np.mean(alone), rel=1e-13)


def test_order_of_atoms_does_not_matter():
    system = SYSTEMS["several frames"]
    batch = make_batch(system)
    order = np.array([4, 2, 0, 3, 1])
    other = dict(batch)
    other["type"] = batch["type"][order]
    for key in ("coord", "force"):
        other[key] = batch[key].reshape(3, 5, 3)[:, order].reshape(3, 15)
    for key in ("atom_ener", "atom_pref"):
        other[key] = batch[key][:, order]
    assert losses(ALL, other) == pytest.approx(losses(ALL, batch), rel=1e-12)


@pytest.mark.parametrize("label", LABELS)
def test_a_label_of_wrong_size_is_named(label):
    batch = make_batch(SYSTEMS["triclinic"])
    batch[label] = batch[label].reshape(-1)[:-1]
    with pytest.raises(core.Error, match=label):
        losses(ALL, batch)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_label_that_is_not_finite_stops_the_step(label, bad):
    potential = model(CONFIG, make_tensors(CONFIG))
    trainer = core.Trainer(potential, json.dumps(ALL))
    batch = make_batch(SYSTEMS["triclinic"])
    before = potential.tensors()
    batch[label] = batch[label].copy()
    batch[label].reshape(-1)[0] = bad
    with pytest.raises(core.Error, match="not finite"):
        trainer.step(batch, LR, START_LR)
    for name, value in potential.tensors().items():
        assert np.array_equal(value, before[name]), name


@pytest.mark.parametrize("key", ["start_pref_f", "limit_pref_e"])
def test_bad_loss_sections_are_refused(key):
    for value in (-1.0, "much"):
        with pytest.raises(core.Error, match=key.split("_", 1)[1]):
            core.Trainer(POTENTIAL, json.dumps({key: value}))
    with pytest.raises(core.Error):
        core.Trainer(POTENTIAL, "not json")
