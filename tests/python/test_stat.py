# SPDX-License-Identifier: LGPL-3.0-or-later
"""Statistics before training, against numpy and against what DeePMD-kit 3.2.0 took from the same data."""

import logging

import numpy as np
import pytest
from dpcore.config import core_config, normalize
from dpcore.data import DataCollection, make_rng
from dpcore.errors import InputError
from dpcore.stat import compute_statistics, energy_bias, neighbor_statistics, resolve_sel
from make_input import changed
from make_system import SHARED, make_system
from training_case import open_reference

# ---- energy of an atom of each type --------------------------------------------------------------


def test_energies_of_atoms_from_systems_of_different_composition():
    counts = np.array([[2, 1, 0], [1, 4, 1], [0, 2, 3], [5, 0, 1]])
    true = np.array([-3.0, 7.0, 0.5])
    np.testing.assert_allclose(energy_bias(counts @ true, counts), true, rtol=1e-12)


def test_one_composition_gives_the_solution_of_least_norm():
    bias = energy_bias(np.array([-29942.3]), np.array([[64, 128]]))
    np.testing.assert_allclose(bias, -29942.3 * np.array([64, 128]) / (64**2 + 128**2), rtol=1e-12)


def test_small_singular_values_are_cut():
    counts = np.array([[1000.0, 1000.0], [1000.0, 1000.1]])
    energies = counts @ np.array([1.0, 2.0])
    np.testing.assert_allclose(energy_bias(energies, counts, rcond=1e-12), [1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(energy_bias(energies, counts, rcond=1e-3), [1.5, 1.5], rtol=1e-3)


def test_given_energies_are_kept_and_the_rest_is_fitted():
    counts = np.array([[64, 128], [32, 10]])
    energies = counts @ np.array([-90.0, 4.0])
    np.testing.assert_allclose(energy_bias(energies, counts, atom_ener=[-90.0, None]), [-90.0, 4.0])
    given = energy_bias(energies, counts, atom_ener=[-1.0, 2.0])
    assert given.tolist() == [-1.0, 2.0]
    assert energy_bias(energies, counts, atom_ener=[None, None]).tolist() == pytest.approx([-90.0, 4.0])


def test_without_energies_there_is_no_bias():
    assert energy_bias(np.empty(0), np.empty((0, 2))).tolist() == [0.0, 0.0]


# ---- neighbour slots -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sel", "expected"),
    [("auto", [44, 80, 0]), ("auto:1.0", [40, 72, 0]), ("auto:1.5", [60, 108, 0]), ([1, 2, 3], [1, 2, 3])],
)
def test_slots(sel, expected):
    assert resolve_sel(sel, [38, 72, 0]) == expected


def test_too_few_slots_are_met_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING, "dpcore"):
        resolve_sel([37, 0, 5], [38, 72, 5])
    assert [r.getMessage() for r in caplog.records] == [
        "sel of type 0 is not enough! The expected value is not less than 38, but you set it to 37. "
        "The accuracy of your model may get worse."
    ]


def test_no_neighbours_give_no_automatic_slots():
    with pytest.raises(InputError, match="no slots") as caught:
        resolve_sel("auto", [0, 0])
    assert caught.value.where == "model/descriptor/sel"


# ---- with the core -------------------------------------------------------------------------------


@pytest.fixture
def core():
    return pytest.importorskip("dpcore._core", reason="the compiled core is not built")


