# SPDX-License-Identifier: LGPL-3.0-or-later
"""One frame through each way there is to evaluate a model; dp verify and dp doctor compare what they give.

A client is a module with ``find()`` -> where it is, and ``evaluate(model, frame, folder, ...)`` -> `Result`.
Both raise `NotInstalled`, `NotRun` or `ClientError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CLIENTS", "Client", "ClientError", "Frame", "NotInstalled", "NotRun", "Result", "choose"]


class Frame(NamedTuple):
    """Atoms to evaluate.

    Attributes
    ----------
    type_map
        Names of the model's types.
    coord
        [n_atoms, 3] A.
    cell
        [3, 3] A, rows are cell vectors; None: not periodic.
    types
        [n_atoms].
    fparam, aparam
        [dim_fparam], [n_atoms, dim_aparam]; None if the model has none.
    modifier
        Whether the model has a modifier, whose energy does not divide into atoms.
    """

    type_map: Sequence[str]
    coord: np.ndarray
    cell: np.ndarray | None
    types: np.ndarray
    fparam: np.ndarray | None = None
    aparam: np.ndarray | None = None
    modifier: bool = False


class Result(NamedTuple):
    """What a client gives; None: it has no such thing.

    Attributes
    ----------
    energy
        eV.
    force
        [n_atoms, 3] eV/A.
    virial
        [9] eV.
    atom_energy, atom_virial
        [n_atoms], [n_atoms, 9] eV.
    """

    energy: float
    force: np.ndarray
    virial: np.ndarray
    atom_energy: np.ndarray | None = None
    atom_virial: np.ndarray | None = None


class NotInstalled(Exception):
    """The client is not here; the text says how to install it."""


class NotRun(Exception):
    """The client cannot take this frame or model, and nobody says that it could; the text says why."""


class ClientError(Exception):
    """The client failed."""


class Client(NamedTuple):
    """One way to evaluate a model.

    Attributes
    ----------
    name
        As tables show it.
    module
        Module of this folder.
    ranks
        Number of MPI processes, 0 where there is no such thing.
    """

    name: str
    module: str
    ranks: int = 0

    def find(self) -> str:
        """Where the client is, and its version if it tells."""
        return import_module(f"dpcore.clients.{self.module}").find()

    def evaluate(self, model: str | Path, frame: Frame, folder: Path) -> Result:
        """Energy, force and virial of a frame; files go into a folder that the caller removes."""
        module = import_module(f"dpcore.clients.{self.module}")
        more = {"ranks": self.ranks} if self.ranks else {}
        return module.evaluate(str(model), frame, folder, **more)


# The first is what the others are compared with.
CLIENTS = (
    Client("Python", "python"),
    Client("C++", "cpp"),
    Client("C", "c"),
    Client("ASE", "ase_calculator"),
    Client("LAMMPS 1 rank", "lammps", 1),
    Client("LAMMPS 2 ranks", "lammps", 2),
    Client("LAMMPS 4 ranks", "lammps", 4),
    Client("i-PI", "ipi"),
)


def choose(words: Sequence[str] | None) -> list[Client]:
    """The clients whose names begin with one of the words in any case, behind the first; None: all."""
    from dpcore.errors import InputError

    if words is None:
        return list(CLIENTS)
    chosen = {CLIENTS[0]}
    for word in words:
        found = [c for c in CLIENTS if c.name.lower() == word.lower()]
        found = found or [c for c in CLIENTS if c.name.lower().split()[0] == word.lower()]
        if not found:
            raise InputError(
                f"there is no {word}; there are {', '.join(c.name for c in CLIENTS)}", "--client"
            )
        chosen.update(found)
    return [client for client in CLIENTS if client in chosen]
