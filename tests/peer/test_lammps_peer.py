# SPDX-License-Identifier: LGPL-3.0-or-later
"""The same LAMMPS input with DeePMD-kit's pair style and with ours: the same trajectory, pressure and deviation file."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
import run_lammps
from dpcore.cli import main
from make_system import SHARED
from peer import make_cases
from run_lammps import Box, lammps, read_dump

GRAPH = SHARED / "reference/se_e2_a/graph.pb"
PEER = make_cases.peer_environment()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(run_lammps.why_not()), reason=run_lammps.why_not() or "-"),
    pytest.mark.skipif(not GRAPH.exists(), reason=f"no {GRAPH}"),
    pytest.mark.skipif(
        not (PEER / "bin/lmp").exists(),
        reason=f"DeePMD-kit with LAMMPS is not installed in {PEER} (set DPCORE_PEER)",
    ),
]

SCRIPT = """
units metal
boundary p p p
atom_style atomic
neighbor 2.0 bin
neigh_modify every 10 delay 0 check no
read_data box.data
mass 1 16
mass 2 2
{plugin}
pair_style deepmd {models}
pair_coeff * * O H
velocity all create 330.0 23456789 loop geom
fix 1 all nve
timestep 0.0005
compute centroid all centroid/stress/atom NULL virial
thermo_style custom step pe ke etotal temp press pxx pyy pzz pxy pxz pyz
thermo_modify format float %.15g
thermo 10
dump 1 all custom 50 md.dump id x y z fx fy fz c_centroid[*]
dump_modify 1 sort id format float %.17g
run {steps}
"""


def peer_environment_variables():
    env = {k: v for k, v in os.environ.items() if not k.startswith(("LAMMPS", "PYTHON", "OMP_"))}
    return {**env, "OMP_NUM_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3", "DP_INTRA_OP_PARALLELISM_THREADS": "2",
            "DP_INTER_OP_PARALLELISM_THREADS": "1"}  # fmt: skip


def run_both(folder, models, steps, atomic=""):
    """(output, folder) of the peer and of us, on the same box; models are graphs."""
    where = subprocess.run(
        [PEER / "bin/python", "-c", "import importlib.util as u; print(u.find_spec('deepmd').submodule_search_locations[0])"],
        check=True, capture_output=True, text=True,
    ).stdout.split()[-1]  # fmt: skip
    reference = np.load(GRAPH.parent / "ref.npz")
    box = Box(reference["coord"][0].reshape(-1, 3), reference["box"][0].reshape(3, 3), reference["type"])
    out = []
    for who in ("peer", "ours"):
        work = folder / who
        work.mkdir()
        box.write(work / "box.data")
        names = models
        if who == "ours":
            names = [work / f"{k}.dp" for k in range(len(models))]
            for graph, name in zip(models, names):
                assert main(["convert-from", "-i", str(graph), "-o", str(name)]) == 0
        plugin = f"plugin load {where}/lib/libdeepmd_lmpplugin.so" if who == "peer" else ""
        words = " ".join(map(str, names)) + atomic
        script = SCRIPT.format(plugin=plugin, models=words, steps=steps)
        if who == "peer":
            done = lammps(
                work, script, program=[str(PEER / "bin/lmp")], env=peer_environment_variables(), timeout=300
            )
        else:
            done = lammps(work, script, threads=2)
        out.append((done, work))
    return out


def test_trajectory(tmp_path):
    (peer, at_peer), (ours, at_ours) = run_both(tmp_path, [GRAPH], 100)
    p, o = peer.thermo(), ours.thermo()
    assert len(o["Step"]) == 11
    assert np.ptp(p["PotEng"]) > 0.1, "the atoms hardly move: the comparison says nothing"
    np.testing.assert_allclose(o["PotEng"], p["PotEng"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(o["TotEng"], p["TotEng"], rtol=0, atol=1e-6)
    for name in ("Press", "Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"):
        np.testing.assert_allclose(o[name], p[name], rtol=0, atol=1e-6 * np.abs(p["Pxx"]).max())
    for frame, limit in ((0, 1e-9), (2, 1e-6)):
        a, b = read_dump(at_peer / "md.dump", frame), read_dump(at_ours / "md.dump", frame)
        np.testing.assert_allclose(b[:, 1:7], a[:, 1:7], rtol=0, atol=limit)
        np.testing.assert_allclose(b[:, 7:], a[:, 7:], rtol=0, atol=limit * np.abs(a[:, 7:]).max())


def test_deviation(tmp_path):
    """Two models of one kind: the reference model, and the one that training begins with."""
    other = SHARED / "reference/training/se_e2_a"
    graphs = [GRAPH, *sorted(other.glob("*.pb"))[:1]]
    if len(graphs) < 2:
        pytest.skip(f"no graph in {other}")
    (_, at_peer), (_, at_ours) = run_both(tmp_path, graphs, 10, " out_freq 5 out_file md.out atomic")
    a, b = ((folder / "md.out").read_text().splitlines() for folder in (at_peer, at_ours))
    assert a[0] == b[0]
    p, o = (np.array([[float(w) for w in line.split()] for line in rows[1:]]) for rows in (a, b))
    assert p.shape == o.shape == (3, 7 + 192)
    assert (p[:, 4] > 1e-3).all()
    np.testing.assert_allclose(o, p, rtol=2e-6, atol=1e-9)
