# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp_ipi answers every message of i-PI's protocol, and ends with a message where one is wrong."""

import contextlib
import json
import signal
import time

import numpy as np
import pytest
from ipi_tools import BOHR, HARTREE, cell_bytes, evaluate, posdata, water, write_xyz

SHEAR = np.array([[1.0, 0.0, 0.0], [0.2, 1.0, 0.0], [-0.1, 0.15, 1.0]])  # rows are cell vectors


def sheared(n=1):
    """Water in a triclinic cell whose transpose is another cell."""
    cells, coords = water(n)
    return cells @ SHEAR, coords @ SHEAR


def close(found, expected, scale):
    """Equality to rounding; fails on NaN."""
    assert not np.abs(found - expected).max() > 1e-13 * scale and np.isfinite(found).all()


def check_results(model, cells, coords, results):
    energy, force, virial, extras = results
    expected = evaluate(model, cells, coords)
    assert np.abs(expected[1]).max() > 1e-4 and np.abs(expected[2]).max() > 1e-4, (
        "the comparison says nothing"
    )
    close(energy, expected[0], np.abs(expected[0]).max())
    close(force, expected[1], 1e2 * np.abs(expected[1]).max())
    close(virial.transpose(0, 2, 1), expected[2], 1e2 * np.abs(expected[2]).max())
    assert all(json.loads(text) == {} for text in extras)


def finish(processes, client, code, *words):
    found, output = processes.finish(client)
    assert found == code, output
    for word in words:
        assert word in output, output
    return output


def test_units_are_those_of_i_pi():
    units = pytest.importorskip("ipi.utils.units")
    assert units.unit_to_user("length", "angstrom", 1.0) == BOHR
    assert units.unit_to_user("energy", "electronvolt", 1.0) == HARTREE


def test_one_structure_step_by_step(folder, processes, connect):
    server, client = connect()
    cells, coords = sheared()
    assert server.status() == "NEEDINIT    "
    server.init("some: parameters")
    for _ in range(2):
        assert server.status() == "READY       "
        server.send("POSDATA", posdata(cells[0], coords[0]))
        assert server.status() == "HAVEDATA    "
        server.send("GETFORCE")
        check_results(folder / "water.dp", cells, coords, server.results(48))
    server.send("EXIT")
    output = finish(
        processes, client, 0, "48 atoms, model water.dp", "the server says EXIT; 2 structures evaluated"
    )
    assert output.count("\n") == 2


def test_messages_in_one_piece_and_in_crumbs(folder, processes, connect):
    """i-PI sends POSDATA and GETFORCE together; a network may cut anywhere."""
    server, client = connect()
    cells, coords = sheared()
    server.init()
    message = b"POSDATA     " + posdata(cells[0], coords[0]) + b"GETFORCE    "
    server.connection.sendall(message)
    check_results(folder / "water.dp", cells, coords, server.results(48))
    for piece in (message[:5], message[5:90], message[90:91], message[91:-3], message[-3:]):
        server.connection.sendall(piece)
        time.sleep(0.01)
    check_results(folder / "water.dp", cells, coords, server.results(48))
    server.send("EXIT")
    finish(processes, client, 0)


@pytest.mark.parametrize("text", ["batch_size:3", "x : 1, batch_size: 3"])
def test_batch_of_structures(folder, processes, connect, text):
    server, client = connect()
    cells, coords = sheared(3)
    assert server.status() == "NEEDINIT    "
    server.init(text)
    data = [np.int32(48).tobytes(), *map(cell_bytes, cells), (coords / BOHR).tobytes()]
    for _ in range(2):
        server.send("POSDATA", *data, b"GETFORCE    ")
        check_results(folder / "water.dp", cells, coords, server.results(48, 3))
    server.send("EXIT")
    finish(processes, client, 0, "6 structures")


def test_answer_larger_than_the_buffers_of_the_socket(folder, processes, connect):
    """Both directions are written in several pieces while the other side is slow."""
    n = 400
    server, client = connect()
    cells, coords = (np.tile(x, (n, 1, 1)) for x in sheared())
    server.init(f"batch_size:{n}")
    server.send(
        "POSDATA", np.int32(48).tobytes(), *map(cell_bytes, cells), (coords / BOHR).tobytes(), b"GETFORCE    "
    )
    time.sleep(0.2)
    client.send_signal(signal.SIGSTOP)
    client.send_signal(signal.SIGCONT)
    energy, force, virial, extras = server.results(48, n)
    first = evaluate(folder / "water.dp", cells[:1], coords[:1])
    close(energy, first[0], np.abs(first[0]).max())
    close(force, first[1], 1e2 * np.abs(first[1]).max())
    assert len(virial) == len(extras) == n
    server.send("EXIT")
    finish(processes, client, 0, f"{n} structures")


@pytest.mark.parametrize("sent", [b"", b"STAT", b"POSDATA     " + bytes(100)])
def test_a_server_that_goes_is_a_clean_end(processes, connect, sent):
    server, client = connect()
    server.connection.sendall(sent)
    server.close()
    output = finish(processes, client, 0, "the server has")
    assert output.count("\n") == 2


def test_a_server_that_goes_during_the_answer_is_a_clean_end(processes, connect):
    server, client = connect()
    cells, coords = (np.tile(x, (400, 1, 1)) for x in sheared())
    server.init("batch_size:400")
    server.send(
        "POSDATA", np.int32(48).tobytes(), *map(cell_bytes, cells), (coords / BOHR).tobytes(), b"GETFORCE    "
    )
    server.receive(12)
    server.close()  # with unread data: the client's write fails
    finish(processes, client, 0, "the server has gone")


