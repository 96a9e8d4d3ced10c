#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Builds pair_style deepmd into the LAMMPS source of the distribution (Debian 12: 29 Sep 2021), by CMake and by
# traditional make, and runs tests/lammps_source with both programs.  Some minutes on two cores.
#
#   tools/test_lammps_source.sh FOLDER     (make lammpstest)
#
# LAMMPS_SOURCE=FOLDER takes an unpacked LAMMPS instead of `apt-get source lammps`.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mkdir -p "$1" && cd "$1" && pwd)
python=${PYTHON:-$PWD/.venv/bin/python}
jobs=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
prefix=$("$python" -c 'import dpcore.lammps as d; from pathlib import Path; print(Path(d.plugin_folder()).parent)')
package=$("$python" -c 'import dpcore.lammps as d; print(d.package_folder())')

if [ -z "${LAMMPS_SOURCE:-}" ]; then
  LAMMPS_SOURCE=$work/source
  if [ ! -d "$LAMMPS_SOURCE" ]; then
    if ! apt-cache showsrc lammps > /dev/null 2>&1; then
      sources=/etc/apt/sources.list.d/dpcore-deb-src.sources
      echo "apt knows no source packages; adding $sources"
      # the distribution's own entries, with deb-src for deb
      sed 's/^Types:.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > "$sources"
      apt-get update -qq
    fi
    (cd "$work" && apt-get source -qq lammps && mv lammps-*/ source)
  fi
fi
if ! command -v mpicxx.mpich > /dev/null; then
  apt-get install -y -qq --no-install-recommends libmpich-dev mpich
fi

echo "== CMake =="
cmake -S "$LAMMPS_SOURCE/cmake" -B "$work/cmake" -D CMAKE_BUILD_TYPE=Release -D BUILD_MPI=ON -D BUILD_OMP=OFF \
  -D MPI_CXX_COMPILER=mpicxx.mpich -D PKG_KSPACE=ON -D PKG_MOLECULE=ON -D PKG_MC=ON -D PKG_EXTRA-FIX=ON -D FFT=KISS \
  -D WITH_JPEG=OFF -D WITH_PNG=OFF -D WITH_GZIP=OFF -D WITH_FFMPEG=OFF -D LAMMPS_EXCEPTIONS=ON \
  -D CMAKE_PROJECT_lammps_INCLUDE="$package/dpcore.cmake" -D CMAKE_PREFIX_PATH="$prefix" > "$work/cmake.log" 2>&1 ||
  { tail -n 20 "$work/cmake.log"; exit 1; }
cmake --build "$work/cmake" -j "$jobs" > "$work/cmake.log" 2>&1 || { tail -n 40 "$work/cmake.log"; exit 1; }

echo "== traditional make =="
rm -rf "$work/make"
cp -r "$LAMMPS_SOURCE" "$work/make"
cp -r "$package/DEEPMD" "$work/make/src/"
(
  cd "$work/make/src"
  make -s yes-deepmd
  make -s mpi-stubs
  make -s -j "$jobs" serial CCFLAGS="-O2 -std=c++17 -I$prefix/include" \
    LINKFLAGS="-O2 -L$prefix/lib -ldpcore -Wl,-rpath,$prefix/lib" LIB="-L$prefix/lib -ldpcore"
) > "$work/make.log" 2>&1 || { tail -n 40 "$work/make.log"; exit 1; }

DPCORE_LMP_CMAKE="$work/cmake/lmp" DPCORE_LMP_MAKE="$work/make/src/lmp_serial" \
  "$python" -m pytest tests/lammps_source ${PYTEST_ARGS:-}
