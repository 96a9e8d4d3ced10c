# SPDX-License-Identifier: LGPL-3.0-or-later
"""DP_DipoleChargeModifier through ctypes, and the C++ class: the chain rule of DPLR against differences of DeepDipole."""

from __future__ import annotations

import ctypes
import re

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from c_library import BOX, COORD, LIBRARY, TYPE, Ghosts, Handle, Library, N
from dpcore.infer import DeepDipole
from make_model import write_dplr_model, write_model, write_tensor_model

from core.test_cpp_api import COMPILER, ROOT, compile_program, output_of

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="libdpcore is not a shared library")

STEP = 1e-4  # A, or of strain; differences of fourth order: errors of some 1e-10


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    ener = write_model(folder / "ener.dp")
    out = {"ener": ener}
    for name, selected in (("oxygen", [0]), ("hydrogen", [1]), ("both", [0, 1])):
        out[name] = write_tensor_model(folder / f"{name}.dp", "dipole", selected)
    out["dplr"] = write_dplr_model(folder / "dplr.dp", ener, out["oxygen"])
    out["polar"] = write_tensor_model(folder / "polar.dp", "polar")
    return {k: str(v) for k, v in out.items()}


@pytest.fixture(scope="module")
def dp():
    library = Library()
    library.lib.DP_DipoleChargeModifierGetSelTypes.restype = ctypes.POINTER(ctypes.c_int)
    return library


class Sites(Ghosts):
    """Ghosts with a centroid, and one other atom that the model does not see, behind the local atoms."""

    def __init__(self, dp, selected):
        super().__init__(dp)
        hosts = np.flatnonzero(np.isin(TYPE, selected))
        extra = len(hosts) + 1
        self.pairs = np.array([[h, N + k] for k, h in enumerate(hosts)], dtype=np.intc)
        self.n_local, self.n = N + extra, self.n + extra
        insert = np.concatenate([self.coord[hosts] + 0.3, [[1.0, 2.0, 4.0]]])
        self.coord = np.concatenate([self.coord[:N], insert, self.coord[N:]])
        self.type = np.concatenate([TYPE, [2] * extra, self.type[N:]]).astype(np.intc)
        self.owner = np.concatenate([np.arange(self.n_local), self.owner[N:]])
        for row in self.rows:
            row[row >= N] += extra
        # centroids are neighbours of all, as in LAMMPS
        self.rows = [np.append(row, range(N, N + extra)).astype(np.intc) for row in self.rows]
        self.numneigh[:] = [len(self.rows[i]) for i in self.ilist]
        self.first = (ctypes.c_void_p * N)(*(self.rows[i].ctypes.data for i in self.ilist))
        dp.DeleteNlist(self.list)
        self.list = dp.NewNlist(N, self.ilist, self.numneigh, self.first)
        self.delef = np.random.RandomState(4).uniform(-1, 1, (self.n_local, 3))

    def arguments(self, dtype=np.float64):
        return (
            self.n, self.coord.astype(dtype), self.type, None, self.pairs, len(self.pairs),
            self.delef.astype(dtype), self.n - self.n_local, self.list,
        )  # fmt: skip


def chain(dipole, coord, box, types, pull):
    """Forces and virial of the energy -sum_n g_n . mu_n(R) by differences of DeepDipole; pull: g [n, 3]."""
    model = DeepDipole(dipole)

    def energy(x, cell):
        mu = model.eval(x.reshape(1, -1), None if cell is None else cell.reshape(1, 9), types, atomic=True)
        return -np.sum(pull * mu[0])

    def slope(at):
        return (8 * (at(STEP) - at(-STEP)) - (at(2 * STEP) - at(-2 * STEP))) / (12 * STEP)

    x = np.asarray(coord, float).reshape(-1, 3)
    force, virial = np.zeros_like(x), np.zeros((3, 3))
    for i, d in np.ndindex(x.shape):
        unit = np.zeros_like(x)
        unit[i, d] = 1
        force[i, d] = -slope(lambda t, u=unit: energy(x + t * u, box))
    for a, b in np.ndindex(3, 3):
        strain = np.zeros((3, 3))
        strain[a, b] = 1
        cell = None if box is None else box.reshape(3, 3)
        virial[a, b] = -slope(
            lambda t, s=strain, c=cell: energy(x + t * x @ s.T, None if c is None else c + t * c @ s.T)
        )
    return force, virial


@pytest.mark.parametrize("name, selected", [("oxygen", [0]), ("hydrogen", [1]), ("both", [0, 1])])
def test_forces_are_those_of_the_chain_rule(dp, files, name, selected):
    sites = Sites(dp, selected)
    modifier = Handle(dp, "DipoleChargeModifier", dp.NewDipoleChargeModifier(files[name]))
    force, virial = np.full((sites.n, 3), np.nan), np.full(9, np.nan)
    assert modifier.ComputeNList(*sites.arguments(), force, virial) == 0, modifier.message()
    found = np.zeros((sites.n_local, 3))
    np.add.at(found, sites.owner, force)

    pull = np.zeros((N, 3))
    pull[sites.pairs[:, 0]] = sites.delef[sites.pairs[:, 1]]
    moved, strained = chain(files[name], COORD, BOX, TYPE, pull)
    assert np.abs(moved).max() > 1e-3 and np.abs(strained).max() > 1e-3
    np.testing.assert_allclose(found[:N], sites.delef[:N] + pull + moved, rtol=0, atol=1e-8)
    np.testing.assert_allclose(virial.reshape(3, 3), strained, rtol=0, atol=1e-8)
    assert not found[N:-1].any()
    np.testing.assert_array_equal(found[-1], sites.delef[-1])  # neither atom of the model nor centroid
    np.testing.assert_allclose(force.sum(0), sites.delef.sum(0), rtol=0, atol=1e-12)

    single = np.full((sites.n, 3), np.nan, np.float32), np.full(9, np.nan, np.float32)
    assert modifier.ComputeNListf(*sites.arguments(np.float32), *single) == 0
    np.testing.assert_allclose(single[0], force, rtol=0, atol=1e-5)
    np.testing.assert_allclose(single[1], virial, rtol=0, atol=1e-5)


