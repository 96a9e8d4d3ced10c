# SPDX-License-Identifier: LGPL-3.0-or-later
"""`dpcore::DeepPot` in a program that is compiled against the installed headers and library."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from dpcore.clients import ClientError, Frame, NotInstalled, NotRun, Result
from dpcore.clients.places import core_library, headers, run

__all__ = ["evaluate", "find"]

_SOURCE = Path(__file__).with_name("evaluate.cpp")


def find() -> str:
    """The folder of the headers."""
    folder = headers()
    if folder is None:
        raise NotInstalled("this build has no headers; pip install dpcore has them")
    return str(folder)


def evaluate(model: str, frame: Frame, folder: Path) -> Result:
    """Evaluate a frame, with a program that is compiled once for each folder."""
    program = folder / "evaluate"
    if not program.exists():
        _compile(program)
    parts = [frame.coord, frame.cell, frame.fparam, frame.aparam]
    parts = [np.empty(0) if part is None else np.ravel(part) for part in parts]
    n = len(frame.types)
    sizes = [n, *(part.size for part in parts[1:]), 0 if frame.modifier else 1]
    text = "\n".join(f"{x:.17g}" for x in np.concatenate([sizes, *parts, frame.types]))
    done = run([program, model], folder, text=text)
    if done.returncode != 0:
        raise ClientError(done.stderr.strip() or f"the program ended with {done.returncode}")
    values = np.array(done.stdout.split(), dtype=np.float64)
    sizes = [1, 3 * n] if frame.modifier else [1, 3 * n, 9, n]
    energy, force, virial, *atomic = np.split(values, np.cumsum(sizes))
    of_atoms = (atomic[0], atomic[1].reshape(n, 9)) if atomic else ()
    return Result(float(energy[0]), force.reshape(n, 3), virial, *of_atoms)


def _compile(program: Path) -> None:
    include, shared = find(), core_library()
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("c++", "g++", "clang++")), None)
    if compiler is None:
        raise NotRun("no C++ compiler found (c++, g++ or clang++; CXX names another)")
    folder = shared.parent
    line = [*compiler.split(), "-std=c++17", "-O1", f"-I{include}", _SOURCE, "-o", program]
    done = run([*line, f"-L{folder}", "-ldpcore", f"-Wl,-rpath,{folder}"], program.parent)
    if done.returncode != 0:
        raise ClientError(f"{compiler}: {done.stderr.strip()}")
