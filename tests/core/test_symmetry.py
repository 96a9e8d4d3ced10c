# SPDX-License-Identifier: LGPL-3.0-or-later
"""What must not change energies: rotations, shifts, order, choice of the cell; smoothness at the cut-off."""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import (
    DESCRIPTORS,
    RCUT,
    SMALL_SEL,
    TRICLINIC,
    System,
    assert_agree,
    assert_close,
    evaluate,
    make_config,
    make_tensors,
    model,
    odd_systems,
    random_system,
)

SYSTEMS = odd_systems()
# angular=False: statistics as data give them, without a preferred direction
POTENTIALS = {
    kind: model(config, make_tensors(config, angular=False))
    for kind in DESCRIPTORS
    for config in [
        make_config(
            {"type": kind, "activation_function": "gelu", "resnet_dt": True},
            {"numb_fparam": 1, "numb_aparam": 2},
        )
    ]
}
ROUND = float(np.float32(RCUT))


@pytest.fixture(params=DESCRIPTORS, autouse=True)
def descriptor(request, monkeypatch):
    """Every test here for every descriptor: `predict` takes its potential unless told otherwise."""
    monkeypatch.setitem(POTENTIALS, "current", POTENTIALS[request.param])
    return request.param


def predict(system, potential=None, **more):
    if potential is None:
        potential = POTENTIALS["current"]
        system = system if system.fparam is not None else system.with_params(1, 2)
    return evaluate(potential, system, atomic=True, **more)


def assert_same(found, expected, kind="geometry"):
    assert_agree(found, expected, kind)


