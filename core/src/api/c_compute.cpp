// SPDX-License-Identifier: LGPL-3.0-or-later
// The compute functions of the C interface: one template for frames and one for neighbour lists, which every
// function of dpcore/c_api.h calls. Arrays of doubles are used where they are; floats are converted.
#include "api/c_handles.hpp"

namespace {

using dpcore::Error;
using dpcore::guarded;
using dpcore::ModelHandle;
using dpcore::Prediction;
using dpcore::detail::Doubles;

/// Where the results go, each or none; [n_models, n_frames, ...]
template <class T>
struct Results {
  double* energy;
  T* force;
  T* virial;
  T* atom_energy;
  T* atom_virial;

  bool atomic() const { return atom_virial != nullptr; }
  /// From frame `frame` on, counted over all models, for frames of n_atoms.
  Results from(std::size_t frame, std::size_t n_atoms) const {
    return {at(energy, frame), at(force, 3 * n_atoms * frame), at(virial, 9 * frame),
            at(atom_energy, n_atoms * frame), at(atom_virial, 9 * n_atoms * frame)};
  }
  void take(const Prediction& p) const {
    put(p.energy, energy);
    put(p.force, force);
    put(p.virial, virial);
    put(p.atom_energy, atom_energy);
    put(p.atom_virial, atom_virial);
  }

