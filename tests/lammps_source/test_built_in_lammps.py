# SPDX-License-Identifier: LGPL-3.0-or-later
"""pair_style deepmd inside a LAMMPS that was built from source; tools/test_lammps_source.sh makes both programs."""

from __future__ import annotations

import os

import numpy as np
import pytest
from dpcore.infer import DeepPot
from dplr_system import measure as dplr_measure
from dplr_system import predict, script, write_data, write_models
from make_model import write_model
from run_lammps import HEAD, assert_same, lammps, make_box, measure, read_dump

PROGRAMS = {name: os.environ.get(f"DPCORE_LMP_{name}") for name in ("CMAKE", "MAKE")}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "2"}

pytestmark = pytest.mark.skipif(
    not all(PROGRAMS.values()),
    reason="make lammpstest builds LAMMPS and names the programs in DPCORE_LMP_CMAKE, _MAKE",
)


@pytest.fixture(params=PROGRAMS)
def program(request):
    return {"program": [PROGRAMS[request.param]], "env": ENVIRONMENT}


@pytest.fixture
def system(tmp_path):
    """Model, box, script up to the pair style."""
    model = write_model(tmp_path / "model.dp", sel=(40, 40))
    box = make_box()
    box.write(tmp_path / "box.data")
    return model, box, HEAD + f"pair_style deepmd {model}\npair_coeff * * O H\n"


def test_everything_equals_deeppot(tmp_path, system, program):
    model, box, head = system
    expected = DeepPot(model).eval(box.coord[None], box.cell[None], box.types, atomic=True)
    assert_same(measure(tmp_path, head, **program), expected)


def test_ranks(tmp_path, system):
    """The program of CMake has MPI; its own mpiexec belongs to it."""
    model, box, head = system
    expected = DeepPot(model).eval(box.coord[None], box.cell[None], box.types, atomic=True)
    command = ["mpiexec.mpich", "-n", "2", PROGRAMS["CMAKE"]]
    assert_same(
        measure(tmp_path, head, program=command, env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"}), expected
    )


def test_deviation(tmp_path, system, program):
    model, _, head = system
    other = write_model(tmp_path / "other.dp", sel=(40, 40), seed=5)
    head = head.replace(str(model), f"{model} {other} atomic")
    head = head.replace(f"{other} atomic", f"{other} atomic out_freq 1")
    script = head + "velocity all create 300 1\nfix 1 all nve\ntimestep 0.0005\nrun 3\n"
    lammps(tmp_path, script, **program)
    rows = np.loadtxt(tmp_path / "model_devi.out")
    assert rows[:, 0].tolist() == [0, 1, 2, 3]
    assert (rows[:, 4:] > 0).all()


def test_pair_coeff_without_names(tmp_path, system, program):
    model, box, head = system
    head = head.replace("pair_coeff * * O H", "pair_coeff * *")
    e = DeepPot(model).eval(box.coord[None], box.cell[None], box.types)[0]
    out = lammps(tmp_path, head + "thermo_modify format float %.17g\nrun 0\n", **program)
    assert out.thermo()["E_pair"][0] == pytest.approx(e.item(), rel=1e-12)


def test_electron_temperature_of_fix_ttm(tmp_path):
    """The atomic parameter is the temperature of the node below an atom."""
    program = {"program": [PROGRAMS["CMAKE"]], "env": ENVIRONMENT}
    model = write_model(tmp_path / "model.dp", numb_aparam=1, sel=(40, 40))
    box = make_box(tilt=False)
    box.write(tmp_path / "box.data")
    rng = np.random.RandomState(3)
    temperature = rng.uniform(0.1, 2, (3, 3, 3))  # this release reads others beyond its arrays
    lines = [f"{i} {j} {k} {t:.15g}" for (i, j, k), t in np.ndenumerate(temperature)]
    (tmp_path / "ttm.in").write_text("\n".join(lines) + "\n")
    script = (
        HEAD
        + f"""
fix t all ttm 4711 1.0 1.0 0.0 1.0 0.0 10.0 3 3 3 infile ttm.in
pair_style deepmd {model} ttm t
pair_coeff * * O H
thermo_modify format float %.17g
dump d all custom 1 atoms.dump id fx fy fz
dump_modify d sort id format float %.17g
run 0
"""
    )
    out = lammps(tmp_path, script, **program)
    node = np.floor(box.coord / np.diag(box.cell) * 3).astype(int)
    aparam = temperature[tuple(node.T)]
    e, f, _ = DeepPot(model).eval(box.coord[None], box.cell[None], box.types, aparam=aparam)
    assert out.thermo()["E_pair"][0] == pytest.approx(e.item(), rel=1e-12)
    assert (
        abs(
            e.item() - DeepPot(model).eval(box.coord[None], box.cell[None], box.types, aparam=[0.5])[0].item()
        )
        > 1e-3
    )
    np.testing.assert_allclose(read_dump(tmp_path / "atoms.dump")[:, 1:4], f[0], rtol=0, atol=1e-9)


def test_compute_deeptensor_is_known(tmp_path, system, program):
    """The style is in the program; a model of energies is refused by name."""
    model, _, head = system
    out = lammps(tmp_path, head + f"compute d all deeptensor/atom {model} O H\n", check=False, **program)
    assert out.code != 0
    assert "Unknown compute style" not in out.text and "Unrecognized compute style" not in out.text
    assert "ener" in out.errors


def test_dplr(tmp_path):
    """The styles are in the program, and work its own pppm."""
    models = write_models(tmp_path)
    box = make_box()
    write_data(tmp_path / "box.data", box, box.coord[box.types == 0] + 0.3)
    energy, force, virial = predict(models, box)
    command = ["mpiexec.mpich", "-n", "2", PROGRAMS["CMAKE"]]
    found = dplr_measure(
        tmp_path, script(models), program=command, env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"}
    )
    assert abs(found[0] - energy) < 5e-6
    np.testing.assert_allclose(found[1][: len(force)], force, rtol=0, atol=2e-6)
    np.testing.assert_allclose(found[2], virial, rtol=0, atol=1e-5)


def test_dplr_without_the_package_of_k_space_styles(tmp_path, system):
    head = system[2].replace("atom_style atomic", "atom_style charge")
    make_box().write(tmp_path / "box.data", style="charge")
    program = {"program": [PROGRAMS["MAKE"]], "env": ENVIRONMENT}
    out = lammps(tmp_path, head + "kspace_style pppm/dplr 1e-5\n", check=False, **program)
    assert out.code != 0 and "was built without its package KSPACE" in out.text
