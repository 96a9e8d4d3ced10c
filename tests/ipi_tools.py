# SPDX-License-Identifier: LGPL-3.0-or-later
"""For the tests of the i-PI interface: processes that end with the test, our own server, inputs of i-PI."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

import numpy as np
from dpcore.infer import DeepPot
from dpcore.ipi import program

LIMIT = 20  # s; nothing here takes more than a few
# i-PI's own numbers (ipi.utils.units), which test_units compares
BOHR = 1 / 1.8897261  # A
HARTREE = 1 / 0.036749326  # eV
ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "examples/water/data/test/set.000"
DATA_FOLDER = Path(os.environ.get("DPCORE_TEST_DATA") or ROOT.parent / "shared")


def script(name):
    """A program beside this Python."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def free_port():
    """A port that nobody listens on; another program may take it before we do."""
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def limit_files():
    """A program that writes without end stops at 20 MB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, 20_000_000))


class Processes:
    """Programs whose output goes to a file; all are stopped by `close`."""

    def __init__(self, folder):
        self.folder, self.started = folder, []

    def start(self, *command, **env):
        """Start a program in the folder; keywords are environment variables."""
        path = self.folder / f"output_{len(self.started)}"
        with path.open("w") as file:
            process = subprocess.Popen(
                [str(word) for word in command], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, preexec_fn=limit_files,
                # i-PI's messages are waited for: Python would keep them back from a file
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **env},
            )  # fmt: skip
        process.path = path
        self.started.append(process)
        return process

    def client(self, *arguments, **env):
        """Start dp_ipi itself, without the Python of its script."""
        return self.start(program(), *arguments, **env)

    def finish(self, process):
        """(exit code, output) of a program that ends by itself."""
        try:
            code = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"{process.args} hangs:\n{process.path.read_text()}") from None
        return code, process.path.read_text()

    def wait_for(self, process, text):
        """Wait until a program has written `text`; returns its output."""
        self.wait_until(lambda: text in process.path.read_text() or process.poll() is not None)
        output = process.path.read_text()
        assert text in output, f"ended without {text!r}:\n{output}"
        return output

    @staticmethod
    def wait_until(condition):
        for _ in range(LIMIT * 50):
            if condition():
                return
            time.sleep(0.02)
        raise AssertionError(f"not within {LIMIT} s")

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(LIMIT)


class Server:
    """i-PI's side of the protocol, message by message, for one client."""

    def __init__(self, prefix=None, host="localhost"):
        if prefix is None:
            self.socket = socket.create_server((host, 0))
            self.arguments = ("-a", host, "-p", self.socket.getsockname()[1])
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(prefix + "own")
            self.socket.listen()
            self.arguments = ("-u", "-a", "own", "-S", prefix)
        self.socket.settimeout(LIMIT)

    def accept(self):
        self.connection, _ = self.socket.accept()
        self.connection.settimeout(LIMIT)
        return self

    def close(self):
        for name in ("connection", "socket"):
            with contextlib.suppress(AttributeError):
                getattr(self, name).close()

    def send(self, header, *parts):
        message = header.ljust(12).encode() + b"".join(parts)
        self.connection.sendall(message)

    def receive(self, n):
        data = b""
        while len(data) < n:
            part = self.connection.recv(n - len(data))
            assert part, f"the client has closed after {len(data)} of {n} bytes"
            data += part
        return data

    def numbers(self, n, dtype=np.float64):
        return np.frombuffer(self.receive(n * np.dtype(dtype).itemsize), dtype)

    def status(self):
        self.send("STATUS")
        return self.receive(12).decode()

    def init(self, text=""):
        self.send("INIT", np.int32(3).tobytes(), np.int32(len(text)).tobytes(), text.encode())

    def results(self, n_atoms, n=1):
        """Energies, forces, virials as they come, and the extra texts, after GETFORCE."""
        assert self.receive(12) == b"FORCEREADY  "
        energy = self.numbers(n)
        assert self.numbers(1, np.int32)[0] == n_atoms
        force, virial = self.numbers(3 * n * n_atoms), self.numbers(9 * n)
        extras = [self.receive(self.numbers(1, np.int32)[0]).decode() for _ in range(n)]
        return energy, force.reshape(n, n_atoms, 3), virial.reshape(n, 3, 3), extras


def cell_bytes(cell):
    """Of one cell [3, 3] in A, rows are vectors, as i-PI sends it."""
    return (cell.T / BOHR).tobytes() + (np.linalg.inv(cell.T) * BOHR).tobytes()


def posdata(cell, coord):
    """The data of POSDATA for one structure in A."""
    return cell_bytes(cell) + np.int32(len(coord)).tobytes() + (coord / BOHR).tobytes()


def water(n_frames=4):
    """Cells [n, 3, 3], coordinates [n, 48, 3] in A of liquid water, O H H after each other."""
    return (
        np.load(DATA / "box.npy")[:n_frames].astype(float).reshape(-1, 3, 3),
        np.load(DATA / "coord.npy")[:n_frames].astype(float).reshape(n_frames, -1, 3),
    )


NAMES = ["O", "H", "H"] * 16
TYPES = np.array([0, 1, 1] * 16)


