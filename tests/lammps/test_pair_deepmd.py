# SPDX-License-Identifier: LGPL-3.0-or-later
"""pair_style deepmd gives what DeepPot gives, in every unit, mapping and decomposition."""

from __future__ import annotations

import numpy as np
import pytest
from dpcore.infer import DeepPot
from make_model import write_model
from run_lammps import (
    HEAD,
    MEASURE,
    Box,
    assert_same,
    lammps,
    make_box,
    measure,
    read_dump,
)


def evaluate(model, box, types=None, **parameters):
    return DeepPot(model).eval(
        box.coord[None], box.cell[None], box.types if types is None else types, atomic=True, **parameters
    )


def part_of(expected, atoms):
    """Results on some atoms."""
    e, f, v, ae, av = expected
    return e, f[:, atoms], v, ae[:, atoms], av[:, atoms]


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_everything_equals_deeppot(tmp_path, model, box, head, ranks):
    assert_same(measure(tmp_path, head, ranks), evaluate(model, box))


def test_threads_change_nothing(tmp_path, model, box, head):
    measured = measure(tmp_path, head, threads=2)
    assert "2 threads for each rank" in measured.output.text
    assert_same(measured, evaluate(model, box))


def test_cell_smaller_than_the_cutoff(tmp_path, model, head):
    box = make_box(6, seed=3, tilt=False, length=3.5)
    box.write(tmp_path / "box.data")
    assert_same(measure(tmp_path, head), evaluate(model, box))


def test_box_that_does_not_begin_at_the_origin(tmp_path, model, box, head):
    box.write(tmp_path / "box.data")
    script = head + "displace_atoms all move 1.7 -3.1 0.4 units box\nchange_box all triclinic\n"
    assert_same(measure(tmp_path, script), evaluate(model, box))


@pytest.mark.parametrize(
    "kind", ["se_e2_a", "se_e2_a_two_side", "se_e2_a_exclude", "se_e2_r", "se_e3", "loc_frame", "hybrid"]
)
def test_reference_models(tmp_path, kind):
    """Frozen by DeePMD-kit, with its outputs."""
    from dpcore.cli import main
    from reference.agreement import reference_folder, reference_values

    folder = reference_folder(kind)

    assert main(["convert-from", "-i", str(folder / "graph.pb"), "-o", str(tmp_path / "model.dp")]) == 0
    reference = reference_values(kind)
    cell = reference["box"][0].reshape(3, 3)
    assert not np.any(np.triu(cell, 1)), "not a cell as LAMMPS writes it"
    box = Box(reference["coord"][0].reshape(-1, 3), cell, reference["type"])
    names = DeepPot(tmp_path / "model.dp").get_type_map()
    box.write(tmp_path / "box.data", ntypes=len(names))
    script = HEAD + f"pair_style deepmd model.dp\npair_coeff * * {' '.join(names)}\n"
    measured = measure(tmp_path, script)
    assert_same(measured, [reference[k] for k in ("energy", "force", "virial", "atom_energy", "atom_virial")])


@pytest.mark.parametrize("word", ["mixed", "low"])
def test_precision(tmp_path, model, box, head, word):
    """As DeepPot's but for the rounding of float32 in sums of another order; far enough from the exact numbers."""
    script = head.replace(f"{model}\n", f"{model} precision {word}\n", 1)
    assert script != head
    measured = measure(tmp_path, script)
    assert f"precision {word}" in measured.output.text
    wanted = DeepPot(model, precision=word).eval(box.coord[None], box.cell[None], box.types)
    high = evaluate(model, box)
    scale = np.abs(high[1]).max()
    assert np.abs(measured.force - wanted[1][0]).max() <= 2e-6 * scale
    assert 0 < np.abs(measured.force - high[1][0]).max() <= 5e-6 * scale
    assert abs(measured.energy - high[0].item()) > 1e-9


# --- type mapping ------------------------------------------------------------------------------------


def test_order_of_names_decides(tmp_path, model, box):
    script = HEAD.replace("mass 1 16", "mass 1 1").replace("mass 2 1.008", "mass 2 16")
    measured = measure(tmp_path, script + f"pair_style deepmd {model}\npair_coeff * * H O\n")
    assert_same(measured, evaluate(model, box, 1 - box.types))
    assert "1 -> H, 2 -> O" in measured.output.text
    assert "atom type" not in measured.output.errors


