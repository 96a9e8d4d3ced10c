# SPDX-License-Identifier: LGPL-3.0-or-later
"""What compressed models do with pairs outside of their tables: the net or a straight line, counted and told of."""

from __future__ import annotations

import numpy as np
import pytest
from compressed_models import RECIPE, both, dimers, distance_of, small_model, two_clusters
from gradcheck import descriptor_parts, make_config, make_tensors, model
from where import ON_HOST

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

pytestmark = pytest.mark.usefixtures("exact_nets")


def test_outside_the_net_is_used_and_counted():
    config, tensors = small_model()
    exact, table = both(config, tensors, extrapolate=1, min_nbor_dist=1.1)
    ends = [
        distance_of(config, tensors, t["last"], a)
        for a, t in zip((0, 1), (table.tables()[1], table.tables()[2]))
    ]
    r = np.linspace(0.5 * min(ends), 0.999 * min(ends), 7)  # of both atoms
    found, expected = (m.evaluate(*dimers(r)) for m in (table, exact))
    for key in ("energy", "force", "virial"):
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-13, atol=1e-13)
    count = table.outside_tables()
    assert count["pairs"] == 14 and count["nearest"] == pytest.approx(r[0], rel=1e-12)
    assert "14 neighbour(s)" in count["notice"] and "exact and slower" in count["notice"]
    # one of them among many that are inside
    mixed = dimers(np.append(r[:1], np.linspace(1.2, 3, 300)))
    found, expected = (m.evaluate(*mixed) for m in (table, exact))
    np.testing.assert_allclose(found["force"], expected["force"], rtol=0, atol=1e-9)
    assert table.outside_tables()["pairs"] == 2
    table.evaluate(*dimers([1.2]))
    assert table.outside_tables() == {"pairs": 0, "nearest": 0.0, "notice": ""}


@pytest.mark.skipif(not ON_HOST, reason="on a GPU one such pair takes its tile and type along")
@pytest.mark.parametrize("precision", ["float64", "float32", "mixed"])
@pytest.mark.parametrize("outside", ["net", "linear"])
@pytest.mark.parametrize("kind", ["se_e2_a", "se_e2_r", "hybrid", "se_a_tpe"])
def test_only_pairs_outside_leave_the_table(kind, outside, precision):
    """Two clusters, out of each other's sight, share tiles: what happens in the one leaves every bit of the other alone."""
    config = make_config({"type": kind, "precision": precision})
    tensors = make_tensors(config, seed=3)
    exact = model(config, tensors)
    for _, part in descriptor_parts(config):
        part["compress"] = {**RECIPE, "extrapolate": 1, "outside": outside}
    table = model(config, tensors)

    def run(potential, *gaps):
        return potential.evaluate(*two_clusters(*gaps), atomic=True)

    far = run(table, 1.0, 1.1, 1.2, 1.3)
    assert table.outside_tables()["pairs"] == 0
    close = (0.1, 1.1, 0.15, 1.3)
    near = run(table, *close)
    counts = table.outside_tables()
    assert counts["pairs"] == 4 * len(descriptor_parts(config)) and abs(counts["nearest"] - 0.1) < 1e-6
    for key in ("atom_energy", "force", "atom_virial"):
        np.testing.assert_array_equal(near[key][0, :5], far[key][0, :5])
    nets = run(exact, *close)
    limit = 1e-8 if precision == "float64" else 1e-4
    for key, value in nets.items():
        error = np.abs(near[key] - value).max() / np.abs(value).max()
        assert error <= limit if outside == "net" else error > limit, key


def test_outside_as_the_reference_goes_straight_on():
    config, tensors = small_model(type_one_side=True)
    exact, table = both(config, tensors, extrapolate=1, min_nbor_dist=1.1, outside="linear")
    x, avg, std = table.tables()[0]["last"], tensors["descriptor/davg"], tensors["descriptor/dstd"]
    r = 0.5
    inputs = (1 / r - avg[:, 0]) / std[:, 0]
    assert (inputs > table.tables()[1]["last"]).all() and (inputs > x).all()
    found, expected = (m.evaluate(*dimers([r]))["energy"] for m in (table, exact))
    assert abs(found - expected).max() > 1e-4
    assert "not to be trusted" in table.outside_tables()["notice"]


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_both_ends_are_continuous(precision):
    """At the cut-off, where s may round below the table, and where the net takes over."""
    config, tensors = small_model(precision=precision)
    config["descriptor"]["set_davg_zero"] = True  # the lower end is exactly 0
    config["fitting_net"]["precision"] = precision
    tensors = make_tensors(config, seed=3)
    exact, table = both(config, tensors, extrapolate=1, min_nbor_dist=1.1)
    end = distance_of(config, tensors, table.tables()[1]["last"], 0)
    rcut = config["descriptor"]["rcut"]
    r = np.concatenate([rcut - np.logspace(-9, -2, 40), [rcut], end + np.linspace(-1e-6, 1e-6, 41)])
    limit = 1e-9 if precision == "float64" else 1e-4
    table.evaluate(*dimers(r[:41]))
    assert table.outside_tables()["pairs"] == 0, "rounding at the cut-off is not outside"
    found, expected = (m.evaluate(*dimers(r)) for m in (table, exact))
    for key in ("energy", "force"):
        assert np.abs(found[key] - expected[key]).max() <= limit * max(1, np.abs(expected[key]).max()), key


def test_notices_come_with_the_frequency():
    config, tensors = small_model()
    near, far = dimers([0.5]), dimers([2.0])
    once = both(config, tensors, extrapolate=1, min_nbor_dist=1.1)[1]
    often = both(config, tensors, extrapolate=1, min_nbor_dist=1.1, check_frequency=3)[1]
    heard = {"once": [], "often": []}
    for arguments in (far, near, near, near, far, near, far, far):
        for name, potential in (("once", once), ("often", often)):
            potential.evaluate(*arguments)
            heard[name].append(potential.outside_tables()["notice"].split(" neighbour")[0])
    assert heard["once"] == ["", "2", "", "", "", "", "", ""]
    assert heard["often"] == ["", "2", "", "", "4", "", "", "2"]
