#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# device_check.sh cuda|hip FOLDER: compiles core/ for GPUs, to objects, with warnings as errors.  Needs the
# compiler (nvcc or hipcc) but no GPU and no driver: nothing is linked or run, and of Kokkos only the headers
# are used.  CUDA_ARCHITECTURES (default "80;90") and HIP_ARCHITECTURE (default gfx90a) choose others.
set -euo pipefail

backend=$1 folder=$2
options=(-DCMAKE_BUILD_TYPE=Release -DDPCORE_BACKEND="$backend" -DDPCORE_WERROR=ON -DDPCORE_BUILD_SHARED=OFF
  -DDPCORE_BUILD_PYTHON=OFF -DDPCORE_BUILD_IPI=OFF -DDPCORE_BUILD_LAMMPS=OFF
  -DCMAKE_DISABLE_FIND_PACKAGE_Kokkos=ON -DCMAKE_OPTIMIZE_DEPENDENCIES=ON)
if [ "$backend" = cuda ]; then
  nvcc=${CUDACXX:-$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)}
  if [ -z "$nvcc" ]; then
    echo "cuda-check: skipped, there is no nvcc (CUDA toolkit) on this machine"
    exit 0
  fi
  architectures=${CUDA_ARCHITECTURES:-80;90}
  options+=(-DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_CUDA_ARCHITECTURES="$architectures")
else
  if ! command -v hipcc >/dev/null; then
    echo "hip-check: skipped, there is no hipcc on this machine (Debian 12: apt-get install hipcc)"
    exit 0
  fi
  export HIP_PLATFORM=amd
  architectures=${HIP_ARCHITECTURE:-gfx90a}
  options+=(-DCMAKE_CXX_COMPILER=hipcc -DCMAKE_HIP_ARCHITECTURES="$architectures")
fi

echo "$backend-check: compiling core/ for $architectures in $folder"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
python=$(realpath -s "$(command -v "${PYTHON:-python3}")")  # to fetch Kokkos with
cmake --no-warn-unused-cli -S . -B "$folder" -G Ninja -DPython_EXECUTABLE="$python" "${options[@]}" > "$log" 2>&1 ||
  { cat "$log" >&2; exit 1; }
cmake --build "$folder" --target dpcore_core -- -k 0
echo "$backend-check: all of core/ compiles for $architectures; nothing was run"