def test_without_names_masses_are_trusted(tmp_path, model, box):
    deuterium = HEAD.replace("1.008", "2.014")
    assert_same(
        measure(tmp_path, deuterium + f"pair_style dpcore {model}\npair_coeff * *\n"), evaluate(model, box)
    )


def test_label_map_names_the_types(tmp_path, model, box):
    script = HEAD.replace("mass 1 16", "labelmap atom 1 H 2 O\nmass H 1").replace("mass 2 1.008", "mass O 16")
    measured = measure(tmp_path, script + f"pair_style deepmd {model}\npair_coeff * *\n")
    assert_same(measured, evaluate(model, box, 1 - box.types))


@pytest.mark.parametrize("ranks", [1, 2])
def test_null_atoms_are_not_seen(tmp_path, model, box, ranks):
    third = np.arange(len(box.types)) % 4 == 0
    box._replace(types=np.where(third, 2, box.types)).write(tmp_path / "box.data", ntypes=3)
    script = HEAD + f"mass 3 40\npair_style deepmd {model}\npair_coeff * * O H NULL\n"
    measured = measure(tmp_path, script, ranks)
    seen = ~third
    kept = Box(box.coord[seen], box.cell, box.types[seen])
    np.testing.assert_array_equal(measured.force[third], 0)
    picked = measured._replace(
        force=measured.force[seen], atom_energy=measured.atom_energy[seen],
        stress=measured.stress[seen], centroid=measured.centroid[seen],
    )  # fmt: skip
    assert_same(picked, evaluate(model, kept))