def test_the_file_is_the_energy_model_or_its_dipole_model(dp, files):
    sites, results = Sites(dp, [0]), []
    for modifier in (
        Handle(dp, "DipoleChargeModifier", dp.NewDipoleChargeModifier(files["oxygen"])),
        Handle(
            dp, "DipoleChargeModifier", dp.NewDipoleChargeModifierWithParam(files["dplr"], 0, "dipole_charge")
        ),
    ):
        assert modifier.message() == "" and modifier.GetCutoff() == 4.0 and modifier.GetNumbTypes() == 2
        assert modifier.GetNumbSelTypes() == 1 and modifier.GetSelTypes()[0] == 0
        force = np.full((sites.n, 3), np.nan)
        assert modifier.ComputeNList(*sites.arguments(), force, None) == 0
        results.append(force)
    np.testing.assert_array_equal(*results)


def test_errors(dp, files):
    broken = Handle(dp, "DipoleChargeModifier", dp.NewDipoleChargeModifier(files["ener"]))
    assert "without the modifier dipole_charge" in broken.message() and "ener.dp" in broken.message()
    assert broken.GetCutoff() == 0.0 and broken.GetNumbSelTypes() == 0
    assert (
        "kind polar"
        in Handle(dp, "DipoleChargeModifier", dp.NewDipoleChargeModifier(files["polar"])).message()
    )
    assert "none.dp" in Handle(dp, "DipoleChargeModifier", dp.NewDipoleChargeModifier("none.dp")).message()

    modifier, sites = (
        Handle(dp, "DipoleChargeModifier", dp.NewDipoleChargeModifier(files["oxygen"])),
        Sites(dp, [0]),
    )
    first, second = sites.pairs

    def fails(expected, **changes):
        names = ("n", "coord", "type", "cell", "pairs", "npairs", "delef", "nghost", "list")
        args = {**dict(zip(names, sites.arguments())), **changes}
        assert modifier.ComputeNList(*args.values(), None, None) == 1
        assert expected in modifier.message(), modifier.message()

    def pairs(*rows):
        return np.array(rows, dtype=np.intc)

    fails("pair 1 has atom 99", pairs=pairs(first, [second[0], 99]))
    fails("atom 1 has a site, but its type", pairs=pairs(first, [1, second[1]]))
    fails("atom 4 is a site, but the dipole model takes it for an atom", pairs=pairs(first, [second[0], 4]))
    fails(f"atom {first[1]} is in two", pairs=pairs(first, [second[0], first[1]]))
    fails(
        "delef: frame 0, value 2 is not finite", delef=np.where(np.arange(sites.delef.size) == 2, np.nan, 0.0)
    )
    for name in ("coord", "type", "pairs", "delef", "list"):
        fails("null" if name == "pairs" else "NULL", **{name: None})
    assert modifier.ComputeNList(*sites.arguments(), None, None) == 0 and modifier.message() == ""
    assert dp.DipoleChargeModifierComputeNList(None, *sites.arguments(), None, None) == 1


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")
def test_the_cpp_class(files, tmp_path):
    program = tmp_path / "check_modifier"
    compile_program(ROOT / "tests/cpp/check_modifier.cpp", program)
    out = output_of(program, files["dplr"], files["ener"])
    found = {
        name: np.array(re.search(rf"^{name} (.*)", out, re.M)[1].split(), float)
        for name in ("force", "virial")
    }
    coord, delef = (np.array(re.search(rf"^{name} (.*)", out, re.M)[1].split(), float).reshape(-1, 3)
                    for name in ("coord", "delef"))  # fmt: skip
    pull = np.zeros((4, 3))
    pull[[0, 3]] = delef[[5, 4]]
    moved, strained = chain(files["oxygen"], coord[:4], None, [0, 1, 1, 0], pull)
    expected = np.concatenate([delef[:4] + pull + moved, np.zeros((2, 3))])
    np.testing.assert_allclose(found["force"].reshape(-1, 3), expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found["virial"].reshape(3, 3), strained, rtol=0, atol=1e-8)
    worst = float(re.search(r"single (\S+)", out)[1])
    assert worst < 1e-5
    assert "rcut 4 types 2 selected 1 refused 7" in out


def test_a_model_with_modifier_has_no_energies_of_atoms(dp, files):
    """Those of the net alone would not add up to the energy."""
    pot = Handle(dp, "DeepPot", dp.NewDeepPot(files["dplr"]))
    energy, of_atoms = np.full(1, np.nan), np.full(N, np.nan)
    assert pot.Compute(N, COORD, TYPE, BOX, energy, None, None, None, None) == 0 and np.isfinite(energy).all()
    assert pot.Compute(N, COORD, TYPE, BOX, energy, None, None, of_atoms, None) == 1
    assert "does not divide into atoms" in pot.message() and np.isnan(of_atoms).all()
