// SPDX-License-Identifier: LGPL-3.0-or-later
// usage: evaluate MODEL < frame: one frame through dpcore::DeepPot. The frame and what comes out are numbers
// with spaces between: n_atoms, n_cell (0 or 9), n_fparam, n_aparam, atomic (0 or 1); coord [n_atoms*3],
// cell, fparam, aparam, types [n_atoms] -> energy, force, virial, with atomic also atomic energies and
// virials.
#include <cstdio>
#include <vector>

#include "dpcore/DeepPot.h"

namespace {

double number() {
  double x;
  if (std::scanf("%lf", &x) != 1) throw dpcore::Error("the frame ends too early");
  return x;
}

std::vector<double> numbers(std::size_t n) {
  std::vector<double> v(n);
  for (double& x : v) x = number();
  return v;
}

void print(const std::vector<double>& v) {
  for (const double x : v) std::printf("%.17g\n", x);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    const dpcore::DeepPot dp(argv[1]);
    const auto n = numbers(5);
    const auto n_atoms = static_cast<std::size_t>(n[0]);
    const auto coord = numbers(3 * n_atoms), cell = numbers(static_cast<std::size_t>(n[1]));
    const auto fparam = numbers(static_cast<std::size_t>(n[2])),
               aparam = numbers(static_cast<std::size_t>(n[3]));
    const auto types = numbers(n_atoms);
    const std::vector<int> atype(types.begin(), types.end());
    double energy;
    std::vector<double> force, virial, atom_energy, atom_virial;
    if (n[4] != 0)
      dp.compute(energy, force, virial, atom_energy, atom_virial, coord, atype, cell, fparam, aparam);
    else
      dp.compute(energy, force, virial, coord, atype, cell, fparam, aparam);
    print({energy});
    for (const auto* v : {&force, &virial, &atom_energy, &atom_virial}) print(*v);
  } catch (const dpcore::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
