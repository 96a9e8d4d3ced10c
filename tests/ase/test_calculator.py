# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ASE calculator against DeepPot, against ASE's own finite differences, and as ASE's tools use it."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")
pytest.importorskip("ase", reason="ASE is not installed")

from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError, all_changes
from dpcore.calculator import DP
from dpcore.errors import InputError
from dpcore.infer import DeepPot
from make_model import write_model

# crystal with a skewed cell thinner than the cut-off of 4 A, and the same with fewer periodic directions
CELL = [[4.6, 0.0, 0.0], [1.1, 5.2, 0.0], [-0.9, 0.7, 6.1]]
SYSTEMS = {
    "triclinic": (CELL, (True, True, True)),
    "left-handed": ([CELL[1], CELL[0], CELL[2]], (True, True, True)),
    "slab": (CELL, (True, True, False)),
    "slab along b c": (CELL, (False, True, True)),
    "wire": (CELL, (False, True, False)),
    "molecule": (None, (False, False, False)),
}
POSITIONS = [
    [0.1, 0.2, 0.0], [1.0, 0.3, 0.1], [-0.1, 1.1, 0.4], [2.4, 2.6, 2.9], [3.2, 2.4, 2.1], [2.2, 3.5, 3.3],
]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("ase") / "m.dp")


def make(calc, kind="triclinic"):
    cell, pbc = SYSTEMS[kind]
    return Atoms("OH2OH2", positions=POSITIONS, cell=cell, pbc=pbc, calculator=calc)


def strained_energy(atoms, strain):
    """Energy when positions and cell are deformed."""
    other = atoms.copy()
    other.calc = atoms.calc
    other.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=False)
    other.positions = atoms.positions @ (np.eye(3) + strain)
    return other.get_potential_energy()


# ---- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SYSTEMS)
def test_it_gives_what_deep_pot_gives(model, kind):
    atoms = make(DP(model), kind)
    cell, pbc = SYSTEMS[kind]
    cells = None if cell is None else np.array(cell).reshape(1, 9)
    energy, force, virial, atom_energy, _ = DeepPot(model).eval(
        atoms.positions.reshape(1, -1), cells, [0, 1, 1, 0, 1, 1], atomic=True, pbc=pbc if cell else None
    )
    assert atoms.get_potential_energy() == energy[0, 0]
    assert atoms.get_potential_energy(force_consistent=True) == energy[0, 0]
    np.testing.assert_array_equal(atoms.get_forces(), force[0])
    np.testing.assert_array_equal(atoms.calc.results["virial"], virial.reshape(3, 3))
    np.testing.assert_array_equal(atoms.get_potential_energies(), atom_energy[0, :, 0])


@pytest.mark.parametrize("kind", SYSTEMS)
def test_forces_are_those_of_finite_differences(model, kind):
    atoms = make(DP(model), kind)
    forces = atoms.get_forces()
    assert np.abs(forces).max() > 0.1
    fd = pytest.importorskip("ase.calculators.fd", reason="this ASE has no ase.calculators.fd")
    numerical = fd.calculate_numerical_forces(atoms, eps=1e-4)
    assert np.abs(forces - numerical).max() <= 1e-6


@pytest.mark.parametrize("kind", ["triclinic", "left-handed"])
def test_stress_is_that_of_finite_differences(model, kind):
    fd = pytest.importorskip("ase.calculators.fd", reason="this ASE has no ase.calculators.fd")
    atoms = make(DP(model), kind)
    stress = atoms.get_stress()
    assert stress.shape == (6,) and np.abs(stress).min() > 1e-5
    assert np.abs(stress - fd.calculate_numerical_stress(atoms, eps=1e-4)).max() <= 1e-7
    np.testing.assert_allclose(atoms.get_stresses().sum(axis=0), stress, rtol=0, atol=1e-15)


@pytest.mark.parametrize("kind", SYSTEMS)
def test_virial_is_minus_the_derivative_by_the_strain(model, kind):
    atoms = make(DP(model), kind)
    atoms.get_potential_energy()
    virial = atoms.calc.results["virial"].copy()
    for i in range(3):
        for j in range(3):
            step = np.zeros((3, 3))
            step[i, j] = 1e-4
            slope = (strained_energy(atoms, step) - strained_energy(atoms, -step)) / 2e-4
            assert abs(virial[i, j] + slope) <= 1e-6


def test_stress_has_the_sign_of_the_equation_of_state(model):
    atoms = make(DP(model))

    def energy(scale):
        other = atoms.copy()
        other.calc = atoms.calc
        other.set_cell(atoms.cell * scale, scale_atoms=True)
        return other.get_potential_energy(), other.get_volume()

    (high, v_high), (low, v_low) = energy(1 + 1e-4), energy(1 - 1e-4)
    pressure = -(high - low) / (v_high - v_low)
    assert abs(pressure) > 1e-4
    assert -atoms.get_stress()[:3].mean() == pytest.approx(pressure, rel=1e-5)


