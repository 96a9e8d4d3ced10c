// SPDX-License-Identifier: LGPL-3.0-or-later
// What a dpcore_lammps_RELEASE.so offers to the loader: its styles, built against the headers of one LAMMPS
// release.
#include "compute_deeptensor_atom.h"
#include "lammps.h"
#include "pair_deepmd.h"
#include "plugin_abi.h"

namespace {

void* make_pair(void* lmp) { return new LAMMPS_NS::PairDeepMD(static_cast<LAMMPS_NS::LAMMPS*>(lmp)); }

void* make_compute(void* lmp, int narg, char** arg) {
  return new LAMMPS_NS::ComputeDeepTensorAtom(static_cast<LAMMPS_NS::LAMMPS*>(lmp), narg, arg);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void dpcore_lammps_register(void* lmp, void* handle,
                                                                              lammpsplugin_regfunc add) {
  lammpsplugin_t plugin;
  plugin.version = static_cast<LAMMPS_NS::LAMMPS*>(lmp)->version;  // the loader compared releases
  plugin.style = "pair";
  plugin.author = "the dpcore developers";
  plugin.creator.pair = make_pair;
  plugin.handle = handle;
  plugin.name = "deepmd";
  plugin.info = "deepmd pair style of dpcore";
  add(&plugin, lmp);
  plugin.name = "dpcore";
  plugin.info = "dpcore pair style, the same as deepmd";
  add(&plugin, lmp);
  plugin.style = "compute";
  plugin.creator.compute = make_compute;
  plugin.name = "deeptensor/atom";
  plugin.info = "dipoles and polarizabilities by dpcore";
  add(&plugin, lmp);
}
