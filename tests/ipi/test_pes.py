# SPDX-License-Identifier: LGPL-3.0-or-later
"""The potential for i-PI's own Python processes: ffdirect, and i-pi-py_driver -m custom."""

import json

import numpy as np
import pytest
from dpcore.errors import InputError
from dpcore.ipi import pes_path
from dpcore.ipi.pes import BOHR_PER_ANGSTROM, HARTREE_PER_EV, DPDriver
from ipi_tools import BOHR, HARTREE, check_run, evaluate, script, water, write_input, write_xyz

SHEAR = np.array([[1.0, 0.0, 0.0], [0.2, 1.0, 0.0], [-0.1, 0.15, 1.0]])


@pytest.fixture
def driver(folder):
    return DPDriver(f"{folder}/conf.xyz", f"{folder}/water.dp", verbosity=3)


def test_constants_are_those_of_the_compiled_client():
    assert (1 / BOHR_PER_ANGSTROM, 1 / HARTREE_PER_EV) == (BOHR, HARTREE)


def test_several_structures_are_one_evaluation(folder, driver, monkeypatch):
    cells, coords = water(3)
    cells, coords = cells @ SHEAR, coords @ SHEAR
    energy, force, virial = evaluate(folder / "water.dp", cells, coords)
    inner, calls = driver.model.eval, []
    monkeypatch.setattr(driver.model, "eval", lambda *a: calls.append(1) or inner(*a))
    results = driver([cell.T / BOHR for cell in cells], list(coords / BOHR))
    assert len(results) == 3 and len(calls) == 1
    results.append(driver(cells[0].T / BOHR, coords[0] / BOHR))
    for f, (pot, forces, vir, extras) in enumerate(results):
        f %= 3
        assert isinstance(pot, float) and not abs(pot - energy[f]) > 1e-13 * abs(energy[f])
        assert forces.shape == (48, 3) and vir.shape == (3, 3)
        np.testing.assert_allclose(forces, force[f], rtol=0, atol=1e-12 * np.abs(force[f]).max())
        np.testing.assert_allclose(vir, virial[f].T, rtol=0, atol=1e-12 * np.abs(virial[f]).max())
        assert json.loads(extras) == {}


def test_type_map_gives_names_to_the_types(folder, driver):
    cells, coords = water(1)
    write_xyz(folder / "other.xyz", cells[0], coords[0], ["OW", "HW", "H"] * 16)
    other = DPDriver(f"{folder}/other.xyz", f"{folder}/water.dp", type_map="OW HW")
    np.testing.assert_array_equal(other.types, driver.types)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({}, ["template: the parameter is missing", "model=water.dp"]),
        ({"template": "conf.xyz"}, ["model: the parameter is missing"]),
        ({"template": "conf.xyz", "model": "water.dp", "modell": 1}, ['"modell"', 'Did you mean "model"']),
        ({"template": "absent.xyz", "model": "water.dp"}, ["absent.xyz"]),
        ({"template": "water.dp", "model": "absent.dp"}, ["absent.dp"]),
        ({"template": "conf.xyz", "model": "water.dp", "type_map": "A B C"}, ["type_map", "2 names at most"]),
        (
            {"template": "he.xyz", "model": "water.dp"},
            ["he.xyz: line 3: atom 0", '"He"; known are H, O', "type_map"],
        ),
        (
            {"template": "short.xyz", "model": "water.dp"},
            ["short.xyz: expected 2 atoms as line 1 says, got 1"],
        ),
        ({"template": "no.xyz", "model": "water.dp"}, ["no.xyz: line 1: expected the number of atoms"]),
    ],
)
def test_wrong_parameters_are_named(folder, monkeypatch, arguments, words):
    monkeypatch.chdir(folder)
    (folder / "he.xyz").write_text("1\n\nHe 0 0 0\n")
    (folder / "short.xyz").write_text("2\n\nO 0 0 0\n")
    (folder / "no.xyz").write_text("O 0 0 0\n")
    with pytest.raises((InputError, OSError)) as error:
        DPDriver(**arguments)
    assert all(word in str(error.value) for word in words), error.value


def test_names_of_the_model_with_another_type_are_a_warning(folder):
    with pytest.warns(UserWarning, match="type_map gives [HO] the type [01], which is [OH] in") as told:
        DPDriver(f"{folder}/conf.xyz", f"{folder}/water.dp", type_map="H O")
    assert len(told) == 2


def test_template_that_cannot_be_read(folder):
    with pytest.raises(InputError, match=r"absent.xyz: cannot be read: No such file"):
        DPDriver(f"{folder}/absent.xyz", f"{folder}/water.dp")


def test_another_number_of_atoms_is_named(driver):
    cells, coords = water(1)
    with pytest.raises(InputError, match="i-PI gives 47 atoms, the template has 48"):
        driver(cells[0], coords[0][:47])


def test_models_with_parameters_are_refused(folder):
    from make_model import write_model

    with pytest.raises(InputError, match="2 frame parameter"):
        DPDriver(f"{folder}/conf.xyz", str(write_model(folder / "f.dp", numb_fparam=2)))


def test_ffdirect_with_batches(folder, processes):
    pytest.importorskip("ipi")
    text = f"""<ffdirect name='dp' pbc='false'>
      <pes> custom </pes> <pes_path> {pes_path()} </pes_path>
      <parameters> {{template: conf.xyz, model: water.dp}} </parameters>
      <batch_size> 4 </batch_size>
    </ffdirect>"""
    write_input(folder / "input.xml", text, 4, 4)
    code, output = processes.finish(processes.start(script("i-pi"), "input.xml"))
    assert code == 0, output
    check_run(folder, 4, 4)


def test_python_driver(folder, processes):
    pytest.importorskip("ipi")
    text = "<ffsocket name='dp' mode='unix' pbc='false'> <address> dp </address> </ffsocket>"
    write_input(folder / "input.xml", text, 4, 4)
    server = processes.start(script("i-pi"), "-S", f"{folder}/s_", "input.xml")
    processes.wait_until(lambda: (folder / "s_dp").exists() or server.poll() is not None)
    where = ("-u", "-a", "dp", "-S", f"{folder}/s_")
    command = (script("i-pi-py_driver"), "-m", "custom", "-P", pes_path(), *where)
    client = processes.start(*command, "-o", "template=conf.xyz,model=water.dp")
    code, output = processes.finish(server)
    assert code == 0, output
    assert processes.finish(client)[0] == 0
    check_run(folder, 4, 4)
