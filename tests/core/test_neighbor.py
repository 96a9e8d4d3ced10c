# SPDX-License-Identifier: LGPL-3.0-or-later
"""Neighbour search against brute force for odd cells, and bad geometry named by frame and atom.

What the search finds is seen through ``neighbor_stat`` (distances and counts) and through energies:
a difference of one pair is visible in the energy, and the oracle searches by brute force.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import (
    RCUT,
    System,
    assert_agree,
    assert_close,
    evaluate,
    evaluate_oracle,
    grid_system,
    make_config,
    make_tensors,
    model,
    odd_systems,
    pair_vectors,
)

CONFIG = make_config({"sel": [60, 60]})
TENSORS = make_tensors(CONFIG)
POTENTIAL = model(CONFIG, TENSORS)
ROUND = float(np.float32(RCUT))

CELLS = {
    "cube": np.diag([8.0, 8.0, 8.0]),
    "one cut-off": np.diag([RCUT, 7.0, RCUT]),
    "needle": np.diag([1.7, 1.9, 30.0]),
    "sheet": np.diag([12.0, 11.0, 1.3]),
    "triclinic": np.array([[5.0, 0, 0], [2.4, 4.6, 0], [-2.1, 1.7, 5.5]]),
    "very oblique": np.array([[4.0, 0, 0], [3.7, 1.9, 0], [-3.3, 1.5, 2.2]]),
    "rotated": np.array([[3.0, 2.0, -1.0], [-2.0, 3.0, 1.5], [1.0, 0.5, 4.0]]),
    "left-handed": np.array([[0, 4.0, 0], [5.0, 0, 0], [0, 0, 6.0]]),
    "wide and empty": np.diag([200.0, 5.0, 300.0]),
    "none": None,
}


def make(cell, n, seed, spread=1.0):
    """Random atoms, far outside of the cell for a large spread; may come close to each other."""
    rng = np.random.default_rng([31, seed])
    span = np.eye(3) * 6.0 if cell is None else cell
    coord = (rng.uniform(-spread, spread, (n, 3)) @ span).reshape(1, -1)
    return System(coord, None if cell is None else cell.reshape(1, 9).astype(float), rng.integers(0, 2, n))


def brute_force(system, rcut):
    """Smallest distance, largest counts by type, over all frames."""
    nearest, most = np.inf, np.zeros(2, int)
    for f in range(system.n_frames):
        cell = None if system.box is None else system.box[f]
        i, j, vectors = pair_vectors(system.coord[f], cell, float(np.float32(rcut)))
        if len(i):
            nearest = min(nearest, np.min(np.linalg.norm(vectors, axis=1)))
        for t in (0, 1):
            counts = np.bincount(i[system.types[j] == t], minlength=system.n_atoms)
            most[t] = max(most[t], counts.max())
    return nearest, most


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("n", [1, 2, 20])
@pytest.mark.parametrize("rcut", [0.9, RCUT, 7.3])
def test_distances_and_counts(name, n, rcut):
    if name == "needle" and rcut > 7:
        n = min(n, 5)  # brute force over some thousand images of each atom
    system = make(CELLS[name], n, 1)
    nearest, most = core.neighbor_stat(system.coord, system.box, system.types, rcut, 2)[:2]
    expected = brute_force(system, rcut)
    if np.isinf(expected[0]):
        assert np.isinf(nearest)
    else:
        assert nearest == pytest.approx(expected[0], rel=1e-10)
    assert np.array_equal(most, expected[1])


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("spread", [0.5, 4.0])
def test_energies_see_the_same_pairs(name, spread):
    system = make(CELLS[name], 12, 2, spread)
    found, expected = evaluate(POTENTIAL, system, atomic=True), evaluate_oracle(CONFIG, TENSORS, system)
    assert_agree(found, expected, "oracle")


def test_several_frames_are_told_apart():
    systems = [make(CELLS["triclinic"], 9, seed) for seed in (5, 6, 7)]
    types = systems[0].types
    together = System(*(np.concatenate([getattr(s, k) for s in systems]) for k in ("coord", "box")), types)
    nearest, most, where = core.neighbor_stat(together.coord, together.box, types, 4.0, 2)
    alone = [brute_force(s.moved(types=types), 4.0) for s in systems]
    assert nearest == pytest.approx(min(a[0] for a in alone), rel=1e-10)
    assert np.array_equal(most, np.max([a[1] for a in alone], axis=0))
    frame, i, j = where
    assert frame == int(np.argmin([a[0] for a in alone]))
    a, b, vectors = pair_vectors(together.coord[frame], together.box[frame], 4.0)
    assert np.min(np.linalg.norm(vectors[(a == i) & (b == j)], axis=1)) == pytest.approx(nearest, rel=1e-10)


def test_thousands_of_atoms():
    """A cell list with many bins, and with mostly empty ones between three far groups."""
    rng = np.random.default_rng(9)
    coord = rng.uniform(0, 22.0, (1500, 3))
    for shift in (0.0, 1e5):  # the second: three far groups, most bins empty
        moved = coord + shift * (np.arange(1500) % 3)[:, None]
        found = core.neighbor_stat(moved.reshape(1, -1), None, np.zeros(1500, np.int32), 2.5, 1)
        d = np.linalg.norm(moved[:, None] - moved[None], axis=2)
        np.fill_diagonal(d, np.inf)
        assert found[0] == pytest.approx(d.min(), rel=1e-9)
        assert found[1][0] == np.sum(d < 2.5, axis=1).max()


def test_nothing_in_reach():
    assert np.isinf(core.neighbor_stat(np.zeros((1, 3)), None, [0], 6.0, 1)[0])
    far = np.array([[0, 0, 0, 50.0, 0, 0]])
    nearest, most, where = core.neighbor_stat(far, None, [0, 1], 6.0, 3)
    assert np.isinf(nearest) and np.array_equal(most, [0, 0, 0]) and where == (-1, -1, -1)


def test_no_frames_and_no_atoms():
    empty = POTENTIAL.evaluate(np.zeros((0, 6)), None, [0, 1])
    assert (
        empty["energy"].shape == (0,)
        and empty["force"].shape == (0, 2, 3)
        and empty["virial"].shape == (0, 9)
    )
    alone = POTENTIAL.evaluate(np.zeros((2, 0)), None, [], atomic=True)
    assert np.array_equal(alone["energy"], [0.0, 0.0]) and alone["force"].shape == (2, 0, 3)


# ---- bad geometry -------------------------------------------------------------------


def three_frames():
    return odd_systems()["several frames"]


def refused(system, pattern):
    """evaluate and neighbor_stat both refuse, with a message that fits."""
    for call in (
        lambda: evaluate(POTENTIAL, system),
        lambda: core.neighbor_stat(system.coord, system.box, system.types, 3.0, 2),
    ):
        with pytest.raises(core.Error, match=pattern):
            call()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_positions_that_are_no_positions(bad):
    system = three_frames()
    coord = system.coord.copy()
    coord[1, 3 * 4 + 2] = bad
    refused(system.moved(coord=coord), r"frame 1\D.*atom 4\D")
    refused(system.moved(coord=coord, box=None), r"frame 1\D.*atom 4\D")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_boxes_that_are_no_boxes(bad):
    system = three_frames()
    box = system.box.copy()
    box[2] = bad
    refused(system.moved(box=box), r"frame 2\D.*box")
    box[2] = [4, 0, 0, 0, 4, 0, 4, 4, 0]  # flat
    refused(system.moved(box=box), r"frame 2\D.*box.*volume")
    box[2] = np.eye(3).reshape(9) * 1e-4  # in the wrong unit
    refused(system.moved(box=box), r"frame 2\D.*box.*images")


def test_atoms_at_the_same_place():
    """The message names frame and atoms as the user counts them."""
    system = three_frames()
    n = system.n_atoms
    for j, image in ((3, np.zeros(3)), (4, system.box[0].reshape(3, 3)[1])):
        coord = system.coord.copy().reshape(3, n, 3)
        coord[1, j] = coord[1, 1] + image
        together = system.moved(coord=coord.reshape(3, -1))
        with pytest.raises(core.Error, match=r"position") as caught:
            evaluate(POTENTIAL, together)
        message = str(caught.value)
        assert re.search(r"frame 1\b", message) and re.search(rf"atoms (1 and {j}|{j} and 1)\b", message), (
            message
        )
        nearest, _, where = core.neighbor_stat(together.coord, together.box, together.types, 3.0, 2)
        assert nearest < 1e-8 and where[0] == 1 and sorted(where[1:]) == [1, j]
    # near each other, but apart: a number comes out, whatever it is worth
    coord[1, 4] = coord[1, 1] + [1e-3, 0, 0]
    assert np.all(np.isfinite(evaluate(POTENTIAL, system.moved(coord=coord.reshape(3, -1)))["force"]))


def test_the_bad_frame_among_many_is_named():
    """Frames are evaluated in groups of some thousand atoms; numbers in messages are those of the caller."""
    system = odd_systems()["not periodic"]
    coord = np.repeat(system.coord, 2000, axis=0)
    coord[1897, 6:9] = coord[1897, 3:6]
    many = System(coord, None, system.types)
    with pytest.raises(core.Error, match=r"frame 1897\b.*atoms (1 and 2|2 and 1)\b"):
        evaluate(POTENTIAL, many)
    coord[1897, 6] = np.nan
    with pytest.raises(core.Error, match=r"frame 1897\b.*atom 2\b"):
        evaluate(POTENTIAL, many)


@pytest.mark.parametrize("wrong", [2, 7, -2, 2**31 - 1])
def test_types_out_of_range(wrong):
    system = three_frames()
    types = system.types.copy()
    types[3] = wrong
    refused(system.moved(types=types), rf"atom 3\D.*type {wrong}")


@pytest.mark.parametrize("kind", ["halves", "beyond 32 bits", "names", "not a number"])
def test_types_that_are_no_types(kind):
    """Nothing is rounded or wrapped around silently."""
    system = three_frames()
    types = {
        "halves": system.types + 0.5,
        "beyond 32 bits": system.types.astype(np.int64) + 2**32,
        "names": ["A"] * 5,
        "not a number": np.full(5, np.nan),
    }[kind]
    with pytest.raises(core.Error, match="type"):
        POTENTIAL.evaluate(system.coord, system.box, types)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint16, np.float64])
def test_whole_numbers_of_any_kind_are_types(dtype):
    system = three_frames()
    found = POTENTIAL.evaluate(system.coord, system.box, system.types.astype(dtype))
    assert np.array_equal(found["energy"], evaluate(POTENTIAL, system)["energy"])


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_positions_of_any_kind_are_positions(dtype):
    system = three_frames()
    coord = (3 * system.coord).astype(dtype)
    found = POTENTIAL.evaluate(coord.tolist(), None, system.types)
    assert np.array_equal(found["energy"], POTENTIAL.evaluate(coord, None, system.types)["energy"])
    shaped = POTENTIAL.evaluate(coord.reshape(3, 5, 3), None, system.types)
    assert np.array_equal(found["force"], shaped["force"])


@pytest.mark.parametrize(
    "change, pattern",
    [
        (lambda s: {"coord": s.coord[:, :-3]}, r"coords.*5\*3.*\[3, 12\]"),
        (lambda s: {"coord": s.coord.reshape(-1)}, r"coords.*\[45\]"),
        (lambda s: {"box": s.box[:2]}, r"cells.*\[3, 9\].*\[2, 9\]"),
        (lambda s: {"box": s.box[:, :3]}, r"cells.*\[3, 9\].*\[3, 3\]"),
        (lambda s: {"coord": "abc"}, "coords.*array of numbers"),
    ],
)
def test_arrays_of_wrong_shape(change, pattern):
    with pytest.raises(core.Error, match=pattern):
        evaluate(POTENTIAL, three_frames().moved(**change(three_frames())))


def test_parameters_of_wrong_shape_or_missing():
    config = make_config(fitting={"numb_fparam": 2, "numb_aparam": 1})
    potential = model(config, make_tensors(config))
    system = three_frames().with_params(2, 1)
    evaluate(potential, system)
    for key in ("fparam", "aparam"):
        with pytest.raises(core.Error, match=f"{key}.*needs"):
            evaluate(potential, system.moved(**{key: None}))
        with pytest.raises(core.Error, match=key):
            evaluate(potential, system.moved(**{key: getattr(system, key)[:2]}))
        broken = getattr(system, key).copy()
        broken[1, 0] = np.nan
        with pytest.raises(core.Error, match="frame 1"):
            evaluate(potential, system.moved(**{key: broken}))


@pytest.mark.parametrize("copies", [(1, 2, 1), (6, 4, 4)])
def test_copies_of_a_box_have_its_energies_and_forces_however_many_atoms(copies):
    """114 atoms, fewer than several threads share; 5,472, more than are listed in one pass."""
    small = grid_system(1)
    cell = small.box.reshape(3, 3)
    shifts = np.stack(np.meshgrid(*map(np.arange, copies), indexing="ij"), -1).reshape(-1, 3) @ cell
    coord = (small.coord.reshape(1, -1, 3) + shifts[:, None]).reshape(1, -1)
    box = (cell * np.array(copies)[:, None]).reshape(1, 9)
    one = evaluate(POTENTIAL, small, atomic=True)
    all_ = evaluate(
        POTENTIAL, small.moved(coord=coord, box=box, types=np.tile(small.types, len(shifts))), atomic=True
    )
    for key in ("force", "atom_energy"):
        assert_close(
            all_[key], np.tile(one[key].reshape(1, -1), len(shifts)).reshape(all_[key].shape), "geometry", key
        )


def test_a_potential_works_after_an_error():
    system = three_frames()
    expected = evaluate(POTENTIAL, system, atomic=True)
    coord = system.coord.copy()
    coord[0, 0] = np.nan
    with pytest.raises(core.Error):
        evaluate(POTENTIAL, system.moved(coord=coord))
    found = evaluate(POTENTIAL, system, atomic=True)
    assert all(np.array_equal(found[k], expected[k]) for k in expected)


def test_a_refused_box_of_many_atoms_stops_all_threads():
    # the first thread makes images while the others wait for it
    rng = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), -1).reshape(-1, 3)
    coord = 2.5 * grid + rng.uniform(-0.3, 0.3, grid.shape)
    system = System(coord.reshape(1, -1), np.eye(3).reshape(1, 9) * 15, rng.integers(0, 2, len(grid)))
    refused(system.moved(box=np.eye(3).reshape(1, 9) * 1e-4), r"frame 0\D.*box.*images")
    assert_agree(evaluate(POTENTIAL, system, atomic=True), evaluate_oracle(CONFIG, TENSORS, system), "oracle")
