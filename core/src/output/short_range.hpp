// SPDX-License-Identifier: LGPL-3.0-or-later
// The short-range table (use_srtab): a pair potential V that takes over from the net where atoms come close,
// such as ZBL (Wang et al., Appl. Phys. Lett. 114, 244101, 2019). For centre i with the neighbours j of the
// descriptor, N_i the net's energy and b the energy bias of the type (srtab_add_bias):
//
//     s_i = sum_j r_ij e^(-r_ij/alpha) / sum_j e^(-r_ij/alpha)       a soft minimum of the distances, A
//     l_i = w(s_i; sw_rmin, sw_rmax)                                 the switch of env/switch.hpp
//     T_i = 1/2 sum_j V(r_ij) + b
//     E_i = l_i T_i + (1 - l_i) N_i
// An atom without neighbours has E_i = N_i. V is cubic between nodes and 0 from the last node on. Everything
// is double. Derivation of the passes: docs/theory/short-range-table.md.
#pragma once

#include <nlohmann/json.hpp>

#include "env/pairs.hpp"
#include "env/switch.hpp"
#include "output/force_virial.hpp"

namespace dpcore {

class ShortRange {
 public:
  /// `model`: the model section with smin_alpha, sw_rmin, sw_rmax, srtab_add_bias; rcut and sel as those of
  /// the descriptor. Throws Error naming the key.
  ShortRange(const nlohmann::json& model, double rcut, std::vector<int> sel);

  /// info: [first distance A, spacing A, intervals n, ntypes]; data [ntypes, ntypes, n, 4] eV: V = ((a3 u +
  /// a2) u + a1) u + a0 with u = 0..1 along an interval, coefficients in this order. Throws Error.
  void set_table(const std::vector<double>& info, const std::vector<double>& data);
  /// Numbers in `data` for this `info`; throws Error.
  std::size_t data_size(const std::vector<double>& info) const;
  const std::vector<double>& info() const { return info_; }
  const std::vector<double>& data() const { return data_; }
  bool adds_bias() const { return add_bias_; }

  /// Of one tile
  struct State {
    TilePairs pairs;
    Vector<double> switched;  // [n_rows] l_i
    Vector<double> table;     // [n_rows] T_i
    Vector<double> excess;    // [n_rows] T_i - N_i, set by blend
    Matrix<double> slope;     // [n_pairs, 2]: dl_i/dr_ij, l_i/2 V'(r_ij)
    bool active = false;      // whether any l_i is not 0
  };

  /// l_i, T_i with `bias` and their slopes. Throws OverlappingAtoms, also for pairs nearer than the table.
  void forward(const Exec&, const DeviceStructure&, const Tile&, double bias, State&, Workspace&) const;
  /// value [n_rows, 1]: N_i becomes E_i; weight [n_rows, 1] = 1 - l_i, by which derivatives of N_i enter.
  void blend(const Exec&, const Matrix<double>& value, const Matrix<double>& weight, State&,
             Workspace&) const;
  /// What of forces and virials does not come from derivatives of N_i. The table's part of an atomic virial
  /// is half the centre's, half the neighbour's, as in the reference.
  void add_forces(const Exec&, const DeviceStructure&, const Tile&, const State&, const ForceVirial&) const;
  /// value_bar [n_rows, 1] of E_i becomes that of N_i for Phi = sum_i (value_bar_i E_i + E_dot_i), whose term
  /// with N_dot_i has the factor `weight`: (1 - l_i) value_bar_i - l_dot_i. pairs.r_dot must be set.
  void switch_bar(const Exec&, const Matrix<double>& value_bar, const State&) const;

 private:
  double rcut_, alpha_;
  std::vector<int> sel_;
  Cutoff switch_;
  bool add_bias_;
  std::vector<double> info_, data_;
  DeviceArray<double> device_data_;
};

}  // namespace dpcore
