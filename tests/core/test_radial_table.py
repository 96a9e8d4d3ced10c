# SPDX-License-Identifier: LGPL-3.0-or-later
"""Training with tables of the embedding nets against training with the nets themselves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from where import FIXED_ORDER, same_bits

_core = pytest.importorskip("dpcore._core")

LOSS = json.dumps({"start_pref_e": 1.0, "start_pref_f": 10.0, "start_pref_v": 1.0, "limit_pref_v": 1.0})


def model_and_trainer(table: bool, davg, *, precision="float64", activation="tanh", dstd=0.1, **descriptor):
    """A random model with types A, B."""
    config = {
        "type_map": ["A", "B"],
        "descriptor": {
            "type": "se_e2_a",
            "sel": [200, 200],
            "rcut": 6.0,
            "rcut_smth": 1.0,
            "neuron": [8, 16, 32],
            "axis_neuron": 4,
            "activation_function": activation,
            "type_one_side": True,
            "precision": precision,
            "seed": 1,
            "online_table": table,
            **descriptor,
        },
        "fitting_net": {
            "type": "ener",
            "neuron": [20, 20],
            "activation_function": "tanh",
            "resnet_dt": True,
            "precision": precision,
            "seed": 2,
        },
    }
    davg, tensors = np.asarray(davg, dtype=float), {"fitting/bias_atom_e": np.zeros(2)}
    parts = {"descriptor/": config["descriptor"]}
    if descriptor.get("type") == "hybrid":  # of both kinds
        one, other = ({**config["descriptor"], "type": kind} for kind in ("se_e2_a", "se_e2_r"))
        config["descriptor"] = {"type": "hybrid", "list": [one, other]}
        parts = {"descriptor/part_0/": one, "descriptor/part_1/": other}
    for prefix, part in parts.items():
        columns = 1 if part["type"] == "se_e2_r" else 4
        tensors.update({f"{prefix}davg": davg[:, :columns], f"{prefix}dstd": np.full((2, columns), dstd)})
    model = _core.Model.create(json.dumps(config), tensors)
    return model, _core.Trainer(model, LOSS)


def gradients(table: bool, batch, davg, **keys):
    """Losses and parameter gradients of a random model."""
    _, trainer = model_and_trainer(table, davg, **keys)
    found = trainer.gradients(batch, 1e-3, 1e-3)
    loss = trainer.step(batch, 1e-3, 1e-3)
    return loss, found


def make_batch(n_a: int, n_b: int, length: float, seed: int = 0, isolated: bool = False):
    """Random atoms on a jittered grid; isolated: one A far from all others in a large cell."""
    rng = np.random.default_rng(seed)
    n = n_a + n_b
    side = int(np.ceil(n ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n]
    coord = (grid + 0.5) * length / side + rng.uniform(-0.25, 0.25, (n, 3))
    box = np.diag([length] * 3)
    if isolated:
        box = np.diag([length + 40.0] * 3)
        coord[0] = length + 20.0
    types = np.array([0] * n_a + [1] * n_b, dtype=np.int32)
    return {
        "coord": coord.reshape(1, -1),
        "box": box.reshape(1, 9),
        "type": types,
        "energy": rng.normal(size=1),
        "force": rng.normal(size=(1, 3 * n)),
        "virial": rng.normal(size=(1, 9)),
        "find_energy": 1.0,
        "find_force": 1.0,
        "find_virial": 1.0,
    }


DAVG = [[0.08, 0, 0, 0], [0.03, 0, 0, 0]]


def worst_difference(one, other) -> float:
    """Largest deviation of a tensor relative to its largest entry; NaN makes it infinite."""
    worst = 0.0
    for name, exact in other.items():
        scale = np.abs(exact).max()
        assert scale > 0, name
        error = np.abs(one[name] - exact).max() / scale
        worst = max(worst, error if error == error else np.inf)
    return worst


# 1e-9: the table's own bound on G and G'; float32: both paths round every sum, 1e-7 each over some thousand terms
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-9), ("float32", 2e-4)])
@pytest.mark.parametrize("activation", ["tanh", "gelu", "softplus", "sigmoid"])
def test_gradients_equal_those_of_the_nets(precision, tolerance, activation):
    batch = make_batch(30, 60, 10.0)
    loss_t, table = gradients(True, batch, DAVG, precision=precision, activation=activation)
    loss_e, exact = gradients(False, batch, DAVG, precision=precision, activation=activation)
    assert abs(loss_t["rmse"] / loss_e["rmse"] - 1) <= tolerance
    error = worst_difference(table, exact)
    assert error <= tolerance
    if precision == "float64":
        assert error > 0, "the table was not used: the comparison says nothing"


@pytest.mark.parametrize("neuron", [[5, 10, 20], [8, 16, 100], [3]])  # columns that do not fill vectors
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_gradients_for_any_number_of_columns(neuron, precision):
    batch = make_batch(30, 60, 10.0)
    keys = {"neuron": neuron, "axis_neuron": min(16, neuron[-1]), "precision": precision}
    table, exact = (gradients(t, batch, DAVG, **keys)[1] for t in (True, False))
    error = worst_difference(table, exact)
    assert 0 < error <= (1e-9 if precision == "float64" else 2e-4)


def test_learning_curve_equals_that_of_the_nets():
    """Steps with a large learning rate carry a difference on: 1e-9 each, grown over 40 steps; losses differ by 1e-7."""
    batches = [make_batch(30, 60, 10.0, seed) for seed in range(4)]
    trainers = [model_and_trainer(table, DAVG)[1] for table in (True, False)]
    curves = [[t.step(batches[i % 4], 3e-3, 3e-3)["rmse"] for i in range(40)] for t in trainers]
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-7)
    assert min(curves[1]) < 0.7 * curves[1][0], "nothing was learned"
    assert curves[0] != curves[1], "the table was not used: the comparison says nothing"


# first-layer weights so many times as large, nearest pole of the net so much nearer: coarse nodes do for 1, finer ones
# are needed for 8 and 20, and for 300 none are good enough
@pytest.mark.parametrize(("steeper", "used"), [(1, True), (8, True), (20, True), (300, False)])
def test_steep_nets_get_finer_nodes_or_serve_themselves(steeper, used):
    batch = make_batch(30, 60, 10.0)

    def of(table):
        model, trainer = model_and_trainer(table, DAVG, neuron=[4, 8])
        tensors = model.tensors()
        for name in tensors:
            if name.startswith("descriptor/") and name.endswith("layer_0/matrix"):
                tensors[name] = tensors[name] * steeper
        del trainer
        model = _core.Model(model.config, tensors)
        return _core.Trainer(model, LOSS).gradients(batch, 1e-3, 1e-3)

    error = worst_difference(of(True), of(False))
    if FIXED_ORDER:
        assert (error > 0) == used
    assert error <= 1e-7


def gradients_of_a_kinked_net(table: bool, batch, weight: float, **keys):
    """Of nets whose first neuron has this weight, and its steepest point at s = 1: steep there alone."""
    model, trainer = model_and_trainer(table, DAVG, **keys)
    tensors = model.tensors()
    for name in tensors:
        if name.startswith("descriptor/") and name.endswith("layer_0/matrix"):
            tensors[name][0, 0] = weight
            tensors[name.replace("matrix", "bias")][..., 0] = -weight
    tensors = {name: np.float64(np.float32(t)) for name, t in tensors.items()}  # the same in both precisions
    del trainer
    return _core.Trainer(_core.Model(model.config, tensors), LOSS).gradients(batch, 1e-3, 1e-3)


@pytest.mark.parametrize("kind", ["se_e2_a", "se_e2_r", "se_e3"])
def test_nets_that_are_steep_in_one_place(kind):
    """There they need nodes 0.001 apart, which everywhere would be more nodes than pairs: no table."""
    keys = {
        "type": kind,
        "neuron": [4, 8],
        **({"rcut": 4.0, "type_one_side": False} if kind == "se_e3" else {}),
    }
    batch = make_batch(12, 30, 8.5) if kind == "se_e3" else make_batch(30, 60, 10.0)
    table, exact = (gradients_of_a_kinked_net(t, batch, 60.0, **keys) for t in (True, False))
    assert worst_difference(table, exact) <= 1e-8
    for net in {name.split("/")[1] for name in exact if name.startswith("descriptor/")}:
        mine = [name for name in exact if name.startswith(f"descriptor/{net}/")]
        used = any(not np.array_equal(table[name], exact[name]) for name in mine)
        assert used, f"no table for {net}: the comparison says nothing"


def test_tables_of_float32_nets_are_as_good_as_the_nets():
    """Their tables may be off by 1e-7: against the nets in double the gradient is no worse than without tables."""

    def together(batch, table, precision):
        found = gradients_of_a_kinked_net(table, batch, 8.0, precision=precision, neuron=[4, 8])
        return np.concatenate([found[name].ravel() for name in sorted(found)])

    errors = {True: [], False: []}
    for seed in range(6):
        batch = make_batch(30, 60, 10.0, seed)
        exact = together(batch, False, "float64")
        for table, found in errors.items():
            difference = together(batch, table, "float32") - exact
            found.append(np.linalg.norm(difference) / np.linalg.norm(exact))
    assert errors[True] != errors[False], "the table was not used: the comparison says nothing"
    assert np.mean(errors[True]) <= 1.2 * np.mean(errors[False])


def test_graded_nodes_for_any_number_of_threads():
    """Sums of threads are added up in another order; the nodes are the same."""
    batch, before = make_batch(30, 60, 10.0), _core.num_threads()
    found = []
    for n in (1, before):
        _core.set_num_threads(n)
        found.append(gradients_of_a_kinked_net(True, batch, 60.0))
    assert worst_difference(*found) <= 1e-12


@pytest.mark.parametrize("kind", ["se_e2_r", "hybrid"])
@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize(
    "keys",
    [
        {"precision": "float64"},
        {"precision": "float64", "exclude_types": [[0, 0]]},
        {"precision": "float64", "type_one_side": False, "exclude_types": [[0, 1]]},
        {"precision": "float32", "exclude_types": [[1, 1]]},
    ],
    ids=str,
)
def test_gradients_of_other_descriptors(kind, isolated, keys):
    batch = make_batch(30, 60, 10.0, isolated=isolated)
    table, exact = (gradients(t, batch, DAVG, type=kind, **keys)[1] for t in (True, False))
    error = worst_difference(table, exact)
    assert error <= (1e-9 if keys["precision"] == "float64" else 2e-4)
    assert error > 0, "the table was not used: the comparison says nothing"


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-9), ("float32", 2e-4)])
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_gradients_of_se_e3(precision, tolerance, activation):
    """Its tables end at 16, beyond which are the terms of near neighbours: the nets serve these."""
    keys = {
        "type": "se_e3",
        "precision": precision,
        "activation": activation,
        "rcut": 4.0,
        "type_one_side": False,
    }
    davg = np.array(DAVG) * 0.0
    for dstd in (0.1, 0.3):  # with and without terms beyond 16
        batch = make_batch(12, 30, 8.5)
        table, exact = (gradients(t, batch, davg, dstd=dstd, **keys)[1] for t in (True, False))
        error = worst_difference(table, exact)
        assert error <= tolerance
        assert error > 0, "the table was not used: the comparison says nothing"


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_kinks_keep_the_exact_nets(activation):
    batch = make_batch(30, 60, 10.0)
    table = gradients(True, batch, DAVG, activation=activation)[1]
    exact = gradients(False, batch, DAVG, activation=activation)[1]
    assert all(same_bits(table[k], exact[k]) for k in exact)


def test_empty_slots_of_a_centre_type_without_pairs():
    """One isolated A and many B: the nets' tables must reach A's empty slots too."""
    batch = make_batch(1, 63, 9.0, isolated=True)
    loss_t, table = gradients(True, batch, [[0.9, 0, 0, 0], [0.03, 0, 0, 0]])
    loss_e, exact = gradients(False, batch, [[0.9, 0, 0, 0], [0.03, 0, 0, 0]])
    assert abs(loss_t["rmse_e"] / loss_e["rmse_e"] - 1) <= 1e-9
    used = {k: v for k, v in exact.items() if np.abs(v).max() > 0}
    assert worst_difference(table, used) <= 1e-9


def test_nearly_overlapping_atoms_need_no_table():
    """A distance of 1e-7 A asks for a table beyond any memory: the exact net serves."""
    batch = make_batch(30, 60, 10.0)
    coord = batch["coord"].reshape(-1, 3)
    coord[1] = coord[0] + [1e-7, 0, 0]
    table = gradients(True, batch, DAVG)[1]
    exact = gradients(False, batch, DAVG)[1]
    for name in exact:
        np.testing.assert_allclose(table[name], exact[name], rtol=1e-7, atol=1e-7 * np.abs(exact[name]).max())


@pytest.mark.parametrize("kind", ["se_e2_a", "se_e2_r", "se_a_tpe"])
@pytest.mark.parametrize("near", [0.3, 0.1, 0.03])
def test_gradients_where_a_pair_is_very_near(kind, near):
    """Its s is up to thirty times that of the others: a longer table, or the nets."""
    batch = make_batch(30, 60, 10.0)
    coord = batch["coord"].reshape(-1, 3)
    coord[1], coord[40] = coord[0] + [near, 0, 0], coord[41] + [0, near, 0]
    keys = {"type": kind, **({"type_nchanl": 3, "type_nlayer": 2} if kind == "se_a_tpe" else {})}
    table, exact = (gradients(t, batch, DAVG, **keys)[1] for t in (True, False))
    assert worst_difference(table, exact) <= 1e-9


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("length", [3.0, 30.0])
def test_too_few_pairs_for_a_table(n, length):
    """One atom, one atom with its own images, a dimer, two atoms that do not see each other: the nets as they are."""
    batch = make_batch(n - n // 2, n // 2, length)
    table, exact = (gradients(t, batch, DAVG)[1] for t in (True, False))
    assert all(np.isfinite(exact[k]).all() and np.array_equal(table[k], exact[k]) for k in exact)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_two_sided_nets_with_an_excluded_pair(precision):
    batch = make_batch(30, 60, 10.0)
    keys = {"precision": precision, "type_one_side": False, "exclude_types": [[0, 0]]}
    table, exact = (gradients(t, batch, DAVG, **keys)[1] for t in (True, False))
    assert worst_difference(table, exact) <= (1e-9 if precision == "float64" else 2e-4)


def test_a_failed_step_leaves_no_table_behind():
    """Evaluation uses the nets, also after a step that stopped half-way: its tables do not reach nearer pairs."""
    batch = make_batch(30, 60, 10.0)
    model, trainer = model_and_trainer(True, DAVG)
    near = batch["coord"].copy().reshape(-1, 3)
    near[31] = near[30] + [0.35, 0, 0]  # two B
    arguments = (near.reshape(1, -1), batch["box"], batch["type"])
    before = model.evaluate(*arguments)["energy"]
    bad = {**batch, "coord": batch["coord"].copy()}
    bad["coord"][0, 3:6] = bad["coord"][0, :3]  # two A at one place; the net for B has its table
    with pytest.raises(_core.Error, match="atoms (0 and 1|1 and 0)"):
        trainer.step(bad, 1e-3, 1e-3)
    assert np.array_equal(model.evaluate(*arguments)["energy"], before)


def test_a_model_has_one_trainer_at_a_time():
    model, trainer = model_and_trainer(True, DAVG)
    with pytest.raises(_core.Error, match="another trainer"):
        _core.Trainer(model, LOSS)
    del trainer
    _core.Trainer(model, LOSS)
