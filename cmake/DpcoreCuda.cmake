# SPDX-License-Identifier: LGPL-3.0-or-later
#
# DPCORE_BACKEND=cuda: Kokkos and core/ are compiled as CMake's language CUDA, for every architecture of
# CMAKE_CUDA_ARCHITECTURES in one run of nvcc.  No GPU is needed to build.

include_guard(GLOBAL)

if(NOT DPCORE_BACKEND STREQUAL "cuda")
  return()
endif()

if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES "80;90" CACHE STRING "Compute capabilities: 80 is A100, 90 is H100 and H200")
endif()
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CXX_EXTENSIONS OFF)  # Kokkos asks for it with nvcc
enable_language(CUDA)

# Without a driver there is no libcuda to link with; the toolkit has a stand-in.
find_package(CUDAToolkit REQUIRED)
if(NOT TARGET CUDA::cuda_driver)
  message(FATAL_ERROR "libcuda was not found, nor the stand-in of the CUDA toolkit (stubs/libcuda.so): "
                      "set CUDA_cuda_driver_LIBRARY.")
endif()

# Kokkos 4.5 takes one architecture, for which it tunes; the code is compiled for all.
set(_kokkos_names 70 VOLTA70 72 VOLTA72 75 TURING75 80 AMPERE80 86 AMPERE86 89 ADA89 90 HOPPER90)
list(GET CMAKE_CUDA_ARCHITECTURES 0 _first)
string(REGEX MATCH "^[0-9]+" _first "${_first}")
list(FIND _kokkos_names "${_first}" _at)
if(_at EQUAL -1)
  message(FATAL_ERROR "CMAKE_CUDA_ARCHITECTURES=${CMAKE_CUDA_ARCHITECTURES}: expected numbers that Kokkos "
                      "${DPCORE_KOKKOS_VERSION} knows: 70, 72, 75, 80, 86, 89 or 90.")
endif()
math(EXPR _at "${_at} + 1")
list(GET _kokkos_names ${_at} DPCORE_KOKKOS_CUDA_ARCH)

add_compile_options("$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-include ${CMAKE_CURRENT_LIST_DIR}/kokkos_cuda13.hpp>")

# _dpcore_includes_kokkos(<folder> <file> <out>): whether a source includes Kokkos, itself or by a header of folder.
function(_dpcore_includes_kokkos folder file out)
  get_property(found GLOBAL PROPERTY "dpcore_kokkos_${file}")
  if("${found}" STREQUAL "")
    set(found OFF)
    file(STRINGS "${file}" lines REGEX "^#include [<\"](Kokkos_|[a-z0-9_]+/)")
    foreach(line IN LISTS lines)
      if(found)
        break()
      elseif(line MATCHES "<Kokkos_")
        set(found ON)
      endif()
      string(REGEX REPLACE ".*\"(.+)\".*" "${folder}/\\1" header "${line}")
      if(EXISTS "${header}")
        _dpcore_includes_kokkos("${folder}" "${header}" found)
      endif()
    endforeach()
    set_property(GLOBAL PROPERTY "dpcore_kokkos_${file}" ${found})
  endif()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# dpcore_compile_as_cuda(<folder> <sources...>): nvcc for those that include Kokkos, which takes three times as
# long; the host's compiler for the others.
function(dpcore_compile_as_cuda folder)
  foreach(file IN LISTS ARGN)
    _dpcore_includes_kokkos("${folder}" "${file}" found)
    if(found)
      set_source_files_properties("${file}" PROPERTIES LANGUAGE CUDA)
    endif()
  endforeach()
  file(GLOB_RECURSE headers "${folder}/*.hpp")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers} ${ARGN})
endfunction()
