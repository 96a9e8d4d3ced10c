# SPDX-License-Identifier: LGPL-3.0-or-later
#
# OpenMP, Kokkos, Eigen and nlohmann-json: installed ones first, else release archives.

include_guard(GLOBAL)
include(DpcoreDownload)

find_package(Threads REQUIRED)

if(DPCORE_BACKEND MATCHES "^(openmp|cuda)$")
  find_package(OpenMP COMPONENTS CXX QUIET)
  if(NOT OpenMP_CXX_FOUND AND DPCORE_BACKEND STREQUAL "openmp")
    message(STATUS "dpcore: this compiler has no OpenMP; building for one thread (DPCORE_BACKEND=serial)")
    set(DPCORE_BACKEND serial)
  endif()
endif()

include(DpcoreKokkos)

# --- Eigen -------------------------------------------------------------------------------------
find_package(Eigen3 3.3 CONFIG QUIET)
if(NOT TARGET Eigen3::Eigen)
  dpcore_archive(_eigen_source _eigen_error NAME eigen-3.4.0
    URL "https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.gz"
    SHA256 8586084f71f9bde545ee7fa6d00288b264a2b7ac3607b974e54d13e7162c1c72 INNER eigen-3.4.0)
  if(NOT _eigen_source)
    message(FATAL_ERROR "Eigen >= 3.3 is not installed and its release archive could not be had "
                        "(${_eigen_error}). Install it (Debian and Ubuntu: libeigen3-dev) or set Eigen3_ROOT.")
  endif()
  add_library(dpcore_eigen INTERFACE)
  target_include_directories(dpcore_eigen SYSTEM INTERFACE "${_eigen_source}")
  add_library(Eigen3::Eigen ALIAS dpcore_eigen)
endif()

# --- nlohmann-json -----------------------------------------------------------------------------
find_package(nlohmann_json 3.9 CONFIG QUIET)
if(NOT TARGET nlohmann_json::nlohmann_json)
  dpcore_archive(_json_source _json_error NAME nlohmann-json-3.11.3
    URL "https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz"
    SHA256 d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d INNER json)
  if(NOT _json_source)
    message(FATAL_ERROR "nlohmann-json >= 3.9 is not installed and its release archive could not be had "
                        "(${_json_error}). Install it (Debian and Ubuntu: nlohmann-json3-dev) or set "
                        "nlohmann_json_ROOT.")
  endif()
  add_library(dpcore_json INTERFACE)
  target_include_directories(dpcore_json SYSTEM INTERFACE "${_json_source}/include")
  add_library(nlohmann_json::nlohmann_json ALIAS dpcore_json)
endif()