def with_(coords, atom, value):
    changed = coords.copy()
    changed[atom, 1] = value
    return changed


CELLS, COORDS = sheared()
WRONG = {
    "atoms": (
        ("POSDATA", posdata(CELLS[0], COORDS[0][:47])),
        ["got 47 atoms, but conf.xyz has 48", "same order"],
    ),
    "shared memory": (("POSDATA", bytes(144) + b"_pos", bytes(99)), ["mode='shm'", "unix and inet"]),
    "nan": (("POSDATA", posdata(CELLS[0], with_(COORDS[0], 5, np.nan))), ["atom 5", "finite"]),
    "inf": (("POSDATA", posdata(CELLS[0], with_(COORDS[0], 7, np.inf))), ["atom 7", "finite"]),
    "far": (("POSDATA", posdata(CELLS[0], with_(COORDS[0], 7, 1e30))), ["atom 7"]),
    "cell": (("POSDATA", bytes(144), posdata(CELLS[0], COORDS[0])[144:]), ["box", "no volume"]),
    "same place": (("POSDATA", posdata(CELLS[0], with_(COORDS[0], slice(None), 0) * [0, 1, 0])), ["atom"]),
    "header": (("HELLO\x07",), ['unexpected header "HELLO?"', "i-PI"]),
    "lower case": (("status",), ['unexpected header "status"']),
    "no data": (("GETFORCE",), ["GETFORCE without POSDATA"]),
    "long text": (("INIT", np.int32([0, -1]).tobytes()), ["INIT: expected a text", "-1"]),
    "batch 0": (("INIT", np.int32([0, 12]).tobytes(), b"batch_size:0"), ["batch_size: expected 1 to"]),
    "batch x": (("INIT", np.int32([0, 12]).tobytes(), b"batch_size:x"), ['got "x"']),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_ends_with_a_message(processes, connect, case):
    message, words = WRONG[case]
    server, client = connect()
    server.init()
    server.send(*message)
    output = finish(processes, client, 1, *words)
    assert output.count("\n") == 2
    with contextlib.suppress(ConnectionResetError):  # bytes that were not read
        assert server.connection.recv(1) == b"", "the connection is closed"


def test_getforce_twice_needs_posdata_twice(processes, connect):
    server, client = connect()
    server.init()
    server.send("POSDATA", posdata(CELLS[0], COORDS[0]), b"GETFORCE    ")
    server.results(48)
    server.send("GETFORCE")
    finish(processes, client, 1, "GETFORCE without POSDATA")


def test_a_large_cell_is_periodic_without_images_in_reach(folder, processes, connect):
    server, client = connect()
    cell, coords = np.eye(3) * 1e5, COORDS[:1] - COORDS[0][0]
    server.init()
    server.send("POSDATA", posdata(cell, coords[0]), b"GETFORCE    ")
    check_results(folder / "water.dp", cell[None], coords, server.results(48))
    server.send("EXIT")
    finish(processes, client, 0)


def test_neighbours_beyond_sel_are_told_once(folder, processes, connect):
    from make_model import write_model

    write_model(folder / "water.dp", sel=(5, 5))
    server, client = connect()
    server.init()
    for _ in range(2):
        server.send("POSDATA", posdata(CELLS[0], COORDS[0]), b"GETFORCE    ")
        server.results(48)
    server.send("EXIT")
    output = finish(processes, client, 0, "DP_STRICT_SEL=1")
    assert output.count("warning") == 1


def test_strict_sel_is_an_error(folder, processes, connect):
    from make_model import write_model

    write_model(folder / "water.dp", sel=(5, 5))
    server, client = connect(DP_STRICT_SEL="1")
    server.init()
    server.send("POSDATA", posdata(CELLS[0], COORDS[0]))
    finish(processes, client, 1, "sel")


def test_verbose_tells_messages_and_energies(folder, processes, connect):
    server, client = connect("--verbose")
    server.init()
    server.send("POSDATA", posdata(CELLS[0], COORDS[0]), b"GETFORCE    ")
    energy = server.results(48)[0][0] * HARTREE
    server.send("EXIT")
    finish(
        processes, client, 0, "received INIT", "received POSDATA", f"energy {energy:.9f} eV", "received EXIT"
    )


@pytest.mark.parametrize("number, word", [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "a signal")])
def test_signals_end_it_at_once(processes, connect, number, word):
    server, client = connect()
    processes.wait_for(client, "connected")
    client.send_signal(number)
    finish(processes, client, 128 + number, f"dp_ipi: stopped by {word}")
    assert server.connection.recv(1) == b""


def test_names_of_another_structure(folder, processes, connect):
    """Only names count in conf.xyz: with the types exchanged the energy is that of the exchanged model."""
    cells, coords = sheared()
    write_xyz(folder / "conf.xyz", cells[0], coords[0], ["HW", "OW", "OW"] * 16)
    server, client = connect("-t", "HW,OW")
    server.init()
    server.send("POSDATA", posdata(cells[0], coords[0]), b"GETFORCE    ")
    check_results(folder / "water.dp", cells, coords, server.results(48))
    server.send("EXIT")
    finish(processes, client, 0)
