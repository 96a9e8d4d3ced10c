# SPDX-License-Identifier: LGPL-3.0-or-later
#
# LAMMPS' traditional make: copy this folder to src/DEEPMD, then `make yes-deepmd`, and name dpcore's folders:
#   make mpi CCFLAGS="-g -O3 -std=c++17 -IPREFIX/include" LINKFLAGS="-g -O3 -LPREFIX/lib -ldpcore -Wl,-rpath,PREFIX/lib"
# mode: 0 uninstall, 1 install, 2 update

mode=$1
for file in *.cpp *.h; do
  if [ "$mode" = 0 ]; then
    rm -f "../$file"
  elif ! cmp -s "$file" "../$file"; then
    if [ "$mode" = 1 ] || [ -e "../$file" ]; then
      cp "$file" ..
    fi
  fi
done
