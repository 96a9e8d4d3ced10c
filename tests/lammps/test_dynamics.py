# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands of LAMMPS that change atoms, cells, lists or decomposition, and quantities that dynamics must keep."""

from __future__ import annotations

import numpy as np
import pytest
from dpcore.infer import DeepPot
from run_lammps import HEAD, NKTV2P, VOIGT, Box, assert_same, lammps, make_box, measure, read_dump

THERMO = """
thermo_style custom step pe lx ly lz xy xz yz xlo ylo zlo
thermo_modify format float %.17g lost error
dump d all custom {every} md.dump id type x y z fx fy fz
dump_modify d sort id format float %.17g
thermo {every}
"""
MD = "velocity all create 600 4711\nfix 1 all nve\ntimestep 0.0005\nneigh_modify every 1 delay 0 check yes\n"


def assert_frames(folder, out, model, frames, run=-1):
    """Energies and forces of frames that were written are those of DeepPot at the positions that were written."""
    dp = DeepPot(model)
    thermo = out.thermo(run)
    worst = 0.0
    for k in frames:
        row = {name: values[k] for name, values in thermo.items()}
        cell = np.diag([row["Lx"], row["Ly"], row["Lz"]])
        cell[1, 0], cell[2, 0], cell[2, 1] = row["Xy"], row["Xz"], row["Yz"]
        atoms = read_dump(folder / "md.dump", k)
        e, f, _ = dp.eval(atoms[None, :, 2:5], cell[None], atoms[:, 1].astype(int) - 1)
        np.testing.assert_allclose(row["PotEng"], e.item(), rtol=1e-12)
        np.testing.assert_allclose(atoms[:, 5:8], f[0], rtol=0, atol=1e-10 * max(1, np.abs(f).max()))
        worst = max(worst, np.abs(f).max())
    assert worst > 1e-3


@pytest.mark.parametrize("ranks", [1, 2])
def test_run_with_rebuilt_lists(tmp_path, model, box, head, ranks):
    script = head + MD + "neighbor 0.3 bin\n" + THERMO.format(every=10) + "run 40\n"
    out = lammps(tmp_path, script, ranks)
    assert "Neighbor list builds = 0" not in out.text
    assert_frames(tmp_path, out, model, range(5))


def test_replicate(tmp_path, model, box, head):
    shifts = np.array([[i, j, 0] for j in range(2) for i in range(3)]) @ box.cell
    large = Box(
        np.concatenate([box.coord + s for s in shifts]), box.cell * [[3], [2], [1]], np.tile(box.types, 6)
    )
    expected = DeepPot(model).eval(large.coord[None], large.cell[None], large.types)
    out = lammps(tmp_path, head + "replicate 3 2 1\n" + THERMO.format(every=1) + "run 0\n", ranks=2)
    np.testing.assert_allclose(out.thermo()["PotEng"][0], expected[0].item(), rtol=1e-12)
    assert_frames(tmp_path, out, model, [0])


def test_recursive_bisection(tmp_path, model, box, head):
    script = head + "comm_style tiled\nbalance 1.0 rcb\n"
    assert_same(
        measure(tmp_path, script, ranks=4),
        DeepPot(model).eval(box.coord[None], box.cell[None], box.types, atomic=True),
    )


def test_ranks_without_atoms(tmp_path, model):
    box = make_box(12, tilt=False, length=7.0)
    box = box._replace(cell=np.diag([60.0, 9.0, 8.0]))
    box.write(tmp_path / "box.data")
    script = HEAD.replace("read_data", "processors 4 1 1\nread_data")
    script += f"pair_style deepmd {model}\npair_coeff * * O H\n"
    expected = DeepPot(model).eval(box.coord[None], box.cell[None], box.types, atomic=True)
    assert_same(measure(tmp_path, script, ranks=4), expected)


def test_atoms_that_are_all_gone(tmp_path, model, box, head):
    out = lammps(tmp_path, head + "delete_atoms group all\n" + THERMO.format(every=1) + "run 0\n", ranks=2)
    assert out.thermo()["PotEng"][0] == 0


def test_rerun(tmp_path, model, box, head):
    script = head + MD + THERMO.format(every=5) + "run 20\n"
    first = lammps(tmp_path, script)
    (tmp_path / "md.dump").rename(tmp_path / "old.dump")
    again = lammps(tmp_path, head + THERMO.format(every=5) + "rerun old.dump dump x y z box yes\n")
    np.testing.assert_allclose(again.thermo()["PotEng"], first.thermo()["PotEng"], rtol=1e-13)
    assert_frames(tmp_path, again, model, range(5))


def test_minimize_with_a_cell_that_relaxes(tmp_path, model, box, head):
    script = (
        head + "fix r all box/relax tri 0.0 vmax 0.001\n" + THERMO.format(every=10) + "minimize 0 0 30 200\n"
    )
    out = lammps(tmp_path, script, ranks=2)
    thermo = out.thermo()
    assert thermo["Lx"][-1] != thermo["Lx"][0]
    assert_frames(tmp_path, out, model, [0, len(thermo["Step"]) - 1])


