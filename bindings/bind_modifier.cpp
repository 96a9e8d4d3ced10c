// SPDX-License-Identifier: LGPL-3.0-or-later
#include <dpcore/modifier.h>

#include "bind.hpp"
#include "convert.hpp"

namespace dpcore_python {

namespace {

py::dict results(dpcore::Prediction r, py::ssize_t n_frames, py::ssize_t n, bool derivatives) {
  py::dict out;
  out["energy"] = to_array(std::move(r.energy), {n_frames});
  if (!derivatives) return out;
  out["force"] = to_array(std::move(r.force), {n_frames, n, 3});
  out["virial"] = to_array(std::move(r.virial), {n_frames, 9});
  return out;
}

}  // namespace

void bind_modifier(py::module_& m) {
  py::class_<dpcore::DataModifier>(m, "Modifier", "An energy that stands beside a potential. Units A and eV.")
      .def(py::init([](const std::string& config, const std::vector<std::string>& type_map,
                       const py::dict& tensors) {
             return dpcore::DataModifier(config, type_map, to_tensors(tensors));
           }),
           py::arg("config"), py::arg("type_map"), py::arg("tensors"))
      .def_property_readonly("rcut", [](const dpcore::DataModifier& d) { return d.rcut(); })
      .def("tensors", [](const dpcore::DataModifier& d) { return to_dict(d.tensors()); })
      .def(
          "evaluate",
          [](const dpcore::DataModifier& d, const py::object& coord, const py::object& box,
             const py::object& types, bool derivatives) {
            const FrameArrays in(coord, box, types, py::none(), py::none(), 0, 0);
            dpcore::Prediction r;
            {
              const py::gil_scoped_release other_threads_may_run;
              r = d.predict(in.frames, derivatives);
            }
            return results(std::move(r), in.frames.n_frames, in.frames.n_atoms, derivatives);
          },
          py::arg("coord"), py::arg("box"), py::arg("types"), py::arg("derivatives") = true,
          "energy [nf] and, with derivatives, force [nf, n, 3], virial [nf, 9] of the modifier alone");
  m.def(
      "ewald_recp",
      [](const Doubles& coord, const Doubles& charge, const Doubles& box, double h, double beta) {
        if (charge.ndim() != 2) throw dpcore::Error("charge: expected [n_frames, n]");
        const auto nf = static_cast<std::size_t>(charge.shape(0)),
                   n = static_cast<std::size_t>(charge.shape(1));
        require_size(coord, 3 * n * nf, "coord", "[n_frames, n*3]");
        require_size(box, 9 * nf, "box", "[n_frames, 9]");
        dpcore::Prediction r;
        {
          const py::gil_scoped_release other_threads_may_run;
          r = dpcore::ewald_recp(static_cast<int>(nf), static_cast<int>(n), coord.data(), charge.data(),
                                 box.data(), h, beta);
        }
        return results(std::move(r), charge.shape(0), charge.shape(1), true);
      },
      py::arg("coord"), py::arg("charge"), py::arg("box"), py::arg("h"), py::arg("beta"),
      "energy [nf], force [nf, n, 3], virial [nf, 9] of the reciprocal part of the Ewald sum of point "
      "charges");
}

}  // namespace dpcore_python
