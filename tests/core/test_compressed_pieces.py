# SPDX-License-Identifier: LGPL-3.0-or-later
"""Compressed models that evaluation knows by polynomials on pieces: when, and that their numbers are those of the tables.

DP_EXACT_NETS=1 is the switch: with it a compressed model is evaluated by its tables (what test_quintic_table.py and
test_tables_outside.py are about) and an original one by its nets. That a model took pieces shows in its last digits.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from compressed_models import (
    RECIPE,
    compressed_config,
    dimers,
    distance_of,
    force_along,
    small_model,
    two_clusters,
    written_out,
)
from dpcore.compression_error import as_it_is
from gradcheck import (
    DESCRIPTORS,
    KINKED,
    TENSOR_FITTINGS,
    descriptor_parts,
    evaluate,
    grid_system,
    make_config,
    make_tensor_config,
    make_tensors,
    model,
    odd_systems,
)
from where import ON_HOST, fixed_order, same_bits

core = pytest.importorskip("dpcore._core", reason="the compiled core is not built")

pytestmark = fixed_order
on_host = pytest.mark.skipif(not ON_HOST, reason="pieces are for CPUs")
STEP = 0.004  # at which the tables of these steep nets are good enough
SAME = 1e-9  # of the core: bound of the difference of table and net, of the largest value and slope
# of the largest value of what is compared; float32: rounding
LIMIT = {"float64": 3e-9, "float32": 2e-5, "mixed": 2e-5}


def with_recipe(config, **recipe):
    """The same model, all parts of the descriptor compressed."""
    config = {**config, "descriptor": dict(config["descriptor"])}
    if "list" not in config["descriptor"]:
        return compressed_config(config, **recipe)
    parts = [{**part, "compress": {**RECIPE, **recipe}} for part in config["descriptor"]["list"]]
    config["descriptor"]["list"] = parts
    return config


def three(config, tensors, **recipe):
    """The compressed model as it is evaluated, by its tables, and the original by its nets."""
    written = with_recipe(config, **{"step": STEP, **recipe})
    return model(written, tensors), as_it_is(model(written, tensors)), as_it_is(model(config, tensors))


def assert_near(found, expected, limit):
    for key, value in expected.items():
        assert not np.abs(found[key] - value).max() > limit * max(1e-3, np.abs(value).max()), key


def assert_same_numbers(config, tensors, systems, limit, taken=ON_HOST):
    found, table, net = three(config, tensors)
    for system in systems:
        results = [evaluate(m, system, True) for m in (found, table, net)]
        assert np.abs(results[1]["force"]).max() > 1e-3
        assert np.array_equal(results[0]["force"], results[1]["force"]) != taken
        assert not np.array_equal(results[1]["force"], results[2]["force"]), "the table was not used"
        for others in results[1:]:
            assert_near(results[0], others, limit)


# ---- the numbers --------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "float32", "mixed"])
@pytest.mark.parametrize("kind", DESCRIPTORS)
def test_every_descriptor(kind, precision):
    """Those other than se_e2_a keep to their tables, of hybrid that part."""
    config = make_config({"type": kind, "precision": precision})
    taken = ON_HOST and kind not in ("se_e2_r", "se_e3")
    tensors = make_tensors(config)
    if precision == "mixed" and kind in ("se_e2_r", "se_e3"):
        pytest.skip("nothing of these is in float32 with mixed")
    assert_same_numbers(config, tensors, [grid_system()], LIMIT[precision], taken)


@pytest.mark.parametrize(
    "keys",
    [
        {"type_one_side": True, "resnet_dt": True},
        {"exclude_types": [[0, 1]]},
        {"exclude_types": [[1, 1]], "type_one_side": True, "set_davg_zero": True},
        {"activation_function": "gelu"},
        {"activation_function": "softplus", "sel": [6, 5]},
        {"activation_function": "sigmoid", "neuron": [5, 20]},
    ],
    ids=str,
)
def test_every_kind_of_net(keys):
    config = make_config(keys)
    systems = (grid_system(), odd_systems()["more than sel"], odd_systems()["tiny box"])
    assert_same_numbers(config, make_tensors(config), systems, LIMIT["float64"])


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("kind", TENSOR_FITTINGS)
def test_tensors(kind, precision):
    config = make_tensor_config(kind, None, {"precision": precision, "type_one_side": True})
    assert_same_numbers(config, make_tensors(config), [grid_system()], LIMIT[precision])


# ---- when ---------------------------------------------------------------------


def took_pieces(config, tensors, **recipe):
    found, table, _ = three(config, tensors, **recipe)
    return not np.array_equal(*(evaluate(m, grid_system())["force"] for m in (found, table)))


def error_of_tables(config, tensors, tables):
    """Of the fine steps, where it is largest in an interval, of the largest value or slope: written out by numpy."""
    worst, powers = 0.0, np.arange(6)
    for table in tables:
        nodes, n_fine, net, rows = written_out(config, tensors, table)
        for place in (0.27639, 0.5, 0.72361):
            t = place * table["fine"]
            exact = net(nodes[:n_fine] + t)
            found = (
                np.einsum("p,npm->nm", t**powers, rows[:n_fine]),
                np.einsum("p,npm->nm", powers[1:] * t ** powers[:-1], rows[:n_fine, 1:]),
            )
            for f, e in zip(found, exact):
                worst = max(worst, np.abs(f - e).max() / np.abs(e).max())
    return worst


def steeper(factor, **descriptor):
    """A model whose nets have first layers with so many times the weights."""
    config = make_config(descriptor)
    tensors = make_tensors(config)
    for key in tensors:
        if key.endswith("layer_0/matrix"):
            tensors[key] = factor * tensors[key]
    return config, tensors


def error_with(config, tensors, **recipe):
    return error_of_tables(config, tensors, model(with_recipe(config, **recipe), tensors).tables())


@on_host
@pytest.mark.parametrize("precision", ["float64", "float32", "mixed"])
@pytest.mark.parametrize("factor", [0.1, 0.3, 1, 4])
def test_tables_that_differ_from_the_nets_are_kept(factor, precision):
    """With steps at which the error is just above and just below the bound; the core's own bound is not far off."""
    config, tensors = steeper(factor, precision=precision)
    base = 0.01 / min(factor, 1)
    first = error_with(config, tensors, step=base)
    for wanted, taken in ((1.15, False), (0.75, True), (0.02, True), (1000, False)):
        step = base * (wanted * SAME / first) ** 0.2
        error = error_with(config, tensors, step=step) / SAME
        assert error == pytest.approx(wanted, rel=0.13 if wanted < 10 else 0.5)
        assert took_pieces(config, tensors, step=step) == taken, error


