#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Path-integral dynamics of water: i-PI and two clients, in the folder of this script or that of the argument.
# water.dp, a model of O and H, must be there.
set -eu
cd "${1:-$(dirname "$0")}"
test -f water.dp || { echo "run.sh: no water.dp in $PWD: copy a model of O and H there (see README.md)" >&2; exit 1; }

prefix=/tmp/ipi_$$_                        # two runs at the same time do not meet
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
i-pi -S "$prefix" input.xml > i-pi.log &
server=$!
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
for client in 1 2; do
  dp_ipi water.json -S "$prefix" 2> "dp_ipi_$client.log" &
done
wait "$server"
wait
tail -n 1 dp_ipi_1.log dp_ipi_2.log