def rotation(seed):
    """A random rotation matrix; with an odd seed also a reflection."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q)) * (-1) ** seed


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("seed", [1, 2])
def test_rotation_and_reflection(name, seed):
    system, turn = SYSTEMS[name], rotation(seed)
    expected = predict(system)
    turned = system.moved(
        coord=(system.coord.reshape(-1, 3) @ turn).reshape(system.coord.shape),
        box=None if system.box is None else (system.box.reshape(-1, 3) @ turn).reshape(-1, 9),
    )
    found = predict(turned)
    expected["force"] = expected["force"] @ turn
    for key in ("virial", "atom_virial"):
        shape = expected[key].shape
        expected[key] = (turn.T @ expected[key].reshape(*shape[:-1], 3, 3) @ turn).reshape(shape)
    assert_same(found, expected)


@pytest.mark.parametrize("name", SYSTEMS)
def test_virial_is_symmetric_for_a_model_without_direction(name):
    virial = predict(SYSTEMS[name])["virial"].reshape(-1, 3, 3)
    assert_close(virial, virial.transpose(0, 2, 1), "geometry", name)


@pytest.mark.parametrize("name", SYSTEMS)
def test_translation(name):
    system = SYSTEMS[name]
    shift = np.tile([3.7, -11.2, 0.9], system.n_atoms)
    assert_same(predict(system.moved(coord=system.coord + shift)), predict(system))


@pytest.mark.parametrize("name", SYSTEMS)
def test_order_of_atoms(name):
    system = SYSTEMS[name].with_params(1, 2)
    order = np.random.default_rng(3).permutation(system.n_atoms)
    shuffled = System(
        system.coord.reshape(system.n_frames, -1, 3)[:, order].reshape(system.coord.shape),
        system.box,
        system.types[order],
        system.fparam,
        system.aparam.reshape(system.n_frames, -1, 2)[:, order].reshape(system.aparam.shape),
    )
    expected = predict(system)
    for key in ("force", "atom_energy", "atom_virial"):
        expected[key] = expected[key][:, order]
    assert_same(predict(shuffled), expected)


def test_order_of_frames_and_number_of_frames():
    system = SYSTEMS["several frames"].with_params(1, 2)
    together = predict(system)
    for k in (2, 0, 1):
        one = System(*(a[k : k + 1] for a in (system.coord, system.box)), system.types)
        one = one.moved(fparam=system.fparam[k : k + 1], aparam=system.aparam[k : k + 1])
        alone = predict(one)
        assert_same(alone, {key: value[k : k + 1] for key, value in together.items()}, "rounding")


def test_many_frames_are_evaluated_in_groups():
    # 5000 atoms in all: more than one group and several tiles
    system = SYSTEMS["not periodic"]
    many = System(np.repeat(system.coord, 1000, axis=0), None, system.types)
    many = many.moved(fparam=np.ones((1000, 1)), aparam=np.zeros((1000, 10)))
    few = system.moved(fparam=np.ones((1, 1)), aparam=np.zeros((1, 10)))
    expected = predict(few)
    assert_same(predict(many), {k: np.repeat(v, 1000, axis=0) for k, v in expected.items()}, "rounding")


def test_relabelled_types_with_relabelled_model():
    config = make_config({"sel": [9, 7]})
    tensors = make_tensors(config)
    other = make_config({"sel": [7, 9]})
    renamed = {}
    for name, value in tensors.items():
        swapped = name.replace("_0", "_x").replace("_1", "_0").replace("_x", "_1")
        keep = "layer_" + name.split("layer_")[1] if "layer_" in name else None
        if keep:  # only the types of the net's name are exchanged, not the number of the layer
            swapped = swapped.split("layer_")[0] + keep
            renamed[swapped] = value
        else:
            renamed[name] = value[::-1].copy()
    system = SYSTEMS["triclinic"]
    found = predict(system.moved(types=1 - system.types), model(other, renamed))
    assert_same(found, predict(system, model(config, tensors)))


@pytest.mark.parametrize("name", ["triclinic", "tiny box", "one atom", "several frames", "type absent"])
def test_atoms_outside_of_the_cell(name):
    system = SYSTEMS[name]
    rng = np.random.default_rng(5)
    cell = system.box[0].reshape(3, 3)
    shift = rng.integers(-3, 4, (system.n_frames, system.n_atoms, 3)) @ cell
    assert np.any(shift != 0)
    moved = system.moved(coord=system.coord + shift.reshape(system.coord.shape))
    assert_same(predict(moved), predict(system))


def test_atoms_on_the_faces_of_the_cell():
    cell = np.diag([4.0, 5.0, 6.0])
    inside = np.array([[0.0, 0.0, 0.0], [0.0, 2.5, 3.0], [2.0, 0.0, 3.0]])
    faces = inside + np.array([[4.0, 5.0, 6.0], [4.0, 0.0, 0.0], [0.0, -5.0, 0.0]])
    almost = np.where(faces == 0.0, -1e-17, faces)
    results = [
        predict(System(p.reshape(1, -1), cell.reshape(1, 9), np.array([0, 1, 1])))
        for p in (inside, faces, almost)
    ]
    assert_same(results[1], results[0])
    assert_same(results[2], results[0])


@pytest.mark.parametrize("change", [((1, 0, 0), (1, 1, 0), (0, -2, 1)), ((0, 1, 0), (0, 0, 1), (1, 0, 0))])
def test_other_vectors_of_the_same_lattice(change):
    system = SYSTEMS["triclinic"]
    other = np.array(change, dtype=float) @ system.box[0].reshape(3, 3)
    assert_same(predict(system.moved(box=other.reshape(1, 9))), predict(system))


def test_left_handed_cell():
    system = SYSTEMS["triclinic"]
    other = system.box[0].reshape(3, 3)[[1, 0, 2]]
    assert np.linalg.det(other) < 0
    assert_same(predict(system.moved(box=other.reshape(1, 9))), predict(system))


@pytest.mark.parametrize("name", ["triclinic", "tiny box", "one atom"])
@pytest.mark.parametrize("times", [(2, 1, 1), (1, 3, 2)])
def test_replicated_cell(name, times):
    system = SYSTEMS[name].with_params(1, 2)
    cell = system.box[0].reshape(3, 3)
    steps = np.stack(np.meshgrid(*[np.arange(t) for t in times], indexing="ij"), -1).reshape(-1, 3)
    copies = len(steps)
    large = System(
        (system.coord.reshape(1, -1, 3) + (steps @ cell)[:, None]).reshape(1, -1),
        (np.array(times)[:, None] * cell).reshape(1, 9),
        np.tile(system.types, copies),
        system.fparam,
        np.tile(system.aparam, copies),
    )
    small = predict(system)
    expected = {k: copies * small[k] for k in ("energy", "virial")}
    for key in ("force", "atom_energy", "atom_virial"):
        expected[key] = np.concatenate([small[key]] * copies, axis=1)
    assert_same(predict(large), expected)


# ---- partial periodicity ---------------------------------------------------------


@pytest.mark.parametrize("pbc", [(1, 1, 0), (0, 1, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0)])
@pytest.mark.parametrize("name", ["triclinic", "tiny box", "one atom"])
def test_partial_periodicity_is_a_slab_in_vacuum(name, pbc):
    """Without images along a direction = the same with an empty space between them; forces and
    virials too.
    """
    system = SYSTEMS[name]
    cell = system.box[0].reshape(3, 3).copy()
    if name != "one atom":  # an angular mean and forces in all directions
        assert np.max(np.abs(predict(system, pbc=pbc)["force"])) > 1e-3
    vacuum = cell.copy()
    for d in range(3):
        if not pbc[d]:
            normal = np.cross(cell[(d + 1) % 3], cell[(d + 2) % 3])
            vacuum[d] = 80.0 * normal / np.linalg.norm(normal)
    # atoms outside of the cell are wrapped along periodic directions only
    fraction = system.coord.reshape(-1, 3) @ np.linalg.inv(cell)
    wrapped = (fraction - np.floor(fraction) * np.array(pbc)) @ cell
    inside = system.moved(coord=wrapped.reshape(1, -1))
    expected = predict(inside.moved(box=vacuum.reshape(1, 9)))
    found = predict(system, pbc=[bool(p) for p in pbc])
    if not any(pbc) and name == "one atom":
        assert np.all(found["force"] == 0.0) and np.all(found["virial"] == 0.0)
        assert_close(found["energy"], expected["energy"], "rounding")
        return
    assert_same(found, expected)


def test_no_periodicity_is_no_box():
    system = SYSTEMS["triclinic"]
    assert_same(predict(system, pbc=[False] * 3), predict(system.moved(box=None)), "rounding")


@pytest.mark.parametrize("d", [0, 1, 2])
def test_a_direction_without_images_needs_no_vector(d):
    system, pbc = SYSTEMS["triclinic"], [True] * 3
    pbc[d] = False
    box = system.box.copy()
    box[0, 3 * d : 3 * d + 3] = 0.0
    # the normal stands for the missing vector, so atoms are wrapped differently: take atoms inside
    cell = system.box[0].reshape(3, 3)
    inside = System(
        (0.1 + 0.5 * np.random.default_rng(1).random((6, 3)) @ cell).reshape(1, -1), box, system.types
    )
    full = inside.moved(box=system.box)
    assert_same(predict(inside, pbc=pbc), predict(full, pbc=pbc))


# ---- the cut-off and the end of sel ------------------------------------------------


def pair_at(distance):
    """Three atoms; the last one lies at this distance from the first and far from the second."""
    along = np.array([0.48, -0.6, 0.64])
    return System(
        np.concatenate([[0, 0, 0], -1.4 * along, distance * along]).reshape(1, 9), None, np.array([0, 1, 1])
    )


@pytest.mark.parametrize("one_side", [False, True])
def test_energy_is_smooth_where_an_atom_leaves_the_cutoff(one_side, descriptor):
    """Inside, the energy differs from the outside by (rcut - r)^3, the force by (rcut - r)^2; davg
    is not zero.
    """
    config = make_config({"type": descriptor, "type_one_side": one_side})
    potential = model(config, make_tensors(config))
    outside = predict(pair_at(ROUND + 1e-9), potential)
    far = predict(pair_at(ROUND + 5.0), potential)
    assert np.array_equal(outside["energy"], far["energy"]) and np.array_equal(outside["force"], far["force"])
    assert_same(predict(pair_at(ROUND), potential), outside, "rounding")
    energy, force = [], []
    for depth in (0.02, 0.01, 0.005):
        inside = predict(pair_at(ROUND - depth), potential)
        energy.append(abs(inside["energy"][0] - outside["energy"][0]))
        force.append(np.linalg.norm(inside["force"][0] - outside["force"][0]))
    assert 1e-9 < energy[0] < 1e-3 and 1e-7 < force[0] < 1e-1
    for k in (0, 1):
        assert energy[k] / energy[k + 1] == pytest.approx(8.0, rel=0.05)
        assert force[k] / force[k + 1] == pytest.approx(4.0, rel=0.05)
    nearest = predict(pair_at(ROUND - 1e-7), potential)
    assert_same(nearest, outside)


def test_the_cutoff_is_single_precision():
    """3.1 is 3.0999999 in float32, and that is where interactions end."""
    assert ROUND < RCUT
    found = [predict(pair_at(r))["energy"][0] for r in (ROUND - 3e-4, (ROUND + RCUT) / 2, RCUT + 1)]
    assert found[0] != found[1] and found[1] == found[2]


@pytest.mark.parametrize("excess", [1, 3])
def test_the_farthest_neighbours_beyond_sel_have_no_effect(excess, descriptor):
    """A model with sel neighbours gives the same energy of the centre without those that are left out."""
    kind = "se_e2_a" if descriptor == "hybrid" else descriptor  # in which each part has a sel of its own
    config = make_config({"type": kind, "sel": list(SMALL_SEL)})
    potential = model(config, make_tensors(config))
    radii = np.linspace(0.9, 2.9, SMALL_SEL[1] + excess)
    directions = np.random.default_rng(8).normal(size=(len(radii), 3))
    shell = radii[:, None] * directions / np.linalg.norm(directions, axis=1)[:, None]
    positions = np.concatenate([[[0.0, 0.0, 0.0]], shell])
    types = np.array([0] + [1] * len(shell))
    full = predict(System(positions.reshape(1, -1), None, types), potential)["atom_energy"][0, 0]
    assert potential.sel_overflow()["worst_excess"] >= excess
    kept = 1 + SMALL_SEL[1]
    part = predict(System(positions[:kept].reshape(1, -1), None, types[:kept]), potential)["atom_energy"][
        0, 0
    ]
    less = predict(System(positions[: kept - 1].reshape(1, -1), None, types[: kept - 1]), potential)
    assert full == pytest.approx(part, rel=1e-14) and abs(full - less["atom_energy"][0, 0]) > 1e-6


def test_large_and_small_systems_agree(descriptor):
    """Atoms of one type fill several tiles, pairs several chunks, and the descriptor several
    gradient jobs.
    """
    keys = {"type": descriptor, "neuron": [7, 14, 28], "axis_neuron": 9, "sel": [40, 40]}
    config = make_config(keys, {"neuron": [20, 20]})
    potential = model(config, make_tensors(config, angular=False))
    cluster = random_system([0] * 3 + [1] * 4, None, seed=21, spread=2.5)
    copies = 150
    shifts = 10.0 * np.stack(np.unravel_index(np.arange(copies), (6, 5, 5)), -1)
    many = System(
        (cluster.coord.reshape(1, -1, 3) + shifts[:, None]).reshape(1, -1),
        None,
        np.tile(cluster.types, copies),
    )
    small, large = predict(cluster, potential), predict(many, potential)
    for key in ("force", "atom_energy", "atom_virial"):
        expected = np.concatenate([small[key]] * copies, axis=1)
        assert_close(large[key], expected, "geometry", key)
    assert large["energy"][0] == pytest.approx(copies * small["energy"][0], rel=1e-12)


def test_cell_of_triclinic_constant_is_the_one_meant():
    assert np.array_equal(SYSTEMS["triclinic"].box[0].reshape(3, 3), TRICLINIC)