def test_a_slab_is_not_periodic_along_its_normal(model):
    """Its energy does not depend on the height of the cell; that of the crystal does."""
    energies = {}
    for pbc in ((True, True, False), True):
        for height in (3.0, 12.0):
            atoms = make(DP(model))
            atoms.set_cell([CELL[0], CELL[1], [0.0, 0.0, height]])
            atoms.pbc = pbc
            energies[pbc, height] = atoms.get_potential_energy()
    assert energies[(True, True, False), 3.0] == pytest.approx(energies[(True, True, False), 12.0], abs=1e-12)
    assert energies[True, 12.0] == pytest.approx(energies[(True, True, False), 12.0], abs=1e-12)
    assert abs(energies[True, 3.0] - energies[True, 12.0]) > 1e-3


def test_a_cell_vector_that_is_not_periodic_may_be_zero(model):
    atoms = make(DP(model), "slab")
    expected = atoms.get_forces()
    atoms.cell[2] = 0
    np.testing.assert_allclose(atoms.get_forces(), expected, rtol=0, atol=1e-13)


# ---- what is computed, and when ------------------------------------------------------------------


class Counting(DP):
    """Counts its evaluations, and those of atomic quantities."""

    calls, atomic = 0, 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        self.calls += 1
        self.atomic += "energies" in properties or "stresses" in properties
        super().calculate(atoms, properties, system_changes)


def test_nothing_is_computed_twice(model):
    atoms = make(Counting(model))
    atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), atoms.get_potential_energy()
    assert (atoms.calc.calls, atoms.calc.atomic) == (1, 0)
    atoms.set_initial_charges([1.0] * 6)  # the model does not see them
    atoms.set_initial_magnetic_moments([1.0] * 6)
    atoms.get_forces()
    assert atoms.calc.calls == 1
    atoms.get_potential_energies(), atoms.get_stresses(), atoms.get_forces()
    assert (atoms.calc.calls, atoms.calc.atomic) == (2, 1)
    for change in ("positions", "cell", "pbc", "numbers"):
        before, calls = atoms.get_potential_energy(), atoms.calc.calls
        if change == "pbc":
            atoms.pbc = (True, False, True)
        elif change == "numbers":
            atoms.numbers = atoms.numbers[::-1]
        else:
            array = getattr(atoms, change)
            array[1, 0] += 0.1
        assert atoms.get_potential_energy() != before and atoms.calc.calls == calls + 1, change


@pytest.mark.parametrize("kind", ["slab", "wire", "molecule"])
def test_a_stress_that_is_not_defined_is_refused_only_when_asked_for(model, kind):
    atoms = make(DP(model), kind)
    before = atoms.get_forces()
    for ask in (atoms.get_stress, atoms.get_stresses):
        with pytest.raises(PropertyNotImplementedError, match="periodic along all three"):
            ask()
    assert "stress" not in atoms.calc.results
    np.testing.assert_array_equal(atoms.get_forces(), before)
    assert atoms.get_potential_energies().shape == (6,)


def test_frame_and_atomic_parameters(tmp_path):
    path = write_model(tmp_path / "p.dp", numb_fparam=1, numb_aparam=2)
    dp = DeepPot(path)
    aparam = np.linspace(0, 1, 12).reshape(6, 2)
    atoms = make(Counting(path, fparam=[0.3], aparam=aparam))

    def expected(f, a):
        cells = np.array(CELL).reshape(1, 9)
        return dp.eval(atoms.positions.reshape(1, -1), cells, [0, 1, 1, 0, 1, 1], False, [f], a)[0][0, 0]

    assert atoms.get_potential_energy() == expected(0.3, aparam)
    atoms.info["fparam"] = np.array([0.7])
    assert atoms.get_potential_energy() == expected(0.7, aparam)
    atoms.info["fparam"][0] = 0.9  # changed in place
    assert atoms.get_potential_energy() == expected(0.9, aparam)
    atoms.set_array("aparam", aparam + 1)
    assert atoms.get_potential_energy() == expected(0.9, aparam + 1)
    atoms.arrays["aparam"] += 1
    assert atoms.get_potential_energy() == expected(0.9, aparam + 2)
    assert atoms.get_potential_energy() == expected(0.9, aparam + 2) and atoms.calc.calls == 5
    del atoms.info["fparam"]
    atoms.calc.set(fparam=[0.1])
    assert atoms.get_potential_energy() == expected(0.1, aparam + 2)
    with pytest.raises(InputError, match="the model needs 1 frame parameter"):
        make(DP(path, aparam=aparam)).get_potential_energy()


def test_parameters_of_the_atoms_mean_nothing_to_a_model_without_them(model):
    atoms = make(DP(model))
    expected = atoms.get_potential_energy()
    atoms.info["fparam"] = 1.0
    assert atoms.get_potential_energy() == expected
    with pytest.raises(InputError, match="takes no frame parameters"):
        make(DP(model, fparam=[1.0])).get_potential_energy()


# ---- elements, arguments -------------------------------------------------------------------------


def test_unknown_elements_are_named_with_those_of_the_model(model):
    with pytest.raises(InputError, match=r"m\.dp: C, N in CHN: the model has O H only"):
        Atoms("NCH", positions=np.eye(3), calculator=DP(model)).get_potential_energy()


