# SPDX-License-Identifier: LGPL-3.0-or-later
"""Models that have tables and no embedding nets, as imports of graphs that DeePMD-kit compressed.

The oracle is numpy (reference/stored_tables.py).  Rows are random polynomials that have nothing to do with each other:
a row that is not the right one, or not at the right place, changes everything.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from gradcheck import (
    assert_agree,
    descriptor_parts,
    evaluate,
    grid_system,
    make_config,
    make_tensors,
    model,
    odd_systems,
)
from reference import stored_tables

core = pytest.importorskip("dpcore._core", reason="the compiled core is not built")

STORED = {"stored": True, "outside": "linear"}
# lower, upper, last, fine, coarse: even steps, steps that do not divide, no coarse steps
GRIDS = {
    "even": (-2.0, 1.0, 2.0, 0.25, 0.5),
    "odd": (-2.0, 1.0, 2.0, 0.31, 0.4),
    "no coarse": (-2.0, 1.0, 1.0, 0.25, 0.5),
}


def random_table(rng, width, grid, below):
    """info [8] and rows [n, 6, width]; `below`: coarse steps from -last to -upper as in se_e3."""
    lower, upper, last, fine, coarse = grid
    first, lower = (-last, -upper) if below else (lower, lower)
    n_below, n_fine = int((lower - first) / coarse), int((upper - lower) / fine)
    n = n_below + int((upper - lower) / fine + (last - upper) / coarse)
    info = np.array([first, lower, upper, last, fine, coarse, n_below, n_fine])
    return info, rng.normal(size=(n, 6, width)) / np.array([1, 1, 2, 6, 24, 120])[:, None]


def sines(rng, width, grid, below):
    """The same of sin(w s + p): nearly continuous."""
    info, rows = random_table(rng, width, grid, below)
    _, lower, upper, _, fine, coarse = info[:6]
    n_below, n_fine = info[6:].astype(int)
    nodes = np.concatenate(
        [
            info[0] + coarse * np.arange(n_below),
            lower + fine * np.arange(n_fine),
            upper + coarse * np.arange(len(rows) - n_below - n_fine),
        ]
    )
    w, p = rng.uniform(0.3, 0.8, width), rng.uniform(0, 6, width)
    for k, factorial in enumerate((1, 1, 2, 6, 24, 120)):
        rows[:, k] = w**k * np.sin(np.outer(nodes, w) + p + k * np.pi / 2) / factorial
    return info, rows


def tabulated(config, grid=GRIDS["even"], make=random_table):
    """Config and tensors of the model with tables in place of its nets."""
    rng = np.random.default_rng(5)
    tensors = make_tensors(config, seed=3)
    for prefix, part in descriptor_parts(config):
        part["compress"] = dict(STORED)
        nets = sorted({name.split("/layer_")[0] for name in tensors if name.startswith(f"{prefix}net_")})
        for net in nets:
            info, rows = make(rng, part["neuron"][-1], grid, part["type"] == "se_e3")
            tensors = {name: value for name, value in tensors.items() if not name.startswith(f"{net}/")}
            tensors.update({f"{net}/table": rows.astype(part["precision"]), f"{net}/table_info": info})
    return config, tensors


KINDS = {
    "two sides": {},
    "one side": {"type_one_side": True},
    "excluded": {"exclude_types": [[0, 1]]},
    "excluded, one side": {"exclude_types": [[0, 0]], "type_one_side": True},
    "se_e2_r": {"type": "se_e2_r"},
    "se_e2_r excluded, one side": {"type": "se_e2_r", "exclude_types": [[0, 1]], "type_one_side": True},
    "se_e3": {"type": "se_e3"},
    "hybrid": {"type": "hybrid"},
}


@pytest.mark.parametrize("keys", KINDS.values(), ids=list(KINDS))
@pytest.mark.parametrize("grid", GRIDS.values(), ids=list(GRIDS))
def test_equals_the_oracle(keys, grid):
    config, tensors = tabulated(make_config(keys), grid)
    potential = model(config, tensors)
    outside = 0
    for system in (grid_system(), odd_systems()["triclinic"], odd_systems()["more than sel"]):
        found = evaluate(potential, system, True)
        outside += potential.outside_tables()["pairs"]
        expected = stored_tables.evaluate(config, tensors, system.coord, system.box, system.types)
        assert np.abs(expected["force"]).max() > 1e-3
        assert_agree(found, expected, "oracle")
    assert outside > 0, "no pair was outside of the tables"


@pytest.mark.parametrize("kind", ["two sides", "se_e2_r", "se_e3", "hybrid"])
def test_pairs_outside_are_counted_and_told_of(kind):
    """Two atoms approach each other: outside means |s| (se_e3: the square of |q|) beyond the last node."""
    config, tensors = tabulated(make_config(KINDS[kind]))
    near = np.zeros((2, 2, 3))
    near[:, 1] = [[0.05, 0.04, 0.03], [2.8, 0.4, 0.3]]
    potential = model(config, tensors)
    arguments = (near.reshape(2, 6), None, np.array([0, 1], dtype=np.int32))
    found = potential.evaluate(*arguments)
    counts = potential.outside_tables()
    assert counts["pairs"] == (4 if kind == "hybrid" else 2)
    assert abs(counts["nearest"] - np.linalg.norm(near[0, 1])) < 1e-12
    assert "extrapolated, and energies and forces are not to be trusted" in counts["notice"]
    expected = stored_tables.evaluate(config, tensors, *arguments)
    assert_agree(found, {key: expected[key] for key in found}, "oracle")


@pytest.mark.parametrize("kind", ["two sides", "one side", "se_e2_r", "se_e3", "hybrid"])
def test_precisions(kind):
    """Tables of float64 in mixed and low precision; the grid is fine, so that these hardly jump."""
    config, tensors = tabulated(make_config(KINDS[kind]), (-2.0, 2.0, 8.0, 0.02, 0.2), sines)
    system = grid_system()
    exact = evaluate(model(config, tensors), system, True)
    for precision in ("mixed", "low"):
        found = evaluate(core.Model(json.dumps(config), tensors, precision), system, True)
        assert_agree(found, exact, "float32")
        assert np.abs(found["force"] - exact["force"]).max() > 0


def test_float32():
    config, tensors = tabulated(
        make_config({"precision": "float32"}, {"precision": "float32"}), (-2.0, 2.0, 8.0, 0.02, 0.2), sines
    )
    expected = stored_tables.evaluate(
        config, tensors, grid_system().coord, grid_system().box, grid_system().types
    )
    assert_agree(evaluate(model(config, tensors), grid_system(), True), expected, "float32")


def test_descriptors_and_tables_are_shown():
    config, tensors = tabulated(make_config({"type": "se_e3"}))
    potential = model(config, tensors)
    tables = potential.tables()
    assert [table["net"] for table in tables] == ["net_0_0", "net_0_1", "net_1_1"]
    assert [tables[0][key] for key in ("lower", "upper", "last", "fine", "coarse", "intervals")] == [
        *(-1, 1, 2, 0.25, 0.5),
        2 + 8 + 2,
    ]
    system = grid_system()
    assert np.isfinite(potential.descriptors(system.coord, system.box, system.types)).all()


def test_types_without_slots_need_no_table():
    config = make_config({"sel": [14, 0], "type_one_side": True})
    config, tensors = tabulated(config)
    tensors = {name: value for name, value in tensors.items() if not name.startswith("descriptor/net_1/")}
    assert len(model(config, tensors).tables()) == 1


def test_tensors_come_back():
    for precision in ("float64", "float32"):
        config, tensors = tabulated(make_config({"type": "hybrid", "precision": precision}))
        found = model(config, tensors).tensors()
        assert set(found) == set(tensors)
        for key, value in tensors.items():
            assert found[key].dtype == value.dtype and np.array_equal(found[key], value), key


def test_is_not_trained():
    config, tensors = tabulated(make_config())
    with pytest.raises(core.Error, match="compressed by DeePMD-kit and has tables in place of embedding"):
        core.Trainer(model(config, tensors), json.dumps({"type": "ener"}))


def spoilt(change):
    config, tensors = tabulated(make_config())
    change(config, tensors)
    return config, tensors


def set_info(*values):
    return lambda config, tensors: tensors.__setitem__(
        "descriptor/net_0_1/table_info", np.array(values, dtype=np.float64)
    )


def change_table(change):
    def edit(config, tensors):
        name = "descriptor/net_0_1/table"
        tensors[name] = change(tensors[name].copy())

    return edit


def with_nan(rows):
    rows[3, 1, 2] = np.nan
    return rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda c, t: t.pop("descriptor/net_0_1/table"), r"net_0_1/table' is missing", id="no table"
        ),
        pytest.param(
            lambda c, t: t.pop("descriptor/net_0_1/table_info"), r"table_info' is missing", id="no info"
        ),
        pytest.param(
            lambda c, t: t.__setitem__("descriptor/net_0_1/layer_0/matrix", np.ones((1, 3))),
            "layer_0/matrix' does not belong",
            id="nets besides",
        ),
        pytest.param(change_table(with_nan), "not finite", id="NaN"),
        pytest.param(change_table(lambda rows: rows[:-3]), "11 rows is not one of steps", id="rows lost"),
        pytest.param(change_table(lambda rows: rows[:0]), r"has shape \[0, 6, 6\]", id="no rows"),
        pytest.param(change_table(lambda rows: rows[:, :5]), r"has shape \[14, 5, 6\]", id="five powers"),
        pytest.param(change_table(lambda rows: rows[:, :, :5]), r"has shape \[14, 6, 5\]", id="narrow"),
        pytest.param(change_table(np.ravel), r"has shape \[504\]", id="flat"),
        pytest.param(set_info(-2, -2, 1, 2, 0.25, 0.5, 0), r"has shape \[7\]", id="short info"),
        pytest.param(set_info(-2, -2, 1, 2, 0.0, 0.5, 0, 12), "is not one of steps", id="no step"),
        pytest.param(set_info(-2, -2, 1, 2, 0.25, 0.5, 0, 1e9), "is not one of steps", id="many rows"),
        pytest.param(set_info(-9, -2, 1, 2, 0.25, 0.5, 0, 12), "is not one of steps", id="far first"),
        pytest.param(set_info(-2.4, -2, 1, 2, 0.25, 0.5, 0, 12), "is not one of steps", id="near first"),
        pytest.param(set_info(-2, 1, -2, 2, 0.25, 0.5, 0, 12), "is not one of steps", id="turned round"),
        pytest.param(set_info(-2, -2, 1, 2, 0.25, 0.5, 0.5, 12), "is not one of steps", id="half a row"),
        pytest.param(
            lambda c, t: c["descriptor"]["compress"].update(outside="net"),
            "outside: expected linear, since there are no nets",
            id="nets outside",
        ),
        pytest.param(
            lambda c, t: c["descriptor"].update(neuron=[3, 6, 7]), r"asks for \[14, 6, 7\]", id="wider nets"
        ),
        pytest.param(
            lambda c, t: c["descriptor"]["compress"].update(stored="yes"),
            "compress/stored: value of the wrong kind",
            id="stored in words",
        ),
    ],
)
def test_damaged_tables_are_refused(change, message):
    config, tensors = spoilt(change)
    with pytest.raises(core.Error, match=message):
        model(config, tensors)


def test_type_embedding_is_refused():
    config = make_config({"type": "type_embedding"})
    tensors = make_tensors(config)
    config["descriptor"]["compress"] = dict(STORED)
    with pytest.raises(core.Error, match="stored tables are for models without type embedding"):
        model(config, tensors)