REFUSED = {
    "masses in another order": ("mass 1 1.008\nmass 2 16", "* *", "pair_coeff * * H O"),
    "more LAMMPS types than names": ("mass 1 16\nmass 2 1", "* * O", "for each of the 2 atom types"),
    "an element the model lacks": (
        "mass 1 16\nmass 2 1",
        "* * O N",
        "no type 'N' for atom type 2; it has O H",
    ),
    "single pairs": ("mass 1 16\nmass 2 1", "1 2", "must start with * *"),
    "a label that is no type": ("labelmap atom 1 O 2 X\nmass 1 16\nmass 2 1", "* *", "label of atom type 2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mapping_that_cannot_be_trusted_is_refused(tmp_path, model, box, name):
    masses, coeff, message = REFUSED[name]
    script = HEAD.replace("mass 1 16\nmass 2 1.008", masses)
    out = lammps(tmp_path, script + f"pair_style deepmd {model}\npair_coeff {coeff}\nrun 0\n", check=False)
    assert out.code != 0
    assert message in out.errors


def test_more_lammps_types_than_the_model_has(tmp_path, model, box):
    box.write(tmp_path / "box.data", ntypes=3)
    out = lammps(
        tmp_path, HEAD + f"mass 3 40\npair_style deepmd {model}\npair_coeff * *\nrun 0\n", check=False
    )
    assert out.code != 0
    assert "pair_coeff * * O H ?" in out.errors
    assert "NULL" in out.errors


def test_unlikely_masses_are_a_warning_where_names_are_given(tmp_path, model, box, head):
    out = lammps(tmp_path, head.replace("mass 1 16", "mass 1 55.8") + "run 0\n")
    assert "atom type 1 is O for the model" in out.errors


def test_names_are_looked_up_again_in_another_model(tmp_path, model, box, head):
    """LAMMPS keeps pair_coeff where pair_style is given again."""
    script = head + "run 0\npair_style deepmd {}\n"
    other = write_model(tmp_path / "other.dp", sel=(40, 40), type_map=["H", "O"])
    measured = measure(tmp_path, script.format(other))
    assert "1 -> O, 2 -> H" in measured.output.text
    assert_same(measured, evaluate(other, box, 1 - box.types))
    third = write_model(tmp_path / "third.dp", sel=(40, 40), type_map=["N", "O"])
    out = lammps(tmp_path, script.format(third) + "run 0\n", check=False)
    assert out.code != 0 and "no type 'H' for atom type 2; it has N O" in out.errors


# --- units -------------------------------------------------------------------------------------------

BOLTZMANN = {
    "metal": 8.617343e-5,
    "real": 0.0019872067,
    "electron": 3.16681534e-6,
    "si": 1.3806504e-23,
    "nano": 0.013806504,
}
ANGSTROM = {"metal": 1.0, "real": 1.0, "electron": 1.88972612, "si": 1e-10, "nano": 0.1}


@pytest.mark.parametrize("units", BOLTZMANN)
def test_units(tmp_path, model, box, units):
    """Energies by the ratio of Boltzmann's constants, lengths by the Angstrom of LAMMPS."""
    length, energy = ANGSTROM[units], BOLTZMANN[units] / BOLTZMANN["metal"]
    mass = {"si": 1 / 6.02214076e26, "nano": 1 / 6.02214076e5}.get(units, 1.0)
    Box(box.coord * length, box.cell * length, box.types).write(tmp_path / "box.data")
    script = HEAD.replace("units metal", f"units {units}").replace("mass 1 16", f"mass 1 {16 * mass}")
    script = script.replace("mass 2 1.008", f"mass 2 {1.008 * mass}\nneighbor {2 * length} bin")
    # without names: masses in g/mol are checked too
    out = lammps(tmp_path, script + f"pair_style deepmd {model}\npair_coeff * *\n" + MEASURE)
    e, f, *_ = evaluate(model, box)
    np.testing.assert_allclose(out.thermo()["PotEng"][0], e.item() * energy, rtol=1e-9)
    force = read_dump(tmp_path / "atoms.dump")[:, 5:8]
    np.testing.assert_allclose(force * length / energy, f[0], rtol=0, atol=1e-9 * np.abs(f).max())


def test_units_lj_is_refused(tmp_path, model, box, head):
    out = lammps(tmp_path, head.replace("metal", "lj"), check=False)
    assert out.code != 0
    assert "units lj" in out.errors and "metal" in out.errors


# --- parameters --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parametric(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("p") / "model.dp", numb_fparam=2, numb_aparam=1, sel=(40, 40))


def test_fixed_parameters(tmp_path, parametric, box):
    script = HEAD + f"pair_style deepmd {parametric} fparam 0.3 -0.8 aparam 0.25\npair_coeff * * O H\n"
    expected = evaluate(parametric, box, fparam=[0.3, -0.8], aparam=[0.25])
    assert_same(measure(tmp_path, script), expected)
    without = evaluate(parametric, box, fparam=[0, 0], aparam=[0])
    assert abs(without[0] - expected[0]).max() > 1e-3


def run_with_parameters(folder, script, ranks):
    """Row of thermo_style, atomic parameters (compute a) and forces of the first step."""
    script += """thermo_modify format float %.17g
dump d all custom 1 atoms.dump id c_a fx fy fz
dump_modify d sort id format float %.17g
run 0
"""
    row = lammps(folder, script, ranks).thermo()
    atoms = read_dump(folder / "atoms.dump")
    return row, atoms[:, 1], atoms[:, 2:5]


@pytest.mark.parametrize("ranks", [1, 2])
def test_parameters_from_computes(tmp_path, parametric, box, ranks):
    script = (
        HEAD
        + f"""
velocity all create 300 4711
compute c all com
compute a all ke/atom
compute v all reduce ave c_a
compute f all slice 1 3 1 c_c
pair_style deepmd {parametric} fparam_from_compute f aparam_from_compute a
pair_coeff * * O H
thermo_style custom step pe c_c[1] c_c[2]
"""
    )
    row, parameters, forces = run_with_parameters(tmp_path, script, ranks)
    e, f, *_ = evaluate(parametric, box, fparam=[row["c_c[1]"][0], row["c_c[2]"][0]], aparam=parameters)
    assert parameters.std() > 1e-3
    np.testing.assert_allclose(row["PotEng"][0], e.item(), rtol=1e-12)
    np.testing.assert_allclose(forces, f[0], rtol=0, atol=1e-10)


@pytest.fixture(scope="module")
def of_neighbours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("n")
    return write_model(folder / "model.dp", neighbor_aparam=1, sel=(40, 40), dstd=0.03)


@pytest.mark.parametrize("style", ["deepmd {}", "hybrid/overlay zero 3.0 deepmd {}"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_neighbours_bring_their_parameters_with_them(tmp_path, of_neighbours, box, ranks, style):
    """Of the ghosts too: periodic images, and atoms of the other rank."""
    words = f"{of_neighbours} aparam_from_compute a"
    name = "deepmd " if style.startswith("hybrid") else ""
    script = (
        HEAD
        + f"""
velocity all create 30000 4711
compute a all ke/atom
pair_style {style.format(words)}
{"pair_coeff * * zero" if name else ""}
pair_coeff * * {name}O H
thermo_style custom step pe
"""
    )
    row, parameters, forces = run_with_parameters(tmp_path, script, ranks)
    e, f, *_ = evaluate(of_neighbours, box, aparam=parameters)
    assert abs(e - evaluate(of_neighbours, box, aparam=[parameters.mean()])[0]).max() > 1e-3
    np.testing.assert_allclose(row["PotEng"][0], e.item(), rtol=1e-12)
    np.testing.assert_allclose(forces, f[0], rtol=0, atol=1e-10)


def test_fixed_parameters_of_neighbours(tmp_path, of_neighbours, box):
    script = HEAD + f"pair_style deepmd {of_neighbours} aparam 0.25\npair_coeff * * O H\n"
    assert_same(measure(tmp_path, script), evaluate(of_neighbours, box, aparam=[0.25]))


def test_temperature_as_parameter_from_the_first_step_on(tmp_path, box):
    """LAMMPS sets computes up after the first forces; without that the temperature is 0."""
    one = write_model(tmp_path / "one.dp", numb_fparam=1, sel=(40, 40))
    script = HEAD + f"velocity all create 0.4 4711\npair_style deepmd {one} fparam_from_compute thermo_temp\n"
    script += (
        "pair_coeff * * O H\nthermo_style custom step pe temp\nthermo_modify format float %.17g\nrun 0\n"
    )
    row = lammps(tmp_path, script).thermo()
    np.testing.assert_allclose(row["Temp"], [0.4], rtol=1e-6)
    np.testing.assert_allclose(row["PotEng"], evaluate(one, box, fparam=row["Temp"])[0][0], rtol=1e-12)
    assert abs(row["PotEng"] - evaluate(one, box, fparam=[0])[0].item()) > 1e-3


def test_parameters_follow_the_line_search_of_a_minimiser(tmp_path, box):
    """It evaluates several structures in one step."""
    one = write_model(tmp_path / "one.dp", numb_fparam=1, sel=(40, 40))
    script = (
        HEAD + f"compute g all gyration\npair_style deepmd {one} fparam_from_compute g\npair_coeff * * O H\n"
    )
    script += "thermo_style custom step pe c_g\nthermo_modify format float %.17g\n"
    script += (
        "dump d all custom 1 m.dump id x y z\ndump_modify d sort id format float %.17g\nminimize 0 0 5 20\n"
    )
    row = {name: values[-1] for name, values in lammps(tmp_path, script).thermo().items()}
    moved = box._replace(coord=read_dump(tmp_path / "m.dump")[:, 1:])
    assert row["Step"] == 5
    np.testing.assert_allclose(row["PotEng"], evaluate(one, moved, fparam=[row["c_g"]])[0].item(), rtol=1e-12)


PARAMETER_ERRORS = {
    "missing": ("", "needs 2 frame parameters"),
    "too few": (
        "fparam 0.1 aparam 0.2",
        "needs 2 frame parameters (fparam, fparam_from_compute, fparam_from_fix), got 1",
    ),
    "twice": ("fparam 0.1 0.2 fparam_from_compute x", "only one of fparam"),
    "no such compute": ("fparam_from_compute nope aparam 0.1", "no compute with ID 'nope'"),
    "wrong compute": ("fparam_from_compute thermo_temp aparam 0.1", "gives no vector of 2 numbers"),
    "needs what the model gives": (
        "fparam_from_compute thermo_press aparam 0.1",
        "(pressure) needs the energy or virial",
    ),
    "no number": ("fparam x 0.2", "expected a number after 'fparam', got 'x'"),
    "ttm": ("fparam 0.1 0.2 ttm f", "ttm"),
}


@pytest.mark.parametrize("name", PARAMETER_ERRORS)
def test_parameters_that_do_not_fit(tmp_path, parametric, box, name):
    words, message = PARAMETER_ERRORS[name]
    script = HEAD + f"fix f all nve\npair_style deepmd {parametric} {words}\npair_coeff * * O H\nrun 0\n"
    out = lammps(tmp_path, script, check=False)
    assert out.code != 0
    assert message in out.errors


def test_model_without_parameters_takes_none(tmp_path, model, box):
    out = lammps(tmp_path, HEAD + f"pair_style deepmd {model} fparam 1\n", check=False)
    assert "takes no frame parameters" in out.errors
