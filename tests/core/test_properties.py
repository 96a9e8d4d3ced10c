# SPDX-License-Identifier: LGPL-3.0-or-later
"""Properties that every combination of descriptor and fitting net has, on random structures.

Equivariance under rotations and reflections, invariance under shifts, order and other choices of the cell's images,
extensivity, and continuity where an atom passes the cut-off.  A new descriptor or fitting net comes in with its
line in `DESCRIPTORS` or `TENSOR_FITTINGS` of gradcheck.py, and one here if it lacks one of these properties.

loc_frame tells mirror images apart, and jumps at the cut-off and where two neighbours of one type are equally far, as
the images of one atom are in a cell thinner than twice the cut-off: both by design.
"""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import (
    DESCRIPTORS,
    RCUT,
    TENSOR_FITTINGS,
    TRICLINIC,
    System,
    assert_agree,
    assert_zero,
    make_config,
    make_tensor_config,
    make_tensors,
    model,
    random_system,
)

# descriptors with a rotation matrix, which tensors need
WITH_ROTATION = {"se_e2_a", "se_a_tpe"}
# descriptors that tell a structure from its mirror image; that end at the cut-off without a switch
CHIRAL, ABRUPT = {"loc_frame"}, {"loc_frame"}
COMBINATIONS = [(d, "ener") for d in (*DESCRIPTORS, "loc_frame")]
COMBINATIONS += [(d, f) for d in DESCRIPTORS if d in WITH_ROTATION for f in TENSOR_FITTINGS]
RANK = {"ener": 0, "dipole": 1, "polar": 2}
STRUCTURES = {
    "cell": random_system([0, 1, 1, 0, 1], TRICLINIC, n_frames=2, seed=31),
    "thin cell": random_system([1, 0, 1], ((2.4, 0, 0), (0.4, 3.6, 0), (-0.3, 0.5, 2.8)), seed=32),
    "cluster": random_system([0, 1, 0, 1, 1, 0], None, seed=33, spread=2.8),
    "one type": random_system([1, 1, 1, 1], TRICLINIC, seed=34),
}


@pytest.fixture(params=COMBINATIONS, ids=[" + ".join(c) for c in COMBINATIONS])
def kind(request):
    return request.param


def structure(kind, name):
    if name == "thin cell" and kind[0] in ABRUPT:
        pytest.skip("two images of one atom are equally far")
    return STRUCTURES[name]


_MODELS = {}


def potential_of(kind):
    """A model whose statistics have no direction, as data give them."""
    if kind not in _MODELS:
        descriptor, fitting = kind
        keys = {"type": descriptor, "activation_function": "gelu"}
        config = make_config(keys) if fitting == "ener" else make_tensor_config(fitting, None, keys)
        _MODELS[kind] = model(config, make_tensors(config, angular=False))
    return _MODELS[kind]


def predict(kind, system):
    """All results, the components of tensors and directions as axes of length 3."""
    found = potential_of(kind).evaluate(system.coord, system.box, system.types, None, None, True)
    nf, n, rank = system.n_frames, system.n_atoms, RANK[potential_of(kind).kind]
    shapes = {
        "energy": (nf, *[3] * rank),
        "atom_energy": (nf, n, *[3] * rank),
        "force": (nf, *[3] * rank, n, 3),
        "virial": (nf, *[3] * rank, 3, 3),
        "atom_virial": (nf, *[3] * rank, n, 3, 3),
    }
    return {key: found[key].reshape(shape) for key, shape in shapes.items()}


def atom_axis(kind, key):
    """Where the atoms are among the axes of a result; None for results of frames."""
    rank = RANK[potential_of(kind).kind]
    return {"atom_energy": 1, "force": 1 + rank, "atom_virial": 1 + rank}.get(key)


def turned(kind, results, turn):
    """Results with every direction turned, x -> x turn."""
    out = {}
    for key, value in results.items():
        atoms = atom_axis(kind, key)
        for axis in range(1, value.ndim):
            if axis != atoms:
                value = np.moveaxis(np.tensordot(value, turn, (axis, 0)), -1, axis)
        out[key] = value
    return out


def rotation(seed, mirror):
    q, _ = np.linalg.qr(np.random.default_rng([41, seed]).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q)) * (-1.0 if mirror else 1.0)


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("mirror", [False, True])
def test_results_turn_with_the_structure(kind, name, mirror):
    if mirror and kind[0] in CHIRAL:
        pytest.skip("tells mirror images apart")
    system, turn = structure(kind, name), rotation(len(name), mirror)
    other = system.moved(
        coord=(system.coord.reshape(-1, 3) @ turn).reshape(system.coord.shape),
        box=None if system.box is None else (system.box.reshape(-1, 3) @ turn).reshape(-1, 9),
    )
    expected = turned(kind, predict(kind, system), turn)
    assert np.abs(expected["force"]).max() > 1e-6
    assert_agree(predict(kind, other), expected, "geometry")


