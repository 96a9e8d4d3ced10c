# SPDX-License-Identifier: LGPL-3.0-or-later
"""A small model, a folder with it and with conf.xyz, and processes that end with the test."""

import shutil
import tempfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """A random model of O and H whose sel is large enough for the water of the examples."""
    from make_model import write_model

    return write_model(tmp_path_factory.mktemp("ipi") / "water.dp", sel=(40, 80))


@pytest.fixture
def folder(model_file):
    """A folder with a short name, as the path of a unix socket needs it, with water.dp and conf.xyz."""
    from ipi_tools import water, write_xyz

    path = Path(tempfile.mkdtemp(prefix="dpipi_"))
    shutil.copy(model_file, path / "water.dp")
    cells, coords = water(1)
    write_xyz(path / "conf.xyz", cells[0], coords[0])
    yield path
    shutil.rmtree(path)


@pytest.fixture
def processes(folder):
    """Starts programs in the folder; all of them are stopped at the end."""
    from dpcore.ipi import program
    from ipi_tools import Processes

    if program() is None:
        pytest.skip("dp_ipi was not built")
    started = Processes(folder)
    yield started
    started.close()


@pytest.fixture
def connect(processes):
    """Starts dp_ipi and a server of our own on a unix socket, and returns (server, process)."""
    from ipi_tools import Server

    servers = []

    def start(*arguments, **env):
        servers.append(Server(prefix=f"{processes.folder}/s{len(servers)}_"))
        command = ("-m", "water.dp", "-c", "conf.xyz", *servers[-1].arguments, *arguments)
        client = processes.client(*command, **env)
        return servers[-1].accept(), client

    yield start
    for server in servers:
        server.close()
