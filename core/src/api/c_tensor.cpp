// SPDX-License-Identifier: LGPL-3.0-or-later
// The C interface of models of dipoles and polarizabilities.
#include "api/c_handles.hpp"
#include "dpcore/DeepTensor.h"

namespace {

using dpcore::Error;
using dpcore::guarded;
using dpcore::Prediction;
using dpcore::detail::Doubles;

/// Where the results go, each or none.
template <class T>
struct Results {
  T* global_tensor;
  T* force;
  T* virial;
  T** atomic_tensor;
  T* atomic_virial;
  int* size;

  bool derivatives() const { return force != nullptr || virial != nullptr || atomic_virial != nullptr; }
};

template <class T>
void put(const std::vector<double>& from, T* to) {
  if (to != nullptr) std::transform(from.begin(), from.end(), to, [](double x) { return static_cast<T>(x); });
}

template <class T>
void take(const dpcore::Model& model, const Prediction& p, const int* atype, std::size_t n_local,
          const Results<T>& to) {
  if (to.atomic_tensor != nullptr) {
    std::vector<double> selected;
    dpcore::detail::append_selected(model, p, atype, n_local, selected);
    *to.atomic_tensor = new T[selected.size()];
    put(selected, *to.atomic_tensor);
    *to.size = static_cast<int>(selected.size());
  }
  put(p.energy, to.global_tensor);
  put(p.force, to.force);
  put(p.virial, to.virial);
  put(p.atom_virial, to.atomic_virial);
}

template <class T>
void check(int natom, const T* coord, const int* atype, const Results<T>& to) {
  if (natom < 0) throw Error("natom: expected at least 0, got " + std::to_string(natom));
  if (natom > 0 && coord == nullptr) throw Error("coord: the pointer is NULL");
  if (natom > 0 && atype == nullptr) throw Error("atype: the pointer is NULL");
  if ((to.atomic_tensor == nullptr) != (to.size == nullptr)) {
    throw Error("size: the tensors of atoms and their size go together, and one of the pointers is NULL");
  }
  if (to.size != nullptr) {
    *to.atomic_tensor = nullptr;
    *to.size = 0;
  }
}

template <class T>
int compute(DP_DeepTensor* dt, int natom, const T* coord, const int* atype, const T* cell,
            const Results<T>& to) noexcept {
  return guarded(dt, [&] {
    const dpcore::Model& model = dt->first();
    check(natom, coord, atype, to);
    const Doubles x(coord, 3 * static_cast<std::size_t>(natom)), box(cell, cell == nullptr ? 0 : 9);
    dpcore::Frames in;
    in.n_frames = 1;
    in.n_atoms = natom;
    in.coord = x.data();
    in.type = atype;
    in.box = box.data();
    take(model, dt->models.front()->predict(in, to.atomic_virial != nullptr, to.derivatives()), atype,
         static_cast<std::size_t>(natom), to);
  });
}

template <class T>
int compute_list(DP_DeepTensor* dt, int natom, const T* coord, const int* atype, int nghost,
                 const DP_Nlist* nlist, const Results<T>& to) noexcept {
  return guarded(dt, [&] {
    const dpcore::Model& model = dt->first();
    check(natom, coord, atype, to);
    if (nghost < 0 || nghost > natom) {
      throw Error("nghost: " + std::to_string(nghost) + " ghosts of " + std::to_string(natom) + " atoms");
    }
    if (nlist == nullptr) throw Error("nlist: the pointer is NULL; make one with DP_NewNlist");
    const Doubles x(coord, 3 * static_cast<std::size_t>(natom));
    dpcore::Neighborhood in = nlist->list.neighborhood();
    in.n_local = natom - nghost;
    in.n_all = natom;
    in.coord = x.data();
    in.type = atype;
    dt->models.front()->predict(
        in, to.atomic_virial != nullptr,
        [&](const Prediction& p) { take(model, p, atype, static_cast<std::size_t>(in.n_local), to); },
        to.derivatives());
  });
}

void add_model(DP_DeepTensor& to, const char* c_model, const char* precision) {
  to.models.push_back(std::make_unique<dpcore::detail::LoadedModel>(dpcore::text(c_model, "c_model"), "",
                                                                    precision == nullptr ? "" : precision));
  to.models.front()->require_kind(false);
  to.selected = to.first().sel_type();
}

}  // namespace

