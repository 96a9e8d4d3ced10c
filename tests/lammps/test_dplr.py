# SPDX-License-Identifier: LGPL-3.0-or-later
"""fix dplr and kspace_style pppm/dplr: energies, forces and virials are those of the model with its modifier."""

from __future__ import annotations

import numpy as np
import pytest
from dpcore.infer import DeepDipole
from dplr_system import (
    BETA,
    CHARGES,
    MEASURE,
    displacements,
    measure,
    predict,
    script,
    write_data,
    write_models,
)
from run_lammps import lammps, make_box, read_dump

# the mesh is good to some 1e-7 of the largest force, LAMMPS' Coulomb constant to 2e-8
MESH = {"energy": 5e-6, "force": 2e-6, "virial": 1e-5}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def box(tmp_path):
    box = make_box(tilt=False)
    write_data(tmp_path / "box.data", box)
    return box


def assert_model(found, model, box):
    energy, force, virial = predict(model, box)
    n = len(box.types)
    assert np.abs(force).max() > 1 and np.abs(virial).max() > 1
    assert abs(found[0] - energy) <= MESH["energy"]
    np.testing.assert_allclose(found[1][:n], force, rtol=0, atol=MESH["force"])
    np.testing.assert_allclose(found[2], virial, rtol=0, atol=MESH["virial"])
    assert not found[1][n:].any()
    mu = displacements(model.parent / "dipole.dp", box)
    apart = (found[3][n:, 2:5] - box.coord[box.types == 0] - mu) @ np.linalg.inv(box.cell)
    np.testing.assert_allclose(apart, np.round(apart), rtol=0, atol=1e-12)


@pytest.mark.parametrize("tilt, diff", [(True, "ik"), (False, "ik"), (False, "ad")])
def test_one_evaluation(tmp_path, models, tilt, diff):
    box = make_box(tilt=tilt)
    write_data(tmp_path / "box.data", box)
    found = measure(tmp_path, script(models, f"diff {diff}"))
    assert_model(found, models, box)
    assert "long-range energy is not part of" not in found[-1].text
    assert "neigh_modify exclude takes pairs" not in found[-1].text


@pytest.mark.parametrize("newton", ["", "newton on off"])
def test_centroids_may_lie_on_other_processes(tmp_path, models, newton):
    """As after write_data: where the model put them, beyond borders of processes and of the cell."""
    box = make_box(tilt=False)
    hosts = box.coord[box.types == 0]
    moved = hosts + np.random.RandomState(2).uniform(-1.5, 1.5, hosts.shape)
    write_data(tmp_path / "box.data", box, moved % np.diag(box.cell))
    text = script(models, newton=newton)
    assert_model(measure(tmp_path, text, ranks=4), models, box)


def test_dynamics(tmp_path, models, box):
    """Energy is conserved over rebuilt lists, two processes give the trajectory of one, and a run goes on from what
    it wrote."""
    text = script(models) + MEASURE + "group atoms type 1 2\n"
    text += "thermo_style custom step pe etotal\nthermo_modify format float %.17g\nvelocity atoms create 600 4711 loop geom\nfix 1 atoms nve\ntimestep 0.0002\n"
    results = []
    balance = "fix 2 all balance 20 0.9 shift x 5 1.01\n"
    for ranks in (1, 2):
        run = "thermo 5\nrun 100\nwrite_data end.data nocoeff\nwrite_restart end.restart\nrun 0\n"
        out = lammps(tmp_path, text + balance * (ranks - 1) + run, ranks)
        rows = out.thermo(0)
        assert np.ptp(rows["TotEng"]) < 0.02 * np.ptp(rows["PotEng"])
        results.append((rows["TotEng"], read_dump(tmp_path / "atoms.dump")))
        np.testing.assert_allclose(out.thermo(1)["PotEng"][0], rows["PotEng"][-1], rtol=0, atol=1e-6)
    builds = int(out.text.split("Neighbor list builds = ")[1].split()[0])
    assert builds >= 1
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=0, atol=1e-5)
    last = box._replace(coord=results[1][1][: len(box.types), 2:5])
    for command in ("read_data end.data", "read_restart end.restart"):
        energy = measure(tmp_path, script(models).replace("read_data box.data", command), ranks=2)[0]
        assert abs(energy - predict(models, last)[0]) < MESH["energy"]


def test_minimize(tmp_path, models, box):
    text = script(models) + MEASURE + "thermo 1\nmin_style cg\nminimize 0 0 4 20\n"
    out = lammps(tmp_path, text)
    energies = out.thermo()["PotEng"]
    assert energies[-1] < energies[0] - 0.1
    atoms = read_dump(tmp_path / "atoms.dump")
    last = box._replace(coord=atoms[: len(box.types), 2:5])
    energy, force, _ = predict(models, last)
    assert abs(energies[-1] - energy) < MESH["energy"]
    np.testing.assert_allclose(atoms[: len(box.types), 5:8], force, rtol=0, atol=MESH["force"])