# mean and spread (radial, angular) per centre type, energy per type; of the reference's own models
REFERENCE = {
    "se_e2_a": (
        [0.05030312204207138, 0.048078420724345185],
        [(0.13980021223266767, 0.08577907704793863), (0.12382246847354403, 0.07668865610539904)],
        [-93.57366923014338, -187.14733846028653],
    ),
    "se_e2_a_davg0_atomener": (
        [0.0, 0.0],
        [(0.13980021223266767, 0.08577907704793863), (0.12382246847354403, 0.07668865610539904)],
        [-93.57, -93.57],
    ),
    "fparam": (
        [0.04049212670731891],
        [(0.07144719199478533, 0.04741418061164573)],
        [-3.249585766262478],
    ),
    "nopbc": (
        [0.08567927516107186, 0.06207464136759458, 0.05282032214544868],
        [
            (0.23163609614236494, 0.1425746433017812),
            (0.19682928254107, 0.11915450001475689),
            (0.17767310460740182, 0.10699230752045202),
        ],
        [-1468.583166173986, -101.16300042229727, -1654.2397402871625],
    ),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_statistics_are_those_of_the_reference(core, name, monkeypatch):
    model, data = open_reference(name, monkeypatch)
    got = compute_statistics(model, core_config(model), data)
    mean, spread, bias = REFERENCE[name]
    davg = np.zeros((len(mean), 4))
    davg[:, 0] = mean
    dstd = np.array([[radial, angular, angular, angular] for radial, angular in spread])
    np.testing.assert_allclose(got.environment["descriptor/davg"], davg, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(got.environment["descriptor/dstd"], dstd, rtol=1e-12)
    np.testing.assert_allclose(got.bias_atom_e, bias, rtol=1e-12)
    expected = {"descriptor/davg", "descriptor/dstd", "fitting/bias_atom_e"}
    if name == "fparam":
        expected |= {"fitting/fparam_avg", "fitting/fparam_istd"}
        np.testing.assert_allclose(got.fparam_avg, [0.473953828215599], rtol=1e-12)
        np.testing.assert_allclose(got.fparam_istd, [4.641802480248834], rtol=1e-12)
    assert set(got.tensors()) == expected


@pytest.mark.parametrize("name", ["se_e2_r", "hybrid"])
def test_statistics_of_other_descriptors_are_those_of_the_reference(core, name, monkeypatch):
    """Those stored in the frozen graph, which the reference took from the same frames."""
    pytest.importorskip("google.protobuf")
    from dpcore.convert import read_tensorflow_graph

    model, data = open_reference(name, monkeypatch)
    got = compute_statistics(model, core_config(model), data)
    _, expected = read_tensorflow_graph(SHARED / "reference" / name / "graph.pb")
    assert len(got.environment) == {"se_e2_r": 2, "hybrid": 4}[name]
    for key, value in got.environment.items():
        assert value.shape == expected[key].shape
        np.testing.assert_allclose(value, expected[key], rtol=1e-12, atol=1e-15, err_msg=key)


def test_atomic_parameters_are_measured_over_atoms(core, monkeypatch):
    model, data = open_reference("aparam", monkeypatch)
    got = compute_statistics(model, core_config(model), data)
    np.testing.assert_allclose(got.aparam_avg, [0.473953828215599], rtol=1e-12)
    np.testing.assert_allclose(got.aparam_istd, [4.641802480248834], rtol=1e-12)
    assert got.fparam_avg is None


def test_parameters_that_hardly_vary_are_not_blown_up(core, tmp_path):
    make_system(tmp_path, keys=("coord", "box", "energy", "fparam", "aparam"))
    folder = tmp_path / "set.000"
    np.save(folder / "fparam.npy", np.array([[3.0, 0.0], [3.0, 1.0], [3.0, 0.0], [3.0, 1.0]]))
    config = normalize(
        changed({"model/fitting_net": {"numb_fparam": 2, "numb_aparam": 3}, "model/data_stat_nbatch": 2})
    )
    section = {"systems": [str(tmp_path)], "batch_size": 2}
    data = DataCollection(section, make_rng(1), ["O", "H"], numb_fparam=2, numb_aparam=3)
    got = compute_statistics(config["model"], core_config(config["model"]), data)
    np.testing.assert_allclose(got.fparam_avg, [3.0, 0.5])
    np.testing.assert_allclose(got.fparam_istd, [100.0, 2.0])
    rows = np.load(folder / "aparam.npy").reshape(-1, 3)
    np.testing.assert_allclose(got.aparam_avg, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(got.aparam_istd, 1.0 / rows.std(axis=0), rtol=1e-12)


def test_systems_without_energies_do_not_count_for_the_bias(core, tmp_path):
    make_system(tmp_path / "a", sizes=(1,))
    make_system(tmp_path / "b", sizes=(1,), types=(0, 0, 1), keys=("coord", "box", "force"))
    np.save(tmp_path / "a" / "set.000" / "energy.npy", np.array([10.0]))
    model = normalize(changed({}))["model"]
    section = {"systems": [str(tmp_path / "a"), str(tmp_path / "b")], "batch_size": 1}
    data = DataCollection(section, make_rng(1), ["O", "H"])
    got = compute_statistics(model, core_config(model), data)
    np.testing.assert_allclose(got.bias_atom_e, [2.0, 4.0], rtol=1e-12)


def test_neighbours_are_those_of_the_reference(core, monkeypatch):
    model, data = open_reference("fparam", monkeypatch)
    got = neighbor_statistics(data, model["descriptor"]["rcut"], 1)
    assert got.min_nbor_dist == pytest.approx(2.353743796396622, rel=1e-12)
    assert got.max_nbor_size == [56]


def test_no_neighbours_at_all(core, tmp_path, caplog):
    make_system(tmp_path, types=(0,), names=("O",), pbc=False)
    data = DataCollection({"systems": [str(tmp_path)]}, make_rng(1), ["O", "H"])
    with caplog.at_level(logging.WARNING, "dpcore"):
        got = neighbor_statistics(data, 6.0, 2)
    assert got.min_nbor_dist is None and got.max_nbor_size == [0, 0]
    assert "no atom" in caplog.text


@pytest.mark.parametrize("pbc", [True, False])
def test_atoms_on_top_of_each_other_are_named(core, tmp_path, pbc):
    (arrays,) = make_system(tmp_path, sizes=(5,), types=(0, 1, 1, 0), pbc=pbc)
    coord = arrays["coord"].reshape(5, 4, 3)
    coord[3, 2] = coord[3, 0]
    if pbc:
        coord[3, 2] += np.array([8.0, -8.5, 0.0])  # the same place, one cell further
    np.save(tmp_path / "set.000" / "coord.npy", coord.reshape(5, -1))
    data = DataCollection({"systems": [str(tmp_path)]}, make_rng(1), ["O", "H"])
    with pytest.raises(InputError, match="atoms 0 and 2 of frame 3") as caught:
        neighbor_statistics(data, 6.0, 2)
    assert caught.value.where == str(tmp_path / "set.000")


def test_the_search_for_neighbours_checks_every_label(core, tmp_path):
    make_system(tmp_path, sizes=(2, 2))
    force = np.zeros((2, 9))
    force[1, 4] = np.nan
    np.save(tmp_path / "set.001" / "force.npy", force)
    data = DataCollection({"systems": [str(tmp_path)]}, make_rng(1), ["O", "H"])
    with pytest.raises(InputError, match="NaN in frame 1, atom 1") as caught:
        neighbor_statistics(data, 6.0, 2)
    assert caught.value.where.endswith("set.001/force.npy")
