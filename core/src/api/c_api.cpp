// SPDX-License-Identifier: LGPL-3.0-or-later
// The C interface apart from compute: handles, properties, files, maps.
#include "dpcore/c_api.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <system_error>

#include "api/c_handles.hpp"
#include "dpcore/version.h"

using dpcore::Error;
using dpcore::make;
using dpcore::ModelHandle;
using dpcore::new_text;
using dpcore::text;

namespace {

std::string content(const char* bytes, int size, const char* name) {
  if (size < 0 || (size > 0 && bytes == nullptr)) {
    throw Error(std::string(name) + ": " + std::to_string(size) + " bytes" +
                (size > 0 ? " at a NULL pointer" : ""));
  }
  return size == 0 ? std::string() : std::string(bytes, static_cast<std::size_t>(size));
}

void add_model(ModelHandle& to, const std::string& path, const std::string& bytes,
               const std::string& precision = "") {
  to.models.push_back(std::make_unique<dpcore::detail::LoadedModel>(path, bytes, precision));
  to.models.back()->require_kind(true);
  require_alike(*to.models.front(), *to.models.back());
}

std::string read_bytes(const char* path) {
  const std::string name = text(path, "c_model");
  std::ifstream file(name, std::ios::binary);
  if (!file) throw Error(name + ": cannot be opened");
  std::error_code none;
  if (std::filesystem::is_character_file(name, none))
    throw Error(name + ": this is a device; expected a model file");
  std::string bytes;
  try {
    bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  } catch (const std::ios_base::failure&) {
    throw Error(name + ": cannot be read");
  }
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw Error(name + ": larger than an int can count");
  }
  return bytes;
}

}  // namespace

extern "C" {

/* ---- neighbour list ---- */

DP_Nlist* DP_NewNlist(int inum, int* ilist, int* numneigh, int** firstneigh) {
  try {
    auto nl = std::make_unique<DP_Nlist>();
    nl->list = dpcore::InputNlist(inum, ilist, numneigh, firstneigh);
    return nl.release();
  } catch (...) {
    return nullptr;
  }
}

DP_Nlist* DP_NewNlist_comm(int inum, int* ilist, int* numneigh, int** firstneigh, int, int*, int*, int*,
                           int**, int*, int*, void*, int) {
  return DP_NewNlist(inum, ilist, numneigh, firstneigh);
}

int DP_NlistSetMask(DP_Nlist* nl, int mask) {
  if (nl != nullptr) nl->list.set_mask(mask);
  return nl == nullptr ? 1 : 0;
}
int DP_NlistSetMapping(DP_Nlist* nl, int*) { return nl == nullptr ? 1 : 0; }
void DP_DeleteNlist(DP_Nlist* nl) { delete nl; }
const char* DP_NlistCheckOK(DP_Nlist* nl) {
  return new_text(nl == nullptr ? "Nlist: the handle is NULL" : "");
}

/* ---- models ---- */

DP_DeepPot* DP_NewDeepPot(const char* c_model) { return DP_NewDeepPotWithParam2(c_model, 0, nullptr, 0); }

DP_DeepPot* DP_NewDeepPotWithParam(const char* c_model, const int, const char* c_file_content) {
  return make<DP_DeepPot>([&](DP_DeepPot& dp) {
    if (c_file_content != nullptr && *c_file_content != '\0') {
      throw Error(
          "c_file_content: a model file has bytes 0, so that its length is needed; use "
          "DP_NewDeepPotWithParam2");
    }
    add_model(dp, text(c_model, "c_model"), "");
  });
}

DP_DeepPot* DP_NewDeepPotWithParam2(const char* c_model, const int, const char* c_file_content,
                                    const int size_file_content) {
  return make<DP_DeepPot>([&](DP_DeepPot& dp) {
    add_model(dp, text(c_model, "c_model"), content(c_file_content, size_file_content, "c_file_content"));
  });
}

DP_DeepPot* DP_NewDeepPotWithPrecision(const char* c_model, const char* c_precision) {
  return make<DP_DeepPot>([&](DP_DeepPot& dp) {
    add_model(dp, text(c_model, "c_model"), "", c_precision == nullptr ? "" : c_precision);
  });
}

DP_DeepPotModelDevi* DP_NewDeepPotModelDevi(const char** c_models, int n_models) {
  return DP_NewDeepPotModelDeviWithParam(c_models, n_models, 0, nullptr, 0, nullptr);
}

DP_DeepPotModelDevi* DP_NewDeepPotModelDeviWithParam(const char** c_models, const int n_models, const int,
                                                     const char** c_file_contents, const int n_file_contents,
                                                     const int* size_file_contents) {
  return make<DP_DeepPotModelDevi>([&](DP_DeepPotModelDevi& dp) {
    if (n_models < 1 || c_models == nullptr) throw Error("c_models: no model files were given");
    if (n_file_contents != 0 && n_file_contents != n_models) {
      throw Error("n_file_contents: expected 0 or " + std::to_string(n_models) + ", got " +
                  std::to_string(n_file_contents));
    }
    if (n_file_contents > 0 && (c_file_contents == nullptr || size_file_contents == nullptr)) {
      throw Error("c_file_contents: the pointer is NULL");
    }
    for (int k = 0; k < n_models; ++k) {
      add_model(
          dp, text(c_models[k], "c_models"),
          n_file_contents == 0 ? "" : content(c_file_contents[k], size_file_contents[k], "c_file_contents"));
    }
  });
}

/* What a handle tells of its model, for one kind of handle. */
#define DPCORE_PROPERTIES(KIND)                                                                   \
  void DP_Delete##KIND(DP_##KIND* dp) { delete dp; }                                              \
  const char* DP_##KIND##CheckOK(DP_##KIND* dp) { return dpcore::check_ok(dp, #KIND); }           \
  double DP_##KIND##GetCutoff(DP_##KIND* dp) {                                                    \
    return dpcore::property(dp, 0.0, [](const auto& m) { return m.model().rcut(); });             \
  }                                                                                               \
  int DP_##KIND##GetNumbTypes(DP_##KIND* dp) {                                                    \
    return dpcore::property(dp, 0, [](const auto& m) { return m.model().ntypes(); });             \
  }                                                                                               \
  int DP_##KIND##GetDimFParam(DP_##KIND* dp) {                                                    \
    return dpcore::property(dp, 0, [](const auto& m) { return m.model().dim_fparam(); });         \
  }                                                                                               \
  int DP_##KIND##GetDimAParam(DP_##KIND* dp) {                                                    \
    return dpcore::property(dp, 0, [](const auto& m) { return m.model().dim_aparam(); });         \
  }                                                                                               \
  int DP_##KIND##GetNumbTypesSpin(DP_##KIND*) { return 0; }                                       \
  bool DP_##KIND##IsAParamNAll(DP_##KIND* dp) {                                                   \
    return dpcore::property(dp, false, [](const auto& m) { return m.model().is_aparam_nall(); }); \
  }                                                                                               \
  bool DP_##KIND##HasDefaultFParam(DP_##KIND*) { return false; }
