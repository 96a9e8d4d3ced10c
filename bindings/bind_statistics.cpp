// SPDX-License-Identifier: LGPL-3.0-or-later
#include <dpcore/statistics.h>

#include "bind.hpp"
#include "convert.hpp"

namespace dpcore_python {

void bind_statistics(py::module_& m) {
  m.def(
      "neighbor_stat",
      [](const py::object& coord, const py::object& box, const py::object& types, double rcut, int ntypes) {
        const FrameArrays in(coord, box, types, py::none(), py::none(), 0, 0);
        dpcore::NeighborSummary r;
        {
          const py::gil_scoped_release other_threads_may_run;
          r = dpcore::neighbor_stat(in.frames, rcut, ntypes);
        }
        return py::make_tuple(
            r.min_distance, py::array_t<int>(static_cast<py::ssize_t>(r.max_size.size()), r.max_size.data()),
            py::make_tuple(r.frame, r.atom_i, r.atom_j));
      },
      py::arg("coord"), py::arg("box"), py::arg("types"), py::arg("rcut"), py::arg("ntypes"),
      "(smallest distance in A, inf without pairs; largest number of neighbours of each type; (frame, atom, "
      "atom) of the "
      "smallest distance)");
  m.def(
      "energy_bias",
      [](const Doubles& energy, const Doubles& counts, double rcond) {
        if (counts.ndim() != 2 || counts.shape(0) != energy.size()) {
          throw dpcore::Error("energy_bias: expected energies [n] and counts [n, ntypes]");
        }
        const auto ntypes = static_cast<int>(counts.shape(1));
        auto x = dpcore::energy_bias(std::vector<double>(energy.data(), energy.data() + energy.size()),
                                     std::vector<double>(counts.data(), counts.data() + counts.size()),
                                     ntypes, rcond);
        return to_array(std::move(x), {ntypes});
      },
      py::arg("energy"), py::arg("counts"), py::arg("rcond"), "energies per type [ntypes] by least squares");
  py::class_<dpcore::EnvStatistics>(m, "EnvStatistics", "mean and spread of the environment matrix")
      .def(py::init<const std::string&, int>(), py::arg("descriptor_config"), py::arg("ntypes"))
      .def(
          "add",
          [](dpcore::EnvStatistics& s, const py::object& coord, const py::object& box,
             const py::object& types) {
            const FrameArrays in(coord, box, types, py::none(), py::none(), 0, 0);
            const py::gil_scoped_release other_threads_may_run;
            s.add(in.frames);
          },
          py::arg("coord"), py::arg("box"), py::arg("types"))
      .def(
          "tensors", [](const dpcore::EnvStatistics& s) { return to_dict(s.tensors()); },
          "descriptor/davg and descriptor/dstd as in the model file");
}

}  // namespace dpcore_python
