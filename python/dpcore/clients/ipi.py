# SPDX-License-Identifier: LGPL-3.0-or-later
"""The program dp_ipi, served by a small server of the protocol of i-PI.

Units are those of i-PI (ipi.utils.units), so that nothing is lost between server and client.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from dpcore.clients import ClientError, Frame, NotInstalled, NotRun, Result
from dpcore.clients.places import TIMEOUT, program

__all__ = ["evaluate", "find"]

_BOHR = 1 / 1.8897261  # A
_HARTREE = 1 / 0.036749326  # eV


def find() -> str:
    """The program."""
    found = program("dp_ipi")
    if found is None:
        raise NotInstalled("this build has no dp_ipi; pip install dpcore has one")
    return found


def evaluate(model: str, frame: Frame, folder: Path) -> Result:
    """Evaluate a frame; the process that is started ends with the call."""
    if frame.cell is None:
        raise NotRun("i-PI sends a cell always, so that every system is periodic")
    if frame.fparam is not None or frame.aparam is not None:
        raise NotRun("i-PI has no frame or atomic parameters to send")
    command = find()
    names = [frame.type_map[t] for t in frame.types]
    conf = folder / "conf.xyz"
    conf.write_text("\n".join([str(len(names)), "", *(f"{name} 0 0 0" for name in names), ""]))
    # Not in `folder`, nor in a long TMPDIR: the path of a socket has at most some 100 characters.
    place = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else None
    scratch = tempfile.TemporaryDirectory(prefix="dp_", dir=place)
    with scratch as short, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{short}/s_x")
        server.listen(1)
        server.settimeout(TIMEOUT)
        with open(folder / "dp_ipi.log", "w+", encoding="utf-8") as log:
            words = [command, "-m", model, "-c", conf, "-u", "-a", "x", "-S", f"{short}/s_"]
            client = subprocess.Popen([str(w) for w in words], stdout=log, stderr=log, start_new_session=True)
            try:
                return _exchange(server, client, frame)
            except (OSError, EOFError) as error:
                log.seek(0)
                raise ClientError(f"dp_ipi: {log.read().strip() or error}") from None
            finally:
                try:
                    client.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    client.kill()
                    client.wait()


def _exchange(server: socket.socket, client: subprocess.Popen[bytes], frame: Frame) -> Result:
    connection = _accept(server, client)
    with connection:
        connection.settimeout(TIMEOUT)

        def send(header: str, *arrays: np.ndarray) -> None:
            connection.sendall(b"".join([f"{header:12s}".encode(), *(a.tobytes() for a in arrays)]))

        def receive(count: int, kind: type = np.float64) -> np.ndarray:
            data = bytearray()
            size = count * np.dtype(kind).itemsize
            while len(data) < size:
                part = connection.recv(size - len(data))
                if not part:
                    raise EOFError("it closed the connection")
                data += part
            return np.frombuffer(bytes(data), kind)

        def header() -> str:
            return receive(12, np.uint8).tobytes().decode(errors="replace").strip()

        send("STATUS")
        if header() == "NEEDINIT":
            send("INIT", np.array([0, 0], np.int32))
        n = np.array([len(frame.types)], np.int32)
        cell = frame.cell.T / _BOHR  # cell vectors as columns
        send("POSDATA", cell, np.linalg.inv(cell), n, frame.coord / _BOHR)
        send("STATUS")
        if (answer := header()) != "HAVEDATA":
            raise ClientError(f"dp_ipi: expected HAVEDATA, got {answer}")
        send("GETFORCE")
        if (answer := header()) != "FORCEREADY":
            raise ClientError(f"dp_ipi: expected FORCEREADY, got {answer}")
        energy = receive(1)[0]
        count = int(receive(1, np.int32)[0])
        force = receive(3 * count).reshape(-1, 3) * (_HARTREE / _BOHR)
        virial = receive(9).reshape(3, 3).T.ravel() * _HARTREE
        receive(int(receive(1, np.int32)[0]), np.uint8)
        send("EXIT")
        return Result(float(energy * _HARTREE), force, virial)


def _accept(server: socket.socket, client: subprocess.Popen[bytes]) -> socket.socket:
    """The connection of the client, or EOFError if it ends before it connects."""
    server.settimeout(0.05)
    end = time.monotonic() + TIMEOUT
    while client.poll() is None and time.monotonic() < end:
        try:
            return server.accept()[0]
        except socket.timeout:
            continue
    if client.returncode is None:
        raise EOFError(f"did not connect within {TIMEOUT:g} s")
    raise EOFError(f"ended with {client.returncode}")
