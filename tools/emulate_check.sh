#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# emulate_check.sh FOLDER [PYTEST ARGUMENTS]: builds dpcore with DPCORE_EMULATE_DEVICE and runs the numerical
# tests with it: the branches, large tiles and products that a GPU has, in the host's memory.  What it cannot
# see: races of threads, and arrays that are used on the wrong side.
set -euo pipefail

folder=$1
shift
[ $# -gt 0 ] || set -- tests/core/test_reference_models.py tests/core/test_reference_tensors.py \
  tests/core/test_forces.py tests/core/test_gradients.py tests/core/test_quintic_table.py tests/core/test_radial_table.py
python=$(realpath -s "$(command -v "${PYTHON:-python3}")")
cmake --no-warn-unused-cli -S . -B "$folder" -G Ninja -DPython_EXECUTABLE="$python" -DCMAKE_BUILD_TYPE=Release \
  -DDPCORE_BACKEND=serial -DDPCORE_EMULATE_DEVICE=ON -DDPCORE_BUILD_IPI=OFF -DDPCORE_BUILD_LAMMPS=OFF \
  -DDPCORE_INSTALL_PYTHONDIR=python > "$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
cmake --build "$folder"
cmake --install "$folder" --prefix "$folder/installed" > /dev/null
# -S: the editable install of the environment would come first
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
exec env PYTHONPATH="$(realpath "$folder/installed/python"):$packages" "$python" -S -m pytest -q -p no:cacheprovider "$@"
