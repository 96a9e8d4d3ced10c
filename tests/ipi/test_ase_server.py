# SPDX-License-Identifier: LGPL-3.0-or-later
"""ASE's SocketIOCalculator as the server of dp_ipi."""

import os

import numpy as np
import pytest
from ipi_tools import NAMES, TYPES, free_port, water

pytest.importorskip("ase")


@pytest.mark.parametrize("mode", ["unix", "inet"])
def test_ase_gets_the_numbers_of_the_model(folder, processes, mode):
    from ase import Atoms
    from ase.calculators.socketio import SocketIOCalculator
    from dpcore.infer import DeepPot

    cells, coords = water(2)
    shear = np.array([[1.0, 0.0, 0.0], [0.2, 1.0, 0.0], [-0.1, 0.15, 1.0]])
    cells, coords = cells @ shear, coords @ shear
    if mode == "unix":  # ASE's prefix is fixed
        server, where = {"unixsocket": f"dpcore_{os.getpid()}"}, ("-u", "-a", f"dpcore_{os.getpid()}")
    else:
        port = free_port()
        server, where = {"port": port}, ("-p", port)
    energy, force, virial = DeepPot(str(folder / "water.dp")).eval(
        coords.reshape(2, -1), cells.reshape(2, 9), TYPES
    )
    client = processes.client("-m", "water.dp", "-c", "conf.xyz", *where)
    with SocketIOCalculator(timeout=20, **server) as calculator:
        for f in range(2):
            atoms = Atoms(NAMES, positions=coords[f], cell=cells[f], pbc=True, calculator=calculator)
            stress = -virial[f].reshape(3, 3) / atoms.get_volume()
            # ASE's bohr and hartree are 1e-8 and 1e-7 off i-PI's
            assert atoms.get_potential_energy() == pytest.approx(energy[f, 0], rel=2e-7)
            np.testing.assert_allclose(
                atoms.get_forces(), force[f], rtol=0, atol=1e-6 * np.abs(force[f]).max()
            )
            np.testing.assert_allclose(
                atoms.get_stress(voigt=False), stress, rtol=0, atol=1e-6 * np.abs(stress).max()
            )
    code, output = processes.finish(client)
    assert code == 0 and "2 structures evaluated" in output
