# SPDX-License-Identifier: LGPL-3.0-or-later
"""The core against the slow numpy oracle (tests/reference/se_e2_a.py), which shares no code with it.

The oracle computes every slot of ``sel``, empty ones too; the core computes real neighbours and
adds the empty slots in closed form.  Random settings are drawn from seeds, so that combinations
nobody thought of are tried.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import (
    ACTIVATIONS,
    DESCRIPTORS,
    RCUT,
    TRICLINIC,
    System,
    assert_agree,
    assert_close,
    evaluate,
    evaluate_oracle,
    grid_system,
    make_config,
    make_statistics,
    make_tensors,
    model,
    odd_systems,
    pair_vectors,
    random_system,
    with_parameters,
)
from reference import se_e2_a as oracle

SYSTEMS = odd_systems()


def check(config, system, kind="oracle", tensors=None):
    """All quantities; atomic energies without their bias too, which would hide errors of the nets.

    The oracle always works in double, so that float32 of the core is compared with what it stands for.
    """
    system = with_parameters(config, system)
    tensors = make_tensors(config) if tensors is None else tensors
    potential = model(config, tensors)
    found, expected = (
        evaluate(potential, system, atomic=True),
        evaluate_oracle(in_double(config), tensors, system),
    )
    bias = tensors["fitting/bias_atom_e"][system.types]
    for result in (found, expected):
        result["energies without bias"] = result["atom_energy"] - bias
    assert_agree(found, expected, kind)
    return potential, found


def in_double(config):
    """The configuration with every precision float64."""
    text = json.dumps(config)
    return json.loads(text.replace('"float32"', '"float64"'))


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("one_side", [False, True])
def test_odd_systems(name, one_side, descriptor):
    check(make_config({"type": descriptor, "type_one_side": one_side, "resnet_dt": True}), SYSTEMS[name])


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_activations_in_both_precisions(activation, precision, descriptor):
    section = {"activation_function": activation, "precision": precision}
    kind = {"float64": "oracle", "float32": "float32"}[precision]
    check(make_config({"type": descriptor, **section}, section), SYSTEMS["triclinic"], kind)


@pytest.mark.parametrize("seed", range(60))
def test_random_settings(seed, kind="se_e2_a"):
    rng = np.random.default_rng([29, seed])

    def pick(*options):
        return options[rng.integers(len(options))]

    n_types = int(rng.integers(1, 4))
    pairs = [[a, b] for a in range(n_types) for b in range(a, n_types)]
    excluded = [p for p in pairs if rng.random() < 0.2]
    descriptor = {
        "type": kind,
        "sel": [int(n) for n in rng.integers(0 if n_types > 1 else 1, 15, n_types)],
        "rcut_smth": pick(0.0, 0.1, 0.3, 1.2, 3.0),
        "neuron": pick([4], [2, 4], [1, 2, 4], [5, 5, 10], [3, 7], [8, 16, 32]),
        "axis_neuron": int(rng.integers(1, 5)),
        "activation_function": pick(*ACTIVATIONS),
        "resnet_dt": pick(False, True),
        "type_one_side": pick(False, True),
        "exclude_types": excluded,
        "set_davg_zero": pick(False, True),
    }
    fitting = {
        "numb_fparam": int(rng.integers(0, 3)),
        "numb_aparam": int(rng.integers(0, 3)),
        "neuron": pick([5], [6, 6], [9, 4, 4], [3, 6, 12]),
        "activation_function": pick(*ACTIVATIONS),
        "resnet_dt": pick(False, True),
        "atom_ener": pick([], [None] * n_types, [-1.5] + [None] * (n_types - 1), [0.25] * n_types),
    }
    if sum(descriptor["sel"]) == 0:
        descriptor["sel"][0] = 3
    config = make_config(descriptor, fitting, type_map="ABC"[:n_types])
    types = rng.integers(0, n_types, rng.integers(1, 9))
    cell = pick(None, TRICLINIC, ((2.4, 0, 0), (0.3, 3.9, 0), (-0.5, 0.7, 5.2)), np.diag([3.0, 4.0, 5.0]))
    system = random_system(types, cell, n_frames=int(rng.integers(1, 3)), seed=seed, closest=0.5, spread=3.0)
    check(config, system, tensors=make_tensors(config, seed))


# without seeds that put two images at one distance at the end of sel: either may be taken
@pytest.mark.parametrize("kind", DESCRIPTORS[1:])
@pytest.mark.parametrize("seed", sorted({*range(60, 80)} - {61, 72, 75}))
def test_random_settings_of_other_descriptors(seed, kind):
    test_random_settings(seed, kind)


def test_parts_of_a_hybrid_descriptor_are_independent():
    """Other radii, slots, activation, precision and exclusions in each part, one part twice."""
    first = make_config({"type": "se_e2_r", "rcut": 4.3, "rcut_smth": 0.3, "sel": [30, 25]})["descriptor"]
    second = make_config({"activation_function": "gelu", "type_one_side": True, "exclude_types": [[0, 1]]})
    third = make_config(
        {"rcut": 2.2, "rcut_smth": 0.1, "sel": [3, 2], "set_davg_zero": True, "neuron": [5, 10]}
    )
    parts = [first, second["descriptor"], third["descriptor"], first]
    config = {**second, "descriptor": {"type": "hybrid", "list": parts}}
    for name in ("triclinic", "several frames", "more than sel"):
        check(config, SYSTEMS[name])


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    "embedding, axis, fitting",
    [([25, 50, 100], 16, [240, 240, 240]), ([10, 20, 40], 7, [120, 61]), ([16, 32], 32, [33, 257, 17])],
    ids=str,
)
def test_nets_of_usual_size(embedding, axis, fitting, precision):
    """Matrix products larger than a block, with rests in every direction; 70 atoms, so that a tile
    is full.
    """
    config = make_config(
        {
            "neuron": embedding,
            "axis_neuron": axis,
            "type_one_side": True,
            "sel": [12, 12],
            "precision": precision,
        },
        {"neuron": fitting, "precision": precision},
    )
    grid = np.stack(np.meshgrid(*[np.arange(5.0)] * 3, indexing="ij"), -1).reshape(-1, 3)[:70]
    coord = 2.2 * grid + np.random.default_rng(6).uniform(-0.3, 0.3, grid.shape)
    system = System(coord.reshape(1, -1), None, np.arange(70) % 9 // 8)
    check(config, system, {"float64": "oracle", "float32": "float32"}[precision])


@pytest.mark.parametrize("davg_zero", [False, True])
@pytest.mark.parametrize("extra", [0, 50])
def test_empty_slots_are_part_of_the_model(davg_zero, extra):
    """Without a mean, empty slots only change the factor 1/sum(sel); with one they change the
    energy themselves.
    """
    base = make_config({"sel": [6, 8], "set_davg_zero": davg_zero})
    wide = make_config({"sel": [6 + extra, 8], "set_davg_zero": davg_zero})
    tensors = make_tensors(base)
    system = random_system([0, 1, 1, 0], None, seed=31, spread=2.5)
    _, found = check(base, system, tensors=tensors)
    _, other = check(wide, system, tensors=tensors)
    assert (extra == 0) == np.array_equal(found["energy"], other["energy"])


SELS = [[1, 1], [2, 3], [0, 4], [3, 0]]


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("one_side", [False, True])
@pytest.mark.parametrize("sel", SELS, ids=str)
def test_fewer_slots_than_neighbours(one_side, sel, descriptor):
    system = random_system([0, 1, 1, 0, 1, 1, 0], TRICLINIC, seed=33, sel=sel)
    check(make_config({"type": descriptor, "sel": sel, "type_one_side": one_side}), system)


@pytest.mark.parametrize("sel", [[30, 25], [3, 64], [200, 11]], ids=str)
def test_many_neighbours_beyond_sel(sel):
    """A hundred neighbours for some ten slots: the nearest ones are chosen."""
    potential, _ = check(make_config({"sel": sel, "rcut": 6.3, "rcut_smth": 0.4}), grid_system(1, 40))
    assert potential.sel_overflow()["atoms"] == 40


@pytest.mark.parametrize("sel", SELS, ids=str)
def test_what_does_not_fit_is_counted(sel):
    """How many atoms, and by how many: a type with sel = 0 is not asked for, so nothing of it is missing."""
    system = random_system([0, 1, 1, 0, 1, 1, 0], TRICLINIC, seed=33, sel=sel)
    config = make_config({"sel": sel})
    potential = model(config, make_tensors(config))
    evaluate(potential, system)
    i, j, _ = pair_vectors(system.coord, system.box, float(np.float32(RCUT)))
    counts = np.array([[np.sum((i == a) & (system.types[j] == b)) for b in (0, 1)] for a in range(7)])
    excess = np.where(np.array(sel) > 0, counts - sel, 0)
    overflow = potential.sel_overflow()
    assert overflow["worst_excess"] == excess.max() > 0
    assert overflow["atoms"] == np.sum(np.any(excess > 0, axis=1))
    evaluate(potential, system.moved(coord=20.0 * system.coord, box=20.0 * system.box))
    assert potential.sel_overflow() == {"atoms": 0, "worst_excess": 0}


def test_overflow_is_an_error_where_asked_for(monkeypatch):
    config = make_config({"sel": [2, 3]})
    potential = model(config, make_tensors(config))
    monkeypatch.setenv("DP_STRICT_SEL", "1")
    with pytest.raises(core.Error, match=r"(?s)sel.*DP_STRICT_SEL"):
        evaluate(potential, SYSTEMS["more than sel"])
    roomy = make_config()
    evaluate(model(roomy, make_tensors(roomy)), SYSTEMS["more than sel"])
    monkeypatch.setenv("DP_STRICT_SEL", "0")
    evaluate(potential, SYSTEMS["more than sel"])
    # the error leaves nothing behind: the same object goes on
    monkeypatch.delenv("DP_STRICT_SEL")
    check(config, SYSTEMS["triclinic"])


def test_a_hidden_type_is_no_overflow(monkeypatch):
    """sel = 0 leaves a type out on purpose, and so does exclude_types."""
    monkeypatch.setenv("DP_STRICT_SEL", "1")
    check(make_config({"sel": [0, 18]}), SYSTEMS["triclinic"])
    check(make_config({"sel": [1, 18], "exclude_types": [[0, 0], [0, 1]]}), SYSTEMS["triclinic"])


def test_atoms_the_model_shall_not_see():
    """Type -1: no energy, no force, no effect on others."""
    config = make_config()
    potential = model(config, make_tensors(config))
    system = SYSTEMS["triclinic"]
    types = system.types.copy()
    types[[1, 4]] = -1
    seen = types >= 0
    found = evaluate(potential, system.moved(types=types), atomic=True)
    rest = system.moved(coord=system.coord[:, np.repeat(seen, 3)], types=types[seen])
    expected = evaluate_oracle(config, make_tensors(config), rest)
    for key in ("force", "atom_energy", "atom_virial"):
        assert np.all(found[key][:, ~seen] == 0.0)
        assert_close(found[key][:, seen], expected[key], "oracle", key)
    for key in ("energy", "virial"):
        assert_close(found[key], expected[key], "oracle", key)


def test_statistics_of_the_environment():
    """davg and dstd over all slots of all frames, per centre type; the type that is absent has 0 and 0.01."""
    config = make_config({"sel": [5, 40, 3], "exclude_types": [[0, 1]]}, type_map=("A", "B", "C"))
    frames = [SYSTEMS["triclinic"], SYSTEMS["several frames"], SYSTEMS["not periodic"]]
    statistics = core.EnvStatistics(json.dumps(config["descriptor"]), 3)
    rows = [[], [], []]
    for system in frames:
        statistics.add(system.coord, system.box, system.types)
        for f in range(system.n_frames):
            cell = None if system.box is None else system.box[f].reshape(3, 3)
            positions = system.coord[f].reshape(-1, 3)
            for i, kind in enumerate(system.types):
                slots = oracle.neighbour_slots(config["descriptor"], positions, cell, system.types, i)
                rows[kind].append(oracle.environment(config["descriptor"], slots, 48)[0])
    found = statistics.tensors()
    davg, dstd = found["descriptor/davg"], found["descriptor/dstd"]
    radial = dict(config["descriptor"], type="se_e2_r")
    parts = {"type": "hybrid", "list": [radial, dict(config["descriptor"], set_davg_zero=True)]}
    both = core.EnvStatistics(json.dumps(parts), 3)
    for system in frames:
        both.add(system.coord, system.box, system.types)
    expected = {
        "descriptor/part_0/davg": davg[:, :1],
        "descriptor/part_0/dstd": dstd[:, :1],
        "descriptor/part_1/davg": np.zeros_like(davg),
        "descriptor/part_1/dstd": dstd,
    }
    assert sorted(both.tensors()) == sorted(expected)
    for name, value in expected.items():
        assert np.array_equal(both.tensors()[name], value), name
    for kind in (0, 1):
        all_rows = np.concatenate(rows[kind])
        radial, angular = all_rows[:, 0], all_rows[:, 1:].ravel()
        assert davg[kind] == pytest.approx([radial.mean(), 0, 0, 0], rel=1e-12)
        # sums of squares minus the square of the mean: some digits less
        assert dstd[kind] == pytest.approx([radial.std(), *[angular.std()] * 3], rel=1e-10)
    assert np.array_equal(davg[2], np.zeros(4)) and np.array_equal(dstd[2], np.full(4, 0.01))


def test_statistics_tell_types_apart():
    """davg and dstd belong to the centre's type."""
    config = make_config()
    tensors = make_tensors(config)
    _, before = check(config, SYSTEMS["triclinic"], tensors=tensors)
    other = dict(tensors, **{"descriptor/davg": make_statistics(config, 5)["descriptor/davg"]})
    other["descriptor/davg"][0] = tensors["descriptor/davg"][0]
    _, after = check(config, SYSTEMS["triclinic"], tensors=other)
    same = SYSTEMS["triclinic"].types == 0
    assert np.array_equal(before["atom_energy"][0, same], after["atom_energy"][0, same])
    assert not np.any(before["atom_energy"][0, ~same] == after["atom_energy"][0, ~same])