 private:
  template <class U>
  static U* at(U* p, std::size_t n) {
    return p == nullptr ? nullptr : p + n;
  }
  template <class U>
  static void put(const std::vector<double>& from, U* to) {
    if (to != nullptr)
      std::transform(from.begin(), from.end(), to, [](double x) { return static_cast<U>(x); });
  }
};

std::size_t count_of(int n, int least, const char* name) {
  if (n < least)
    throw Error(std::string(name) + ": expected at least " + std::to_string(least) + ", got " +
                std::to_string(n));
  return static_cast<std::size_t>(n);
}

/// n numbers that must be there.
template <class T>
const T* needed(const T* p, std::size_t n, const char* name) {
  if (p == nullptr && n > 0)
    throw Error(std::string(name) + ": the pointer is NULL, expected " + std::to_string(n) + " numbers");
  return p;
}

template <class T>
int compute(ModelHandle* handle, int nframes, int natoms, const T* coord, const int* atype, const T* cell,
            const T* fparam, const T* aparam, const Results<T>& results) noexcept {
  return guarded(handle, [&] {
    const dpcore::Model& model = handle->first();
    const std::size_t n_frames = count_of(nframes, 1, "nframes"), n = count_of(natoms, 0, "natoms");
    const std::size_t n_fparam = n_frames * static_cast<std::size_t>(model.dim_fparam());
    const std::size_t n_aparam = n_frames * n * static_cast<std::size_t>(model.dim_aparam());
    const Doubles x(needed(coord, 3 * n * n_frames, "coord"), 3 * n * n_frames),
        box(cell, cell == nullptr ? 0 : 9 * n_frames);
    const Doubles f(needed(fparam, n_fparam, "fparam"), n_fparam),
        a(needed(aparam, n_aparam, "aparam"), n_aparam);
    dpcore::Frames in;
    in.n_frames = nframes;
    in.n_atoms = natoms;
    in.coord = x.data();
    in.type = needed(atype, n, "atype");
    in.box = box.data();
    in.fparam = f.data();
    in.aparam = a.data();
    for (std::size_t m = 0; m < handle->models.size(); ++m) {
      // energies of atoms alone cost nothing more, and a model with a modifier says that it has none
      const bool none = results.atom_energy != nullptr && handle->models[m]->model().has_modifier();
      results.from(m * n_frames, n).take(handle->models[m]->predict(in, results.atomic() || none));
    }
  });
}

template <class T>
int compute_list(ModelHandle* handle, int nframes, int natoms, const T* coord, const int* atype, int nghost,
                 const DP_Nlist* nlist, int ago, const T* fparam, const T* aparam,
                 const Results<T>& results) noexcept {
  return guarded(handle, [&] {
    const dpcore::Model& model = handle->first();
    const std::size_t n_frames = count_of(nframes, 1, "nframes"), n = count_of(natoms, 0, "natoms");
    if (nghost < 0 || nghost > natoms) {
      throw Error("nghost: " + std::to_string(nghost) + " ghosts of " + std::to_string(natoms) + " atoms");
    }
    if (nlist == nullptr) throw Error("nlist: the pointer is NULL; make one with DP_NewNlist");
    const std::size_t n_local = n - static_cast<std::size_t>(nghost);
    const auto n_fparam = static_cast<std::size_t>(model.dim_fparam());
    const std::size_t n_aparam =
        (model.is_aparam_nall() ? n : n_local) * static_cast<std::size_t>(model.dim_aparam());
    needed(coord, 3 * n * n_frames, "coord");
    needed(fparam, n_fparam * n_frames, "fparam");
    needed(aparam, n_aparam * n_frames, "aparam");
    dpcore::Neighborhood in = nlist->list.neighborhood();
    in.n_local = static_cast<int>(n_local);
    in.n_all = natoms;
    in.type = needed(atype, n, "atype");
    in.rebuilt = ago == 0;
    for (std::size_t k = 0; k < n_frames; ++k) {
      const Doubles x(coord + 3 * n * k, 3 * n), f(fparam + n_fparam * k, n_fparam),
          a(aparam + n_aparam * k, n_aparam);
      in.coord = x.data();
      in.fparam = f.data();
      in.aparam = a.data();
      for (std::size_t m = 0; m < handle->models.size(); ++m) {
        const Results<T> out = results.from(m * n_frames + k, n);
        handle->models[m]->predict(in, results.atomic(), [&](const Prediction& p) { out.take(p); });
        if (out.atom_energy != nullptr) std::fill(out.atom_energy + n_local, out.atom_energy + n, T(0));
      }
    }
  });
}

/// Frame by frame, as their atoms differ.
template <class T>
int compute_mixed(ModelHandle* handle, int nframes, int natoms, const T* coord, const int* atype,
                  const T* cell, const T* fparam, const T* aparam, const Results<T>& results) noexcept {
  return guarded(handle, [&] {
    const dpcore::Model& model = handle->first();
    const std::size_t n_frames = count_of(nframes, 1, "nframes"), n = count_of(natoms, 0, "natoms");
    const auto n_fparam = static_cast<std::size_t>(model.dim_fparam());
    const std::size_t n_aparam = n * static_cast<std::size_t>(model.dim_aparam());
    const auto frame = [](const auto* p, std::size_t offset) { return p == nullptr ? nullptr : p + offset; };
    for (std::size_t k = 0; k < n_frames; ++k) {
      if (compute(handle, 1, natoms, frame(coord, 3 * n * k), frame(atype, n * k), frame(cell, 9 * k),
                  frame(fparam, n_fparam * k), frame(aparam, n_aparam * k), results.from(k, n)) != 0) {
        throw Error("mixed types, frame " + std::to_string(k) + " taken alone: " + handle->errors.get());
      }
    }
  });
}

}  // namespace

