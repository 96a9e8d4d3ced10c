# SPDX-License-Identifier: LGPL-3.0-or-later
"""The C functions of libdpcore.so, called by ctypes."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from dpcore.clients import ClientError, Frame, NotInstalled, Result
from dpcore.clients.places import core_library

__all__ = ["evaluate", "find"]

_POINTER = ctypes.c_void_p


def find() -> str:
    """The library."""
    path = core_library()
    if path is None:
        raise NotInstalled("this build has no libdpcore.so; pip install dpcore has one")
    if not hasattr(ctypes.CDLL(str(path)), "DP_NewDeepPot"):
        raise NotInstalled(f"{path} has no C functions; install a newer dpcore")
    return str(path)


def evaluate(model: str, frame: Frame, folder: Path) -> Result:
    """Evaluate a frame."""
    lib = ctypes.CDLL(find())
    lib.DP_NewDeepPot.restype = _POINTER
    lib.DP_NewDeepPot.argtypes = [ctypes.c_char_p]
    lib.DP_DeepPotCheckOK.restype = _POINTER
    lib.DP_DeepPotCheckOK.argtypes = lib.DP_DeleteDeepPot.argtypes = lib.DP_DeleteChar.argtypes = [_POINTER]
    lib.DP_DeepPotCompute2.restype = None
    lib.DP_DeepPotCompute2.argtypes = [_POINTER, ctypes.c_int, ctypes.c_int] + 10 * [_POINTER]

    n = len(frame.types)
    given = [frame.coord, frame.types.astype(np.int32), frame.cell, frame.fparam, frame.aparam]
    given = [None if a is None else np.ascontiguousarray(a) for a in given]
    wanted = [np.full(size, np.nan) for size in (1, 3 * n, 9, n, 9 * n)]
    if frame.modifier:
        wanted[3:] = [None, None]
    handle = lib.DP_NewDeepPot(model.encode())
    try:
        _check(lib, handle)
        pointers = [None if a is None else a.ctypes.data for a in (*given, *wanted)]
        lib.DP_DeepPotCompute2(handle, 1, n, *pointers)
        _check(lib, handle)
    finally:
        lib.DP_DeleteDeepPot(handle)
    energy, force, virial, atom_energy, atom_virial = wanted
    of_atoms = () if atom_virial is None else (atom_energy, atom_virial.reshape(n, 9))
    return Result(float(energy[0]), force.reshape(n, 3), virial, *of_atoms)


def _check(lib: ctypes.CDLL, handle: int) -> None:
    text = lib.DP_DeepPotCheckOK(handle)
    if text is None:
        return
    message = ctypes.string_at(text).decode(errors="replace")
    lib.DP_DeleteChar(text)
    if message:
        raise ClientError(message)
