# SPDX-License-Identifier: LGPL-3.0-or-later
"""DPLR in LAMMPS: the same input with DeePMD-kit's plugin and with ours gives the same trajectory and pressure."""

from __future__ import annotations

import numpy as np
import pytest
import run_lammps
from dpcore.cli import main
from dplr_system import MEASURE, script, write_data
from peer import make_cases
from peer.test_lammps_peer import PEER, peer_environment_variables
from peer.test_training_equality_peer import folder  # noqa: F401
from run_lammps import Box, lammps, read_dump

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(run_lammps.why_not()), reason=run_lammps.why_not() or "-"),
    pytest.mark.skipif(
        not (PEER / "bin/lmp").exists(),
        reason=f"DeePMD-kit with LAMMPS is not installed in {PEER} (set DPCORE_PEER)",
    ),
]

DYNAMICS = """
velocity all create 300 4711 loop geom
fix 1 all nve
timestep 0.0002
thermo 2
run 10
"""


@pytest.mark.parametrize("kspace, cell, words", [
    ("diff ik", "triclinic", "efield 0.1 v_ey -0.3"),
    ("diff ad", "orthogonal", ""),
])  # fmt: skip
def test_trajectory(tmp_path, folder, kspace, cell, words):  # noqa: F811
    """Momenta and forces of all atoms, energies with their electrostatic part, six components of the pressure."""
    case = make_cases.make_case("dipole_charge", folder)
    graph = case / "end.pb"
    coord, box = (np.load(case / "data/set.000" / f"{name}.npy")[0] for name in ("coord", "box"))
    system = Box(coord.reshape(-1, 3), box.reshape(3, 3), np.loadtxt(case / "data/type.raw", dtype=int))
    if cell == "orthogonal":
        scaled = np.diag(np.diag(system.cell))
        system = system._replace(coord=system.coord @ np.linalg.inv(system.cell) @ scaled, cell=scaled)
    assert main(["convert-from", "-i", str(graph), "-o", str(tmp_path / "ours.dp")]) == 0
    plugin = run_lammps_plugin()
    results = []
    for who, model in (("peer", graph), ("ours", tmp_path / "ours.dp")):
        work = tmp_path / who
        work.mkdir()
        write_data(work / "box.data", system)
        text = "variable ey equal 0.2*cos(0.1*step)\n" + (plugin if who == "peer" else "")
        text += script(model, kspace, words, beta=0.4).replace("mesh 40 40 40 order 7", "mesh 16 18 20")
        text += MEASURE.replace("custom step pe", "custom step pe evdwl f_0 f_0[2] etotal") + DYNAMICS
        if who == "peer":
            program = [str(PEER / "bin/lmp")]
            out = lammps(work, text, program=program, env=peer_environment_variables(), timeout=300)
        else:
            out = lammps(work, text)
        results.append((out.thermo(), [read_dump(work / "atoms.dump", k) for k in (0, 10)]))
    (p, at_peer), (o, at_ours) = results
    assert len(o["Step"]) == 6 and np.ptp(p["PotEng"]) > 1e-3
    assert np.abs(p["E_long"]).max() > 0.1 and np.abs(at_peer[1][:, 5:8]).max() > 0.1
    assert (np.abs(p["f_0"]).max() > 0.1) == bool(words)
    for name, values in p.items():
        largest = max(np.abs(p[k]).max() for k in p if k[:4] == name[:4])
        np.testing.assert_allclose(o[name], values, rtol=0, atol=1e-9 * largest + 1e-12, err_msg=name)
    for a, b in zip(at_peer, at_ours):
        np.testing.assert_allclose(b[:, 2:], a[:, 2:], rtol=0, atol=1e-9)


def run_lammps_plugin():
    """The line that loads the peer's plugin."""
    library = next((PEER / "lib").glob("python3*/site-packages/deepmd/lib/libdeepmd_lmpplugin.so"))
    return f"plugin load {library}\n"
