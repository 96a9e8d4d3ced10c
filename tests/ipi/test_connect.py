# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp_ipi finds a server that comes late, and says what to do where none comes."""

import socket

import pytest
from ipi_tools import Server, free_port

ATOMS = ("-m", "water.dp", "-c", "conf.xyz")


def test_an_internet_socket(processes):
    server = Server()
    client = processes.client(*ATOMS, *server.arguments)
    try:
        assert server.accept().status() == "NEEDINIT    "
        assert server.connection.getpeername()[0] == "127.0.0.1"
        server.send("EXIT")
    finally:
        server.close()
    code, output = processes.finish(client)
    port = server.arguments[-1]
    assert code == 0 and f"connected to port {port} of localhost" in output


def test_a_server_that_comes_late(folder, processes):
    client = processes.client(*ATOMS, "-u", "-a", "own", "-S", f"{folder}/s_")
    output = processes.wait_for(client, "no server at")
    assert (
        f"{folder}/s_own yet (No such file or directory); trying for 60 s more. Hint: start i-PI first"
        in output
    )
    server = Server(prefix=f"{folder}/s_")
    try:
        server.accept().send("EXIT")
    finally:
        server.close()
    code, output = processes.finish(client)
    assert code == 0 and "connected" in output


def test_no_server_on_a_unix_socket(folder, processes):
    code, output = processes.finish(
        processes.client(*ATOMS, "-u", "-a", "own", "-S", f"{folder}/s_", "-w", "1.3")
    )
    lines = output.splitlines()
    assert code == 1 and len(lines) == 3, output  # two of the countdown, and the end
    assert "trying for 2 s more. Hint" in lines[0] and lines[1].endswith("trying for 1 s more")
    for word in ("within 1 s", "mode='unix'", "<address> own </address>", "prefix", "--wait"):
        assert word in lines[2]


def test_no_server_on_a_port(processes):
    port = free_port()
    code, output = processes.finish(processes.client(*ATOMS, "-p", port, "-w", "0"))
    assert code == 1 and output.count("\n") == 1
    for word in (
        f"no server at port {port} of localhost (Connection refused)",
        f"<port> {port} </port>",
        "mode='inet'",
    ):
        assert word in output


def test_a_file_that_a_dead_server_left(folder, processes):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{folder}/s_own")
    code, output = processes.finish(
        processes.client(*ATOMS, "-u", "-a", "own", "-S", f"{folder}/s_", "-w", "0")
    )
    assert code == 1 and "Connection refused" in output


@pytest.mark.parametrize("name", ["not a host", "x" * 300])
def test_a_wrong_host_ends_at_once(processes, name):
    code, output = processes.finish(processes.client(*ATOMS, "-a", name, "-p", "31415"))
    assert code == 1 and f'there is no host "{name}"' in output and "-u" in output
    assert output.count("\n") == 1


def test_a_path_that_is_too_long(processes):
    code, output = processes.finish(processes.client(*ATOMS, "-u", "-a", "x" * 120))
    assert code == 1 and "129 characters, at most 107" in output and "-S" in output
