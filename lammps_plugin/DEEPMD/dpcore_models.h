// SPDX-License-Identifier: LGPL-3.0-or-later
// The models of a pair style on one MPI rank.
#pragma once

#include <string>
#include <vector>

#include <mpi.h>

#include <dpcore/model.h>
#include <dpcore/modifier.h>

namespace dpcore_lammps {

/// A model with the memory of its predictions.
struct LoadedModel {
  std::string path;
  dpcore::Model model;
  dpcore::Model::Session session;
  dpcore::Prediction prediction;  ///< the newest
  long list = -1;                 ///< the neighbour list that the session holds

  LoadedModel(const std::string& path_, dpcore::Model&& model_) : path(path_), model(std::move(model_)) {}
};

/// Read model files on rank 0 and hand their bytes to all: a parallel file system sees one reader.
/// Collective. Throws dpcore::Error, the same on all ranks, also where the models do not belong together, or
/// where they do not predict energies, or tensors with `energies` = false.
/// `precision` as dpcore::precision_from takes it.
std::vector<LoadedModel> load_models(const std::vector<std::string>& paths, MPI_Comm,
                                     const std::string& precision, bool energies = true);

/// The dipole model and the charges of a DPLR model, read in the same way. Collective. Throws dpcore::Error.
dpcore::DipoleCharges load_dipole_charges(const std::string& path, MPI_Comm);

/// Throw the error of the lowest rank that has one, on all ranks; an empty text is no error. Collective.
void agree(std::string error, MPI_Comm);

/// Threads of this rank: OMP_NUM_THREADS; without it the threads of LAMMPS' own OpenMP styles if more than
/// one; else the cores that this rank may use, divided by the ranks that use the same ones. Collective.
int threads_of_rank(int lammps_threads, MPI_Comm);

}  // namespace dpcore_lammps
