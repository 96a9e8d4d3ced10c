# SPDX-License-Identifier: LGPL-3.0-or-later
"""i-PI: the program ``dp_ipi``, a client of its socket, and ``pes.py``, a potential for its Python processes.

``python -m dpcore.ipi`` prints the path of pes.py, for ``i-pi-py_driver -m custom -P`` and ``<pes_path>``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

__all__ = ["main", "pes_path", "program"]


def pes_path() -> Path:
    """The file with the potential for i-PI's ``ffdirect`` and ``i-pi-py_driver``."""
    return Path(__file__).with_name("pes.py")


def program() -> Path | None:
    """The compiled dp_ipi, which is installed beside the core; None if it is not there."""
    core = find_spec("dpcore._core")
    if core is None or core.origin is None:
        return None
    path = Path(core.origin).with_name("bin") / "dp_ipi"
    return path if os.access(path, os.X_OK) else None


def main(argv: Sequence[str] | None = None) -> int:
    """Become dp_ipi with these arguments; return an exit code only where that does not work."""
    path = program()
    if path is None:
        print(
            "dp_ipi: the program was not built with this installation of dpcore; install it without "
            "DPCORE_BUILD_IPI=OFF",
            file=sys.stderr,
        )
        return 1
    sys.stdout.flush()
    os.execv(path, [str(path), *(sys.argv[1:] if argv is None else argv)])