@pytest.mark.parametrize("activation", KINKED)
def test_kinks_are_left_to_tables(activation):
    config = make_config({"activation_function": activation})
    assert not took_pieces(config, make_tensors(config), step=0.002)


def test_straight_lines_begin_where_tables_end():
    config = make_config()
    assert not took_pieces(config, make_tensors(config), outside="linear")


@pytest.mark.parametrize("precision", ["float64", "float32", "mixed"])
def test_steep_nets_are_left_to_tables(precision):
    """With steps so short that the tables follow them, which pieces cannot."""
    config, tensors = steeper(30, neuron=[3, 6], precision=precision)
    assert error_with(config, tensors, step=2e-4, extrapolate=1) < 0.1 * SAME
    assert not took_pieces(config, tensors, step=2e-4, extrapolate=1)


# ---- the range ----------------------------------------------------------------


@on_host
@pytest.mark.parametrize("precision", ["float64", "float32", "mixed"])
@pytest.mark.parametrize("extrapolate", [1, 3])
def test_pairs_beyond_the_fine_steps(extrapolate, precision):
    """Coarse steps as the table has them, whose error is seen; then the net, counted."""
    config, tensors = small_model(precision=precision)
    recipe = {"min_nbor_dist": 2.0, "extrapolate": extrapolate}
    found, table, net = three(config, tensors, **recipe)
    info = table.tables()[1:3]
    upper = min(distance_of(config, tensors, t["upper"], a) for a, t in enumerate(info))
    last = [distance_of(config, tensors, t["last"], a) for a, t in enumerate(info)]
    limit = 1e-12 if precision == "float64" else LIMIT[precision]
    beyond, outside = (
        np.linspace(1.001 * max(last), 0.999 * upper, 40),
        np.linspace(0.2, 0.999 * min(last), 9),
    )
    for r, pairs in ((beyond, 0), (outside, 18)):
        if r is beyond and extrapolate == 1:
            continue
        results = [m.evaluate(*dimers(r)) for m in (found, table, net)]
        assert [m.outside_tables()["pairs"] for m in (found, table)] == [pairs, pairs]
        assert_near(results[0], results[1], limit)
        error = np.abs(results[0]["force"] - results[2]["force"]).max() / np.abs(results[2]["force"]).max()
        assert error <= limit if pairs else precision != "float64" or error > 10 * limit
    assert found.outside_tables()["nearest"] == pytest.approx(0.2, rel=1e-12)
    many = dimers(np.append(outside[:1], np.linspace(2, 3, 300)))  # one among many that are inside
    assert_near(found.evaluate(*many), table.evaluate(*many), LIMIT[precision])
    assert found.outside_tables()["pairs"] == table.outside_tables()["pairs"] == 2


