// SPDX-License-Identifier: LGPL-3.0-or-later
#include <dpcore/model.h>

#include "bind.hpp"
#include "convert.hpp"

namespace dpcore_python {

namespace {

/// A Model and the overflow of its last prediction.
struct PyModel {
  explicit PyModel(dpcore::Model m) : model(std::move(m)) {}
  dpcore::Model model;
  long overflow_atoms = 0;
  int overflow_worst = 0;
  long outside_pairs = 0;
  double outside_nearest = 0;
  std::string notice;
};

/// Keep what the last prediction counted.
void take_counts(PyModel& p, const dpcore::Prediction& r) {
  p.overflow_atoms = r.overflow_atoms;
  p.overflow_worst = r.overflow_worst;
  p.outside_pairs = r.outside_pairs;
  p.outside_nearest = r.outside_nearest;
  p.notice = r.notice;
}

}  // namespace

dpcore::Model& model_of(const py::object& o) { return py::cast<PyModel&>(o).model; }

void bind_model(py::module_& m) {
  py::class_<PyModel>(m, "Model",
                      "A model: energies or tensors, and their derivatives, of frames. Units A and eV.")
      .def(py::init([](const std::string& config, const py::dict& tensors,
                       const std::optional<std::string>& precision) {
             return PyModel{
                 dpcore::Model(config, to_tensors(tensors),
                               precision ? dpcore::precision_from(*precision) : dpcore::Precision::Stored)};
           }),
           py::arg("config"), py::arg("tensors"), py::arg("precision") = py::none(),
           "precision: 'high', 'mixed', 'low', or '': that of DP_INTERFACE_PREC; None: that of the config.")
      .def_static(
          "create",
          [](const std::string& config, const py::dict& statistics) {
            return PyModel{dpcore::Model::create(config, to_tensors(statistics))};
          },
          py::arg("config"), py::arg("statistics"), "Networks drawn from the seeds of the config.")
      .def_static(
          "read", [](const std::string& path) { return PyModel{dpcore::Model::read(path)}; }, py::arg("path"))
      .def("tensors", [](const PyModel& p) { return to_dict(p.model.tensors()); })
      .def_property_readonly("config", [](const PyModel& p) { return p.model.config(); })
      .def_property_readonly("precision",
                             [](const PyModel& p) { return dpcore::name_of(p.model.precision()); })
      .def_property_readonly("rcut", [](const PyModel& p) { return p.model.rcut(); })
      .def_property_readonly("ntypes", [](const PyModel& p) { return p.model.ntypes(); })
      .def_property_readonly("n_out", [](const PyModel& p) { return p.model.n_out(); })
      .def_property_readonly("kind", [](const PyModel& p) { return p.model.kind(); })
      .def_property_readonly("sel_type", [](const PyModel& p) { return p.model.sel_type(); })
      .def_property_readonly("dim_descriptor", [](const PyModel& p) { return p.model.dim_descriptor(); })
      .def_property_readonly("has_modifier", [](const PyModel& p) { return p.model.has_modifier(); })
      .def_property_readonly("dim_fparam", [](const PyModel& p) { return p.model.dim_fparam(); })
      .def_property_readonly("dim_aparam", [](const PyModel& p) { return p.model.dim_aparam(); })
      .def_property_readonly("is_aparam_nall", [](const PyModel& p) { return p.model.is_aparam_nall(); })
      .def_property_readonly("type_map", [](const PyModel& p) { return p.model.type_map(); })
      .def(
          "evaluate",
          [](PyModel& p, const py::object& coord, const py::object& box, const py::object& types,
             const py::object& fparam, const py::object& aparam, bool atomic, const py::object& pbc,
             bool derivatives) {
            const FrameArrays in(coord, box, types, fparam, aparam, p.model.dim_fparam(),
                                 p.model.dim_aparam(), pbc);
            dpcore::Prediction r;
            {
              const py::gil_scoped_release other_threads_may_run;
              r = p.model.predict(in.frames, atomic, derivatives);
            }
            take_counts(p, r);
            const py::ssize_t nf = in.frames.n_frames, n = in.frames.n_atoms, k = p.model.n_out();
            const bool tensor = p.model.kind() != "ener";
            const auto shape = [&](std::vector<py::ssize_t> energy,
                                   std::vector<py::ssize_t> with_components) {
              return tensor ? with_components : energy;
            };
            py::dict out;
            out["energy"] = to_array(std::move(r.energy), shape({nf}, {nf, k}));
            if (atomic) out["atom_energy"] = to_array(std::move(r.atom_energy), shape({nf, n}, {nf, n, k}));
            if (!derivatives) return out;
            out["force"] = to_array(std::move(r.force), shape({nf, n, 3}, {nf, k, n, 3}));
            out["virial"] = to_array(std::move(r.virial), shape({nf, 9}, {nf, k, 9}));
            if (atomic)
              out["atom_virial"] = to_array(std::move(r.atom_virial), shape({nf, n, 9}, {nf, k, n, 9}));
            return out;
          },
          py::arg("coord"), py::arg("box"), py::arg("types"), py::arg("fparam") = py::none(),
          py::arg("aparam") = py::none(), py::arg("atomic") = false, py::arg("pbc") = py::none(),
          py::arg("derivatives") = true,
          "energy [nf], force [nf, n, 3], virial [nf, 9] and, if atomic, atom_energy [nf, n], atom_virial "
          "[nf, n, 9]; of "
          "tensors energy [nf, k], force [nf, k, n, 3], virial [nf, k, 9], atom_energy [nf, n, k], "
          "atom_virial "
          "[nf, k, n, 9]; force, virial, atom_virial only with derivatives")
      .def(
          "descriptors",
          [](PyModel& p, const py::object& coord, const py::object& box, const py::object& types,
             const py::object& pbc, const py::object& aparam) {
            const int n_aparam = p.model.is_aparam_nall() ? p.model.dim_aparam() : 0;
            const FrameArrays in(coord, box, types, py::none(), aparam, 0, n_aparam, pbc);
            dpcore::Prediction r;
            {
              const py::gil_scoped_release other_threads_may_run;
              r = p.model.descriptors(in.frames);
            }
            take_counts(p, r);
            return to_array(std::move(r.descriptor),
                            {in.frames.n_frames, in.frames.n_atoms, p.model.dim_descriptor()});
          },
          py::arg("coord"), py::arg("box"), py::arg("types"), py::arg("pbc") = py::none(),
          py::arg("aparam") = py::none(),
          "The descriptors of all atoms [nf, n, dim_descriptor]; aparam is read where is_aparam_nall.")
      .def_property_readonly(
          "has_warnings", [](const PyModel& p) { return p.overflow_atoms > 0 || !p.notice.empty(); },
          "Whether the last evaluate() left atoms in sel_overflow() or a notice in outside_tables().")
      .def(
          "sel_overflow",
          [](const PyModel& p) {
            py::dict d;
            d["atoms"] = p.overflow_atoms;
            d["worst_excess"] = p.overflow_worst;
            return d;
          },
          "Of the last evaluate(): atoms with more neighbours than sel, and the largest excess.")
      .def(
          "outside_tables",
          [](const PyModel& p) {
            py::dict d;
            d["pairs"] = p.outside_pairs;
            d["nearest"] = p.outside_nearest;
            d["notice"] = p.notice;
            return d;
          },
          "Of the last evaluate(): pairs nearer than the tables of a compressed model reach, the shortest in "
          "A, and what "
          "to tell the user about them ('' if nothing).")
      .def(
          "tables",
          [](const PyModel& p) {
            py::list out;
            for (const auto& t : p.model.tables()) {
              py::dict d;
              d["net"] = t.net;
              d["lower"] = t.lower;
              d["upper"] = t.upper;
              d["last"] = t.last;
              d["fine"] = t.fine;
              d["coarse"] = t.coarse;
              d["intervals"] = t.intervals;
              d["bytes"] = t.bytes;
              out.append(d);
            }
            return out;
          },
          "The tables of a compressed model, a dict for each net; [] for others. `bytes` is what one "
          "takes where it is looked up.");
}

}  // namespace dpcore_python
