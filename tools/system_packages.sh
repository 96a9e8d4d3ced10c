#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Installs the Debian or Ubuntu packages that building dpcore needs and that are missing.  Without
# root or apt it only says what is missing; the build then looks for other copies.
set -euo pipefail

python=${PYTHON:-python3}
missing=()

have_package() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }
cmake_is_new() {
  local version
  version=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*//p')
  [ -n "$version" ] && [ "$(printf '3.25\n%s\n' "$version" | sort -V | head -n1)" = 3.25 ]
}

command -v g++ >/dev/null || command -v "${CXX:-c++}" >/dev/null || missing+=(g++)
cmake_is_new || missing+=(cmake)
command -v ninja >/dev/null || missing+=(ninja-build)
if command -v dpkg-query >/dev/null; then
  have_package libeigen3-dev || missing+=(libeigen3-dev)
  have_package nlohmann-json3-dev || missing+=(nlohmann-json3-dev)
fi
if ! command -v "$python" >/dev/null; then
  missing+=(python3 python3-venv python3-dev)
else
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || missing+=(python3-dev)
fi

[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
else
  echo "not installed: ${missing[*]}" >&2
  echo "As root: apt-get install ${missing[*]}. Going on; the build says what it cannot find." >&2
fi
