// SPDX-License-Identifier: LGPL-3.0-or-later
// A potential and what it predicts. Units A, eV; coordinates of frames one after the other, row-major.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dpcore/errors.h"
#include "dpcore/model_file.h"
#include "dpcore/precision.h"
#include "dpcore/table_info.h"

namespace dpcore {

class Potential;
struct OutsideTable;

/// Frames of one composition.
struct Frames {
  int n_frames = 0;
  int n_atoms = 0;
  const double* coord = nullptr;     ///< [n_frames, n_atoms, 3] A; atoms may lie outside the cell
  const double* box = nullptr;       ///< [n_frames, 9] A, rows are cell vectors; null: not periodic
  bool pbc[3] = {true, true, true};  ///< images along the three cell vectors; ignored without a box
  const int* type = nullptr;       ///< [n_atoms] index into the type map; -1: an atom the model does not see
  const double* fparam = nullptr;  ///< [n_frames, dim_fparam]
  const double* aparam = nullptr;  ///< [n_frames, n_atoms, dim_aparam]
};

/// Atoms of one frame with a neighbour list made elsewhere, such as by an MD program: n_local atoms first,
/// then ghosts (periodic images, or atoms of other processes). Coordinates are taken as they are.
struct Neighborhood {
  int n_local = 0, n_all = 0;
  const double* coord = nullptr;  ///< [n_all, 3] A
  const int* type =
      nullptr;        ///< [n_all] index into the type map; below 0 or from ntypes on: not seen by the model
  int n_centres = 0;  ///< entries of `centre`
  const int* centre = nullptr;       ///< [n_centres] indices of local atoms that have energies
  const int* n_neighbors = nullptr;  ///< [n_centres]
  const int* const* neighbors =
      nullptr;             ///< [n_centres][n_neighbors] full list within at least rcut, ghosts included
  int neighbor_mask = -1;  ///< bits of an entry of `neighbors` that are the index; LAMMPS has others on top
  bool rebuilt = true;     ///< false: centre and neighbors are those of the session's previous call
  const double* fparam = nullptr;  ///< [dim_fparam]
  const double* aparam = nullptr;  ///< [n_local, dim_aparam], or [n_all, dim_aparam] with is_aparam_nall()
  /// [n_local, n_out], models of tensors: forces and virials are those of the one number sum weight * value,
  /// [n_all, 3] and [9], instead of one set for each component.
  const double* weight = nullptr;
  bool adds_modifier =
      false;  ///< the caller adds the part of a modifier: predictions do not tell that it is missing
};

/// Predictions in the caller's order of atoms. Forces are -dE/dx; the virial is -dE/d(strain), row-major
/// [xx xy xz yx ...], so that a compressed system has a positive trace.
/// A model of dipoles or polarizabilities has the n_out = 3 or 9 components of the tensor in place of the
/// energy: shapes are then [n_frames, n_out] for energy, [n_frames, n_out, ...] for force, virial and
/// atom_virial, and [n_frames, n_atoms, n_out] for atom_energy, 0 for atoms of types that are not selected.
struct Prediction {
  std::vector<double> energy;       ///< [n_frames] eV
  std::vector<double> force;        ///< [n_frames, n_atoms, 3] eV/A
  std::vector<double> virial;       ///< [n_frames, 9] eV
  std::vector<double> atom_energy;  ///< [n_frames, n_atoms] eV
  std::vector<double> atom_virial;  ///< [n_frames, n_atoms, 9] eV, only if asked for; sums to virial
  std::vector<double> descriptor;   ///< [n_frames, n_atoms, dim_descriptor], of descriptors() alone
  long overflow_atoms = 0;  ///< centres with more neighbours of a type than `sel`; the farthest were left out
  int overflow_worst = 0;   ///< the largest excess
  long outside_pairs = 0;   ///< compressed models: pairs nearer than the tables reach
  double outside_nearest = 0;  ///< A, the shortest of them
  std::string notice;  ///< what the user should be told about them, when it is time to tell it; usually empty
};

/// Safe for concurrent predict() calls on one object.
class DPCORE_API Model {
 public:
  /// Read a model file. Throws Error.
  static Model read(const std::string& path, Precision = precision_from(""));
  /// From the bytes of a model file; `name` stands for the path in messages.
  static Model parse(const std::string& bytes, const std::string& name, Precision = precision_from(""));
  /// From the `model` section (JSON, normalised) and all tensors.
  Model(const std::string& config, const std::map<std::string, Tensor>& tensors,
        Precision = Precision::Stored);
  /// From the `model` section and the statistics; networks drawn from the config's seeds.
  static Model create(const std::string& config, const std::map<std::string, Tensor>& statistics);
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  const std::string& config() const;  ///< as given
  Precision precision() const;
  std::map<std::string, Tensor> tensors() const;
  double rcut() const;  ///< A
  int ntypes() const;
  int n_out() const;                  ///< numbers predicted: 1 energy, 3 of a dipole, 9 of a polarizability
  std::string kind() const;           ///< ener, dipole or polar
  std::vector<int> sel_type() const;  ///< types that have an output, ascending
  int dim_descriptor() const;         ///< numbers of the descriptor of an atom
  /// Whether predictions of frames contain the energy of a modifier (long-range part of DPLR). It has no
  /// atomic energies, and predictions on a Neighborhood leave it out: their notice says so once.
  bool has_modifier() const;
  int dim_fparam() const;
  int dim_aparam() const;
  /// Whether a Neighborhood has atomic parameters of its ghosts too: those of neighbours enter the
  /// descriptor.
  bool is_aparam_nall() const;
  const std::vector<std::string>& type_map() const;
  /// The tables of a compressed model; empty for others.
  std::vector<TableInfo> tables() const;

  /// Evaluates in groups of frames, so that memory does not grow with their number. Throws Error on bad
  /// input. Environment DP_STRICT_SEL=1: more neighbours than `sel` are an Error. Without `derivatives`
  /// force, virial and atom_virial are empty.
  Prediction predict(const Frames&, bool atomic = false, bool derivatives = true) const;

  /// The descriptors of all atoms alone, 0 for atoms that the model does not see; frame parameters are not
  /// read, atomic ones only with is_aparam_nall(). Groups, errors and the counts of the result as for
  /// predict().
  Prediction descriptors(const Frames&) const;

  /// Memory of a sequence of predict() calls on a Neighborhood; one for each concurrent user.
  class DPCORE_API Session {
   public:
    Session();
    ~Session();
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;

   private:
    friend class Model;
    struct Impl;
    std::unique_ptr<Impl> impl_;
  };

  /// One frame: energy [1], force [n_all, 3], virial [9], atom_energy [n_local] (0 for atoms that are no
  /// centres), atom_virial [n_all, 9]. Forces and atomic virials on ghosts are theirs: the caller adds them
  /// to their owners.
  void predict(const Neighborhood&, bool atomic, Session&, Prediction&, bool derivatives = true) const;

  Potential& potential() const;  ///< for the trainer

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl>);
  void watch_tables(const OutsideTable&, int n_frames, Prediction&) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dpcore
