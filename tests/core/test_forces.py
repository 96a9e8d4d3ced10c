# SPDX-License-Identifier: LGPL-3.0-or-later
"""Forces and virials against differences of energies.

F = -dE/dx; V = -dE/d(strain) for positions r (1 + strain) and cell rows h (1 + strain).
"""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import (
    ACTIVATIONS,
    DESCRIPTORS,
    EXCLUDING,
    SMALL_SEL,
    TRICLINIC,
    System,
    assert_close,
    assert_zero,
    difference,
    difference_noise,
    evaluate,
    make_config,
    make_tensors,
    model,
    odd_systems,
    random_system,
    smooth_tensors,
    with_parameters,
)

SYSTEMS = odd_systems()
SYMMETRIC = make_config({"activation_function": "gelu"})


def force_by_differences(potential, system, frame=0, **more):
    """-dE/dx of one frame, [n*3] eV/A."""

    def energy(k, t):
        moved = system.coord.copy()
        moved[frame, k] += t
        return evaluate(potential, system.moved(coord=moved), **more)["energy"][frame]

    return np.array([-difference(lambda t, k=k: energy(k, t)) for k in range(system.coord.shape[1])])


def virial_by_differences(potential, system, frame=0, **more):
    """-dE/d(strain) of one frame, [9] eV; strain[a, b] moves x_a by x_b (not symmetric here)."""

    def energy(k, t):
        strain = np.eye(3)
        strain[k // 3, k % 3] += t
        coord = (system.coord.reshape(-1, 3) @ strain.T).reshape(system.coord.shape)
        box = None if system.box is None else (system.box.reshape(-1, 3) @ strain.T).reshape(-1, 9)
        return evaluate(potential, system.moved(coord=coord, box=box), **more)["energy"][frame]

    return np.array([-difference(lambda t, k=k: energy(k, t)) for k in range(9)])


def check(config, system, **more):
    """Forces and virial of every frame by differences; sums; returns the prediction."""
    system = with_parameters(config, system)
    potential = model(config, smooth_tensors(config, [system]))
    found = evaluate(potential, system, atomic=True, **more)
    for frame in range(system.n_frames):
        force, virial = found["force"][frame], found["virial"][frame]
        noise = difference_noise(np.max(np.abs(found["atom_energy"])))
        expected = force_by_differences(potential, system, frame, **more)
        if system.n_atoms == 1:
            assert_zero(force, 1.0, what="force on a lone atom")
            assert_zero(expected, 1.0, "force", what="difference on a lone atom")
        else:
            assert_close(force, expected, "force", f"force of frame {frame}", noise)
        expected = virial_by_differences(potential, system, frame, **more)
        assert_close(virial, expected, "force", f"virial of frame {frame}", noise)
        assert_zero(force.sum(axis=0), 1.0 + np.abs(force).sum(), what="sum of forces")
    assert_close(found["atom_energy"].sum(axis=1), found["energy"], "rounding", "sum of atomic energies")
    assert_close(found["atom_virial"].sum(axis=1), found["virial"], "rounding", "sum of atomic virials")
    return potential, found


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_on_odd_systems(name, descriptor):
    potential, _ = check(make_config({"type": descriptor, "resnet_dt": True}), SYSTEMS[name])
    assert potential.sel_overflow()["atoms"] == 0


@pytest.mark.parametrize("cell", [None, TRICLINIC])
@pytest.mark.parametrize("one_side", [False, True])
@pytest.mark.parametrize("descriptor", DESCRIPTORS[:2])
def test_with_fewer_slots_than_neighbours(cell, one_side, descriptor):
    system = random_system([0, 1, 1, 0, 1, 1, 0], cell, seed=7, sel=SMALL_SEL, spread=2.6)
    config = make_config({"type": descriptor, "sel": list(SMALL_SEL), "type_one_side": one_side})
    potential, _ = check(config, system)
    assert potential.sel_overflow()["atoms"] > 0


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("resnet_dt", [False, True])
@pytest.mark.parametrize("one_side", [False, True])
def test_for_every_activation(activation, resnet_dt, one_side):
    config = make_config(
        {"activation_function": activation, "resnet_dt": resnet_dt, "type_one_side": one_side},
        {"activation_function": activation, "resnet_dt": resnet_dt},
    )
    check(config, SYSTEMS["triclinic"])
    check(config, SYSTEMS["not periodic"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("descriptor", DESCRIPTORS[1:])
def test_activations_of_other_descriptors(activation, descriptor):
    section = {"activation_function": activation, "resnet_dt": True}
    check(make_config({"type": descriptor, "type_one_side": True, **section}, section), SYSTEMS["triclinic"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_of_the_two_nets_are_independent(activation):
    config = make_config({"activation_function": "tanh"}, {"activation_function": activation})
    _, one = check(config, SYSTEMS["not periodic"])
    config = make_config({"activation_function": activation}, {"activation_function": "tanh"})
    _, other = check(config, SYSTEMS["not periodic"])
    if activation != "tanh":
        assert np.max(np.abs(one["force"] - other["force"])) > 1e-3


@pytest.mark.parametrize(
    "neuron",
    [
        [1],  # as wide as the input: x + h
        [2],  # twice: [x, x] + h
        [1, 1, 2, 4],
        [2, 2, 4, 4, 8],
        [3, 5, 4],  # no skip at all
        [4, 8, 16, 20],
        [33, 37],  # wider than a vector register, with rests
    ],
    ids=str,
)
@pytest.mark.parametrize("resnet_dt", [False, True])
def test_odd_embedding_nets(neuron, resnet_dt):
    config = make_config({"neuron": neuron, "resnet_dt": resnet_dt, "axis_neuron": min(3, neuron[-1])})
    check(config, SYSTEMS["not periodic"])


@pytest.mark.parametrize("axis_neuron", [1, 2, 6])
def test_every_number_of_axis_neurons(axis_neuron):
    check(make_config({"axis_neuron": axis_neuron}), SYSTEMS["not periodic"])


@pytest.mark.parametrize("neuron", [[1], [12], [12, 12], [5, 10], [6, 6, 3, 3], [1, 1, 1], [40, 40]], ids=str)
@pytest.mark.parametrize("resnet_dt", [False, True])
def test_odd_fitting_nets(neuron, resnet_dt):
    # [12]: the descriptor has 12 numbers; the first layer of a fitting net never has a skip
    check(make_config(fitting={"neuron": neuron, "resnet_dt": resnet_dt}), SYSTEMS["not periodic"])


@pytest.mark.parametrize(
    "exclude",
    [[[0, 1]], [[0, 0], [1, 1]], [[1, 0], [0, 0]], [[0, 0], [0, 1], [1, 1]]],
    ids=str,
)
@pytest.mark.parametrize("one_side", [False, True])
@pytest.mark.parametrize("descriptor", EXCLUDING)
def test_excluded_pairs(exclude, one_side, descriptor):
    config = make_config({"type": descriptor, "exclude_types": exclude, "type_one_side": one_side})
    if len(exclude) < 3:
        check(config, SYSTEMS["triclinic"])
        return
    found = evaluate(model(config, make_tensors(config)), SYSTEMS["triclinic"], atomic=True)
    assert np.all(found["force"] == 0.0) and np.all(found["virial"] == 0.0)
    energies = found["atom_energy"][0]
    assert len(set(energies[SYSTEMS["triclinic"].types == 1])) == 1 and len(set(energies)) == 2


@pytest.mark.parametrize("descriptor", EXCLUDING)
def test_excluded_pair_leaves_no_trace(descriptor):
    config = make_config({"type": descriptor, "exclude_types": [[0, 1]]})
    system = SYSTEMS["triclinic"]
    potential = model(config, make_tensors(config))
    before = evaluate(potential, system, atomic=True)
    mine = np.repeat(system.types == 0, 3)
    moved = system.moved(coord=system.coord + 0.2 * np.sin(np.arange(mine.size)) * ~mine)
    after = evaluate(potential, moved, atomic=True)
    assert np.array_equal(
        before["atom_energy"][0, system.types == 0], after["atom_energy"][0, system.types == 0]
    )
    assert not np.allclose(before["energy"], after["energy"])


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("numb_fparam, numb_aparam", [(0, 0), (2, 0), (0, 3), (1, 2)])
def test_vacuum_energies_and_parameters(name, numb_fparam, numb_aparam):
    numbers = {"numb_fparam": numb_fparam, "numb_aparam": numb_aparam}
    check(make_config(fitting=numbers), SYSTEMS[name])
    fitting = {**numbers, "atom_ener": [-1.25, None]}
    check(make_config({"set_davg_zero": True}, fitting), SYSTEMS[name])


def test_an_atom_without_neighbours_has_its_vacuum_energy():
    config = make_config({"set_davg_zero": True}, {"atom_ener": [-1.25, 0.5], "numb_aparam": 2})
    tensors = make_tensors(config)
    tensors["fitting/bias_atom_e"] = np.array([-1.25, 0.5])
    far = System(20.0 * np.arange(9.0).reshape(1, 9), None, np.array([0, 1, 0])).with_params(0, 2)
    found = evaluate(model(config, tensors), far, atomic=True)
    assert np.array_equal(found["atom_energy"], [[-1.25, 0.5, -1.25]])
    assert np.all(found["force"] == 0.0)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_sel_of_zero_hides_a_type(descriptor):
    config = make_config({"type": descriptor, "sel": [0, 18]})
    tensors = make_tensors(config)
    check(config, SYSTEMS["triclinic"])
    potential = model(config, tensors)
    system = SYSTEMS["not periodic"]
    before = evaluate(potential, system, atomic=True)["atom_energy"][0]
    alone = System(system.coord[:, np.repeat(system.types == 1, 3)], None, np.array([1, 1, 1]))
    after = evaluate(potential, alone, atomic=True)["atom_energy"][0]
    assert_close(before[system.types == 1], after, "rounding", "atoms of type 1")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("which", ["descriptor", "fitting", "both"])
def test_single_precision(activation, which):
    """Nets in float32 give what the same weights give in double, to rounding."""
    single = [which in ("descriptor", "both"), which in ("fitting", "both")]
    common = {"activation_function": activation, "resnet_dt": True}
    configs = [
        make_config({**common, "precision": p}, {**common, "precision": q})
        for p, q in (("float64", "float64"), [("float64", "float32")[s] for s in single])
    ]
    tensors = make_tensors(configs[1])
    assert tensors["descriptor/net_0_1/layer_1/matrix"].dtype == ("f8", "f4")[single[0]]
    assert tensors["fitting/net_1/layer_0/matrix"].dtype == ("f8", "f4")[single[1]]
    for system in (SYSTEMS["several frames"], SYSTEMS["tiny box"]):
        double, mixed = (evaluate(model(c, tensors), system, atomic=True) for c in configs)
        for key, value in double.items():
            assert_close(mixed[key], value, "float32", key)
            assert not np.array_equal(mixed[key], value)
