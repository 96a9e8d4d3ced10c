# SPDX-License-Identifier: LGPL-3.0-or-later
"""The i-pi of PyPI runs with our clients: every bead has the potential, forces and virial of dpcore.infer."""

import re
import signal
import time

import numpy as np
import pytest
from ipi_tools import (
    DATA_FOLDER,
    NPT,
    check_run,
    convert,
    free_port,
    script,
    water,
    write_input,
    write_xyz,
)  # fmt: skip

pytest.importorskip("ipi")

BEADS = 4


@pytest.fixture
def i_pi(folder, processes):
    """Start i-pi on input.xml."""
    return lambda: processes.start(script("i-pi"), "-S", f"{folder}/s_", "input.xml")


def socket(folder, mode, more=""):
    """(the ffsocket of i-PI, the arguments of dp_ipi)."""
    port = free_port()
    address = (
        "<address> dp </address>"
        if mode == "unix"
        else f"<address> localhost </address> <port> {port} </port>"
    )
    where = ("-u", "-a", "dp", "-S", f"{folder}/s_") if mode == "unix" else ("-p", port)
    text = f"<ffsocket name='dp' mode='{mode}' pbc='false'> {address} <latency> 1e-3 </latency> {more}"
    return text + " </ffsocket>", ("-m", "water.dp", "-c", "conf.xyz", *where)


def structures(output):
    return int(re.search(r"the server says EXIT; (\d+) structures", output)[1])


@pytest.mark.parametrize("mode", ["unix", "inet"])
def test_four_beads_and_two_clients(folder, processes, i_pi, mode):
    steps = 10
    text, arguments = socket(folder, mode)
    write_input(folder / "input.xml", text, steps, BEADS)
    clients = [processes.client(*arguments) for _ in range(2)]
    for client in clients:  # both wait: i-PI takes all that come in its first half second
        processes.wait_for(client, "no server at")
    code, output = processes.finish(i_pi())
    assert code == 0, output
    done = [processes.finish(client) for client in clients]
    assert [code for code, _ in done] == [0, 0], done
    counts = [structures(output) for _, output in done]
    assert min(counts) > 0 and sum(counts) == BEADS * (steps + 1)
    check_run(folder, steps, BEADS)


def test_batches_of_beads_in_a_triclinic_cell_that_changes(folder, processes, i_pi):
    steps = 6
    cells, coords = water(1)
    shear = np.array([[1.0, 0.0, 0.0], [0.25, 1.0, 0.0], [-0.2, 0.15, 1.0]])
    write_xyz(folder / "conf.xyz", cells[0] @ shear, coords[0] @ shear)
    text, arguments = socket(folder, "unix", f"<batch_size> {BEADS} </batch_size>")
    write_input(folder / "input.xml", text, steps, BEADS, NPT)
    client = processes.client(*arguments)
    code, output = processes.finish(i_pi())
    assert code == 0, output
    code, output = processes.finish(client)
    assert code == 0 and structures(output) == BEADS * (steps + 1)
    cells = check_run(folder, steps, BEADS)
    assert all(abs(cells[0][i, j]) > 1 for i, j in ((1, 0), (2, 0), (2, 1))), "the cell is triclinic"
    moved = np.abs(cells[-1] - cells[0])
    assert all(moved[i, j] > 1e-6 for i, j in ((0, 0), (1, 1), (2, 2), (1, 0), (2, 0), (2, 1)))


def test_a_killed_client_and_then_a_killed_server(folder, processes, i_pi):
    """On a unix socket: i-PI 3.3 may stop for ever where an Internet connection is reset."""
    text, arguments = socket(folder, "unix")
    write_input(folder / "input.xml", text, 1000000, BEADS)
    clients = [processes.client(*arguments, "-v") for _ in range(2)]
    for client in clients:
        processes.wait_for(client, "no server at")
    server = i_pi()
    for client in clients:
        processes.wait_for(client, "energy")
    server.send_signal(signal.SIGSTOP)  # until the first client has nothing to read
    before = None
    while before != (before := clients[0].path.read_text()):
        time.sleep(0.1)
    clients[0].kill()
    clients[0].wait()
    server.send_signal(signal.SIGCONT)
    processes.wait_for(server, "died or got unresponsive")
    before = clients[1].path.read_text().count("energy")
    processes.wait_until(lambda: clients[1].path.read_text().count("energy") > before + 3 * BEADS)
    server.kill()
    code, output = processes.finish(clients[1])
    assert code == 0, output
    assert re.search(r"dp_ipi: the server has (gone|closed).*; \d+ structures evaluated\n\Z", output), output[
        -500:
    ]


def test_another_number_of_atoms_ends_the_client_and_a_file_ends_i_pi(folder, processes, i_pi):
    text, arguments = socket(folder, "unix")
    write_input(folder / "input.xml", text, 1000000, 1)
    cells, coords = water(1)
    write_xyz(folder / "other.xyz", cells[0], coords[0][:45], ["O", "H", "H"] * 15)
    client = processes.client(*arguments, "-c", "other.xyz")
    server = i_pi()
    code, output = processes.finish(client)
    assert code == 1 and "got 48 atoms, but other.xyz has 45" in output
    processes.wait_for(server, "died or got unresponsive")
    client = processes.client(*arguments, "-v")  # i-PI has waited for a better one
    processes.wait_for(client, "energy")
    (folder / "EXIT").touch()
    assert processes.finish(server)[0] == 0
    code, output = processes.finish(client)
    assert code == 0 and structures(output) > 0


@pytest.mark.skipif(not (DATA_FOLDER / "data/ipi/conf.xyz").is_file(), reason=f"no data/ipi in {DATA_FOLDER}")
def test_a_reference_model_with_the_box_of_the_manual(folder, processes, i_pi):
    """192 atoms and the water.json of the manual, with a model that DeePMD-kit froze."""
    names = convert(DATA_FOLDER / "reference/se_e2_a/graph.pb", folder / "water.dp")
    text = (DATA_FOLDER / "data/ipi/conf.xyz").read_text()
    assert {line.split()[0] for line in text.splitlines()[2:]} <= {*names}
    (folder / "conf.xyz").write_text(text)
    names = [names.index(line.split()[0]) for line in text.splitlines()[2:]]
    xml, arguments = socket(folder, "unix")
    write_input(folder / "input.xml", xml, 2, 2)
    client = processes.client(*arguments)
    code, output = processes.finish(i_pi())
    assert code == 0, output
    assert processes.finish(client)[0] == 0
    check_run(folder, 2, 2, names)