#define DPCORE_TYPE_MAP(KIND)                                                        \
  const char* DP_##KIND##GetTypeMap(DP_##KIND* dp) {                                 \
    return dpcore::property(dp, static_cast<const char*>(nullptr),                   \
                            [](const auto& m) { return new_text(m.type_names()); }); \
  }

DPCORE_PROPERTIES(DeepBaseModel)
DPCORE_TYPE_MAP(DeepBaseModel)
DPCORE_PROPERTIES(DeepPot)
DPCORE_TYPE_MAP(DeepPot)
DPCORE_PROPERTIES(DeepBaseModelDevi)
DPCORE_PROPERTIES(DeepPotModelDevi)
int DP_DeepPotGetDimChgSpin(DP_DeepPot*) { return 0; }
int DP_DeepPotModelDeviGetDimChgSpin(DP_DeepPotModelDevi*) { return 0; }

/* ---- the rest ---- */

int DP_PrintSummary(const char* c_pre) {
  const int written =
      std::printf("%sdpcore %s (%s)\n", c_pre == nullptr ? "" : c_pre, DPCORE_VERSION, DPCORE_BACKEND_NAME);
  return written < 0 ? 1 : 0;
}

const char* DP_ReadFileToChar2(const char* c_model, int* size) {
  if (size == nullptr) return nullptr;
  *size = 0;
  try {
    const std::string bytes = read_bytes(c_model);
    *size = static_cast<int>(bytes.size());
    return new_text(bytes);
  } catch (const std::exception& e) {
    const char* message = new_text(e.what());
    *size = message == nullptr ? -1 : -static_cast<int>(std::char_traits<char>::length(message));
    return message;
  }
}

const char* DP_ReadFileToChar(const char* c_model) {
  try {
    return new_text(read_bytes(c_model));
  } catch (...) {
    return nullptr;
  }
}

int DP_SelectByType(const int natoms, const int* atype, const int nghost, const int nsel_type,
                    const int* sel_type, int* fwd_map, int* nreal, int* bkw_map, int* nghost_real) {
  if (natoms < 0 || nghost < 0 || nghost > natoms || nsel_type < 0) return 1;
  if ((natoms > 0 && atype == nullptr) || (nsel_type > 0 && sel_type == nullptr)) return 1;
  int selected = 0, ghosts = 0;
  for (int i = 0; i < natoms; ++i) {
    const bool chosen =
        nsel_type > 0 && std::find(sel_type, sel_type + nsel_type, atype[i]) != sel_type + nsel_type;
    if (fwd_map != nullptr) fwd_map[i] = chosen ? selected : -1;
    if (!chosen) continue;
    if (bkw_map != nullptr) bkw_map[selected] = i;
    if (i >= natoms - nghost) ++ghosts;
    ++selected;
  }
  if (nreal != nullptr) *nreal = selected;
  if (nghost_real != nullptr) *nghost_real = ghosts;
  return 0;
}

int DP_SelectMapInt(const int* in, const int* fwd_map, const int stride, const int nall1, const int nall2,
                    int* out) {
  if (stride < 0 || nall1 < 0 || nall2 < 0) return 1;
  if (out == nullptr) return 0;
  if (nall1 > 0 && stride > 0 && (in == nullptr || fwd_map == nullptr)) return 1;
  for (int i = 0; i < nall1; ++i) {
    if (fwd_map[i] >= nall2) return 1;
  }
  for (int i = 0; i < nall1; ++i) {
    if (fwd_map[i] < 0) continue;
    std::copy_n(in + static_cast<std::ptrdiff_t>(i) * stride, stride,
                out + static_cast<std::ptrdiff_t>(fwd_map[i]) * stride);
  }
  return 0;
}

void DP_DeleteChar(const char* c_str) { delete[] c_str; }

}  // extern "C"
