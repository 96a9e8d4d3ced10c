// SPDX-License-Identifier: LGPL-3.0-or-later
#include <dpcore/model_file.h>

#include "bind.hpp"
#include "convert.hpp"

namespace dpcore_python {

void bind_model_file(py::module_& m) {
  m.def(
      "read_model_file",
      [](const std::string& path) {
        const auto file = dpcore::ModelFile::read(path);
        return py::make_tuple(file.metadata, to_dict(file.tensors));
      },
      py::arg("path"), "(metadata, tensors) of a model file or checkpoint");
  m.def(
      "write_model_file",
      [](const std::string& path, const std::map<std::string, std::string>& metadata,
         const py::dict& tensors) {
        dpcore::ModelFile file;
        file.metadata = metadata;
        file.tensors = to_tensors(tensors);
        file.write(path);
      },
      py::arg("path"), py::arg("metadata"), py::arg("tensors"), "Written to a temporary name and renamed.");
}

}  // namespace dpcore_python
