// SPDX-License-Identifier: LGPL-3.0-or-later
// Checked passage of numpy arrays to the facade's pointers, and of its vectors and tensors back.
#pragma once

#include <string>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <dpcore/model.h>

namespace dpcore_python {

namespace py = pybind11;

using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Ints = py::array_t<int, py::array::c_style | py::array::forcecast>;

/// Throws dpcore::Error unless `array` has `count` elements; `what` names it, `expected` words the shape.
void require_size(const py::array& array, std::size_t count, const std::string& what,
                  const std::string& expected);

/// [shape] array that owns `values`.
py::array_t<double> to_array(std::vector<double> values, const std::vector<py::ssize_t>& shape);

py::dict to_dict(const std::map<std::string, dpcore::Tensor>& tensors);
std::map<std::string, dpcore::Tensor> to_tensors(const py::dict& arrays);

/// Frames on arrays that this object keeps alive.
struct FrameArrays {
  Doubles coord, box, fparam, aparam;
  Ints type;
  dpcore::Frames frames;

  /// coord [n_frames, n_atoms * 3], box [n_frames, 9] or None, type [n_atoms], fparam [n_frames, dim] or
  /// None, aparam [n_frames, n_atoms * dim] or None (any shapes with these numbers of elements); pbc: three
  /// flags or None for all.
  FrameArrays(const py::object& coord, const py::object& box, const py::object& type,
              const py::object& fparam, const py::object& aparam, int dim_fparam, int dim_aparam,
              const py::object& pbc = py::none());
};

}  // namespace dpcore_python
