// SPDX-License-Identifier: LGPL-3.0-or-later
// dp_ipi's protocol over standard input and output, with a "model" that gives back what it was given: the
// energy is the y component of the first cell vector, forces are positions, the virial is the cell.
// Arguments: the number of atoms.
#include <cstdio>
#include <cstdlib>

#include "protocol.hpp"

namespace {

struct Pipe final : dpcore::ipi::Stream {
  void read(void* data, std::size_t n) override {
    if (std::fread(data, 1, n, stdin) != n) throw dpcore::ipi::Closed("end of input");
  }
  void write(const void* data, std::size_t n) override { std::fwrite(data, 1, n, stdout); }
  bool has_more(int) override { return std::getenv("EAGER") == nullptr; }
};

}  // namespace

int main(int, char** argv) {
  Pipe pipe;
  const auto evaluate = [](const dpcore::ipi::Structures& s) {
    dpcore::Prediction p;
    for (int f = 0; f < s.n_frames; ++f) p.energy.push_back(s.box[static_cast<std::size_t>(9 * f + 1)]);
    p.force = s.coord;
    p.virial = s.box;
    return p;
  };
  try {
    dpcore::ipi::Client client(pipe, std::atoi(argv[1]), "conf.xyz", evaluate, {});
    client.run();
    std::fprintf(stderr, "exit %ld", client.n_structures());
  } catch (const dpcore::ipi::Closed& e) {
    std::fprintf(stderr, "closed: %s", e.what());
  } catch (const dpcore::Error& e) {
    std::fprintf(stderr, "error: %s", e.what());
  }
}
