// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore_centroids.h"

#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include <mpi.h>

#include <dpcore/errors.h>

#include "atom.h"
#include "comm.h"
#include "dpcore_models.h"
#include "force.h"

using namespace LAMMPS_NS;

namespace dpcore_lammps {

namespace {

/// Where a centroid goes.
struct Place {
  tagint centroid;
  imageint image;
  double x[3];
  int process[3];  // place of the atom's process in their grid
};

/// A centroid that asks where its atom is.
struct Question {
  tagint atom, centroid;
};

/// All that the processes have, in their order. Collective.
template <class T>
std::vector<T> all_of(const std::vector<T>& mine, MPI_Comm world) {
  int n_ranks = 1;
  MPI_Comm_size(world, &n_ranks);
  int bytes = static_cast<int>(mine.size() * sizeof(T));
  std::vector<int> size(static_cast<std::size_t>(n_ranks)), begin(size.size(), 0);
  MPI_Allgather(&bytes, 1, MPI_INT, size.data(), 1, MPI_INT, world);
  for (std::size_t k = 1; k < size.size(); ++k) begin[k] = begin[k - 1] + size[k - 1];
  std::vector<T> all(static_cast<std::size_t>(begin.back() + size.back()) / sizeof(T));
  MPI_Allgatherv(const_cast<T*>(mine.data()), bytes, MPI_BYTE, all.data(), size.data(), begin.data(),
                 MPI_BYTE, world);
  return all;
}

/// LAMMPS hands atoms on between processes that are neighbours in their grid.
bool can_move(const Comm* comm, const Place& to) {
  if (comm->layout == Comm::LAYOUT_TILED) return true;  // there is no grid
  for (int d = 0; d < 3; ++d) {
    const int apart = std::abs(to.process[d] - comm->myloc[d]);
    if (std::min(apart, comm->procgrid[d] - apart) > 1) return false;
  }
  return true;
}

Place place_of(const Atom* atom, const Comm* comm, int i, tagint centroid) {
  Place p;
  std::copy_n(comm->myloc, 3, p.process);
  p.centroid = centroid;
  p.image = atom->image[i];
  std::copy_n(atom->x[i], 3, p.x);
  return p;
}

void put(Atom* atom, int i, const Place& p) {
  atom->image[i] = p.image;
  std::copy_n(p.x, 3, atom->x[i]);
}

}  // namespace

Centroids::Centroids(LAMMPS* lammps, const std::vector<int>& of_type, const std::vector<int>& bonds)
    : Pointers(lammps), of_type_(of_type), bonds_(bonds), is_centroid_(of_type.size(), false) {
  for (const int w : of_type)
    if (w != 0) is_centroid_[static_cast<std::size_t>(w - 1)] = true;
}

std::string Centroids::name(int i) const {
  return "atom " + std::to_string(atom->tag[i]) + " (ID) of type " + std::to_string(atom->type[i]);
}

/* ----------------------------------------------------------------------
   use(i, partner's ID) for each bond that local atom i keeps; with newton off for bonds both atoms keep it,
and those of the atoms are taken
------------------------------------------------------------------------- */

template <class F>
void Centroids::for_each_bond(const F& use) const {
  for (int i = 0; i < atom->nlocal; ++i)
    for (int m = 0; m < atom->num_bond[i]; ++m) {
      if (std::find(bonds_.begin(), bonds_.end(), atom->bond_type[i][m]) == bonds_.end()) continue;
      const int type = atom->type[i];
      if (!has_centroid(type) && !is_centroid(type))
        throw dpcore::Error(
            name(i) + " has a bond of type " + std::to_string(atom->bond_type[i][m]) + " to atom " +
            std::to_string(atom->bond_atom[i][m]) +
            ", but type_associate does not name its type; bond_type is for bonds between an atom "
            "and its Wannier centroid alone");
      if (force->newton_bond == 0 && !has_centroid(type)) continue;
      use(i, atom->bond_atom[i][m]);
    }
}

void Centroids::find() {
  pairs.clear();
  std::vector<int> partner(static_cast<std::size_t>(atom->nlocal), -1);
  for_each_bond([&](int i, tagint id) {
    const int j = atom->map(id);
    if (j < 0 || j >= atom->nlocal)
      throw dpcore::Error(
          name(i) + " and atom " + std::to_string(id) +
          ", its partner, are on different processes: a centroid must stand near its atom before a run, "
          "and no other fix may move it");
    const bool host = has_centroid(atom->type[i]);
    const int a = host ? i : j, w = host ? j : i;
    if (!has_centroid(atom->type[a]) ||
        of_type_[static_cast<std::size_t>(atom->type[a] - 1)] != atom->type[w])
      throw dpcore::Error("a bond joins " + name(a) + " and " + name(w) +
                          ", but type_associate does not make the second the centroid of the first");
    for (const int k : {a, w}) {
      if (partner[static_cast<std::size_t>(k)] >= 0)
        throw dpcore::Error(
            name(k) + " has two bonds to " +
            (k == a ? "Wannier centroids; expected one" : "atoms; a centroid belongs to one"));
    }
    partner[static_cast<std::size_t>(a)] = w;
    partner[static_cast<std::size_t>(w)] = a;
    pairs.push_back(a);
    pairs.push_back(w);
  });
  std::string types;
  for (const int b : bonds_) types += (types.empty() ? "" : " or ") + std::to_string(b);
  for (int i = 0; i < atom->nlocal; ++i) {
    if (partner[static_cast<std::size_t>(i)] >= 0) continue;
    const int type = atom->type[i];
    if (has_centroid(type))
      throw dpcore::Error(name(i) + " has no bond of type " + types + " to a Wannier centroid of type " +
                          std::to_string(of_type_[static_cast<std::size_t>(type - 1)]) +
                          "; each atom of its type needs one");
    if (is_centroid(type))
      throw dpcore::Error(name(i) + " is a Wannier centroid without an atom: it has no bond of type " +
                          types);
  }
}

void Centroids::put_on_atoms() {
  for (std::size_t k = 0; k < pairs.size(); k += 2)
    put(atom, pairs[k + 1], place_of(atom, comm, pairs[k], atom->tag[pairs[k + 1]]));
}

void Centroids::gather() {
  std::unordered_map<tagint, int> local;
  for (int i = 0; i < atom->nlocal; ++i) local[atom->tag[i]] = i;
  std::vector<Question> questions;
  std::vector<Place> places;
  std::string failed;
  try {
    for_each_bond([&](int i, tagint id) {
      const auto other = local.find(id);
      if (!has_centroid(atom->type[i])) {
        if (other == local.end())
          questions.push_back({id, atom->tag[i]});
        else
          put(atom, i, place_of(atom, comm, other->second, atom->tag[i]));
      } else {
        const Place p = place_of(atom, comm, i, id);
        if (other == local.end())
          places.push_back(p);
        else if (is_centroid(atom->type[other->second]))
          put(atom, other->second, p);
      }
    });
  } catch (const dpcore::Error& e) {
    failed = e.what();
  }
  agree(failed, world);
  for (const Question& q : all_of(questions, world)) {
    const auto here = local.find(q.atom);
    if (here != local.end()) places.push_back(place_of(atom, comm, here->second, q.centroid));
  }
  for (const Place& p : all_of(places, world)) {
    const auto here = local.find(p.centroid);
    if (here == local.end() || !is_centroid(atom->type[here->second])) continue;
    if (!can_move(comm, p))
      failed =
          name(here->second) +
          " stands too far from its atom for LAMMPS to bring it there; put centroids near their atoms in "
          "the data file";
    put(atom, here->second, p);
  }
  agree(failed, world);
}

}  // namespace dpcore_lammps