COMMANDS = {
    "deposit": "region r block 0 10 0 10 0 9\nfix c all deposit 4 2 5 12345 region r near 0.8 attempt 100\n",
    "evaporate": "region r block 0 10 0 10 0 9\nfix c all evaporate 5 2 r 12345\n",
    "atom/swap": "fix c all atom/swap 2 4 29494 3000 ke no types 1 2\n",
    "balance": "fix c all balance 5 1.0 shift xyz 10 1.05\n",
    "npt": "unfix 1\nfix c all npt temp 600 600 0.05 tri 1.0 1.0 0.5\n",
    "exclusion": "neigh_modify exclude type 1 1\nneigh_modify exclude none\n",
    "a second run": "run 10\nunfix 1\nfix c all nve/limit 0.01\n",
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_that_change_lists_atoms_or_cell(tmp_path, model, head, command, ranks):
    make_box(tilt=command != "deposit").write(tmp_path / "box.data")
    script = head + MD + COMMANDS[command] + THERMO.format(every=10) + "run 20\n"
    out = lammps(tmp_path, script, ranks)
    last = len(out.thermo()["Step"]) - 1
    assert_frames(tmp_path, out, model, [0, last])
    counts = [len(read_dump(tmp_path / "md.dump", k)) for k in (0, last)]
    assert {"deposit": counts[1] > 48, "evaporate": counts[1] < 48}.get(command, counts == [48, 48])


# --- beside other styles -----------------------------------------------------------------------------


def lennard_jones(coord, cell, epsilon, sigma, cutoff):
    """Energy of all periodic pairs."""
    shifts = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3) @ cell
    r = np.linalg.norm(coord[None, :, None] - coord[:, None, None] + shifts, axis=-1)
    s = (sigma / r[(r > 1e-9) & (r < cutoff)]) ** 6
    return 0.5 * np.sum(4 * epsilon * (s**2 - s))


@pytest.mark.parametrize("style", ["hybrid", "hybrid/overlay"])
def test_hybrid_with_lennard_jones_for_another_element(tmp_path, model, box, style):
    foreign = np.arange(len(box.types)) % 4 == 0
    box._replace(types=np.where(foreign, 2, box.types)).write(tmp_path / "box.data", ntypes=3)
    script = (
        HEAD
        + f"""mass 3 40
pair_style {style} deepmd {model} lj/cut 4.2
pair_coeff * * deepmd O H NULL
pair_coeff 3 3 lj/cut 0.01 3.4
pair_coeff 1*2 3 lj/cut 0.0 3.4
thermo_style custom step pe
thermo_modify format float %.17g
run 0
"""
    )
    out = lammps(tmp_path, script, ranks=2)
    dp = DeepPot(model).eval(box.coord[None, ~foreign], box.cell[None], box.types[~foreign])[0].item()
    lj = lennard_jones(box.coord[foreign], box.cell, 0.01, 3.4, 4.2)
    assert abs(lj) > 1e-3
    np.testing.assert_allclose(out.thermo()["PotEng"][0] - dp, lj, rtol=1e-8)


def test_charges_and_kspace_beside_the_model(tmp_path, model):
    box = make_box(tilt=False)
    box.write(tmp_path / "box.data", style="charge")
    charged = HEAD.replace("atom_style atomic", "atom_style charge")
    kspace = "kspace_style pppm 1e-5\nkspace_modify gewald 0.5 mesh 20 20 20\n"
    both = f"pair_style hybrid/overlay deepmd {model} coul/long 4.5\npair_coeff * * deepmd O H\npair_coeff * * coul/long\n"
    tail = kspace + THERMO.format(every=1) + "run 0\n"
    total = lammps(tmp_path, charged + both + tail).thermo()["PotEng"][0]
    force = read_dump(tmp_path / "md.dump")[:, 5:8]
    coulomb = lammps(tmp_path, charged + "pair_style coul/long 4.5\npair_coeff * *\n" + tail).thermo()[
        "PotEng"
    ][0]
    force_c = read_dump(tmp_path / "md.dump")[:, 5:8]
    e, f, _ = DeepPot(model).eval(box.coord[None], box.cell[None], box.types)
    assert abs(coulomb) > 1
    np.testing.assert_allclose(total - coulomb, e.item(), rtol=1e-10)
    np.testing.assert_allclose(force - force_c, f[0], rtol=0, atol=1e-10)
    # as the manual has it: k-space alone, its cut-off from the model
    alone = charged + f"pair_style deepmd {model}\npair_coeff * * O H\n" + kspace
    alone += "thermo_style custom step pe evdwl elong\nthermo_modify format float %.17g\nrun 0\n"
    row = lammps(tmp_path, alone).thermo()
    assert abs(row["E_long"][0]) > 1
    np.testing.assert_allclose(row["E_vdwl"][0], e.item(), rtol=1e-12)