extern "C" {

/* The functions of one kind of handle (KIND) and one type (T, F: the letter in the name). */
#define DPCORE_COMPUTE(KIND, F, T)                                                                          \
  int DP_##KIND##Compute##F(DP_##KIND* dp, const int natoms, const T* coord, const int* atype,              \
                            const T* cell, double* energy, T* force, T* virial, T* atomic_energy,           \
                            T* atomic_virial) {                                                             \
    return DP_##KIND##Compute##F##2(dp, 1, natoms, coord, atype, cell, nullptr, nullptr, energy, force,     \
                                    virial, atomic_energy, atomic_virial);                                  \
  }                                                                                                         \
  int DP_##KIND##Compute##F##2(DP_##KIND * dp, const int nframes, const int natoms, const T* coord,         \
                               const int* atype, const T* cell, const T* fparam, const T* aparam,           \
                               double* energy, T* force, T* virial, T* atomic_energy, T* atomic_virial) {   \
    return compute<T>(dp, nframes, natoms, coord, atype, cell, fparam, aparam,                              \
                      {energy, force, virial, atomic_energy, atomic_virial});                               \
  }                                                                                                         \
  int DP_##KIND##Compute##F##3(DP_##KIND * dp, const int nframes, const int natoms, const T* coord,         \
                               const int* atype, const T* cell, const T* fparam, const T* aparam, const T*, \
                               double* energy, T* force, T* virial, T* atomic_energy, T* atomic_virial) {   \
    return DP_##KIND##Compute##F##2(dp, nframes, natoms, coord, atype, cell, fparam, aparam, energy, force, \
                                    virial, atomic_energy, atomic_virial);                                  \
  }                                                                                                         \
  int DP_##KIND##ComputeNList##F(DP_##KIND* dp, const int natoms, const T* coord, const int* atype,         \
                                 const T* cell, const int nghost, const DP_Nlist* nlist, const int ago,     \
                                 double* energy, T* force, T* virial, T* atomic_energy, T* atomic_virial) { \
    return DP_##KIND##ComputeNList##F##2(dp, 1, natoms, coord, atype, cell, nghost, nlist, ago, nullptr,    \
                                         nullptr, energy, force, virial, atomic_energy, atomic_virial);     \
  }                                                                                                         \
  int DP_##KIND##ComputeNList##F##2(DP_##KIND * dp, const int nframes, const int natoms, const T* coord,    \
                                    const int* atype, const T*, const int nghost, const DP_Nlist* nlist,    \
                                    const int ago, const T* fparam, const T* aparam, double* energy,        \
                                    T* force, T* virial, T* atomic_energy, T* atomic_virial) {              \
    return compute_list<T>(dp, nframes, natoms, coord, atype, nghost, nlist, ago, fparam, aparam,           \
                           {energy, force, virial, atomic_energy, atomic_virial});                          \
  }                                                                                                         \
  int DP_##KIND##ComputeNList##F##3(                                                                        \
      DP_##KIND * dp, const int nframes, const int natoms, const T* coord, const int* atype, const T* cell, \
      const int nghost, const DP_Nlist* nlist, const int ago, const T* fparam, const T* aparam, const T*,   \
      double* energy, T* force, T* virial, T* atomic_energy, T* atomic_virial) {                            \
    return DP_##KIND##ComputeNList##F##2(dp, nframes, natoms, coord, atype, cell, nghost, nlist, ago,       \
                                         fparam, aparam, energy, force, virial, atomic_energy,              \
                                         atomic_virial);                                                    \
  }

DPCORE_COMPUTE(DeepPot, , double)
DPCORE_COMPUTE(DeepPot, f, float)
DPCORE_COMPUTE(DeepPotModelDevi, , double)
DPCORE_COMPUTE(DeepPotModelDevi, f, float)

int DP_DeepPotComputeMixedType(DP_DeepPot* dp, const int nframes, const int natoms, const double* coord,
                               const int* atype, const double* cell, const double* fparam,
                               const double* aparam, double* energy, double* force, double* virial,
                               double* atomic_energy, double* atomic_virial) {
  return compute_mixed<double>(dp, nframes, natoms, coord, atype, cell, fparam, aparam,
                               {energy, force, virial, atomic_energy, atomic_virial});
}
int DP_DeepPotComputeMixedTypef(DP_DeepPot* dp, const int nframes, const int natoms, const float* coord,
                                const int* atype, const float* cell, const float* fparam, const float* aparam,
                                double* energy, float* force, float* virial, float* atomic_energy,
                                float* atomic_virial) {
  return compute_mixed<float>(dp, nframes, natoms, coord, atype, cell, fparam, aparam,
                              {energy, force, virial, atomic_energy, atomic_virial});
}

}  // extern "C"
