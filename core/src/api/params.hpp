// SPDX-License-Identifier: LGPL-3.0-or-later
// Frame and atomic parameters of the caller's frames.
#pragma once

#include "dpcore/model.h"
#include "model/evaluate.hpp"

namespace dpcore {

inline void check_params(const Frames& f, int dim_fparam, int dim_aparam) {
  if (dim_fparam > 0 && f.fparam == nullptr) {
    throw Error("fparam: the model needs " + std::to_string(dim_fparam) + " frame parameters per frame, none were given");
  }
  if (dim_aparam > 0 && f.aparam == nullptr) {
    throw Error("aparam: the model needs " + std::to_string(dim_aparam) + " atomic parameters per atom, none were given");
  }
}

inline void assign_params(const Frames& f, int begin, int end, int dim_fparam, int dim_aparam, FittingParams& out) {
  if (dim_fparam > 0) {
    assign(out.fparam, std::vector<double>(f.fparam + begin * dim_fparam, f.fparam + end * dim_fparam));
  }
  if (dim_aparam > 0) {
    const std::ptrdiff_t width = static_cast<std::ptrdiff_t>(f.n_atoms) * dim_aparam;
    assign(out.aparam, std::vector<double>(f.aparam + begin * width, f.aparam + end * width));
  }
}

}  // namespace dpcore
