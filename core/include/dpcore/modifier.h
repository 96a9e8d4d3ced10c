// SPDX-License-Identifier: LGPL-3.0-or-later
// Modifiers: energies that stand beside a potential, such as the long-range part of DPLR.
#pragma once

#include "dpcore/model.h"

namespace dpcore {

/// Safe for concurrent calls on one object.
class DPCORE_API DataModifier {
 public:
  /// From the section model/modifier of a model file (JSON), the type map of the potential it stands beside,
  /// and its tensors. Throws Error.
  DataModifier(const std::string& config, const std::vector<std::string>& type_map,
               const std::map<std::string, Tensor>& tensors);
  ~DataModifier();
  DataModifier(DataModifier&&) noexcept;
  DataModifier& operator=(DataModifier&&) noexcept;

  double rcut() const;  ///< A
  std::map<std::string, Tensor> tensors() const;

  /// Energy, force and virial of the modifier alone. Throws Error for frames that are not periodic in all
  /// directions.
  Prediction predict(const Frames&, bool derivatives = true) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The parts of a model with the modifier dipole_charge that a program needs which sums waves itself.
struct DipoleCharges {
  Model dipole;                     ///< displacements of the sites in A, in the precision of its file
  std::vector<double> atom_charge;  ///< [ntypes] e
  std::vector<double> site_charge;  ///< [ntypes] e, of the site beside an atom; 0: there is none
  double beta = 0;                  ///< ewald_beta, 1/A
};

/// From a model file, or from its bytes `content` if there are any. A model of dipoles alone is taken too: it
/// has no charges, and beta is 0. Throws Error for models without either.
DPCORE_API DipoleCharges read_dipole_charges(const std::string& path, const std::string& content = "");

/// From the electric forces on atoms and sites, which the caller has, to forces on atoms: a site W_n = R_n +
/// mu_n(R) hands its force g_n on to its atom and, through mu_n, to that atom's neighbours.
///
///   dfcorr_j = f_j + g_j + sum_n (d mu_n/d R_j)^T g_n,   0 on sites
///   dvcorr   = sum_n g_n . d mu_n/d(strain)
///
/// The virial of atoms and sites with these forces lacks dvcorr - sum_n g_n (x) mu_n.
/// pairs [n_pairs, 2]: local indices of an atom and its site, which is an atom that the model does not see;
/// electric_force [n_local, 3], in eV/A for the results in eV/A and eV: they are linear in it.
/// out.force [n_all, 3] and out.virial [9] are dfcorr and dvcorr. Throws Error, AtomError.
DPCORE_API void dipole_charge_correction(const Model& dipole, const Neighborhood&, const int* pairs,
                                         int n_pairs, const double* electric_force, Model::Session&,
                                         Prediction& out);

/// The reciprocal part of the Ewald sum of n_sites charges in each frame: position [n_frames, n_sites, 3] A,
/// charge [n_frames, n_sites] e, box [n_frames, 9] A; h in A, beta in 1/A. Energy, force and virial as in
/// Prediction.
DPCORE_API Prediction ewald_recp(int n_frames, int n_sites, const double* position, const double* charge,
                                 const double* box, double h, double beta);

}  // namespace dpcore