def test_type_dict_gives_other_symbols_to_types(model):
    water, sulfide = make(DP(model)), make(DP(model, type_dict={"S": 0, "H": 1}))
    sulfide.symbols = "SH2SH2"
    assert sulfide.get_potential_energy() == water.get_potential_energy()
    with pytest.raises(InputError, match=r"type_dict: S has type 2; the model has types 0 \(O\), 1 \(H\)"):
        DP(model, type_dict={"S": 2})
    with pytest.raises(InputError, match="type_dict: S has type 0.7"):
        DP(model, type_dict={"S": 0.7})
    with pytest.raises(InputError, match="type_dict: expected types by symbol"):
        DP(model, type_dict=["O", "H"])


def test_arguments_that_do_not_exist_are_refused(model, tmp_path):
    with pytest.raises(TypeError, match='unexpected keyword "fparm". Did you mean "fparam"?'):
        DP(model, fparm=[1.0])
    with pytest.raises(TypeError, match='no parameter "cutoff"'):
        DP(model).set(cutoff=3)
    with pytest.raises(InputError, match="make a new calculator"):
        DP(model).set(model="other.dp")
    with pytest.raises(InputError, match="no such model file"):
        DP(tmp_path / "none.dp")


def test_a_flat_cell_is_refused(model):
    atoms = make(DP(model))
    atoms.cell[0] = 0
    with pytest.raises(ValueError, match="the cell encloses no volume"):
        atoms.get_potential_energy()


def test_without_ase_the_message_says_what_to_install():
    code = "import sys; sys.modules['ase'] = None\nimport dpcore.calculator"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "dpcore.calculator needs ASE; install it with: pip install 'dpcore[ase]'" in done.stderr


# ---- copies, threads, data bases, sockets --------------------------------------------------------


def test_copies(model):
    atoms = make(DP(model, fparam=None))
    energy = atoms.get_potential_energy()
    shared = copy.deepcopy(atoms.calc)
    assert shared.dp is atoms.calc.dp and shared is not atoms.calc
    loaded = pickle.loads(pickle.dumps(atoms.calc))
    assert loaded.dp is not atoms.calc.dp
    for calc in (shared, loaded):
        other = make(calc)
        other.positions[0, 0] += 0.1
        assert other.get_potential_energy() != energy
        other.positions[0, 0] -= 0.1
        assert other.get_potential_energy() == pytest.approx(energy, abs=1e-14)
    assert atoms.get_potential_energy() == energy


def test_one_calculator_from_several_threads(model):
    calc = DP(model)
    systems = []
    for k in range(8):
        atoms = make(calc)
        atoms.positions[0, 0] += 0.05 * k
        systems.append(atoms)
    expected = [(atoms.get_potential_energy(), atoms.get_forces()) for atoms in systems]
    together = threading.Barrier(4)

    def work(index):
        if index < 4:
            together.wait(timeout=30)
        return [(systems[index].get_potential_energy(), systems[index].get_forces()) for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        for (energy, forces), found in zip(expected, pool.map(work, range(8))):
            for e, f in found:
                assert e == energy
                np.testing.assert_array_equal(f, forces)


def test_ase_keeps_name_parameters_and_results(model, tmp_path):
    from ase.db import connect
    from ase.io import read

    atoms = make(DP(model, type_dict={"O": 0, "H": 1}))
    atoms.get_stresses()
    assert atoms.calc.name == "DP" and atoms.calc.todict() == {
        "model": str(model),
        "type_dict": {"O": 0, "H": 1},
    }
    with connect(tmp_path / "a.json") as base:
        base.write(atoms)
    row = connect(tmp_path / "a.json").get(1)
    assert row.calculator.lower() == "dp" and row.energy == atoms.get_potential_energy()
    for name in ("a.traj", "a.extxyz"):
        atoms.write(tmp_path / name)
        np.testing.assert_allclose(read(tmp_path / name).get_forces(), atoms.get_forces(), atol=1e-8)
    if hasattr(atoms.calc, "export_properties"):
        assert "virial" not in atoms.calc.export_properties()


def test_ases_socket_client_and_server(model):
    """The i-PI protocol of ASE on both ends, this calculator behind it."""
    from ase.calculators import socketio

    expected = make(DP(model))
    expected.get_stress()
    address = f"dpcore_{os.getpid()}"
    with socketio.SocketIOCalculator(unixsocket=address) as server:
        atoms = make(server)

        def client():
            other = make(DP(model))
            other.positions += 0.3
            socketio.SocketClient(unixsocket=address, timeout=20).run(other, use_stress=True)

        thread = threading.Thread(target=client, daemon=True)
        thread.start()
        try:
            for shift in (0.0, 0.2):
                atoms.positions[1, 1] += shift
                expected.positions[1, 1] += shift
                energy = expected.get_potential_energy()
                assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-9)
                np.testing.assert_allclose(atoms.get_forces(), expected.get_forces(), rtol=0, atol=1e-9)
                np.testing.assert_allclose(atoms.get_stress(), expected.get_stress(), rtol=0, atol=1e-10)
        finally:
            server.close()
            thread.join(timeout=20)
    assert not thread.is_alive()