@pytest.mark.parametrize("name", STRUCTURES)
def test_shifts_and_images_do_not_matter(kind, name):
    system = structure(kind, name)
    rng = np.random.default_rng(42)
    shift = np.tile(rng.uniform(-9, 9, 3), system.n_atoms)
    if system.box is not None:
        images = rng.integers(-2, 3, (system.n_atoms, 3)) @ system.box[0].reshape(3, 3)
        shift = shift + images.reshape(-1)
    assert_agree(predict(kind, system.moved(coord=system.coord + shift)), predict(kind, system), "geometry")


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_order_of_atoms_does_not_matter(kind, name):
    system = structure(kind, name)
    order = np.random.default_rng(43).permutation(system.n_atoms)
    coord = system.coord.reshape(system.n_frames, -1, 3)[:, order].reshape(system.coord.shape)
    expected = predict(kind, system)
    for key in expected:
        axis = atom_axis(kind, key)
        if axis is not None:
            expected[key] = np.take(expected[key], order, axis)
    found = predict(kind, system.moved(coord=coord, types=system.types[order]))
    assert_agree(found, expected, "geometry")


def times(kind, results, copies):
    """Results of so many copies of the structure."""
    out = {}
    for key, value in results.items():
        axis = atom_axis(kind, key)
        out[key] = copies * value if axis is None else np.concatenate([value] * copies, axis)
    return out


def test_a_larger_cell_has_as_many_times_the_result(kind):
    system = STRUCTURES["one type" if kind[0] in ABRUPT else "thin cell"]
    cell = system.box[0].reshape(3, 3)
    coord = np.concatenate([system.coord.reshape(-1, 3), system.coord.reshape(-1, 3) + cell[1]])
    large = System(coord.reshape(1, -1), (np.diag([1, 2, 1]) @ cell).reshape(1, 9), np.tile(system.types, 2))
    assert_agree(predict(kind, large), times(kind, predict(kind, system), 2), "geometry")


def test_copies_far_away_do_not_see_each_other(kind):
    system = STRUCTURES["cluster"]
    coord = np.concatenate([system.coord.reshape(-1, 3) + 40.0 * k for k in range(3)])
    many = System(coord.reshape(1, -1), None, np.tile(system.types, 3))
    assert_agree(predict(kind, many), times(kind, predict(kind, system), 3), "geometry")


@pytest.mark.parametrize("seed", [1, 2])
def test_results_are_continuous_where_an_atom_passes_the_cutoff(kind, seed):
    """An atom leaves a random cluster; inside, values differ by (rcut - r)^3, derivatives by (rcut - r)^2."""
    if kind[0] in ABRUPT:
        pytest.skip("has no switch")
    cluster = random_system([0, 1, 1, 0], None, seed=50 + seed, spread=2.4).coord.reshape(-1, 3)
    along = np.random.default_rng([51, seed]).normal(size=3)
    along /= np.linalg.norm(along)
    last = cluster[np.argmax(cluster @ along)]
    end = float(np.float32(RCUT))

    def at(distance):
        probe = last + distance * along
        others = np.sort(np.linalg.norm(cluster - probe, axis=1))
        assert others[0] == pytest.approx(distance) and others[1] > end  # one pair alone crosses
        return predict(
            kind, System(np.vstack([cluster, probe]).reshape(1, -1), None, np.array([0, 1, 1, 0, 1]))
        )

    outside = at(end + 1e-9)
    for key, value in at(end + 3.0).items():
        if key not in ("virial", "atom_virial"):
            assert np.array_equal(value, outside[key])
    found = [at(end - depth) for depth in (0.02, 0.01, 0.005)]
    for key, power in (("energy", 3), ("atom_energy", 3), ("force", 2), ("virial", 2)):
        steps = [np.abs(one[key] - outside[key]).max() for one in found]
        assert 0 < steps[0] < 0.2, key
        for k in (0, 1):
            assert steps[k] / steps[k + 1] == pytest.approx(2.0**power, rel=0.1), key
    # the atom that has left feels nothing; of a tensor too
    assert_zero(np.take(outside["force"], -1, atom_axis(kind, "force")), 1.0)
