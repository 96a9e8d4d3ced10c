# SPDX-License-Identifier: LGPL-3.0-or-later
"""The modifier dipole_charge in the core: energies, the chain rule through the dipole model, and models with it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import (
    TRICLINIC,
    assert_close,
    assert_zero,
    difference,
    evaluate,
    make_config,
    make_tensor_config,
    make_tensors,
    model,
    random_system,
)

from core.test_forces import force_by_differences, virial_by_differences

SYSTEM = random_system([0, 1, 1, 0, 1], TRICLINIC, n_frames=2, seed=1)
SITES, ATOMS = [-3.0, -1.5], [2.5, 0.5]


def dipole_model(sel_type=(0, 1), **descriptor):
    """Config and tensors; dipoles of some 0.3 A."""
    config = make_tensor_config("dipole", list(sel_type), {"resnet_dt": True, **descriptor})
    tensors = make_tensors(config)
    for name in tensors:
        if name.startswith("fitting/") and name.endswith(("layer_3/matrix", "layer_3/bias")):
            tensors[name] = 0.3 * tensors[name]
    return config, tensors


def section(dipole, sites=tuple(SITES), **changes):
    return {
        "type": "dipole_charge",
        "model_charge_map": list(sites),
        "sys_charge_map": ATOMS,
        "ewald_beta": 0.6,
        "ewald_h": 0.9,
        "model": dipole,
        **changes,
    }


def modifier(dipole=None, **changes):
    config, tensors = dipole_model() if dipole is None else dipole
    return core.Modifier(json.dumps(section(config, **changes)), config["type_map"], tensors)


def with_modifier(**changes):
    """(energy model, the same with modifier, the modifier)"""
    plain, tensors = make_config(), make_tensors(make_config())
    dipole = dipole_model()
    whole = {**plain, "modifier": section(dipole[0], **changes)}
    inside = {f"modifier/{k}": v for k, v in dipole[1].items()}
    return model(plain, tensors), model(whole, {**tensors, **inside}), modifier(dipole, **changes)


class Alone:
    """The modifier in the place of a potential, for the differences."""

    def __init__(self, of):
        self.evaluate = lambda coord, box, types, *_: of.evaluate(coord, box, types)


@pytest.mark.parametrize("sel_type, sites", [((0, 1), SITES), ((1,), [-2.0])])
def test_the_energy_is_the_sum_over_atoms_and_sites(sel_type, sites):
    config, tensors = dipole_model(sel_type)
    found = modifier((config, tensors), sites=sites).evaluate(SYSTEM.coord, SYSTEM.box, SYSTEM.types)
    mu = model(config, tensors).evaluate(SYSTEM.coord, SYSTEM.box, SYSTEM.types, atomic=True)["atom_energy"]
    assert 0.05 < np.abs(mu).max() < 3.0
    selected = np.flatnonzero(np.isin(SYSTEM.types, sel_type))
    positions = SYSTEM.coord.reshape(2, -1, 3)
    both = np.concatenate([positions, positions[:, selected] + mu[:, selected]], axis=1)
    of_type = dict(zip(sel_type, sites))
    charge = np.array([ATOMS[t] for t in SYSTEM.types] + [of_type[t] for t in SYSTEM.types[selected]])
    expected = core.ewald_recp(both.reshape(2, -1), np.tile(charge, (2, 1)), SYSTEM.box, 0.9, 0.6)
    assert_close(found["energy"], expected["energy"], "rounding")
    plain = core.ewald_recp(SYSTEM.coord, np.tile(charge[:5], (2, 1)), SYSTEM.box, 0.9, 0.6)
    assert np.abs(plain["energy"] - found["energy"]).max() > 1e-2


@pytest.mark.parametrize("descriptor", [{}, {"type_one_side": True, "exclude_types": [[0, 1]]}])
def test_forces_and_virials_are_derivatives(descriptor):
    of = modifier(dipole_model(**descriptor))
    found = of.evaluate(SYSTEM.coord, SYSTEM.box, SYSTEM.types)
    for frame in range(2):
        assert_close(found["force"][frame], force_by_differences(Alone(of), SYSTEM, frame), "force", "force")
        assert_close(
            found["virial"][frame], virial_by_differences(Alone(of), SYSTEM, frame), "force", "virial"
        )
    assert_zero(found["force"].sum(axis=1), np.abs(found["force"]).sum(), "geometry")
    energies = of.evaluate(SYSTEM.coord, SYSTEM.box, SYSTEM.types, derivatives=False)
    assert set(energies) == {"energy"} and np.array_equal(energies["energy"], found["energy"])


def test_the_chain_rule_takes_part():
    """Without the derivative of the dipoles the forces would be others."""
    config, tensors = dipole_model()
    of = modifier((config, tensors))
    found = of.evaluate(SYSTEM.coord, SYSTEM.box, SYSTEM.types)["force"][0]
    potential = model(config, tensors)
    mu = potential.evaluate(SYSTEM.coord, SYSTEM.box, SYSTEM.types, atomic=True)["atom_energy"]
    positions = SYSTEM.coord.reshape(2, -1, 3)
    charge = np.array([ATOMS[t] for t in SYSTEM.types] + [SITES[t] for t in SYSTEM.types])
    both = np.concatenate([positions, positions + mu], axis=1).reshape(2, -1)
    force = core.ewald_recp(both, np.tile(charge, (2, 1)), SYSTEM.box, 0.9, 0.6)["force"][0]
    rigid = force[:5] + force[5:]
    assert np.abs(found - rigid).max() > 0.05 * np.abs(found).max()

    def moved(t):
        x = SYSTEM.coord[:1].copy()
        x[0, 4] += t
        return potential.evaluate(x, SYSTEM.box[:1], SYSTEM.types, atomic=True)["atom_energy"][0]

    slope = difference(moved)  # d mu / d x_4
    assert_close(np.array([rigid[1, 1] + np.sum(slope * force[5:])]), found[1:2, 1], "force")


def test_a_model_with_modifier_predicts_the_sum():
    plain, whole, of = with_modifier()
    assert whole.has_modifier and not plain.has_modifier
    found, alone = evaluate(whole, SYSTEM), evaluate(plain, SYSTEM)
    extra = of.evaluate(SYSTEM.coord, SYSTEM.box, SYSTEM.types)
    for key in ("energy", "force", "virial"):
        assert_close(found[key], alone[key] + extra[key], "rounding", key)
        assert np.abs(extra[key]).max() > 1e-2
    again = model(json.loads(whole.config), whole.tensors())
    assert all(np.array_equal(evaluate(again, SYSTEM)[key], found[key]) for key in found)


def test_predictions_do_not_depend_on_grouping_or_order_of_atoms():
    _, whole, _ = with_modifier()
    found = evaluate(whole, SYSTEM)
    for frame in range(2):
        one = whole.evaluate(SYSTEM.coord[frame : frame + 1], SYSTEM.box[:1], SYSTEM.types)
        assert_close(one["force"][0], found["force"][frame], "rounding")
    order = np.array([3, 1, 4, 0, 2])
    coord = SYSTEM.coord.reshape(2, 5, 3)[:, order].reshape(2, -1)
    other = whole.evaluate(coord, SYSTEM.box, SYSTEM.types[order])
    assert_close(other["energy"], found["energy"], "rounding")
    assert_close(other["force"], found["force"][:, order], "rounding")


def test_atoms_that_the_model_does_not_see_have_no_charge():
    _, whole, _ = with_modifier()
    coord = np.concatenate([SYSTEM.coord, SYSTEM.coord[:, :3] + 0.4], axis=1)
    found = whole.evaluate(coord, SYSTEM.box, np.append(SYSTEM.types, -1).astype(np.int32))
    expected = evaluate(whole, SYSTEM)
    assert_close(found["energy"], expected["energy"], "rounding")
    assert_close(found["force"][:, :5], expected["force"], "rounding")
    assert not found["force"][:, 5].any()


def test_training_leaves_the_modifier_to_the_labels():
    """Losses of a model with modifier are those without: the labels have it subtracted."""
    from training import LOSSES, make_batch

    plain, whole, _ = with_modifier()
    batch = make_batch(SYSTEM, plain)
    one, other = (
        core.Trainer(m, json.dumps(LOSSES["all"])).losses(batch, 1e-3, 1e-3) for m in (plain, whole)
    )
    assert one == other


# ---- refusals ------------------------------------------------------------------------------------


def test_frames_without_cell_and_atomic_energies_are_refused():
    _, whole, of = with_modifier()
    with pytest.raises(core.Error, match="needs a cell, periodic along all three vectors"):
        whole.evaluate(SYSTEM.coord, None, SYSTEM.types)
    with pytest.raises(core.Error, match="needs a cell, periodic along all three vectors"):
        whole.evaluate(SYSTEM.coord, SYSTEM.box, SYSTEM.types, pbc=[True, True, False])
    with pytest.raises(core.Error, match="needs a cell"):
        of.evaluate(SYSTEM.coord, None, SYSTEM.types)
    with pytest.raises(core.Error, match="does not divide into atoms"):
        evaluate(whole, SYSTEM, atomic=True)
    with pytest.raises(core.Error, match="atom 1 has type 2"):
        of.evaluate(SYSTEM.coord, SYSTEM.box, np.array([0, 2, 0, 0, 0], dtype=np.int32))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"type": "other"},
            "model/modifier/type: 'other' is not known to this version; known are: dipole_charge",
        ),
        (
            {"sys_charge_map": [1.0]},
            r"sys_charge_map: expected 2 charge\(s\), one for each type of .*, got 1",
        ),
        (
            {"model_charge_map": [1.0] * 3},
            r"model_charge_map: expected 2 charge\(s\), one for each type that .* got 3",
        ),
        ({"sys_charge_map": [1.0, "a"]}, "sys_charge_map: expected charges"),
        ({"ewald_h": 0.0}, "model/modifier/ewald_h: expected a distance > 0"),
        ({"ewald_beta": -1.0}, "model/modifier/ewald_beta: expected a number > 0"),
        ({"model": None}, "model/modifier/model: this key is missing"),
        ({"model": make_config()}, "the dipole model: expected a model of dipoles, got one of kind ener"),
        (
            {"model": {**dipole_model()[0], "type_map": ["B", "A"]}},
            "types B A, the energy model A B; .* same type_map",
        ),
    ],
)
def test_wrong_modifiers_are_refused(changes, text):
    config, tensors = dipole_model()
    with pytest.raises(core.Error, match=text):
        core.Modifier(json.dumps({**section(config), **changes}), ["A", "B"], tensors)


def test_a_dipole_model_without_its_tensors_is_refused():
    config, tensors = dipole_model()
    name = next(k for k in tensors if k.startswith("fitting/"))
    rest = {k: v for k, v in tensors.items() if k != name}
    with pytest.raises(core.Error, match=f"the dipole model: model: tensor '{name}' is missing"):
        core.Modifier(json.dumps(section(config)), config["type_map"], rest)


def test_a_model_of_dipoles_has_no_modifier():
    config, tensors = dipole_model()
    inside = {f"modifier/{k}": v for k, v in tensors.items()}
    with pytest.raises(
        core.Error, match="a modifier belongs to a model of energies; this one is of kind dipole"
    ):
        model({**config, "modifier": section(config)}, {**tensors, **inside})
