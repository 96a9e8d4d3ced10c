// SPDX-License-Identifier: LGPL-3.0-or-later
// The deviation between the models of a pair style.
#include <algorithm>
#include <cmath>
#include <utility>

#include "atom.h"
#include "comm.h"
#include "dpcore_lammps_compat.h"
#include "pair_deepmd_impl.h"
#include "update.h"

using namespace LAMMPS_NS;
using namespace dpcore_lammps;

/* ----------------------------------------------------------------------
   evaluate the other models, and write how far they are from each other; in LAMMPS' units
------------------------------------------------------------------------- */

void PairDeepMD::deviation() {
  Impl& my = *impl;
  const auto nlocal = static_cast<std::size_t>(atom->nlocal);
  const auto nall = nlocal + static_cast<std::size_t>(atom->nghost);
  const Options& o = my.options;
  std::vector<std::vector<double>> virials;
  my.force.resize(my.models.size());
  for (std::size_t k = 0; k < my.models.size(); ++k) {
    LoadedModel& m = my.models[k];
    if (k > 0) {
      my.atoms.in.rebuilt = m.list != my.list;
      m.model.predict(my.atoms.in, false, m.session, m.prediction);
      m.list = my.list;
    }
    my.force[k].resize(3 * nall);
    for (std::size_t i = 0; i < 3 * nall; ++i) my.force[k][i] = m.prediction.force[i] * my.energy / my.length;
    std::vector<double> total(9);
    MPI_Allreduce(m.prediction.virial.data(), total.data(), 9, MPI_DOUBLE, MPI_SUM, world);
    for (auto& v : total) v *= my.energy / static_cast<double>(std::max<bigint>(1, atom->natoms));
    virials.push_back(total);
  }
  reverse_comm(comm, static_cast<Pair*>(this), Newer());

  std::vector<const double*> forces;
  for (const auto& f : my.force) forces.push_back(f.data());
  std::vector<double> mine = force_deviation(forces, nlocal, o.relative_force, o.epsilon_force);
  double largest = 0, smallest = HUGE_VAL, sum = 0;
  for (const double d : mine) {
    largest = std::max(largest, d);
    smallest = std::min(smallest, d);
    sum += d;
  }
  Spread spread;
  MPI_Reduce(&largest, &spread.max, 1, MPI_DOUBLE, MPI_MAX, 0, world);
  MPI_Reduce(&smallest, &spread.min, 1, MPI_DOUBLE, MPI_MIN, 0, world);
  MPI_Reduce(&sum, &spread.mean, 1, MPI_DOUBLE, MPI_SUM, 0, world);
  if (atom->natoms > 0)
    spread.mean /= static_cast<double>(atom->natoms);
  else
    spread.min = 0;

  std::vector<double> atoms;
  if (o.atomic) {              // in the order of atom IDs
    int count = atom->nlocal;  // not const for the MPI of serial LAMMPS
    std::vector<int> counts(static_cast<std::size_t>(comm->nprocs)), first(counts.size());
    MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, world);
    int n = 0;
    for (std::size_t r = 0; r < counts.size(); ++r) {
      first[r] = n;
      n += counts[r];
    }
    const auto total = comm->me == 0 ? static_cast<std::size_t>(n) : 0;
    std::vector<double> values(total);
    std::vector<tagint> tags(total);
    MPI_Gatherv(mine.data(), count, MPI_DOUBLE, values.data(), counts.data(), first.data(), MPI_DOUBLE, 0,
                world);
    MPI_Gatherv(atom->tag, count, MPI_LMP_TAGINT, tags.data(), counts.data(), first.data(), MPI_LMP_TAGINT, 0,
                world);
    std::vector<std::pair<tagint, double>> sorted(total);
    for (std::size_t i = 0; i < total; ++i) sorted[i] = {tags[i], values[i]};
    std::sort(sorted.begin(), sorted.end());
    for (const auto& item : sorted) atoms.push_back(item.second);
  }
  if (comm->me == 0)
    my.file.row(update->ntimestep, virial_deviation(virials, o.relative_virial, o.epsilon_virial), spread,
                atoms);
}
