// SPDX-License-Identifier: LGPL-3.0-or-later
#include "convert.hpp"

#include <cstring>

namespace dpcore_python {

namespace {

std::string shape_of(const py::array& a) {
  std::string s = "[";
  for (py::ssize_t d = 0; d < a.ndim(); ++d) s += (d > 0 ? ", " : "") + std::to_string(a.shape(d));
  return s + "]";
}

template <class A>
A to_array_argument(const py::object& o, const std::string& what) {
  auto a = A::ensure(o);
  if (!a) {
    PyErr_Clear();
    throw dpcore::Error(what + ": expected an array of numbers");
  }
  return a;
}

/// Types as int32; numbers that are no integers, or too large, are an Error naming the atom.
Ints to_types(const py::object& o) {
  const py::array any = py::array::ensure(o);
  const char kind = any ? any.dtype().kind() : '?';
  if (any && any.size() > 0 && kind != 'i' && kind != 'u' && kind != 'f') {
    throw dpcore::Error("atom_types: expected integers, got an array of " +
                        py::cast<std::string>(py::str(any.dtype())));
  }
  if (py::isinstance<py::array_t<int>>(any)) {
    const auto same = to_array_argument<Ints>(any, "atom_types");
    Ints copy(std::vector<py::ssize_t>{same.size()});
    if (same.size() > 0)
      std::memcpy(copy.mutable_data(), same.data(), static_cast<std::size_t>(same.size()) * sizeof(int));
    return copy;
  }
  const auto numbers = to_array_argument<Doubles>(o, "atom_types");
  Ints out(std::vector<py::ssize_t>{numbers.size()});
  for (py::ssize_t i = 0; i < numbers.size(); ++i) {
    const double t = numbers.data()[i];
    if (!(t >= -2147483648.0 && t <= 2147483647.0) || t != static_cast<double>(static_cast<int>(t))) {
      throw dpcore::Error("atom_types: atom " + std::to_string(i) + " has type " + std::to_string(t) +
                          "; expected an integer");
    }
    out.mutable_data()[i] = static_cast<int>(t);
  }
  return out;
}

}  // namespace

void require_size(const py::array& array, std::size_t count, const std::string& what,
                  const std::string& expected) {
  if (static_cast<std::size_t>(array.size()) != count) {
    throw dpcore::Error(what + ": expected shape " + expected + ", got " + shape_of(array));
  }
}

py::array_t<double> to_array(std::vector<double> values, const std::vector<py::ssize_t>& shape) {
  auto* kept = new std::vector<double>(std::move(values));
  const py::capsule owner(kept, [](void* p) { delete static_cast<std::vector<double>*>(p); });
  return py::array_t<double>(shape, kept->data(), owner);
}

py::dict to_dict(const std::map<std::string, dpcore::Tensor>& tensors) {
  py::dict out;
  for (const auto& [name, t] : tensors) {
    const char* format = "u1";
    switch (t.dtype) {
      case dpcore::DType::F64:
        format = "f8";
        break;
      case dpcore::DType::F32:
        format = "f4";
        break;
      case dpcore::DType::I32:
        format = "i4";
        break;
      case dpcore::DType::I64:
        format = "i8";
        break;
      case dpcore::DType::U8:
        break;
    }
    const std::vector<py::ssize_t> shape(t.shape.begin(), t.shape.end());
    py::array a(py::dtype(format), shape);
    if (!t.data.empty()) std::memcpy(a.mutable_data(), t.data.data(), t.data.size());
    out[py::str(name)] = a;
  }
  return out;
}

std::map<std::string, dpcore::Tensor> to_tensors(const py::dict& arrays) {
  std::map<std::string, dpcore::Tensor> out;
  for (const auto& item : arrays) {
    const auto name = py::cast<std::string>(item.first);
    const py::array any = py::array::ensure(item.second);
    if (!any) throw dpcore::Error("tensor '" + name + "': expected a numpy array");
    const py::array a = py::array::ensure(any, py::array::c_style);
    dpcore::DType dtype;
    if (py::isinstance<py::array_t<double>>(a)) {
      dtype = dpcore::DType::F64;
    } else if (py::isinstance<py::array_t<float>>(a)) {
      dtype = dpcore::DType::F32;
    } else if (py::isinstance<py::array_t<std::int32_t>>(a)) {
      dtype = dpcore::DType::I32;
    } else if (py::isinstance<py::array_t<std::int64_t>>(a)) {
      dtype = dpcore::DType::I64;
    } else {
      throw dpcore::Error("tensor '" + name + "': expected dtype float64, float32, int32 or int64, got " +
                          py::cast<std::string>(py::str(a.dtype())));
    }
    dpcore::Tensor t =
        dpcore::Tensor::zeros(dtype, std::vector<std::int64_t>(a.shape(), a.shape() + a.ndim()));
    if (!t.data.empty()) std::memcpy(t.data.data(), a.data(), t.data.size());
    out[name] = std::move(t);
  }
  return out;
}

FrameArrays::FrameArrays(const py::object& coord_in, const py::object& box_in, const py::object& type_in,
                         const py::object& fparam_in, const py::object& aparam_in, int dim_fparam,
                         int dim_aparam, const py::object& pbc) {
  coord = to_array_argument<Doubles>(coord_in, "coords");
  type = to_types(type_in);
  const auto n_atoms = static_cast<std::size_t>(type.size());
  if (coord.ndim() < 2) {
    throw dpcore::Error("coords: expected shape [n_frames, " + std::to_string(n_atoms) + "*3], got " +
                        shape_of(coord));
  }
  const auto n_frames = static_cast<std::size_t>(coord.shape(0));
  require_size(coord, n_frames * n_atoms * 3, "coords",
               "[n_frames, " + std::to_string(n_atoms) + "*3] (the number of atoms comes from atom_types)");
  frames.n_frames = static_cast<int>(n_frames);
  frames.n_atoms = static_cast<int>(n_atoms);
  frames.coord = coord.data();
  frames.type = type.data();
  const std::string per_frame = "[" + std::to_string(n_frames) + ", ";
  if (!box_in.is_none()) {
    box = to_array_argument<Doubles>(box_in, "cells");
    require_size(box, n_frames * 9, "cells", per_frame + "9]");
    frames.box = box.data();
  }
  if (!pbc.is_none()) {
    const auto flags = py::cast<std::vector<bool>>(pbc);
    if (flags.size() != 3) throw dpcore::Error("pbc: expected three flags");
    for (std::size_t d = 0; d < 3; ++d) frames.pbc[d] = flags[d];
  }
  if (dim_fparam > 0 && !fparam_in.is_none()) {
    fparam = to_array_argument<Doubles>(fparam_in, "fparam");
    require_size(fparam, n_frames * static_cast<std::size_t>(dim_fparam), "fparam",
                 per_frame + std::to_string(dim_fparam) + "]");
    frames.fparam = fparam.data();
  }
  if (dim_aparam > 0 && !aparam_in.is_none()) {
    aparam = to_array_argument<Doubles>(aparam_in, "aparam");
    require_size(aparam, n_frames * n_atoms * static_cast<std::size_t>(dim_aparam), "aparam",
                 per_frame + std::to_string(n_atoms) + "*" + std::to_string(dim_aparam) + "]");
    frames.aparam = aparam.data();
  }
}

}  // namespace dpcore_python