@on_host
@pytest.mark.parametrize("precision", ["float64", "float32", "mixed"])
@pytest.mark.parametrize("kind", ["se_e2_a", "hybrid", "se_a_tpe"])
def test_only_pairs_outside_leave_the_pieces(kind, precision):
    """Two clusters, out of each other's sight, share tiles: what happens in the one leaves every bit of the other alone."""
    config = make_config({"type": kind, "precision": precision})
    found, table, net = three(config, make_tensors(config), extrapolate=1)

    def run(potential, *gaps):
        return potential.evaluate(*two_clusters(*gaps), atomic=True)

    far = run(found, 1.0, 1.1, 1.2, 1.3)
    assert found.outside_tables()["pairs"] == 0
    close = (0.1, 1.1, 0.15, 1.3)
    near, expected = run(found, *close), run(table, *close)
    assert found.outside_tables() == table.outside_tables()
    assert found.outside_tables()["pairs"] == 4 * len(descriptor_parts(config))
    assert not np.array_equal(near["force"][0, :5], expected["force"][0, :5]), "no pieces were taken"
    for key in ("atom_energy", "force", "atom_virial"):
        np.testing.assert_array_equal(near[key][0, :5], far[key][0, :5])
    assert_near(near, run(net, *close), 1e-8 if precision == "float64" else 1e-4)


@on_host
def test_forces_are_the_derivative_of_the_energy():
    """From beyond the table to the cut-off. Where pieces, coarse steps and net meet the energy jumps by their errors only."""
    config, tensors = small_model()
    found, table, _ = three(config, tensors, min_nbor_dist=1.1, extrapolate=1.5)
    assert took_pieces(config, tensors, min_nbor_dist=1.1, extrapolate=1.5)
    h = 1e-4
    r = np.linspace(0.55, 3.05, 501)
    ends = [
        distance_of(config, tensors, x, a)
        for a, t in enumerate(table.tables()[1:3])
        for x in (t["upper"], t["last"])
    ]
    inside = r[[min(abs(x - e) for e in ends) > 2 * h for x in r]]
    energy = [found.evaluate(*dimers(inside + k * h))["energy"] for k in (-2, -1, 1, 2)]
    slope = (energy[0] - 8 * energy[1] + 8 * energy[2] - energy[3]) / (12 * h)
    force = force_along(found.evaluate(*dimers(inside)))
    assert np.abs(force + slope).max() <= 1e-8 * np.abs(force).max()
    for end in ends:
        both = found.evaluate(*dimers([end - 1e-9, end + 1e-9]))
        for key, limit in (("energy", 1e-8), ("force", 1e-8)):
            jump = np.abs(both[key][1] - both[key][0]).max()
            assert jump <= limit * np.abs(force).max(), (key, end)


# ---- the object ---------------------------------------------------------------


@on_host
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_what_is_told_is_the_table(precision):
    """Before and after an evaluation, and whatever it takes."""
    config = make_config({"precision": precision})
    tensors = make_tensors(config)
    found, table, _ = three(config, tensors)
    told = found.tables()
    evaluate(found, grid_system())
    assert found.tables() == told == table.tables() and len(told) == 4
    assert told[0]["fine"] == pytest.approx(STEP, rel=1e-12)


@on_host
def test_first_evaluations_from_several_threads():
    config, system = make_config(), grid_system()
    tensors = make_tensors(config)
    expected = evaluate(three(config, tensors)[0], system)
    potential = three(config, tensors)[0]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: evaluate(potential, system), range(8)):
            assert same_bits(found["force"], expected["force"])


def test_a_trainer_does_not_take_it_after_an_evaluation_either():
    config = make_config()
    found = three(config, make_tensors(config))[0]
    before = evaluate(found, grid_system())
    with pytest.raises(core.Error, match="compressed.*--init-frz-model"):
        core.Trainer(found, "{}")
    assert same_bits(evaluate(found, grid_system())["force"], before["force"])
