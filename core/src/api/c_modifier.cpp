// SPDX-License-Identifier: LGPL-3.0-or-later
// The C interface of the chain rule of DPLR.
#include "api/c_handles.hpp"
#include "dpcore/DataModifier.h"

namespace {

using dpcore::Error;

void require(bool ok, const std::string& message) {
  if (!ok) throw Error(message);
}

template <class T>
void put(const std::vector<double>& from, T* to) {
  if (to != nullptr) std::transform(from.begin(), from.end(), to, [](double x) { return static_cast<T>(x); });
}

template <class T>
int compute(DP_DipoleChargeModifier* dcm, int natom, const T* coord, const int* atype, const int* pairs,
            int npairs, const T* delef, int nghost, const DP_Nlist* nlist, T* dfcorr, T* dvcorr) noexcept {
  return dpcore::guarded(dcm, [&] {
    const dpcore::Model& model = dcm->first();
    require(natom >= 0, "natom: expected at least 0, got " + std::to_string(natom));
    require(natom == 0 || coord != nullptr, "coord: the pointer is NULL");
    require(natom == 0 || atype != nullptr, "atype: the pointer is NULL");
    require(nghost >= 0 && nghost <= natom,
            "nghost: " + std::to_string(nghost) + " ghosts of " + std::to_string(natom) + " atoms");
    require(natom == nghost || delef != nullptr, "delef: the pointer is NULL");
    require(nlist != nullptr, "nlist: the pointer is NULL; make one with DP_NewNlist");
    const dpcore::detail::Doubles x(coord, 3 * static_cast<std::size_t>(natom));
    const dpcore::detail::Doubles force(delef, 3 * static_cast<std::size_t>(natom - nghost));
    dpcore::Neighborhood in = nlist->list.neighborhood();
    in.n_local = natom - nghost;
    in.n_all = natom;
    in.coord = x.data();
    in.type = atype;
    dcm->models.front()->in_turn(
        [&](dpcore::Model::Session& session, dpcore::Prediction& p) {
          dpcore::dipole_charge_correction(model, in, pairs, npairs, force.data(), session, p);
        },
        [&](const dpcore::Prediction& p) {
          put(p.force, dfcorr);
          put(p.virial, dvcorr);
        });
  });
}

}  // namespace

extern "C" {

DP_DipoleChargeModifier* DP_NewDipoleChargeModifier(const char* c_model) {
  return DP_NewDipoleChargeModifierWithParam(c_model, 0, nullptr);
}

DP_DipoleChargeModifier* DP_NewDipoleChargeModifierWithParam(const char* c_model, const int, const char*) {
  return dpcore::make<DP_DipoleChargeModifier>([&](DP_DipoleChargeModifier& dcm) {
    const std::string path = dpcore::text(c_model, "c_model");
    dcm.models.push_back(std::make_unique<dpcore::detail::LoadedModel>(
        path, std::move(dpcore::read_dipole_charges(path).dipole)));
    dcm.selected = dcm.first().sel_type();
  });
}

void DP_DeleteDipoleChargeModifier(DP_DipoleChargeModifier* dcm) { delete dcm; }
const char* DP_DipoleChargeModifierCheckOK(DP_DipoleChargeModifier* dcm) {
  return dpcore::check_ok(dcm, "DipoleChargeModifier");
}

double DP_DipoleChargeModifierGetCutoff(DP_DipoleChargeModifier* dcm) {
  return dpcore::property(dcm, 0.0, [](const auto& m) { return m.model().rcut(); });
}
int DP_DipoleChargeModifierGetNumbTypes(DP_DipoleChargeModifier* dcm) {
  return dpcore::property(dcm, 0, [](const auto& m) { return m.model().ntypes(); });
}
int* DP_DipoleChargeModifierGetSelTypes(DP_DipoleChargeModifier* dcm) {
  return dcm == nullptr ? nullptr : dcm->selected.data();
}
int DP_DipoleChargeModifierGetNumbSelTypes(DP_DipoleChargeModifier* dcm) {
  return dcm == nullptr ? 0 : static_cast<int>(dcm->selected.size());
}

/* The functions of one type (T, F: the letter in the name). */
#define DPCORE_MODIFIER(F, T)                                                                                \
  int DP_DipoleChargeModifierComputeNList##F(DP_DipoleChargeModifier* dcm, const int natom, const T* coord,  \
                                             const int* atype, const T*, const int* pairs, const int npairs, \
                                             const T* delef, const int nghost, const DP_Nlist* nlist,        \
                                             T* dfcorr, T* dvcorr) {                                         \
    return compute<T>(dcm, natom, coord, atype, pairs, npairs, delef, nghost, nlist, dfcorr, dvcorr);        \
  }

DPCORE_MODIFIER(, double)
DPCORE_MODIFIER(f, float)

}  // extern "C"
