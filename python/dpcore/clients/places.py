# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where programs, the library and its headers are, and how programs are run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dpcore.clients import ClientError

__all__ = ["core_library", "headers", "program", "run"]

TIMEOUT = 300.0  # s


def program(*names: str) -> str | None:
    """The first of the programs that is found: of this installation, beside this Python, or on the path."""
    from dpcore import _core

    ours = [Path(_core.__file__).parent / "bin", Path(sys.executable).parent]
    for name in names:
        found = shutil.which(name, path=os.pathsep.join(map(str, ours))) or shutil.which(name)
        if found:
            return found
    return None


def core_library() -> Path | None:
    """The library libdpcore.so that this Python uses; None: it is part of the extension module."""
    from dpcore import _core

    try:
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            if "libdpcore.so" in line:
                return Path(line.split(None, 5)[5])
    except OSError:
        pass
    beside = Path(_core.__file__).parent / "lib" / "libdpcore.so"
    return beside if beside.is_file() else None


def headers() -> Path | None:
    """The folder to include from, which holds dpcore/DeepPot.h."""
    here = core_library()
    for folder in here.parents if here is not None else ():
        if (folder / "include" / "dpcore" / "DeepPot.h").is_file():
            return folder / "include"
    return None


def run(
    argv: Sequence[str | Path],
    folder: Path,
    threads: int | None = None,
    text: str = "",
    timeout: float = TIMEOUT,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end in a folder; after `timeout` seconds it is ended with all that it started.

    Parameters
    ----------
    threads
        Threads of OpenMP; None: as many as the environment says.
    text
        What the program reads from standard input.
    """
    env = dict(os.environ)
    if threads is not None:
        env["OMP_NUM_THREADS"] = str(threads)
    words = [str(word) for word in argv]
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=env,
        text=True,
        errors="replace",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(text, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ClientError(f"{words[0]} did not end within {timeout:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return subprocess.CompletedProcess(words, process.returncode, out, err)