def test_factor_of_fix_adapt(tmp_path, model, box, head):
    script = head + "variable s equal 0.25\nfix a all adapt 1 pair deepmd scale * * v_s\n"
    e, f, v, ae, av = DeepPot(model).eval(box.coord[None], box.cell[None], box.types, atomic=True)
    assert_same(measure(tmp_path, script), (e / 4, f / 4, v / 4, ae / 4, av / 4))


# --- conservation ------------------------------------------------------------------------------------


def test_energy_is_kept_over_5_ps(tmp_path, model, box):
    """Its fluctuation is the integrator's: a quarter at half the time step. A repulsion keeps atoms of the random
    model apart, where its energy ends."""

    def fluctuation(dt, steps):
        script = HEAD + f"pair_style hybrid/overlay deepmd {model} lj/cut 1.7959\npair_modify shift yes\n"
        script += "pair_coeff * * deepmd O H\npair_coeff * * lj/cut 0.2 1.6\n"
        script += (
            f"velocity all create 300 4711 loop geom\nfix 1 all nve\ntimestep {dt}\nthermo {steps // 50}\n"
        )
        script += "thermo_style custom step etotal temp\nthermo_modify format float %.17g\nneigh_modify delay 0 every 1 check yes\n"
        rows = lammps(tmp_path, script + f"run {steps}\n").thermo()
        return rows["TotEng"] / len(box.types), rows["Temp"]

    energy, temperature = fluctuation(0.0005, 10000)
    assert 50 < temperature.min() < temperature.max() < 3000
    drift = np.polyfit(np.linspace(0, 5, len(energy)), energy, 1)[0]
    assert abs(drift) < 2e-5  # eV/atom/ps
    coarse, _ = fluctuation(0.001, 1000)
    fine, _ = fluctuation(0.0005, 2000)
    assert coarse.std() > 2.5 * fine.std() > 0


def test_pressure_is_minus_the_derivative_of_the_energy(tmp_path, model, box, head):
    """dE = -V P : strain, with the pressure of LAMMPS, for changes of volume, of one length and of a tilt."""
    script = (
        head
        + """
compute p all pressure NULL virial
thermo_style custom step pe vol lx ly lz xy xz yz c_p[1] c_p[2] c_p[3] c_p[4] c_p[5] c_p[6]
thermo_modify format float %.17g norm no
"""
    )

    def state(row):
        cell = np.diag([row["Lx"], row["Ly"], row["Lz"]])
        cell[1, 0], cell[2, 0], cell[2, 1] = row["Xy"], row["Xz"], row["Yz"]
        pressure = np.zeros((3, 3))
        for k, (i, j) in enumerate(VOIGT, 1):
            pressure[i, j] = pressure[j, i] = row[f"c_p[{k}]"] / NKTV2P
        return row["PotEng"], cell, pressure, row["Volume"]

    for change in (
        "x scale 1.0001 y scale 1.0001 z scale 1.0001",
        "x scale 1.0001",
        "xz delta 1e-3",
        "yz delta 1e-3",
    ):
        out = lammps(tmp_path, script + f"run 0\nchange_box all {change} remap units box\nrun 0\n", ranks=2)
        (e0, h0, p0, v0), (e1, h1, p1, v1) = (
            state({name: values[0] for name, values in out.thermo(run).items()}) for run in (0, 1)
        )
        strain = np.linalg.solve((h0 + h1) / 2, h1 - h0)
        expected = -(v0 + v1) / 2 * np.sum((p0 + p1) / 2 * strain)
        assert abs(expected) > 1e-8
        np.testing.assert_allclose(e1 - e0, expected, rtol=1e-5)


# --- what goes wrong in a run ------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [1, 2])
def test_atom_that_flies_off(tmp_path, model, head, ranks):
    """In an open box: LAMMPS' own message, and the program ends."""
    make_box(tilt=False).write(tmp_path / "box.data")
    script = head.replace("boundary p p p", "boundary f f f") + MD
    script += "set atom 5 vx 4e4\nthermo 1\nrun 200\n"
    out = lammps(tmp_path, script, ranks, check=False)
    assert out.code != 0
    assert "Lost atoms" in out.errors or "out of range" in out.errors or "Non-numeric" in out.errors


@pytest.mark.parametrize("ranks", [1, 2])
def test_coordinates_that_are_no_numbers(tmp_path, model, box, head, ranks):
    """LAMMPS' own message; of two ranks the launcher may lose the words of the one that aborts."""
    script = head + "variable z atom sqrt(-1.0)\nset atom 3 x v_z\nrun 0\n"
    out = lammps(tmp_path, script, ranks, check=False)
    assert out.code != 0
    assert ranks == 2 or "ERROR" in out.errors


def test_model_that_vanishes_between_two_runs(tmp_path, model, box, head):
    """A loaded model needs its file no more; a second pair_style does."""
    import shutil

    shutil.copy(model, tmp_path / "m.dp")
    text = head.replace(str(model), "m.dp")
    assert lammps(tmp_path, text + "shell rm m.dp\nrun 1\n").code == 0
    out = lammps(tmp_path, text + "run 1\n", ranks=2, check=False)
    assert out.code != 0 and "m.dp: No such file" in out.text
