# SPDX-License-Identifier: LGPL-3.0-or-later
"""loc_frame against its numpy oracle and differences; what DeePMD-kit's forces have too much; errors; hybrid descriptors.

The symmetries are in test_properties.py, and the reference model in test_reference_models.py.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import (
    TRICLINIC,
    System,
    assert_agree,
    assert_close,
    difference,
    difference_noise,
    evaluate,
    evaluate_oracle,
    make_config,
    make_tensor_config,
    make_tensors,
    model,
    pair_vectors,
    random_system,
)
from parameter_gradients import LossOfParameters, assert_nonzero, check
from reference import loc_frame as oracle
from reference import se_e2_a
from reference.agreement import reference_folder, relative_error, stored_values
from training import LOSSES

pytestmark = pytest.mark.usefixtures("exact_nets")

RULES = {
    "empty": [],
    "nearest": [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    "places": [0, 1, 1, 0, 1, 2, 0, 0, 1, 1, 1, 0],
    "of both lists": [1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0],
    "leaving types out": [0, -1, 0, 0, -2, 1, 0, -2, 0, 1, -1, 0],
    "of all types": [0, -3, 0, 0, -3, 1, 0, -3, 1, 1, -2, 0],
}


def dense_system():
    """Two frames of a cell with 12 to 17 neighbours of each atom."""
    rng, cell = np.random.default_rng(31), np.array(TRICLINIC)
    grid = np.stack(np.meshgrid(np.arange(3) / 3, np.arange(2) / 2, np.arange(2) / 2, indexing="ij"), -1)
    coord = (grid.reshape(-1, 3) + rng.uniform(-0.07, 0.07, (2, 12, 3))) @ cell
    return System(coord.reshape(2, -1), np.tile(cell.reshape(-1), (2, 1)), np.array([0, 1, 1, 0, 1, 0] * 2))


SYSTEM = dense_system()


def local_config(rule="nearest", **keys):
    """A model with loc_frame; some neighbours are left out, and some slots of sel_r empty."""
    return make_config({"type": "loc_frame", "sel_a": [3, 3], "axis_rule": RULES[rule], **keys})


@pytest.mark.parametrize("rule", RULES)
def test_agrees_with_the_oracle(rule):
    config = local_config(rule)
    tensors = make_tensors(config)
    found = evaluate(model(config, tensors), SYSTEM, atomic=True)
    assert np.abs(found["force"]).max() > 0.1
    assert_agree(found, evaluate_oracle(config, tensors, SYSTEM), "oracle")


@pytest.mark.parametrize(
    "keys", [{"sel_r": [0, 0]}, {"sel_a": [0, 0], "sel_r": [9, 9], "axis_rule": []}], ids=str
)
def test_one_list_alone(keys):
    config = local_config(**keys)
    tensors = make_tensors(config)
    assert_agree(
        evaluate(model(config, tensors), SYSTEM, atomic=True),
        evaluate_oracle(config, tensors, SYSTEM),
        "oracle",
    )


def away_from_jumps(system):
    """Whether no distance is near another one of the same centre and type, or near the cut-off."""
    for frame in range(system.n_frames):
        i, j, vectors = pair_vectors(system.coord[frame], system.box[frame], 3.2)
        r = np.linalg.norm(vectors, axis=1)
        if np.any(np.abs(r - 3.1) < 0.01):
            return False
        for centre in range(system.n_atoms):
            mine = np.sort(r[i == centre])
            if np.any(np.diff(mine) < 0.02):
                return False
    return True


def smooth_cluster():
    """A cluster whose distances are all different, with a box that no image is seen across."""
    types = [0, 1, 1, 0, 1, 1, 0, 1, 0, 1]
    cluster = random_system(types, None, seed=197, spread=2.6)
    system = cluster.moved(box=np.diag([20.0] * 3).reshape(1, 9))
    assert away_from_jumps(system)
    return system


CLUSTER = smooth_cluster()


@pytest.mark.parametrize("rule", RULES)
def test_forces_and_virials_are_derivatives(rule):
    config = local_config(rule, sel_r=[3, 3], sel_a=[2, 3])
    if rule == "of both lists":
        config["descriptor"].update(sel_a=[1, 2])
    potential = model(config, make_tensors(config))
    found = evaluate(potential, CLUSTER)
    rng = np.random.default_rng(5)
    noise = difference_noise(np.abs(found["energy"]).max(), 1e-3)
    for _ in range(4):
        way = rng.normal(size=CLUSTER.coord.shape)
        slope = difference(
            lambda t, way=way: evaluate(potential, CLUSTER.moved(coord=CLUSTER.coord + t * way))["energy"],
            1e-3,
        )
        assert_close(-slope, np.sum(found["force"].reshape(1, -1) * way, axis=1), "force", rule, noise)
        strain = rng.normal(size=(3, 3))

        def strained(t, strain=strain):
            change = np.eye(3) + t * strain
            coord = (CLUSTER.coord.reshape(-1, 3) @ change.T).reshape(1, -1)
            box = (CLUSTER.box.reshape(3, 3) @ change.T).reshape(1, 9)
            return evaluate(potential, CLUSTER.moved(coord=coord, box=box))["energy"]

        work = np.sum(found["virial"].reshape(3, 3) * strain)
        assert_close(-difference(strained, 1e-3), [work], "force", f"{rule}: virial", noise)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("term", LOSSES)
def test_gradients_of_every_term(rule, term):
    config = local_config(rule)
    assert_nonzero(
        check(LossOfParameters(config, SYSTEM, LOSSES[term], make_tensors(config))),
        ["fitting/net_1/layer_0/matrix"],
    )


def test_mirror_images_differ():
    """z = x cross y is a vector of the right-handed system: unlike the other descriptors, this one sees it."""
    config = local_config()
    potential = model(config, make_tensors(config))
    mirrored = evaluate(potential, SYSTEM.moved(coord=-SYSTEM.coord))
    assert np.abs(mirrored["energy"] - evaluate(potential, SYSTEM)["energy"]).max() > 1e-3


# ---- the forces of DeePMD-kit --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference():
    """(potential, values of DeePMD-kit, forces and atomic virials that it has too much)"""
    pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")
    from dpcore.convert import read_tensorflow_graph

    metadata, tensors = read_tensorflow_graph(reference_folder("loc_frame") / "graph.pb")
    values, config = stored_values("loc_frame"), json.loads(metadata["config"])
    strays = oracle.strays(config, tensors, values["coord"], values["box"], values["type"])
    return core.Model(metadata["config"], tensors), values, strays


def test_forces_of_the_reference_are_ours_and_the_stray_ones(reference):
    """To rounding; without the stray ones they are 1 eV/A apart and sum up to zero."""
    potential, values, (force, virial) = reference
    found = potential.evaluate(values["coord"], values["box"], values["type"], None, None, True)
    assert relative_error(found["energy"], values["energy"]) <= 1e-12
    assert np.abs(values["force"] - found["force"]).max() > 0.1
    assert relative_error(found["force"] + force, values["force"]) <= 1e-10
    assert relative_error(found["atom_virial"] + virial, values["atom_virial"]) <= 1e-10
    assert relative_error(found["virial"] + virial.sum(axis=1), values["virial"]) <= 1e-10
    assert np.abs(found["force"].sum(axis=1)).max() < 1e-10 < 0.1 < np.abs(values["force"].sum(axis=1)).max()


def test_ours_are_derivatives_of_the_energy_and_those_of_the_reference_are_not(reference):
    potential, values, (stray, _) = reference
    coord, box, types = values["coord"][:1], values["box"][:1], values["type"]
    force = potential.evaluate(coord, box, types)["force"][0]
    tried = 0
    for atom in np.argsort(-np.abs(stray[0]).max(axis=1))[:12]:
        way = np.zeros((len(types), 3))
        way[atom] = stray[0, atom] / np.linalg.norm(stray[0, atom])

        def energy(t, way=way):
            return potential.evaluate(coord + t * way.reshape(1, -1), box, types)["energy"][0]

        slopes = [-difference(energy, step) for step in (1e-4, 5e-5)]
        if abs(slopes[0] - slopes[1]) > 1e-5:
            continue  # two neighbours change places on the way
        tried += 1
        assert slopes[1] == pytest.approx(np.sum(force * way), abs=2e-6)  # rounding of energies of 100 eV
        assert abs(slopes[1] - np.sum((force + stray[0]) * way)) > 0.1
    assert tried >= 6


# ---- frames that are not there -------------------------------------------------------------------------


def atoms_at(*positions, types=None):
    coord = np.array(positions, dtype=float).reshape(1, -1)
    return coord, None, np.array(types if types is not None else [0] * len(positions), dtype=np.int32)


def test_axes_against_each_other_take_the_next_one():
    """|cos + 1| < 1e-4: the third neighbour is the second axis; the oracle has the same rule."""
    config = local_config("empty", sel_a=[3, 0], sel_r=[0, 0])
    tensors = make_tensors(config)
    coord, _, types = atoms_at([0, 0, 0], [1.0, 0, 0], [-1.1, 0.001, 0], [0.3, 1.4, 0.2])
    system = System(coord, None, types)
    found = evaluate(model(config, tensors), system, atomic=True)
    assert_agree(found, evaluate_oracle(config, tensors, system), "oracle")


def test_neighbours_at_one_distance_have_places_of_their_own():
    """The two nearest of all types, equally far from the first atom: in the order of slots, none twice."""
    config = local_config("of all types")
    config["descriptor"]["axis_rule"] = [0, -3, 0, 0, -3, 1] * 2
    tensors = make_tensors(config)
    coord, _, types = atoms_at([0, 0, 0], [1, 0, 0], [0, 1, 0], [0.25, 0.5, 1.5], types=[0, 1, 0, 1])
    system = System(coord, None, types)
    found = evaluate(model(config, tensors), system, atomic=True)
    assert_agree(found, evaluate_oracle(config, tensors, system), "oracle")


NO_FRAME = "has no local frame: "


@pytest.mark.parametrize(
    ("rule", "arguments", "words"),
    [
        (
            "empty",
            atoms_at([0, 0, 0]),
            [
                "frame 0: atom 0 " + NO_FRAME,
                "no neighbour within 3.1 A",
                "first axis, number 0 of type 0 in sel_a",
            ],
        ),
        (
            "empty",
            atoms_at([0, 0, 0], [1, 0, 0]),
            [f"frame 0: atom 0 {NO_FRAME}", "second axis, number 1 of type 0 in sel_a", "take a larger rcut"],
        ),
        (
            "empty",
            atoms_at([0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]),
            [f"atom 3 {NO_FRAME}", "first axis", "axis_rule of type 0"],
        ),
        ("empty", atoms_at([0, 0, 0], [1, 0, 0], [2.2, 0, 0]), ["in one line"]),
        (
            "empty",
            atoms_at([0, 0, 0], [1, 0, 0], [-1.1, 0, 0]),
            ["opposite sides", "next second axis, number 2 of type 0 in sel_a"],
        ),
        (
            "of both lists",
            atoms_at([0, 0, 0], [1, 0, 0], [0, 1, 0], types=[0, 1, 1]),
            ["number 0 of type 1 in sel_r"],
        ),
        (
            "leaving types out",
            atoms_at([0, 0, 0], [1, 0, 0], [0, 1, 0]),
            ["atom 0", "number 0 of the first three of all types but 0 in sel_a"],
        ),
    ],
)
def test_a_centre_without_a_frame_is_named(rule, arguments, words):
    config = local_config(rule)
    potential = model(config, make_tensors(config))
    with pytest.raises(core.Error) as raised:
        potential.evaluate(*arguments)
    for word in words:
        assert word in str(raised.value)
    with pytest.raises(core.Error, match="no local frame"):
        potential.descriptors(*arguments)


def test_atoms_that_are_not_seen_need_no_frame():
    """Types below 0 are left out, as centres and as neighbours; more than the slots is no error and is counted."""
    config = local_config("empty", sel_a=[2, 0], sel_r=[1, 0])
    potential = model(config, make_tensors(config))
    coord, _, types = atoms_at(
        [0, 0, 0], [1, 0, 0], [0, 1.1, 0], [0, 0, 1.2], [1.3, 1, 1], types=[0, 0, 0, 0, -1]
    )
    found = potential.evaluate(coord, None, types)
    assert np.array_equal(found["energy"], potential.evaluate(coord[:, :12], None, types[:4])["energy"])
    assert potential.sel_overflow() == {"atoms": 0, "worst_excess": 0}
    types[4] = 0
    potential.evaluate(coord, None, types)
    assert potential.sel_overflow() == {"atoms": 5, "worst_excess": 1}


@pytest.mark.parametrize("word", ["mixed", "low"])
def test_other_precisions(word):
    """Coordinates and descriptor stay in float64; the fitting net alone is rounded."""
    config = local_config()
    tensors = make_tensors(config)
    high, found = (
        evaluate(core.Model(json.dumps(config), tensors, w), SYSTEM, atomic=True) for w in ("high", word)
    )
    assert_agree(found, high, "float32")
    assert not np.array_equal(found["force"], high["force"])


def test_gradients_of_a_fitting_net_in_single_precision():
    found = {}
    for precision in ("float64", "float32"):
        config = make_config({"type": "loc_frame"}, {"precision": precision})
        loss = LossOfParameters(config, SYSTEM, LOSSES["all"], make_tensors(config))
        found[precision] = loss.gradients()
    for name, value in found["float64"].items():
        assert_close(found["float32"][name], value, "float32 gradient", name)


@pytest.mark.parametrize("kind", ["dipole", "polar"])
def test_tensors_are_refused(kind):
    config = make_tensor_config(kind, None, {"type": "loc_frame"})
    with pytest.raises(
        core.Error,
        match=f"{kind} needs the rotation matrix of a descriptor that has one, as se_e2_a; loc_frame",
    ):
        core.Model.create(json.dumps(config), {})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"sel_a": [4]}, ["sel_a", "(2), got 1"]),
        ({"sel_r": [4, -1]}, ["sel_r", ">= 0"]),
        ({"rcut": 0.0}, ["rcut"]),
        ({"axis_rule": [0, 0, 0]}, ["axis_rule", "12"]),
        ({"axis_rule": [0, 0, 9, 0, 0, 1] * 2}, ["axis_rule", "below 3, got 9"]),
        ({"axis_rule": [2, 0, 0, 0, 0, 1] * 2}, ["axis_rule", "class"]),
        ({"axis_rule": [0, 2, 0, 0, 0, 1] * 2}, ["axis_rule", "type below 2"]),
        ({"axis_rule": [0, 1, 0, 0, 1, 0] * 2}, ["axis_rule", "the same one for both axes of type 0"]),
        ({"sel_a": [0, 0], "sel_r": [1, 0], "axis_rule": []}, ["sel_a", "two neighbours"]),
    ],
)
def test_bad_keys_are_refused(keys, words):
    with pytest.raises(core.Error) as raised:
        core.Model.create(json.dumps(local_config(**keys)), {})
    for word in words:
        assert word in str(raised.value)


def test_statistics_are_means_and_spreads_of_each_number():
    config = local_config()
    section = config["descriptor"]
    found = core.EnvStatistics(json.dumps(section), 2)
    found.add(SYSTEM.coord, SYSTEM.box, SYSTEM.types)
    tensors = found.tensors()
    n = 4 * sum(section["sel_a"]) + sum(section["sel_r"])
    trivial = {"descriptor/davg": np.zeros((2, n)), "descriptor/dstd": np.ones((2, n))}
    values = {0: [], 1: []}
    for frame in range(SYSTEM.n_frames):
        for i, kind in enumerate(SYSTEM.types):
            slots = se_e2_a.neighbour_slots(
                section, SYSTEM.coord[frame].reshape(-1, 3), SYSTEM.box[frame].reshape(3, 3), SYSTEM.types, i
            )
            vectors = {slot: r for slot, _, r in slots}
            values[kind].append(oracle.value(section, trivial, kind, vectors))
    for kind, rows in values.items():
        assert_close(tensors["descriptor/davg"][kind], np.mean(rows, axis=0), "geometry")
        assert_close(tensors["descriptor/dstd"][kind], np.maximum(np.std(rows, axis=0), 0.01), "oracle")


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_hybrid_of_angles_and_local_frames(precision):
    """Three kinds side by side against the oracle, and the gradients of their nets."""
    config = make_config()
    smooth = {
        k: v
        for k, v in config["descriptor"].items()
        if k not in ("type_one_side", "exclude_types", "axis_neuron")
    }
    angles = {**smooth, "type": "se_e3", "neuron": [3, 4], "precision": precision}
    config["descriptor"] = {
        "type": "hybrid",
        "list": [angles, local_config()["descriptor"], config["descriptor"]],
    }
    tensors = make_tensors(config)
    found = evaluate(model(config, tensors), SYSTEM, atomic=True)
    kind = "oracle" if precision == "float64" else "float32"
    assert_agree(found, evaluate_oracle(config, tensors, SYSTEM), kind)
    if precision == "float64":
        gradients = check(LossOfParameters(config, SYSTEM, LOSSES["all"], tensors))
        assert_nonzero(
            gradients, ["descriptor/part_0/net_0_1/layer_1/matrix", "descriptor/part_2/net_1_0/layer_1/bias"]
        )