@pytest.mark.parametrize("kspace", ["diff ik", None])
def test_electric_field(tmp_path, models, box, kspace):
    field = np.array([0.3, -0.2, 0.1])
    words = "efield 0.3 v_ey 0.1"
    text = "variable ey equal -0.2*1\n" + script(models, kspace, words) + "fix_modify 0 energy yes\n"
    text += "thermo_style custom step f_0 f_0[1] f_0[2] f_0[3]\nthermo_modify format float %.17g\nrun 0\n"
    found = measure(tmp_path, text, ranks=2)
    row = found[-1].thermo(0)
    hosts = box.types == 0
    dipole = models.parent / "dipole.dp"
    charge = np.array(CHARGES)
    mu, slope = (a[0] for a in DeepDipole(dipole).eval_full(box.coord[None], box.cell[None], box.types)[:2])
    of_sites = charge[2] * (box.coord[hosts].sum(0) + mu)
    energy = -field @ (charge[box.types] @ box.coord + of_sites)
    force = (charge[box.types] + charge[2] * hosts)[:, None] * field
    force = force - charge[2] * np.einsum("c,cnd->nd", field, slope)
    net = predict(models if kspace else models.parent / "plain.dp", box)
    assert abs(row["f_0"][0] - energy) <= 1e-9
    total = [row[f"f_0[{k}]"][0] for k in (1, 2, 3)]
    np.testing.assert_allclose(total, field * (charge[box.types].sum() + charge[2] * hosts.sum()), atol=1e-9)
    assert abs(found[0] - net[0] - energy) <= MESH["energy"]
    np.testing.assert_allclose(found[1][: len(force)], net[1] + force, rtol=0, atol=MESH["force"])
    assert ("only the field acts" in found[-1].text) == (kspace is None)


def test_other_units(tmp_path, models):
    """Energies in kcal/mol, with LAMMPS' Coulomb constant of these units."""
    box = make_box(tilt=False)
    energy, force, _ = predict(models, box)
    write_data(tmp_path / "box.data", box)
    found = measure(tmp_path, script(models, units="real"))
    kcal = 23.060549
    np.testing.assert_allclose(found[0] / kcal, energy, rtol=2e-6)
    np.testing.assert_allclose(found[1][: len(force)] / kcal, force, rtol=0, atol=1e-5)


def test_two_pair_styles(tmp_path, models, box):
    pair = (
        f"pair_style hybrid/overlay deepmd {models} deepmd {models.parent / 'plain.dp'}\n"
        "pair_coeff * * deepmd 1 O H NULL\npair_coeff * * deepmd 2 O H NULL\n"
    )
    found = measure(tmp_path, script(models, pair=pair, fix="pair_deepmd_index 1"))
    energy, force, _ = predict(models, box)
    plain = predict(models.parent / "plain.dp", box)
    assert abs(found[0] - energy - plain[0]) <= MESH["energy"]
    np.testing.assert_allclose(found[1][: len(force)], force + plain[1], rtol=0, atol=2 * MESH["force"])
    out = lammps(tmp_path, script(models, pair=pair) + "run 0\n", check=False)
    assert "there is no pair_style deepmd, or there are several" in out.errors


def test_energies_of_atoms_add_up(tmp_path, models, box):
    text = script(models) + "compute a all pe/atom\ncompute s all reduce sum c_a\n"
    text += "thermo_style custom step pe c_s\nthermo_modify format float %.17g\nrun 0\n"
    row = lammps(tmp_path, text, ranks=2).thermo()
    np.testing.assert_allclose(row["c_s"], row["PotEng"], rtol=0, atol=1e-9)


def test_warnings(tmp_path, models, box):
    """Parameters that are not those of training."""
    text = script(models, beta=0.5) + "set atom 2 charge 1.1\nset atom 50 charge -7\nrun 0\n"
    out = lammps(tmp_path, text)
    assert "gewald 0.500000/A, but the model was trained with ewald_beta 0.400000/A" in out.text
    assert out.text.count("has charge") == 1
    assert "atom 2 (ID) of type 2 has charge 1.100000, but the model was trained with 1.000000" in out.text
    out = lammps(tmp_path, script(models) + "run 0\n", ranks=2)
    assert "has charge" not in out.text and "was trained" not in out.text