extern "C" {

DP_DeepTensor* DP_NewDeepTensor(const char* c_model) {
  return DP_NewDeepTensorWithParam(c_model, 0, nullptr);
}

DP_DeepTensor* DP_NewDeepTensorWithParam(const char* c_model, const int, const char* c_name_scope) {
  return dpcore::make<DP_DeepTensor>([&](DP_DeepTensor& dt) {
    if (c_name_scope != nullptr && *c_name_scope != '\0') {
      throw Error("c_name_scope: expected NULL or an empty text, as a model file holds one model");
    }
    add_model(dt, c_model, nullptr);
  });
}

DP_DeepTensor* DP_NewDeepTensorWithPrecision(const char* c_model, const char* c_precision) {
  return dpcore::make<DP_DeepTensor>([&](DP_DeepTensor& dt) { add_model(dt, c_model, c_precision); });
}

void DP_DeleteDeepTensor(DP_DeepTensor* dt) { delete dt; }
const char* DP_DeepTensorCheckOK(DP_DeepTensor* dt) { return dpcore::check_ok(dt, "DeepTensor"); }

double DP_DeepTensorGetCutoff(DP_DeepTensor* dt) {
  return dpcore::property(dt, 0.0, [](const auto& m) { return m.model().rcut(); });
}
int DP_DeepTensorGetNumbTypes(DP_DeepTensor* dt) {
  return dpcore::property(dt, 0, [](const auto& m) { return m.model().ntypes(); });
}
int DP_DeepTensorGetOutputDim(DP_DeepTensor* dt) {
  return dpcore::property(dt, 0, [](const auto& m) { return m.model().n_out(); });
}
int* DP_DeepTensorGetSelTypes(DP_DeepTensor* dt) { return dt == nullptr ? nullptr : dt->selected.data(); }
int DP_DeepTensorGetNumbSelTypes(DP_DeepTensor* dt) {
  return dt == nullptr ? 0 : static_cast<int>(dt->selected.size());
}
const char* DP_DeepTensorGetTypeMap(DP_DeepTensor* dt) {
  return dpcore::property(dt, static_cast<const char*>(nullptr),
                          [](const auto& m) { return dpcore::new_text(m.type_names()); });
}

/* The functions of one type (T, F: the letter in the name). */
#define DPCORE_TENSOR(F, T)                                                                                  \
  int DP_DeepTensorComputeTensor##F(DP_DeepTensor* dt, const int natom, const T* coord, const int* atype,    \
                                    const T* cell, T** tensor, int* size) {                                  \
    return compute<T>(dt, natom, coord, atype, cell, {nullptr, nullptr, nullptr, tensor, nullptr, size});    \
  }                                                                                                          \
  int DP_DeepTensorComputeTensorNList##F(DP_DeepTensor* dt, const int natom, const T* coord,                 \
                                         const int* atype, const T*, const int nghost,                       \
                                         const DP_Nlist* nlist, T** tensor, int* size) {                     \
    return compute_list<T>(dt, natom, coord, atype, nghost, nlist,                                           \
                           {nullptr, nullptr, nullptr, tensor, nullptr, size});                              \
  }                                                                                                          \
  int DP_DeepTensorCompute##F(DP_DeepTensor* dt, const int natom, const T* coord, const int* atype,          \
                              const T* cell, T* global_tensor, T* force, T* virial, T** atomic_tensor,       \
                              T* atomic_virial, int* size_at) {                                              \
    return compute<T>(dt, natom, coord, atype, cell,                                                         \
                      {global_tensor, force, virial, atomic_tensor, atomic_virial, size_at});                \
  }                                                                                                          \
  int DP_DeepTensorComputeNList##F(DP_DeepTensor* dt, const int natom, const T* coord, const int* atype,     \
                                   const T*, const int nghost, const DP_Nlist* nlist, T* global_tensor,      \
                                   T* force, T* virial, T** atomic_tensor, T* atomic_virial, int* size_at) { \
    return compute_list<T>(dt, natom, coord, atype, nghost, nlist,                                           \
                           {global_tensor, force, virial, atomic_tensor, atomic_virial, size_at});           \
  }

DPCORE_TENSOR(, double)
DPCORE_TENSOR(f, float)

}  // extern "C"
