// SPDX-License-Identifier: LGPL-3.0-or-later
// What a pair style sends to its ghosts and has from them.
#include <algorithm>

#include "pair_deepmd_impl.h"

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   atomic parameters of ghosts, for models that take those of neighbours
------------------------------------------------------------------------- */

int PairDeepMD::pack_forward_comm(int n, int* atoms, double* buf, int, int*) {
  int m = 0;
  for (int k = 0; k < n; ++k)
    for (int d = 0; d < comm_forward; ++d)
      buf[m++] = impl->aparam[static_cast<std::size_t>(atoms[k] * comm_forward + d)];
  return m;
}

void PairDeepMD::unpack_forward_comm(int n, int first, double* buf) {
  std::copy_n(buf, n * comm_forward, impl->aparam.begin() + first * comm_forward);
}

/* ----------------------------------------------------------------------
   forces of all models on ghosts, for their deviation
------------------------------------------------------------------------- */

int PairDeepMD::pack_reverse_comm(int n, int first, double* buf) {
  int m = 0;
  for (int i = first; i < first + n; ++i)
    for (const auto& f : impl->force)
      for (int d = 0; d < 3; ++d) buf[m++] = f[static_cast<std::size_t>(3 * i + d)];
  return m;
}

void PairDeepMD::unpack_reverse_comm(int n, int* owners, double* buf) {
  int m = 0;
  for (int i = 0; i < n; ++i)
    for (auto& f : impl->force)
      for (int d = 0; d < 3; ++d) f[static_cast<std::size_t>(3 * owners[i] + d)] += buf[m++];
}