WRONG = {
    "no such file": (("model {m}", "model none.dp"), "none.dp: No such file"),
    "no dipole model": (("model {m}", "model {p}"), "without the modifier dipole_charge"),
    "keyword": (("bond_type 1", "bond_type 1 colour red"), "expected a number from 1 to 1, got 'colour'"),
    "no bond type": (("bond_type 1", ""), "bond_type is missing; expected fix ID all dplr model FILE"),
    "odd types": (("type_associate 1 3", "type_associate 1"), "expected pairs of an atom type"),
    "type of no centroid": (("type_associate 1 3", "type_associate 1 3 2 3"), "gives none for H"),
    "centroid that is an atom": (("type_associate 1 3", "type_associate 1 2"), "is that of centroids, but pair_coeff"),
    "field": (("bond_type 1", "bond_type 1 efield 0 0"), "efield: expected three values, got 2"),
    "variable": (("bond_type 1", "bond_type 1 efield 0 0 v_x"), "efield v_x: there is no such variable"),
    "atom style": (("atom_style full\n", "atom_style charge\natom_modify map yes\n"), "use atom_style full"),
    "units": (("units metal", "units lj"), "units lj"),
    "newton": (("units metal", "units metal\nnewton off"), "newton on"),
    "no kspace style": (("kspace_style pppm/dplr 1e-5", "#"), "there is no kspace_style pppm/dplr"),
    "another kspace style": (("kspace_style pppm/dplr", "kspace_style pppm"), "use kspace_style pppm/dplr"),
    "no pair style": (("pair_style deepmd {m}\npair_coeff * *", "pair_style coul/long 6\npair_coeff * *"),
                      "there is no pair_style deepmd"),
    "no fix": (("fix 0 all dplr", "#"), "there is none: no atom would feel them"),
    "two fixes": (("fix_modify 0 virial yes", "fix 9 all dplr model {m} type_associate 1 3 bond_type 1"),
                  "there are two of them"),
    "respa": (("fix_modify 0 virial yes", "run_style respa 2 2"), "use run_style verlet"),
    "stress of atoms": (("fix_modify 0 virial yes", "compute s all stress/atom NULL\n"
                         "compute x all reduce sum c_s[1]\nthermo_style custom step c_x"), "does not divide into atoms"),
    "accuracy": (("pppm/dplr 1e-5", "pppm/dplr"), "expected the relative accuracy"),
    "triclinic with ad": (("diff ik", "diff ad"), "triclinic"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(tmp_path, models, name):
    write_data(tmp_path / "box.data", make_box(tilt=name.startswith("triclinic")))
    (old, new), expected = WRONG[name]
    files = {"m": models, "p": models.parent / "plain.dp"}
    text, old = script(models), old.format(**files)
    assert old in text
    text = text.replace(old, new.format(**files))
    if name == "no kspace style":
        text = text.replace("kspace_modify", "#")
    if name == "atom style":
        make_box().write(tmp_path / "box.data", ntypes=3, style="charge")
        text = "\n".join(line for line in text.splitlines() if not line.startswith(("bond", "special")))
        text = text.replace("bond_type 1", "bond_type 1\n") + "mass * 1\n"
    if name == "no fix":
        text = text.replace("fix_modify", "#")
    out = lammps(tmp_path, text + "run 0\n", check=False)
    assert out.code != 0 and expected in " ".join(out.text.split()), out.text[-1500:]


BONDS = {
    "no bonds": (["", "0"], "there are no bonds"),
    "an atom without": (["1 1 1 49"], "(ID) of type 1 has no bond of type 1 to a Wannier centroid of type 3"),
    "wrong partner": (["1 1 1 2"], "a bond joins atom 1 (ID) of type 1 and atom 2 (ID) of type 2"),
    "no centroid": (["1 1 2 3"], "but type_associate does not name its type"),
    "two centroids": (["1 1 1 49", "2 1 1 50"], "atom 1 (ID) of type 1 has two bonds to Wannier centroids"),
}


@pytest.mark.parametrize("name", BONDS)
def test_bonds_that_are_wrong(tmp_path, models, box, name):
    rows, expected = BONDS[name]
    text = (tmp_path / "box.data").read_text()
    head = text[: text.index("Bonds")]
    bonds = "" if name == "no bonds" else "Bonds\n\n" + "\n".join(rows) + "\n"
    (tmp_path / "box.data").write_text(head.replace("16 bonds", f"{len(rows) if bonds else 0} bonds") + bonds)
    extra = "read_data box.data extra/bond/per/atom 2 extra/special/per/atom 4"
    out = lammps(tmp_path, script(models).replace("read_data box.data", extra) + "run 0\n", check=False)
    assert out.code != 0 and expected in out.text, out.text[-1500:]


def test_centroids_far_from_their_atoms(tmp_path, models):
    """LAMMPS hands atoms on to processes beside each other only."""
    box = make_box(tilt=False)
    far = box.coord[box.types == 0] + [5.0, 0, 0]
    write_data(tmp_path / "box.data", box, far % np.diag(box.cell))
    text = script(models, newton="processors 4 1 1")
    out = lammps(tmp_path, text + "run 0\n", ranks=4, check=False)
    assert out.code != 0 and "stands too far from its atom for LAMMPS to bring it there" in out.text


def test_without_computing_waves(tmp_path, models, box):
    """kspace_modify compute no leaves the net, after a run with the waves too."""
    text = script(models) + "run 0\nkspace_modify compute no\n"
    found = measure(tmp_path, text)
    energy, force, _ = predict(models.parent / "plain.dp", box)
    assert abs(found[0] - energy) <= 1e-9
    np.testing.assert_allclose(found[1][: len(force)], force, rtol=0, atol=1e-9)


def test_beta_is_that_of_the_model():
    assert abs(BETA - 0.4) < 1e-7
