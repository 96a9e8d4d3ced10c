// SPDX-License-Identifier: LGPL-3.0-or-later
#include <algorithm>

#include <dpcore/trainer.h>

#include "bind.hpp"
#include "convert.hpp"

namespace dpcore_python {

namespace {

/// Frames and labels of a batch dictionary; keeps the arrays alive.
struct Batch {
  FrameArrays frames;
  std::vector<Doubles> kept;
  dpcore::FrameLabels labels;

  Batch(const py::dict& d, const dpcore::Model& model)
      : frames(get(d, "coord"), get(d, "box"), get(d, "type"), get(d, "fparam"), get(d, "aparam"),
               model.dim_fparam(), model.dim_aparam()) {
    const auto nf = static_cast<std::size_t>(frames.frames.n_frames),
               n = static_cast<std::size_t>(frames.frames.n_atoms);
    labels.energy = label(d, "energy", nf);
    labels.force = label(d, "force", nf * n * 3);
    labels.virial = label(d, "virial", nf * 9);
    labels.atom_ener = label(d, "atom_ener", nf * n);
    labels.atom_pref = label(d, "atom_pref", nf * n);
    if (model.kind() == "ener") return;
    const auto k = static_cast<std::size_t>(model.n_out());
    const std::string name = model.kind() == "polar" ? "polarizability" : "dipole";
    labels.tensor = label(d, name, nf * k);
    const std::vector<int> sel = model.sel_type();
    std::size_t selected = 0;
    for (std::size_t i = 0; i < n; ++i) {
      selected += static_cast<std::size_t>(std::count(sel.begin(), sel.end(), frames.frames.type[i]));
    }
    labels.atom_tensor = label(d, "atomic_" + name, nf * selected * k);
  }

  static py::object get(const py::dict& d, const char* key) {
    return d.contains(key) ? py::object(d[key]) : py::object(py::none());
  }

  const double* label(const py::dict& d, const std::string& key, std::size_t count) {
    const std::string find = "find_" + key;
    if (!d.contains(find.c_str()) || py::cast<double>(d[find.c_str()]) == 0.0) return nullptr;
    kept.push_back(Doubles::ensure(get(d, key.c_str())));
    if (!kept.back()) throw dpcore::Error(key + ": expected an array of numbers");
    require_size(kept.back(), count, key, std::to_string(count) + " numbers");
    return kept.back().data();
  }
};

struct PyTrainer {
  py::object model_object;  // keeps the model alive
  dpcore::Model& model;
  dpcore::Trainer trainer;
  PyTrainer(py::object o, const std::string& loss)
      : model_object(std::move(o)), model(model_of(model_object)), trainer(model, loss) {}
};

}  // namespace

void bind_trainer(py::module_& m) {
  py::class_<PyTrainer>(m, "Trainer", "Training steps on a Model")
      .def(py::init<py::object, const std::string&>(), py::arg("model"), py::arg("loss"))
      .def(
          "step",
          [](PyTrainer& t, const py::dict& batch, double lr, double start_lr) {
            const Batch b(batch, t.model);
            const py::gil_scoped_release other_threads_may_run;
            return t.trainer.step(b.frames.frames, b.labels, lr, start_lr);
          },
          py::arg("batch"), py::arg("lr"), py::arg("start_lr"),
          "One Adam step; the terms of the loss before it.")
      .def(
          "losses",
          [](PyTrainer& t, const py::dict& batch, double lr, double start_lr) {
            const Batch b(batch, t.model);
            const py::gil_scoped_release other_threads_may_run;
            return t.trainer.losses(b.frames.frames, b.labels, lr, start_lr);
          },
          py::arg("batch"), py::arg("lr"), py::arg("start_lr"))
      .def(
          "gradients",
          [](PyTrainer& t, const py::dict& batch, double lr, double start_lr) {
            const Batch b(batch, t.model);
            return to_dict(t.trainer.gradients(b.frames.frames, b.labels, lr, start_lr));
          },
          py::arg("batch"), py::arg("lr"), py::arg("start_lr"), "dL/d(parameter) by tensor name")
      .def_property_readonly(
          "kept_bytes", [](const PyTrainer& t) { return t.trainer.kept_bytes(); },
          "bytes kept of frames that come again: lists, pairs and environment matrices")
      .def("state", [](const PyTrainer& t) { return to_dict(t.trainer.state()); })
      .def("load_state",
           [](PyTrainer& t, const py::dict& state) { t.trainer.load_state(to_tensors(state)); });
}

}  // namespace dpcore_python
