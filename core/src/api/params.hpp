// SPDX-License-Identifier: LGPL-3.0-or-later
// Frame and atomic parameters of the caller's frames.
#pragma once

#include <cmath>

#include "dpcore/model.h"
#include "model/evaluate.hpp"

namespace dpcore {

/// values [n_frames, width], or null. Throws Error that names the frame of a value that is not finite.
inline void check_finite(const double* values, int n_frames, std::size_t width, const char* name) {
  for (std::size_t k = 0; values != nullptr && k < width * static_cast<std::size_t>(n_frames); ++k) {
    if (!std::isfinite(values[k])) {
      throw Error(std::string(name) + ": frame " + std::to_string(k / width) + ", value " +
                  std::to_string(k % width) + " is not finite");
    }
  }
}

inline void check_params(const Frames& f, int dim_fparam, int dim_aparam) {
  if (dim_fparam > 0 && f.fparam == nullptr) {
    throw Error("fparam: the model needs " + std::to_string(dim_fparam) +
                " frame parameters per frame, none were given");
  }
  if (dim_aparam > 0 && f.aparam == nullptr) {
    throw Error("aparam: the model needs " + std::to_string(dim_aparam) +
                " atomic parameters per atom, none were given");
  }
  check_finite(f.fparam, f.n_frames, static_cast<std::size_t>(dim_fparam), "fparam");
  check_finite(f.aparam, f.n_frames,
               static_cast<std::size_t>(f.n_atoms) * static_cast<std::size_t>(dim_aparam), "aparam");
}

inline void assign_params(const Frames& f, int begin, int end, int dim_fparam, int dim_aparam,
                          FittingParams& out) {
  if (dim_fparam > 0) {
    assign(out.fparam, std::vector<double>(f.fparam + begin * dim_fparam, f.fparam + end * dim_fparam));
  }
  if (dim_aparam > 0) {
    const std::ptrdiff_t width = static_cast<std::ptrdiff_t>(f.n_atoms) * dim_aparam;
    assign(out.aparam, std::vector<double>(f.aparam + begin * width, f.aparam + end * width));
  }
}

/// Structure::aparam [n_all, dim] of the frames [begin, end) that the structure was built of.
inline void assign_neighbor_params(const Frames& f, int begin, int dim, Structure& out) {
  out.aparam.clear();
  if (dim == 0) return;
  const auto n = static_cast<std::size_t>(dim);
  const double* const first = f.aparam + static_cast<std::ptrdiff_t>(begin) * f.n_atoms * dim;
  out.aparam.reserve(n * static_cast<std::size_t>(out.n_all));
  for (const int owner : out.target) {
    const double* const mine = first + static_cast<std::ptrdiff_t>(owner) * dim;
    out.aparam.insert(out.aparam.end(), mine, mine + n);
  }
}

}  // namespace dpcore