def write_xyz(path, cell, coord, names=NAMES):
    """An xyz file as i-PI reads it: turned so that a is along x and b in the xy plane."""
    from ase.cell import Cell

    turned, turn = Cell(cell).standard_form()
    coord = coord @ turn.T
    head = " ".join(f"{x:.12f}" for x in turned.cellpar())
    lines = [f"{n} {x:.12f} {y:.12f} {z:.12f}" for n, (x, y, z) in zip(names, coord)]
    head = f"# CELL(abcABC): {head} positions{{angstrom}} cell{{angstrom}}"
    path.write_text("\n".join([str(len(names)), head, *lines]) + "\n")


NVE = "<dynamics mode='nve'><timestep units='femtosecond'> 0.2 </timestep></dynamics>"
# every step changes all of the cell
NPT = """<dynamics mode='npt'><timestep units='femtosecond'> 0.2 </timestep>
  <thermostat mode='langevin'><tau units='femtosecond'> 10 </tau></thermostat>
  <barostat mode='flexible'><tau units='femtosecond'> 10 </tau>
    <thermostat mode='langevin'><tau units='femtosecond'> 10 </tau></thermostat></barostat></dynamics>"""


def write_input(path, forcefield, steps=3, beads=4, dynamics=NVE):
    """An input of i-PI for conf.xyz that writes positions, forces and potentials of every bead."""
    potentials = ", ".join(f"potential(bead={bead})" for bead in range(beads))
    path.write_text(
        f"""<simulation verbosity='low'>
  <output prefix='out'>
    <properties stride='1' filename='potential'> [ step, {potentials} ] </properties>
    <properties stride='1' filename='virial'> [ step, virial_md ] </properties>
    <trajectory stride='1' filename='x' format='bin'> positions </trajectory>
    <trajectory stride='1' filename='f' format='bin'> forces </trajectory>
  </output>
  <total_steps> {steps} </total_steps>
  <prng><seed> 31415 </seed></prng>
  {forcefield}
  <system>
    <initialize nbeads='{beads}'>
      <file mode='xyz'> conf.xyz </file>
      <velocities mode='thermal' units='kelvin'> 600 </velocities>
    </initialize>
    <forces><force forcefield='dp'/></forces>
    <ensemble>
      <temperature units='kelvin'> 600 </temperature>
      <pressure units='megapascal'> 100 </pressure>
    </ensemble>
    <motion mode='dynamics'> {dynamics} </motion>
  </system>
</simulation>
"""
    )


def read_trajectory(path, n_records):
    """Cells [n, 3, 3] (rows are vectors) and values [n, n_atoms, 3] of a binary trajectory, atomic units."""
    data = path.read_bytes()
    assert len(data) % n_records == 0, f"{path}: {len(data)} bytes are no {n_records} records"
    cells, values = [], []
    for at in range(0, len(data), len(data) // n_records):
        cells.append(np.frombuffer(data, float, 9, at).reshape(3, 3).T)
        n_atoms = int(np.frombuffer(data, np.int64, 1, at + 72)[0])
        values.append(np.frombuffer(data, float, 3 * n_atoms, at + 80).reshape(n_atoms, 3))
    return np.array(cells), np.array(values)


def convert(graph, path):
    """Write a graph of DeePMD-kit as a model file; returns the names of its types."""
    from dpcore import cli

    assert cli.main(["convert-from", "-i", str(graph), "-o", str(path), "-v", "ERROR"]) == 0
    return DeepPot(str(path)).get_type_map()


def evaluate(model, cell, coord, types=None):
    """Energies [n], forces [n, n_atoms, 3], virials [n, 3, 3], atomic units, of structures in A."""
    energy, force, virial = DeepPot(str(model)).eval(
        coord.reshape(len(coord), -1), cell.reshape(-1, 9), TYPES if types is None else types
    )
    return energy[:, 0] / HARTREE, force / HARTREE * BOHR, virial.reshape(-1, 3, 3) / HARTREE


def check_run(folder, steps, beads, types=None):
    """Compare what i-PI wrote with dpcore.infer; returns the cells [n, 3, 3] in bohr."""
    potentials = np.loadtxt(folder / "out.potential")[:, 1:]
    virials = np.loadtxt(folder / "out.virial")[:, 1:]
    assert potentials.shape == (steps + 1, beads)
    total = np.zeros((steps + 1, 3, 3))
    previous = None
    for bead in range(beads):
        cells, positions = read_trajectory(folder / f"out.x_{bead}.bin", steps + 1)
        _, forces = read_trajectory(folder / f"out.f_{bead}.bin", steps + 1)
        energy, force, virial = evaluate(folder / "water.dp", cells * BOHR, positions * BOHR, types)
        scale = np.abs(force).max()
        assert scale > 1e-4 and np.ptp(energy) > 1e-7, "nothing moves: the comparison says nothing"
        assert not np.abs(forces - force).max() > 1e-11 * scale
        assert (
            not np.abs(potentials[:, bead] - energy).max() > 1e-8 * np.abs(energy).max()
        )  # nine digits are written
        assert previous is None or np.abs(positions - previous).max() > 1e-6, "beads differ"
        total, previous = total + virial, positions
    volume = np.linalg.det(cells)
    voigt = (total / volume[:, None, None])[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    assert not np.abs(virials - voigt).max() > 1e-7 * np.abs(voigt).max()
    return cells
