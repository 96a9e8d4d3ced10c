// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore_models.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include <sched.h>
#include <sys/stat.h>

#include <dpcore/loaded_model.h>

namespace dpcore_lammps {

namespace {

void broadcast(std::string& text, MPI_Comm world) {
  long long size = static_cast<long long>(text.size());
  MPI_Bcast(&size, 1, MPI_LONG_LONG, 0, world);
  text.resize(static_cast<std::size_t>(size));
  constexpr long long kPart = 1LL << 30;  // MPI counts are int
  for (long long at = 0; at < size; at += kPart) {
    MPI_Bcast(&text[static_cast<std::size_t>(at)], static_cast<int>(std::min(kPart, size - at)), MPI_CHAR, 0,
              world);
  }
}

std::string read_file(const std::string& path) {
  struct stat about;
  if (stat(path.c_str(), &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode))
    throw dpcore::Error(path + ": this is a device, a pipe or a socket; expected a model file");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  if (!in || !(bytes << in.rdbuf())) {
    throw dpcore::Error(path + ": " + (errno != 0 ? std::strerror(errno) : "cannot be read, or is empty"));
  }
  return bytes.str();
}

/// The bytes of a file on all ranks; `hint` ends the message where it cannot be read.
std::string read_on_all(const std::string& path, MPI_Comm world, const std::string& hint) {
  int rank = 0;
  MPI_Comm_rank(world, &rank);
  std::string bytes, error;
  try {
    if (rank == 0) bytes = read_file(path);
  } catch (const dpcore::Error& e) {
    error = e.what() + hint;
  }
  agree(error, world);
  broadcast(bytes, world);
  return bytes;
}

}  // namespace

void agree(std::string error, MPI_Comm world) {
  int rank = 0, first = 0;
  MPI_Comm_rank(world, &rank);
  int mine = error.empty() ? 1 << 30 : rank;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, world);
  if (first == 1 << 30) return;
  long long size = static_cast<long long>(error.size());
  MPI_Bcast(&size, 1, MPI_LONG_LONG, first, world);
  error.resize(static_cast<std::size_t>(size));
  MPI_Bcast(&error[0], static_cast<int>(size), MPI_CHAR, first, world);
  throw dpcore::Error(error);
}

std::vector<LoadedModel> load_models(const std::vector<std::string>& paths, MPI_Comm world,
                                     const std::string& precision, bool energies) {
  std::vector<LoadedModel> models;
  models.reserve(paths.size());
  for (const auto& path : paths) {
    const std::string bytes = read_on_all(
        path, world,
        energies ? " (the words of pair_style deepmd before the first keyword are model files)" : "");
    std::string error;
    try {
      models.emplace_back(path, dpcore::Model::parse(bytes, path, dpcore::precision_from(precision)));
      const std::string kind = models.back().model.kind();
      if ((kind == "ener") != energies) {
        throw dpcore::Error(
            path + ": this is a model of kind " + kind +
            (energies ? "; pair_style deepmd needs one of energies (compute deeptensor/atom takes this one)"
                      : "; compute deeptensor/atom needs one of dipoles or polarizabilities"));
      }
      dpcore::detail::require_alike(models.front().path, models.front().model, path, models.back().model);
    } catch (const dpcore::Error& e) {
      error = e.what();
    }
    agree(error, world);
  }
  return models;
}

dpcore::DipoleCharges load_dipole_charges(const std::string& path, MPI_Comm world) {
  const std::string bytes = read_on_all(path, world, "");
  std::vector<dpcore::DipoleCharges> out;
  std::string error;
  try {
    out.push_back(dpcore::read_dipole_charges(path, bytes));
  } catch (const dpcore::Error& e) {
    error = e.what();
  }
  agree(error, world);
  return std::move(out.front());
}

int threads_of_rank(int lammps_threads, MPI_Comm world) {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  const bool known = sched_getaffinity(0, sizeof mine, &mine) == 0;
  std::vector<cpu_set_t> sets = {mine};  // of the ranks on this machine
#ifdef MPI_STUBS
  (void)world;  // LAMMPS without MPI
#else
  MPI_Comm machine;
  MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
  int ranks = 1;
  MPI_Comm_size(machine, &ranks);
  sets.resize(static_cast<std::size_t>(ranks));
  MPI_Allgather(&mine, static_cast<int>(sizeof mine), MPI_BYTE, sets.data(), static_cast<int>(sizeof mine),
                MPI_BYTE, machine);
  MPI_Comm_free(&machine);
#endif
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const int n = std::atoi(text);  // of a list the first number: the outermost level
    if (n >= 1) return n;
  }
  if (lammps_threads > 1) return lammps_threads;
  if (!known) return 1;
  int sharing = 0;  // ranks on the same cores: all of the machine, unless the launcher bound them
  for (const auto& set : sets) sharing += CPU_EQUAL(&set, &mine) ? 1 : 0;
  return std::max(1, CPU_COUNT(&mine) / sharing);
}

}  // namespace dpcore_lammps
