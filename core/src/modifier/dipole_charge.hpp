// SPDX-License-Identifier: LGPL-3.0-or-later
// The modifier dipole_charge (DPLR; Zhang et al., J. Chem. Phys. 156, 124107, 2022): the long-range energy of
// charges on the atoms and on a site beside each atom that a dipole model selects,
//
//     W_n = R_n + mu_n(R),   E = Ewald sum (output/ewald.hpp) of atoms and sites
//     F_j = f_j + f_W(j) + sum_n (d mu_n/d R_j)^T f_W(n),  f the forces on atoms and sites
//     V   = V_ewald + sum_n f_W(n) . d mu_n/d(strain) - sum_n f_W(n) (x) mu_n
// The dipole model gives displacements in A and is evaluated in its own precision, all else is double. Cost:
// that of the Ewald sum, and the dipole model twice. Derivation: docs/theory/dipole-charge.md.
#pragma once

#include "model/potential.hpp"
#include "modifier/modifier.hpp"

namespace dpcore {

class DipoleCharge final : public Modifier {
 public:
  /// Keys model_charge_map (of the selected types in the order of the dipole model's sel_type),
  /// sys_charge_map (of all types), ewald_beta, ewald_h, and `model`: the config of the dipole model, whose
  /// tensors these are.
  DipoleCharge(const nlohmann::json& config, const std::vector<std::string>& type_map,
               const std::map<std::string, Tensor>& tensors);

  double rcut() const override { return dipole_->rcut(); }
  std::unique_ptr<State> make_state() const override;
  void compute(const Structure&, const double* boxes, bool derivatives, State&, Correction&) const override;
  std::map<std::string, Tensor> tensors() const override { return dipole_->tensors(); }

  const std::vector<double>& atom_charges() const { return charge_; }       // [ntypes] e
  const std::vector<double>& site_charges() const { return site_charge_; }  // [ntypes] e, 0: no site
  double beta() const { return beta_; }                                     // 1/A

 private:
  std::unique_ptr<Potential> dipole_;
  std::vector<double> charge_, site_charge_;  // [ntypes] e
  double h_, beta_;
};

}  // namespace dpcore
