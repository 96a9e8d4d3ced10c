// SPDX-License-Identifier: LGPL-3.0-or-later
#include <dpcore/errors.h>
#include <dpcore/precision.h>
#include <dpcore/runtime.h>
#include <dpcore/version.h>

#include "bind.hpp"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The dpcore engine. Arrays are checked here once; the GIL is released in long calls.";
  m.attr("__version__") = DPCORE_VERSION;
  m.def("backend", &dpcore::backend, "What the engine runs on: serial, openmp, cuda or hip.");
  m.def("num_threads", &dpcore::num_threads, "Host threads that predictions and training use.");
  m.def("set_num_threads", &dpcore::set_num_threads, pybind11::arg("n"),
        "Use n threads from now on; to be called before the first model.");
  m.def(
      "precision", [](const std::string& word) { return dpcore::name_of(dpcore::precision_from(word)); },
      pybind11::arg("word") = "",
      "'high', 'mixed' or 'low' itself; of '' what DP_INTERFACE_PREC says, 'stored' without it.");
  pybind11::register_exception<dpcore::Error>(m, "Error", PyExc_ValueError);
  dpcore_python::bind_model(m);
  dpcore_python::bind_model_file(m);
  dpcore_python::bind_modifier(m);
  dpcore_python::bind_statistics(m);
  dpcore_python::bind_trainer(m);
}
