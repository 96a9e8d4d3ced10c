# SPDX-License-Identifier: LGPL-3.0-or-later
"""The short-range table (use_srtab) in the core: energies, derivatives, parameter gradients, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import (
    DESCRIPTORS,
    SMALL_SEL,
    assert_agree,
    assert_close,
    assert_zero,
    difference_noise,
    evaluate,
    evaluate_oracle,
    grid_system,
    make_config,
    make_tensor_config,
    model,
    odd_systems,
    random_system,
    smooth_tensors,
)
from reference import se_e2_a as oracle
from reference import short_range
from short_range_table import SHORT_RANGE, make_table
from training import LOSSES

from core.test_forces import force_by_differences, virial_by_differences
from core.test_gradients import LossOfParameters, assert_nonzero, check
from core.test_loc_frame import SYSTEM as LOCAL
from core.test_loc_frame import local_config

SYSTEMS = odd_systems()
EXACT = pytest.mark.usefixtures("exact_nets")


def with_table(descriptor="se_e2_a", fitting=None, **keys):
    return make_config({"type": descriptor, **keys}, fitting) | SHORT_RANGE


def net_of(config):
    return {k: v for k, v in config.items() if k not in SHORT_RANGE}


def tensors_of(config, systems=()):
    """Those of gradcheck, and a table."""
    return {**smooth_tensors(net_of(config), systems), **make_table(2)}


def switches(config, tensors, system):
    """The switch of every atom, by the oracle."""
    found = []
    original = oracle.switch

    def watched(r, inner, outer):
        result = original(r, inner, outer)
        if (inner, outer) == (SHORT_RANGE["sw_rmin"], SHORT_RANGE["sw_rmax"]):
            found.append(result[0])
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle, "switch", watched)
        evaluate_oracle(config, tensors, system)
    return np.array(found)


@EXACT
@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_all_quantities_agree_with_the_oracle(name, descriptor):
    config = with_table(descriptor, exclude_types=[[0, 1]])
    tensors = tensors_of(config)
    found = evaluate(model(config, tensors), SYSTEMS[name], atomic=True)
    assert_agree(found, evaluate_oracle(config, tensors, SYSTEMS[name]), "oracle")


def test_the_systems_have_atoms_inside_the_switch_and_beyond():
    config = with_table()
    tensors = tensors_of(config)
    found = np.concatenate([switches(config, tensors, s) for s in SYSTEMS.values()])
    assert np.sum((found > 0.01) & (found < 0.99)) > 10 and np.any(found == 0.0)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("name", [n for n in SYSTEMS if n != "one atom"])
def test_forces_and_virials_are_derivatives(name, descriptor):
    config, system = with_table(descriptor, resnet_dt=True), SYSTEMS[name]
    potential = model(config, tensors_of(config, [system]))
    found = evaluate(potential, system, atomic=True)
    noise = difference_noise(np.max(np.abs(found["atom_energy"])))
    for frame in range(system.n_frames):
        expected = force_by_differences(potential, system, frame)
        assert_close(found["force"][frame], expected, "force", "force", noise)
        expected = virial_by_differences(potential, system, frame)
        assert_close(found["virial"][frame], expected, "force", "virial", noise)
    assert_close(found["atom_virial"].sum(axis=1), found["virial"], "rounding", "sum of atomic virials")
    assert_close(found["atom_energy"].sum(axis=1), found["energy"], "rounding", "sum of atomic energies")
    assert_zero(found["force"].sum(axis=1), 1.0 + np.abs(found["force"]).sum(), what="sum of forces")


@EXACT
@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("terms", ["e", "f", "v", "ae", "all"])
def test_parameter_gradients_are_derivatives_of_the_loss(terms, descriptor):
    fitting = {"atom_ener": [0.3, None], "numb_fparam": 1}
    config = with_table(descriptor, fitting)
    gradients = check(LossOfParameters(config, SYSTEMS["triclinic"], LOSSES[terms], tensors_of(config)))
    cancels = ("fitting/net_0/layer_3/bias", "fitting/net/layer_3/bias")
    assert_nonzero(gradients, [k for k in gradients if k not in cancels])


@EXACT
def test_gradients_with_several_frames_and_fewer_slots_than_neighbours():
    system = random_system([0, 1, 1, 0, 1, 1, 0], None, n_frames=2, seed=7, sel=SMALL_SEL, spread=2.6)
    config = with_table(sel=list(SMALL_SEL))
    check(LossOfParameters(config, system, LOSSES["all"], tensors_of(config)))


@EXACT
def test_gradients_do_not_depend_on_the_number_of_tiles():
    """Many atoms, several tiles of a type, several workers: the sum of the gradients of single frames."""
    config, system = with_table(), grid_system(n_frames=2)
    loss = LossOfParameters(config, system, LOSSES["f"], tensors_of(config))
    both = loss.gradients()
    single = []
    for frame in range(2):
        part = {k: v[frame : frame + 1] if k in ("coord", "box", "energy", "force", "virial", "atom_ener", "atom_pref")
                else v for k, v in loss.batch.items()}  # fmt: skip
        single.append(core.Trainer(model(config, loss.tensors), loss.loss).gradients(part, 2.0**-10, 2.0**-9))
    for name, value in both.items():
        assert_close(value, (single[0][name] + single[1][name]) / 2, "rounding", name)


def test_an_atom_below_the_switch_has_the_energy_of_the_table_alone():
    system = random_system([0, 1], None, seed=1, spread=2.0).moved(coord=np.array([[0, 0, 0, 0.55, 0, 0.0]]))
    for add_bias in (True, False):
        config = with_table() | {"srtab_add_bias": add_bias, "sw_rmin": 0.6}
        tensors = tensors_of(config)
        value, _ = short_range.table_value(tensors, 0, 1, 0.55)
        bias = tensors["fitting/bias_atom_e"].sum() if add_bias else 0.0
        found = evaluate(model(config, tensors), system)
        assert_close(found["energy"], np.array([value + bias]), "rounding")


def test_without_close_atoms_the_net_is_left_as_it_is():
    config = with_table() | {"sw_rmin": 0.1, "sw_rmax": 0.5}
    tensors = tensors_of(config)
    without = {k: v for k, v in tensors.items() if not k.startswith("short_range/")}
    for system in SYSTEMS.values():
        found = evaluate(model(config, tensors), system, atomic=True)
        expected = evaluate(model(net_of(config), without), system, atomic=True)
        assert all(np.array_equal(found[key], value) for key, value in expected.items())


def test_float32_nets_under_a_table_of_doubles():
    double, single = (with_table(fitting={"precision": p}, precision=p) for p in ("float64", "float32"))
    tensors = tensors_of(double)
    rounded = {k: v.astype(np.float32) if "net_" in k else v for k, v in tensors.items()}
    system = SYSTEMS["triclinic"]
    found, expected = evaluate(model(single, rounded), system), evaluate(model(double, tensors), system)
    assert_agree(found, expected, "float32")


def test_the_energy_is_smooth_for_a_tiny_alpha():
    """Exponentials of r/alpha underflow; the soft minimum becomes the nearest distance."""
    config = with_table() | {"smin_alpha": 1e-4}
    tensors = tensors_of(config)
    found = evaluate(model(config, tensors), SYSTEMS["not periodic"])
    assert np.all(np.isfinite(found["energy"])) and np.all(np.isfinite(found["force"]))
    potential = model(config, tensors)
    expected = force_by_differences(potential, SYSTEMS["not periodic"])
    assert_close(found["force"][0], expected, "force", "force", difference_noise(10.0))


# ---- refusals ------------------------------------------------------------------------------


def test_atoms_nearer_than_the_table_are_named():
    config = with_table()
    potential = model(config, tensors_of(config))
    system = random_system([0, 1, 1], None, n_frames=2, seed=1, spread=2.0)
    coord = np.tile([0.0, 0, 0, 2.0, 2, 2, 2.0, 2, 2.3], (2, 1))
    coord[0, 8] = 3.0
    with pytest.raises(
        core.Error, match=r"frame 1: atoms [12] and [12] are nearer than 0\.5 A, where the short-"
    ):
        evaluate(potential, system.moved(coord=coord))


@pytest.mark.parametrize(
    "change, text",
    [
        ({"smin_alpha": 0.0}, "model/smin_alpha: expected a distance > 0"),
        ({"sw_rmax": 0.4}, "model/sw_rmax: expected 0 <= sw_rmin < sw_rmax"),
        ({"sw_rmin": None}, "model/sw_rmin: this key is missing"),
        ({"sw_rmin": "near"}, "model/sw_rmin: value of the wrong kind"),
    ],
)
def test_wrong_keys_are_refused(change, text):
    config = with_table()
    tensors = tensors_of(config)
    with pytest.raises(core.Error, match=text):
        model(config | change, tensors)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"short_range/tab_info": None}, "tensor 'short_range/tab_info' is missing"),
        ({"short_range/tab_info": np.array([0.5, 0.0, 10, 2])}, "must be the first distance"),
        ({"short_range/tab_info": np.array([0.5, 0.1, 10, 3])}, "number of types of the model"),
        ({"short_range/tab_info": np.array([0.5, 0.1, 10, 2])}, "the model's config asks for \\[160\\]"),
        ({"short_range/tab_data": np.full(40000, np.nan)}, "holds a number that is not finite"),
    ],
)
def test_damaged_tables_are_refused(change, text):
    config = with_table()
    tensors = {k: v for k, v in {**tensors_of(config), **change}.items() if v is not None}
    with pytest.raises(core.Error, match=text):
        model(config, tensors)


def test_a_table_without_the_key_is_refused():
    config = make_config()
    tensors = tensors_of(config)
    with pytest.raises(core.Error, match="does not belong to a model with this config"):
        model(config, tensors)


def test_tensors_have_no_table():
    config = with_table()
    config["fitting_net"] = make_tensor_config("dipole", [0])["fitting_net"]
    with pytest.raises(core.Error, match="use_srtab: a short-range table is one of energies"):
        core.Model.create(json.dumps(config), {})


# ---- beside loc_frame, whose slots and cut-off the table takes ------------------------------------


@EXACT
def test_beside_loc_frame():
    config = local_config() | SHORT_RANGE
    tensors = tensors_of(config)
    found = evaluate(model(config, tensors), LOCAL, atomic=True)
    assert_agree(found, evaluate_oracle(config, tensors, LOCAL), "oracle")
    inside = switches(config, tensors, LOCAL)
    assert np.any((inside > 0.01) & (inside < 0.99))
    assert_nonzero(check(LossOfParameters(config, LOCAL, LOSSES["all"], tensors)))
