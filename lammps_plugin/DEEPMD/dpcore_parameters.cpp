// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore_parameters.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <dpcore/errors.h>

#include "atom.h"
#include "compute.h"
#include "domain.h"
#include "fix.h"
#include "modify.h"
#if __has_include("fix_ttm.h")
#include "fix_ttm.h"
#define DPCORE_HAS_TTM
#endif

using namespace LAMMPS_NS;

namespace dpcore_lammps {

namespace {

dpcore::Error error(const std::string& text) { return dpcore::Error("pair_style deepmd: " + text); }

Compute* find_compute(Modify* modify, const std::string& id) {
  for (int i = 0; i < modify->ncompute; ++i) {
    if (id == modify->compute[i]->id) return modify->compute[i];
  }
  throw error("there is no compute with ID '" + id + "'");
}

/// A compute for parameters; not one of the energy or virial, which the model is about to give.
void check_compute(Modify* modify, const std::string& id) {
  const Compute* c = find_compute(modify, id);
  if (c->peflag || c->pressflag || c->peatomflag || c->pressatomflag) {
    throw error("compute " + id + " (" + c->style +
                ") needs the energy or virial, which are not known before the model has "
                "its parameters");
  }
}

Fix* find_fix(Modify* modify, const std::string& id) {
  for (int i = 0; i < modify->nfix; ++i) {
    if (id == modify->fix[i]->id) return modify->fix[i];
  }
  throw error("there is no fix with ID '" + id + "'");
}

/// Whether a compute or fix has a global vector of this length.
template <class Source>
bool has_vector(const Source* source, std::size_t n) {
  return source->vector_flag != 0 && source->size_vector >= 0 &&
         static_cast<std::size_t>(source->size_vector) == n;
}

dpcore::Error gives_none(const std::string& source, std::size_t n) {
  return error(source + " gives no " + (n == 1 ? "number" : "vector of " + std::to_string(n) + " numbers") +
               " for fparam");
}

#ifdef DPCORE_HAS_TTM
/// Electron temperatures of fix ttm, which it keeps to itself and its children.
struct Ttm : FixTTM {
  static double at(const FixTTM* fix, const double* x, const Domain* domain) {
    const int FixTTM::*size[3] = {&Ttm::nxgrid, &Ttm::nygrid, &Ttm::nzgrid};
    int node[3];
    for (int d = 0; d < 3; ++d) {
      const int n = fix->*size[d];
      node[d] = static_cast<int>(std::floor((x[d] - domain->boxlo[d]) / domain->prd[d] * n)) % n;
      if (node[d] < 0) node[d] += n;
    }
    double*** FixTTM::*temperature = &Ttm::T_electron;
    double*** grid = fix->*temperature;
    return grid[node[2]][node[1]][node[0]];
  }
};
#endif

void check_number(int needed, const std::string& what, const std::string& keywords, std::size_t numbers,
                  bool from_source) {
  if (needed == 0 && (numbers > 0 || from_source)) throw error("the model takes no " + what);
  if (needed > 0 && !from_source && numbers != static_cast<std::size_t>(needed)) {
    throw error("the model needs " + std::to_string(needed) + " " + what + " (" + keywords + "), got " +
                std::to_string(numbers));
  }
}

}  // namespace

void check_parameters(const Options& o, int dim_fparam, int dim_aparam) {
  check_number(dim_fparam, "frame parameters", "fparam, fparam_from_compute, fparam_from_fix",
               o.fparam.size(), !o.fparam_compute.empty() || !o.fparam_fix.empty());
  check_number(dim_aparam, "atomic parameters", "aparam, aparam_from_compute, ttm", o.aparam.size(),
               !o.aparam_compute.empty() || !o.ttm_fix.empty());
  if (!o.ttm_fix.empty() && dim_aparam != 1) {
    throw error("ttm gives one atomic parameter, the model needs " + std::to_string(dim_aparam));
  }
}

void check_sources(const Options& o, Modify* modify) {
  if (!o.fparam_compute.empty()) check_compute(modify, o.fparam_compute);
  if (!o.fparam_fix.empty()) find_fix(modify, o.fparam_fix);
  if (!o.aparam_compute.empty()) check_compute(modify, o.aparam_compute);
  if (o.ttm_fix.empty()) return;
#ifdef DPCORE_HAS_TTM
  if (dynamic_cast<FixTTM*>(find_fix(modify, o.ttm_fix)) == nullptr) {
    throw error("fix " + o.ttm_fix + " is not of style ttm");
  }
#else
  throw error(
      "ttm: this plugin was built without LAMMPS' fix_ttm.h; build LAMMPS with the package folder of dpcore "
      "and "
      "EXTRA-FIX, or use aparam_from_compute");
#endif
}

void setup_sources(const Options& o, Modify* modify) {
  if ((o.fparam_compute + o.fparam_fix + o.aparam_compute).empty()) return;
  for (int i = 0; i < modify->ncompute; ++i) modify->compute[i]->setup();  // all: one may use others
}

std::vector<double> frame_parameters(const Options& o, int dim, Modify* modify) {
  const auto n = static_cast<std::size_t>(dim);
  std::vector<double> out = o.fparam;
  out.resize(n);
  if (!o.fparam_compute.empty()) {
    Compute* c = find_compute(modify, o.fparam_compute);
    if (n == 1 && c->scalar_flag) {
      c->compute_scalar();
      out[0] = c->scalar;
    } else if (has_vector(c, n)) {
      c->compute_vector();
      std::copy(c->vector, c->vector + n, out.begin());
    } else {
      throw gives_none("compute " + o.fparam_compute, n);
    }
  } else if (!o.fparam_fix.empty()) {
    Fix* f = find_fix(modify, o.fparam_fix);
    if (n == 1 && f->scalar_flag) {
      out[0] = f->compute_scalar();
    } else if (has_vector(f, n)) {
      for (std::size_t k = 0; k < n; ++k) out[k] = f->compute_vector(static_cast<int>(k));
    } else {
      throw gives_none("fix " + o.fparam_fix, n);
    }
  }
  return out;
}

void atomic_parameters(const Options& o, int dim, Modify* modify, const Atom* atom, const Domain* domain,
                       std::vector<double>& out) {
  const auto n = static_cast<std::size_t>(dim), nlocal = static_cast<std::size_t>(atom->nlocal);
  out.resize(n * nlocal);
  if (!o.aparam.empty()) {
    for (std::size_t i = 0; i < nlocal; ++i) {
      for (std::size_t k = 0; k < n; ++k) out[i * n + k] = o.aparam[k];
    }
  } else if (!o.aparam_compute.empty()) {
    Compute* c = find_compute(modify, o.aparam_compute);
    if (!c->peratom_flag || static_cast<std::size_t>(std::max(1, c->size_peratom_cols)) != n) {
      throw error("compute " + o.aparam_compute + " does not give the " + std::to_string(n) +
                  " numbers for each atom that the model needs as aparam");
    }
    c->compute_peratom();
    for (std::size_t i = 0; i < nlocal; ++i) {
      for (std::size_t k = 0; k < n; ++k) {
        out[i * n + k] = c->size_peratom_cols == 0 ? c->vector_atom[i] : c->array_atom[i][k];
      }
    }
  } else {
#ifdef DPCORE_HAS_TTM
    const auto* fix = dynamic_cast<FixTTM*>(find_fix(modify, o.ttm_fix));
    for (std::size_t i = 0; i < nlocal; ++i) out[i] = Ttm::at(fix, atom->x[i], domain);
#else
    (void)domain;  // check_sources has refused
#endif
  }
}

}  // namespace dpcore_lammps
