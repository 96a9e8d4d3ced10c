# SPDX-License-Identifier: LGPL-3.0-or-later
"""Dipoles and polarizabilities: values against the oracle, derivatives, symmetry, training."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import (
    TENSOR_FITTINGS,
    TOLERANCE,
    TRICLINIC,
    assert_close,
    difference,
    difference_noise,
    grid_system,
    make_tensor_config,
    make_tensors,
    model,
    odd_systems,
    random_system,
)
from reference import tensor as oracle
from reference.agreement import relative_error
from training import LR, START_LR, TENSOR_LOSSES, make_loss, make_tensor_batch

SYSTEMS = odd_systems()
KINDS = list(TENSOR_FITTINGS)


def evaluate(potential, system, derivatives=True, **more):
    return potential.evaluate(
        system.coord, system.box, system.types, atomic=True, derivatives=derivatives, **more
    )


# ---- values ------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sel_type", [None, [0], [1]])
@pytest.mark.parametrize("name", SYSTEMS)
def test_values_are_those_of_the_oracle(kind, sel_type, name):
    config = make_tensor_config(kind, sel_type)
    tensors = make_tensors(config)
    system = SYSTEMS[name]
    found = evaluate(model(config, tensors), system, derivatives=False)
    expected = oracle.evaluate(config, tensors, system.coord, system.box, system.types)
    assert sorted(found) == ["atom_energy", "energy"] and found["atom_energy"].shape == expected.shape
    if not np.any(expected):
        assert not np.any(found["atom_energy"]) and not np.any(found["energy"])
        assert not np.isin(system.types, [0, 1] if sel_type is None else sel_type).any()
        return
    assert_close(found["atom_energy"], expected, "oracle")
    assert_close(found["energy"], expected.sum(axis=1), "oracle")
    unselected = ~np.isin(system.types, [0, 1] if sel_type is None else sel_type)
    assert not np.any(found["atom_energy"][:, unselected])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "descriptor",
    [
        pytest.param({"type_one_side": True, "resnet_dt": True}, id="one side"),
        pytest.param({"exclude_types": [[0, 1]]}, id="excluded"),
        pytest.param({"set_davg_zero": True, "sel": [2, 3]}, id="few slots"),
    ],
)
def test_values_with_other_descriptors(kind, descriptor):
    config = make_tensor_config(kind, [0, 1], descriptor, activation_function="gelu", resnet_dt=False)
    tensors = make_tensors(config)
    system = SYSTEMS["triclinic"] if "sel" not in descriptor else SYSTEMS["more than sel"]
    found = evaluate(model(config, tensors), system, derivatives=False)["atom_energy"]
    assert_close(found, oracle.evaluate(config, tensors, system.coord, system.box, system.types), "oracle")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "precisions", [("float32", "float32"), ("float64", "float32"), ("float32", "float64")]
)
def test_single_precision_is_near_double(kind, precisions):
    config = make_tensor_config(kind)
    tensors = make_tensors(config)
    system = grid_system()
    expected = evaluate(model(config, tensors), system)
    single = make_tensor_config(kind, None, {"precision": precisions[0]}, precision=precisions[1])
    cast = {
        k: v.astype(precisions[0 if k.startswith("descriptor") else 1]) if "/layer_" in k else v
        for k, v in tensors.items()
    }
    found = evaluate(model(single, cast), system)
    for key in ("atom_energy", "force", "virial"):
        assert_close(found[key], expected[key], "float32", key)


# ---- derivatives ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["triclinic", "tiny box", "not periodic", "isolated atom", "several frames"])
def test_forces_and_virials_are_derivatives_of_the_global_tensor(kind, name):
    config = make_tensor_config(kind, [1])
    potential = model(config, make_tensors(config))
    system = SYSTEMS[name]
    found = evaluate(potential, system)
    nf, n = system.n_frames, system.n_atoms
    k = found["energy"].shape[1]
    assert found["force"].shape == (nf, k, n, 3) and found["virial"].shape == (nf, k, 9)
    assert found["atom_virial"].shape == (nf, k, n, 9)
    assert_close(found["atom_virial"].sum(axis=2), found["virial"], "rounding", noise=1e-14)
    rng = np.random.default_rng(5)
    direction = rng.normal(size=system.coord.shape)
    strain = rng.normal(size=(3, 3)) / 3

    def moved(t):
        there = system.moved(coord=system.coord + t * direction)
        return evaluate(potential, there, derivatives=False)["energy"]

    def strained(t):
        change = np.eye(3) + t * strain
        box = None if system.box is None else (system.box.reshape(-1, 3, 3) @ change.T).reshape(-1, 9)
        there = system.moved(coord=(system.coord.reshape(-1, 3) @ change.T).reshape(nf, -1), box=box)
        return evaluate(potential, there, derivatives=False)["energy"]

    noise = difference_noise(np.max(np.abs(found["energy"])))
    slope = -np.einsum("fkia,fia->fk", found["force"], direction.reshape(nf, n, 3))
    assert_close(slope, difference(moved), "force", "force", noise)
    slope = -np.einsum("fkab,ab->fk", found["virial"].reshape(nf, k, 3, 3), strain)
    assert_close(slope, difference(strained), "force", "virial", noise)


@pytest.mark.parametrize("kind", KINDS)
def test_an_atom_without_neighbours_has_no_derivatives(kind):
    config = make_tensor_config(kind)
    found = evaluate(model(config, make_tensors(config)), SYSTEMS["isolated atom"])
    assert not np.any(found["force"][:, :, -1]) and np.any(found["force"])


# ---- symmetry --------------------------------------------------------------------


def rotation(seed=3):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_tensors_turn_with_the_atoms(kind, mirrored):
    config = make_tensor_config(kind)
    potential = model(config, make_tensors(config, angular=False))
    system = SYSTEMS["triclinic"]
    r = rotation() * (-1.0 if mirrored else 1.0)
    turned = system.moved(
        coord=(system.coord.reshape(-1, 3) @ r.T).reshape(1, -1),
        box=(system.box.reshape(3, 3) @ r.T).reshape(1, 9),
    )
    before, after = evaluate(potential, system), evaluate(potential, turned)
    rank = 1 if kind == "dipole" else 2

    def turn(values, axes):
        """Rotate the given number of trailing axes of size 3."""
        for axis in range(-axes, 0):
            values = np.moveaxis(np.tensordot(values, r, ([axis], [1])), -1, axis)
        return values

    n = system.n_atoms
    shape = (3,) * rank
    expected = turn(before["atom_energy"].reshape(1, n, *shape), rank)
    assert_close(after["atom_energy"], expected.reshape(before["atom_energy"].shape), "geometry")
    assert np.max(np.abs(after["atom_energy"] - before["atom_energy"])) > 1e-3 or (mirrored and rank == 2)
    forces = np.moveaxis(before["force"].reshape(1, *shape, n, 3), rank + 1, 1)  # [1, n, ..., 3]
    expected = np.moveaxis(turn(forces, rank + 1), 1, rank + 1).reshape(before["force"].shape)
    assert_close(after["force"], expected, "geometry", noise=1e-13)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_polarizabilities_are_symmetric(kind):
    config = make_tensor_config(kind)
    found = evaluate(model(config, make_tensors(config)), SYSTEMS["triclinic"], derivatives=False)
    alpha = found["atom_energy"].reshape(-1, 3, 3)
    assert_close(alpha, np.swapaxes(alpha, 1, 2), "rounding")


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_atoms_and_number_of_frames_have_no_effect(kind):
    config = make_tensor_config(kind, [0])
    potential = model(config, make_tensors(config))
    system = random_system([1, 0, 1, 1, 0], TRICLINIC, n_frames=3, seed=8)
    order = np.array([3, 0, 4, 1, 2])
    other = system.moved(
        coord=system.coord.reshape(3, 5, 3)[:, order].reshape(3, 15), types=system.types[order]
    )
    found, expected = evaluate(potential, other), evaluate(potential, system)
    assert_close(found["atom_energy"], expected["atom_energy"][:, order], "geometry")
    assert_close(found["force"], expected["force"][:, :, order], "geometry")
    one = evaluate(potential, system.moved(coord=system.coord[1:2], box=system.box[1:2]))
    for key, value in one.items():
        assert_close(value, expected[key][1:2], "geometry", key)


# ---- training ------------------------------------------------------------------------


@pytest.mark.parametrize("name", TENSOR_LOSSES)
@pytest.mark.parametrize("kind", ["dipole", "polar"])
@pytest.mark.parametrize("without", [(), ("global",), ("local",)])
def test_loss_against_numpy(kind, name, without):
    config, loss = make_tensor_config(kind, [0]), TENSOR_LOSSES[name]
    tensors = make_tensors(config)
    potential, system = model(config, tensors), SYSTEMS["several frames"]
    batch = make_tensor_batch(system, potential, without=without)
    found = core.Trainer(potential, json.dumps(loss)).losses(batch, LR, START_LR)
    atomic = oracle.evaluate(config, tensors, system.coord, system.box, system.types)[:, system.types == 0]
    n_selected = atomic.shape[1]
    label = "dipole" if kind == "dipole" else "polarizability"
    local = np.mean((atomic - batch[f"atomic_{label}"]) ** 2)
    whole = np.mean((atomic.sum(axis=1) - batch[label]) ** 2)
    expected, total = {}, 0.0
    if loss["pref_atomic"]:
        expected["rmse_lc"] = np.nan if "local" in without else np.sqrt(local)
        total += 0 if "local" in without else loss["pref_atomic"] * local
    if loss["pref"]:
        expected["rmse_gl"] = np.nan if "global" in without else np.sqrt(whole) / n_selected
        total += 0 if "global" in without else loss["pref"] * whole / n_selected
    expected["rmse"] = np.sqrt(total)
    assert sorted(found) == sorted(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-10, nan_ok=True), key


def check_gradients(config, loss, system):
    """Every tensor along a random direction against differences of the loss."""
    tensors = make_tensors(config)
    batch = make_tensor_batch(system, model(config, tensors))
    loss = json.dumps(loss)
    gradients = core.Trainer(model(config, tensors), loss).gradients(batch, LR, START_LR)
    assert sorted(gradients) == sorted(k for k in tensors if "/layer_" in k)
    rng = np.random.default_rng(6)
    for name, gradient in gradients.items():
        direction = rng.normal(size=gradient.shape)
        direction /= np.linalg.norm(direction)

        def value(t, name=name, direction=direction):
            moved = {**tensors, name: tensors[name] + t * direction}
            trainer = core.Trainer(model(config, moved), loss)
            return trainer.losses(batch, LR, START_LR)["rmse"] ** 2

        limit = 3e-9 * np.linalg.norm(gradient) + difference_noise(1.0 + value(0.0))
        found, expected = np.sum(gradient * direction), difference(value)
        assert abs(found - expected) <= limit, f"{name}: {found} {expected}"
        assert np.linalg.norm(gradient) > 1e-8, name


@pytest.mark.parametrize("name", TENSOR_LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_derivatives_of_the_loss(kind, name):
    check_gradients(make_tensor_config(kind), TENSOR_LOSSES[name], SYSTEMS["several frames"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("descriptor", [{"type_one_side": True, "resnet_dt": True}, {"set_davg_zero": True}])
def test_gradients_with_other_descriptors(kind, descriptor):
    config = make_tensor_config(kind, [1], {**descriptor, "type_one_side": True}, resnet_dt=False)
    check_gradients(config, TENSOR_LOSSES["both"], SYSTEMS["triclinic"])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_through_tables_and_in_single_precision(kind):
    system = grid_system()
    tensors = None
    found = {}
    for precision, table in (("float64", False), ("float64", True), ("float32", False), ("float32", True)):
        config = make_tensor_config(
            kind, [0], {"precision": precision, "online_table": table}, precision=precision
        )
        tensors = make_tensors(make_tensor_config(kind, [0])) if tensors is None else tensors
        cast = {k: v.astype(precision) if "/layer_" in k else v for k, v in tensors.items()}
        potential = model(config, cast)
        batch = make_tensor_batch(system, model(make_tensor_config(kind, [0]), tensors))
        trainer = core.Trainer(potential, json.dumps(TENSOR_LOSSES["both"]))
        found[precision, table] = trainer.gradients(batch, LR, START_LR)
    expected = found["float64", False]
    trained = [k for k, v in expected.items() if np.any(v)]  # nets of centre 1 are not used
    assert len(trained) > 6
    for name in trained:
        assert_close(found["float64", True][name], expected[name], "gradient", name)
        for table in (False, True):
            # residuals of random sign cancel in the sums over atoms, and a polarizability has the rounding
            # of D and twice that of Q: measured up to 3.3e-4
            error = relative_error(found["float32", table][name], expected[name])
            assert error <= 20 * TOLERANCE["float32 gradient"], f"{name}: {error:.1e}"


@pytest.mark.parametrize("kind", KINDS)
def test_steps_learn_another_model(kind):
    config = make_tensor_config(kind, [0])
    system, potential = SYSTEMS["several frames"], model(config, make_tensors(config))
    batch = make_tensor_batch(system, model(config, make_tensors(config, 1)), noise=0.0)
    trainer = core.Trainer(potential, json.dumps(TENSOR_LOSSES["both"]))
    before = trainer.losses(batch, 1e-3, 1e-3)["rmse"]
    for _ in range(150):
        trainer.step(batch, 1e-2, 1e-2)
    assert trainer.losses(batch, 1e-3, 1e-3)["rmse"] < 0.5 * before


# ---- what is refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"sel_type": []}, "sel_type: expected at least one type"),
        ({"sel_type": [2]}, "sel_type: expected type indices from 0 to 1, got 2"),
        ({"sel_type": [0, 0]}, "sel_type: type 0 is given twice"),
        ({"scale": [1.0]}, r"scale: expected one number per type \(2\), got 1"),
    ],
)
def test_wrong_configurations_are_refused(changes, message):
    config = make_tensor_config("polar", [0])
    config["fitting_net"].update(changes)
    with pytest.raises(core.Error, match=f"model/fitting_net/{message}"):
        core.Model.create(json.dumps(config), {})


@pytest.mark.parametrize(
    "kind, loss",
    [("dipole", make_loss(e=(1, 1))), ("ener", TENSOR_LOSSES["local"]), ("polar", {"type": "dos"})],
)
def test_losses_of_another_kind_are_refused(kind, loss):
    from gradcheck import make_config

    config = make_config() if kind == "ener" else make_tensor_config(kind)
    potential = model(config, make_tensors(config))
    with pytest.raises(core.Error, match="^loss/type: "):
        core.Trainer(potential, json.dumps(loss))
