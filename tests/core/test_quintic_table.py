# SPDX-License-Identifier: LGPL-3.0-or-later
"""The tables of compressed models: their error, their derivatives, their ends.

The oracle is the same model without tables.  Two atoms along a line are a probe of one table: the energy of
a dimer depends on one number.  Recipes with steps far larger than anybody would use make the table's error
large, so that "forces are the derivative of the tabulated energy" differs from "forces are close to the
original's".
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from compressed_models import (
    both,
    compressed_config,
    dimers,
    distance_of,
    force_along,
    small_model,
    written_out,
)
from gradcheck import (
    ACTIVATIONS,
    KINKED,
    assert_agree,
    assert_close,
    evaluate,
    grid_system,
    make_config,
    make_tensors,
    model,
    odd_systems,
    smooth_tensors,
)
from reference import stored_tables
from where import ON_HOST, same_bits

core = pytest.importorskip("dpcore._core", reason="the compiled core is not built")

pytestmark = pytest.mark.usefixtures("exact_nets")

# ---- error -------------------------------------------------------------------


@pytest.mark.parametrize("activation", [a for a in ACTIVATIONS if a not in KINKED])
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"type_one_side": True},
        {"resnet_dt": True, "neuron": [4, 8, 8]},
        {"neuron": [5, 3]},
        {"exclude_types": [[0, 1]]},
        {"exclude_types": [[0, 0]], "type_one_side": True},
    ],
    ids=lambda keys: " ".join(keys) or "two sides",
)
def test_equals_the_model(activation, keys):
    """Weights are ten times those of trained nets: with a step of 0.01 errors are 1e-9, 32 times these."""
    config, tensors = small_model(activation_function=activation, **keys)
    exact, table = both(config, tensors, step=0.005)
    for system in (grid_system(), odd_systems()["more than sel"], odd_systems()["tiny box"]):
        found, expected = evaluate(table, system, True), evaluate(exact, system, True)
        assert np.abs(expected["force"]).max() > 1e-3
        for key, value in expected.items():
            limit = 1e-9 * max(1.0, np.abs(value).max())
            assert np.abs(found[key] - value).max() <= limit, key
        assert np.abs(found["force"] - expected["force"]).max() > 0, "the table was not used"


@pytest.mark.parametrize("activation", KINKED)
def test_kinks_cost_accuracy_only_near_them(activation):
    """Away from kinks nets are straight lines, which the table has exactly."""
    config = make_config({"activation_function": activation})
    system = odd_systems()["triclinic"]
    tensors = smooth_tensors(config, [system])
    exact, table = both(config, tensors, step=0.002)
    assert_agree(evaluate(table, system, True), evaluate(exact, system, True), "force")


@pytest.mark.parametrize(
    "keys", [{}, {"type_one_side": True, "resnet_dt": True, "exclude_types": [[1, 1]]}], ids=str
)
def test_float32_equals_the_float32_model(keys):
    config, tensors = small_model(precision="float32", **keys)
    config["fitting_net"]["precision"] = "float32"
    tensors = make_tensors(config, seed=3)
    exact, table = both(config, tensors)
    assert (
        table.tables()[0]["bytes"] == table.tables()[0]["intervals"] * 6 * 16 * 4
    )  # 6 channels, rows of 64 bytes
    for system in (grid_system(), odd_systems()["triclinic"]):
        assert_agree(evaluate(table, system, True), evaluate(exact, system, True), "float32")


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("outside", ["net", "linear"])
def test_angles_of_se_e3(precision, outside):
    """Its tables hold the terms of two near neighbours on one side, not of those on opposite sides."""
    config = make_config({"type": "se_e3", "precision": precision}, {"precision": precision})
    tensors = make_tensors(config, seed=3)
    limit = {"float64": 1e-8, "float32": 1e-4}[precision]  # of the coarse steps
    exact, table = both(config, tensors, step=0.005, outside=outside)
    for t in table.tables():
        near = (1 / 0.9 / tensors["descriptor/dstd"][:, 1:].min()) ** 2
        assert (t["lower"], t["upper"]) == (-16.0 if outside == "net" else -np.ceil(near), 16.0)
        assert t["last"] == pytest.approx(5 * near)
    for system in (grid_system(), odd_systems()["more than sel"], odd_systems()["tiny box"]):
        found, expected = evaluate(table, system, True), evaluate(exact, system, True)
        assert np.abs(expected["force"]).max() > 1e-3
        for key, value in expected.items():
            assert not np.abs(found[key] - value).max() > limit * max(1.0, np.abs(value).max()), key
        assert np.abs(found["force"] - expected["force"]).max() > 0, "the table was not used"


def test_near_neighbours_of_se_e3_are_told():
    config, tensors = small_model(type="se_e3")
    tensors["descriptor/dstd"] = np.full((2, 4), 0.2)
    table = both(config, tensors, extrapolate=1)[1]
    for distance, pairs in ((1.0, 0), (0.85, 2)):
        table.evaluate(*dimers([distance]))
        assert table.outside_tables()["pairs"] == pairs


@pytest.mark.parametrize(
    "keys",
    [{}, {"type_one_side": True, "neuron": [4, 20]}, {"type": "se_e2_r", "set_davg_zero": True}],
    ids=["two sides", "one side", "se_e2_r"],
)
def test_equals_its_polynomials(keys):
    """Written out as coefficients by numpy, with steps so long that table and net differ; both levels, and beyond."""
    config, tensors = small_model(**keys)
    table = both(config, tensors, step=0.4, extrapolate=2, outside="linear", min_nbor_dist=1.1)[1]
    exact = model(config, tensors)
    written = compressed_config(config, stored=True, outside="linear")
    numbers = {k: v for k, v in tensors.items() if not k.startswith("descriptor/net_")}
    for t in table.tables():
        _, n_fine, _, rows = written_out(config, tensors, t)
        numbers[f"descriptor/{t['net']}/table"] = rows
        numbers[f"descriptor/{t['net']}/table_info"] = np.array(
            [t["lower"], t["lower"], t["upper"], t["last"], t["fine"], t["coarse"], 0, n_fine]
        )
    far = dimers(np.linspace(0.3, 3.1, 300))
    for system in (grid_system(), odd_systems()["triclinic"]):
        found = evaluate(table, system, True)
        expected = stored_tables.evaluate(written, numbers, system.coord, system.box, system.types)
        assert_agree(found, expected, "oracle")
        assert np.abs(found["force"] - evaluate(exact, system)["force"]).max() > 1e-6
    found, expected = (m.evaluate(*far) for m in (table, model(written, numbers)))
    for key, value in expected.items():
        assert np.abs(found[key] - value).max() <= 1e-11 * max(1, np.abs(value).max()), key


def test_error_falls_with_the_sixth_power_of_the_step():
    """Of the energy; forces hold a derivative, and the fifth."""
    config, tensors = small_model(
        set_davg_zero=True
    )  # without empty slots, whose error depends on where nodes fall
    arguments = dimers(np.linspace(0.95, 2.9, 400))
    exact = model(config, tensors).evaluate(*arguments)
    errors = []
    for step in (0.0625, 0.03125, 0.015625):
        found = both(config, tensors, step=step)[1].evaluate(*arguments)
        errors.append([np.abs(found[key] - exact[key]).max() for key in ("energy", "force")])
    energy, force = np.array(errors).T
    ratios = np.concatenate([energy[:-1] / energy[1:], force[:-1] / force[1:]])
    assert np.all(np.abs(ratios / [64, 64, 32, 32] - 1) < 0.35), (ratios, errors)


def test_ranges_and_sizes():
    """Rounded outwards, coarse steps ten times as long, in double three rows of whole cache lines for each node (on a GPU
    six for each interval)."""
    config, tensors = small_model(type_one_side=True)
    tensors["descriptor/davg"] = np.array([[0.03, 0, 0, 0], [0.06, 0, 0, 0]])
    tensors["descriptor/dstd"] = np.full((2, 4), 0.125)
    table = both(config, tensors)[1]
    # s(0.9 A) = 1/0.9, being below rcut_smth: from (0 - 0.06)/0.125 = -0.48 to (1/0.9 - 0.03)/0.125 = 8.65
    for t, net in zip(table.tables(), ("net_0", "net_1")):
        assert (t["net"], t["lower"], t["upper"], t["last"]) == (net, -1.0, 9.0, 45.0)
        assert t["intervals"] == 1360 and t["bytes"] == (1361 * 3 if ON_HOST else 1360 * 6) * 8 * 8
        assert t["fine"] == pytest.approx(0.01, rel=1e-14) and t["coarse"] == pytest.approx(0.1, rel=1e-14)
    assert [t["net"] for t in both(*small_model(exclude_types=[[0, 1]]))[1].tables()] == [
        "net_0_0",
        "net_1_1",
    ]
    assert both(config, tensors)[0].tables() == []


# ---- derivatives -------------------------------------------------------------


@pytest.mark.parametrize("outside", ["net", "linear"])
@pytest.mark.parametrize("extrapolate", [1, 5])
def test_forces_are_the_derivative_of_the_tabulated_energy(outside, extrapolate):
    """With a table so coarse that it is no good as an approximation; from beyond its end to the cut-off."""
    config, tensors = small_model()
    exact, table = both(
        config, tensors, step=0.5, outside=outside, extrapolate=extrapolate, min_nbor_dist=1.1
    )
    h = 1e-4
    r = np.linspace(0.55, 3.05, 501)
    # not where the difference would span an end of the table at which the second derivative jumps
    last = [t["last"] for t in table.tables()[1:3]]
    ends = [distance_of(config, tensors, x, a) for a, x in enumerate(last) if x < 20]
    r = r[[min([abs(x - e) for e in ends] + [1]) > 2 * h for x in r]]
    energy = [table.evaluate(*dimers(r + k * h))["energy"] for k in (-2, -1, 1, 2)]
    slope = (energy[0] - 8 * energy[1] + 8 * energy[2] - energy[3]) / (12 * h)
    found, original = (force_along(m.evaluate(*dimers(r))) for m in (table, exact))
    scale = np.abs(original).max()
    assert np.abs(found + slope).max() <= 1e-8 * scale
    assert np.abs(found - original).max() > 1e-5 * scale, (
        "the table is as good as the net: nothing was tested"
    )


def test_forces_of_many_atoms_by_differences():
    config, tensors = small_model()
    table = both(config, tensors, step=0.3)[1]
    system = odd_systems()["triclinic"]
    direction = np.random.default_rng(0).normal(size=system.coord.shape)
    h = 1e-4

    def energy(t):
        return evaluate(table, system.moved(coord=system.coord + t * direction))["energy"][0]

    slope = (energy(-2 * h) - 8 * energy(-h) + 8 * energy(h) - energy(2 * h)) / (12 * h)
    force = evaluate(table, system)["force"].reshape(-1) @ direction.reshape(-1)
    assert abs(force) > 1e-2
    assert_close(np.array([force]), np.array([-slope]), "oracle", noise=1e-9)


def test_twice_continuously_differentiable_at_nodes():
    """Energy, force, and its slope from both sides, at nodes of fine and coarse steps and where they meet."""
    config, tensors = small_model(type_one_side=True)
    recipe = {"step": 0.5, "min_nbor_dist": 1.1}
    table = both(config, tensors, **recipe)[1]
    info = table.tables()[1]
    h = 1e-5
    for x in (
        info["upper"],
        info["upper"] - info["fine"],
        info["lower"] + 3 * info["fine"],
        info["upper"] + info["coarse"],
    ):
        r = distance_of(config, tensors, x, 0)
        result = table.evaluate(*dimers(r + h * np.array([-2, -1, -1e-4, 1e-4, 1, 2])))
        energy, force = result["energy"], force_along(result)
        assert abs(energy[3] - energy[2] + force[2] * 2e-4 * h) <= 1e-13 * max(1, np.abs(energy).max())
        assert abs(force[3] - force[2]) <= 1e-8 * np.abs(force).max()
        left = (3 * force[2] - 4 * force[1] + force[0]) / (2 * h)
        right = (-3 * force[3] + 4 * force[4] - force[5]) / (2 * h)
        assert abs(left - right) <= 2e-4 * max(abs(left), np.abs(force).max()), x


# ---- the object ---------------------------------------------------------------


def test_concurrent_use_gives_the_same_bits():
    config, tensors = small_model()
    table = both(config, tensors)[1]
    system = grid_system()
    expected = evaluate(table, system, True)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: evaluate(table, system, True), range(8)):
            assert all(same_bits(found[key], expected[key]) for key in expected)


def test_it_is_not_trained():
    config, tensors = small_model()
    with pytest.raises(core.Error, match="compressed.*--init-frz-model"):
        core.Trainer(both(config, tensors)[1], "{}")


def test_it_has_the_tensors_of_the_original():
    config, tensors = small_model()
    exact, table = (m.tensors() for m in both(config, tensors))
    assert exact.keys() == table.keys()
    assert all(np.array_equal(exact[key], table[key]) for key in exact)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"step": 0}, "compress/step: expected a number above 0"),
        ({"step": 1e-9}, "more than .* intervals; choose a larger step"),
        ({"step": "0.01"}, "compress/step: value of the wrong kind"),
        ({"extrapolate": 0.5}, "compress/extrapolate: expected a number from 1 on"),
        ({"min_nbor_dist": -1}, "compress/min_nbor_dist: expected a distance above 0"),
        ({"min_nbor_dist": 1e-12}, "check min_nbor_dist"),
        ({"min_nbor_dist": 5.0}, "expected min_nbor_dist below rcut"),
        ({"outside": "guess"}, "compress/outside: expected net or linear, got 'guess'"),
        ({"check_frequency": 1.5}, "compress/check_frequency: value of the wrong kind"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_recipes_that_make_no_table_are_refused(recipe, words):
    config, tensors = small_model()
    with pytest.raises(core.Error, match=words):
        core.Model(json.dumps(compressed_config(config, **recipe)), tensors)


@pytest.mark.parametrize("step", [5e-6, 1e-5])
def test_tables_of_gigabytes_are_refused(step):
    """One of 4 GiB, and four whose sum is 8 GiB; the message has the step as it is, not 0.000010."""
    config, tensors = small_model(neuron=[3, 100])
    with pytest.raises(core.Error, match=r"would take \d+ MiB, more than 2048; choose a larger step"):
        core.Model(json.dumps(compressed_config(config, step=step)), tensors)
    with pytest.raises(core.Error, match="in steps of 1e-09 would have"):
        core.Model(json.dumps(compressed_config(config, step=1e-9)), tensors)
