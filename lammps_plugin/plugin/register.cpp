// SPDX-License-Identifier: LGPL-3.0-or-later
// What a dpcore_lammps_RELEASE.so offers to the loader: its styles, built against the headers of one LAMMPS
// release.
#include "compute_deeptensor_atom.h"
#include "fix_dplr.h"
#include "lammps.h"
#include "pair_deepmd.h"
#include "plugin_abi.h"
#include "pppm_dplr.h"

namespace {

void* make_pair(void* lmp) { return new LAMMPS_NS::PairDeepMD(static_cast<LAMMPS_NS::LAMMPS*>(lmp)); }

void* make_compute(void* lmp, int narg, char** arg) {
  return new LAMMPS_NS::ComputeDeepTensorAtom(static_cast<LAMMPS_NS::LAMMPS*>(lmp), narg, arg);
}

void* make_fix(void* lmp, int narg, char** arg) {
  return new LAMMPS_NS::FixDPLR(static_cast<LAMMPS_NS::LAMMPS*>(lmp), narg, arg);
}

void* make_kspace(void* lmp) { return new LAMMPS_NS::PPPMDPLR(static_cast<LAMMPS_NS::LAMMPS*>(lmp)); }

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
  plugin.style = "fix";
  plugin.creator.fix = make_fix;
  plugin.name = "dplr";
  plugin.info = "Wannier centroids of DPLR models by dpcore";
  add(&plugin, lmp);
  plugin.style = "kspace";
  plugin.creator.kspace = make_kspace;
  plugin.name = "pppm/dplr";
  plugin.info = "long-range electrostatics of DPLR models by dpcore";
  add(&plugin, lmp);
}
