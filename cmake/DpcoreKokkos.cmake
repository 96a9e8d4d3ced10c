# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Provides Kokkos::kokkos, in this order:
#   1. an installed Kokkos that has the wanted backend
#      (CMAKE_DISABLE_FIND_PACKAGE_Kokkos=ON skips this step),
#   2. the source folder DPCORE_KOKKOS_SOURCE,
#   3. the release archive of the Kokkos project,
#   4. the copy inside the PyPI source archive of pycompadre, fetched with `unearth`.
# From source, Kokkos is a static, position independent library with hidden symbols that only
# libdpcore contains; two libraries in one process may then carry different versions.

include_guard(GLOBAL)
include(DpcoreDownload)

set(DPCORE_KOKKOS_MINIMUM 4.5)
set(DPCORE_KOKKOS_VERSION 4.5.01)
set(DPCORE_KOKKOS_URL
    "https://github.com/kokkos/kokkos/releases/download/${DPCORE_KOKKOS_VERSION}/kokkos-${DPCORE_KOKKOS_VERSION}.tar.gz")
set(DPCORE_KOKKOS_SHA256 52d003ffbbe05f30c89966e4009c017efb1662b02b2b73190670d3418719564c)
set(DPCORE_PYCOMPADRE_VERSION 1.7.6)
set(DPCORE_PYCOMPADRE_SHA256 c766ec4d445ce076069be4b8c51a23ffac4ee79ea949ca86446bfd8c299b154c)

# Step 4.  out_dir is empty where it fails, out_error says why.
function(_dpcore_kokkos_from_pypi out_dir out_error)
  set(${out_dir} "" PARENT_SCOPE)
  dpcore_cache_folder(cache)
  set(target "${cache}/kokkos-${DPCORE_KOKKOS_VERSION}-pypi")
  file(LOCK "${cache}/.lock" GUARD FUNCTION TIMEOUT 900)
  if(NOT EXISTS "${target}/.dpcore-origin")
    if(NOT Python_EXECUTABLE)
      find_package(Python 3.9 COMPONENTS Interpreter QUIET)
    endif()
    get_filename_component(python_bin "${Python_EXECUTABLE}" DIRECTORY)
    find_program(DPCORE_UNEARTH unearth HINTS "${python_bin}" NO_CACHE)
    if(NOT DPCORE_UNEARTH)
      set(${out_error} "the program `unearth` was not found (pip install unearth)" PARENT_SCOPE)
      return()
    endif()
    set(name "pycompadre-${DPCORE_PYCOMPADRE_VERSION}")
    set(folder "${cache}/${name}.download")
    file(REMOVE_RECURSE "${folder}")
    file(MAKE_DIRECTORY "${folder}")
    # unearth does not read pip's settings; hand on a mirror that pip was told to use.  Only the
    # Kokkos folder of the archive is used, so the Python that pycompadre asks for does not matter.
    set(index "$ENV{PIP_INDEX_URL}")
    if(NOT index)
      execute_process(COMMAND "${Python_EXECUTABLE}" -m pip config get global.index-url
        OUTPUT_VARIABLE index OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    endif()
    set(options --no-binary --python-version 3.12 -d "${folder}")
    if(index)
      list(APPEND options --index-url "${index}")
    endif()
    message(STATUS "dpcore: fetching the Kokkos copy in ${name} from PyPI")
    execute_process(
      COMMAND "${DPCORE_UNEARTH}" ${options} "pycompadre==${DPCORE_PYCOMPADRE_VERSION}"
      RESULT_VARIABLE failed OUTPUT_VARIABLE text ERROR_VARIABLE text
      TIMEOUT ${DPCORE_DOWNLOAD_SECONDS})
    set(archive "${folder}/${name}.tar.gz")
    if(failed OR NOT EXISTS "${archive}")
      file(REMOVE_RECURSE "${folder}")
      string(STRIP "${text}" text)
      string(REGEX REPLACE ".*\n" "" text "${text}")  # the last line of a traceback
      set(${out_error} "unearth failed (${failed}): ${text}" PARENT_SCOPE)
      return()
    endif()
    dpcore_check_sha256("${archive}" ${DPCORE_PYCOMPADRE_SHA256} error)
    if(error)
      set(${out_error} "${error}" PARENT_SCOPE)
      return()
    endif()
    dpcore_unpack("${archive}" "${name}/kokkos" "${target}" ${DPCORE_PYCOMPADRE_SHA256})
    file(REMOVE_RECURSE "${folder}")
  endif()
  set(${out_dir} "${target}" PARENT_SCOPE)
endfunction()

# A function, so that the settings for Kokkos stay in its scope.
function(_dpcore_add_kokkos source)
  set(BUILD_SHARED_LIBS OFF)
  set(BUILD_TESTING OFF)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  set(CMAKE_CXX_VISIBILITY_PRESET hidden)
  set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
  set(CMAKE_HIP_VISIBILITY_PRESET hidden)
  set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
  set(CMAKE_POLICY_DEFAULT_CMP0063 NEW)
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
  # Cache entries: Kokkos asks for policies of CMake 3.16, in which its own set(... CACHE) deletes an
  # ordinary variable of the same name.
  set(on SERIAL)
  if(DPCORE_BACKEND STREQUAL "openmp")
    list(APPEND on OPENMP)
  elseif(DPCORE_BACKEND STREQUAL "cuda")
    list(APPEND on CUDA CUDA_CONSTEXPR COMPILE_AS_CMAKE_LANGUAGE)
    if(OpenMP_CXX_FOUND)  # for what the host does
      list(APPEND on OPENMP)
    endif()
    set(Kokkos_ARCH_${DPCORE_KOKKOS_CUDA_ARCH} ON CACHE INTERNAL "")
  elseif(DPCORE_BACKEND STREQUAL "hip")
    list(APPEND on HIP)
    set(Kokkos_ENABLE_ROCTHRUST OFF CACHE INTERNAL "")  # only Kokkos' own sort uses it
    string(TOUPPER "${CMAKE_HIP_ARCHITECTURES}" name)
    set(Kokkos_ARCH_AMD_${name} ON CACHE INTERNAL "")
  endif()
  foreach(option IN ITEMS SERIAL OPENMP CUDA CUDA_CONSTEXPR COMPILE_AS_CMAKE_LANGUAGE HIP DEPRECATED_CODE_4)
    if(option IN_LIST on)
      set(Kokkos_ENABLE_${option} ON CACHE INTERNAL "")
    else()
      set(Kokkos_ENABLE_${option} OFF CACHE INTERNAL "")
    endif()
  endforeach()
  if(DPCORE_NATIVE)
    set(Kokkos_ARCH_NATIVE ON CACHE INTERNAL "")
  else()
    set(Kokkos_ARCH_NATIVE OFF CACHE INTERNAL "")
  endif()
  add_subdirectory("${source}" "${CMAKE_BINARY_DIR}/_deps/kokkos" EXCLUDE_FROM_ALL SYSTEM)

  string(TOUPPER "${DPCORE_BACKEND}" wanted)
  file(STRINGS "${CMAKE_BINARY_DIR}/_deps/kokkos/KokkosCore_config.h" found
       REGEX "^#define KOKKOS_ENABLE_${wanted}$")
  if(NOT found)
    message(FATAL_ERROR "Kokkos was configured without the backend ${DPCORE_BACKEND}: "
                        "KOKKOS_ENABLE_${wanted} is missing in its KokkosCore_config.h.")
  endif()
endfunction()

# --- 1. installed ----------------------------------------------------------------------------
set(probe_kokkos_DEVICES "")
if(NOT CMAKE_DISABLE_FIND_PACKAGE_Kokkos)
  add_subdirectory("${CMAKE_CURRENT_LIST_DIR}/probe_kokkos" "${CMAKE_BINARY_DIR}/_deps/probe_kokkos")
endif()
if(probe_kokkos_DEVICES)
  # Serial runs the tiles of a CPU thread, so it is needed beside every other backend.
  string(TOUPPER "${DPCORE_BACKEND}" _wanted)
  set(_lacking "")
  foreach(_device IN ITEMS ${_wanted} SERIAL)
    if(NOT _device IN_LIST probe_kokkos_DEVICES)
      list(APPEND _lacking ${_device})
    endif()
  endforeach()
  if(NOT _lacking)
    find_package(Kokkos ${DPCORE_KOKKOS_MINIMUM} CONFIG REQUIRED)
    message(STATUS "dpcore: Kokkos ${Kokkos_VERSION} installed in ${Kokkos_DIR}")
    if(DPCORE_KOKKOS_SOURCE)
      message(STATUS "dpcore: DPCORE_KOKKOS_SOURCE is not used; "
                     "-DCMAKE_DISABLE_FIND_PACKAGE_Kokkos=ON would prefer it")
    endif()
    return()
  endif()
  list(REMOVE_DUPLICATES _lacking)
  message(STATUS "dpcore: Kokkos ${probe_kokkos_VERSION} in ${probe_kokkos_DIR} is not used: it was built "
                 "without ${_lacking}")
endif()

# --- 2. to 4. from source ----------------------------------------------------------------------
set(_kokkos_source "")
if(DPCORE_KOKKOS_SOURCE)
  if(NOT EXISTS "${DPCORE_KOKKOS_SOURCE}/core/src/Kokkos_Core.hpp")
    message(FATAL_ERROR "DPCORE_KOKKOS_SOURCE=${DPCORE_KOKKOS_SOURCE} holds no Kokkos source: "
                        "core/src/Kokkos_Core.hpp is missing there.")
  endif()
  get_filename_component(_kokkos_source "${DPCORE_KOKKOS_SOURCE}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
elseif(EXISTS "${DPCORE_CACHE_DIR}/kokkos-${DPCORE_KOKKOS_VERSION}-pypi/.dpcore-origin"
       AND NOT EXISTS "${DPCORE_CACHE_DIR}/kokkos-${DPCORE_KOKKOS_VERSION}/.dpcore-origin")
  set(_kokkos_source "${DPCORE_CACHE_DIR}/kokkos-${DPCORE_KOKKOS_VERSION}-pypi")
else()
  dpcore_archive(_kokkos_source _release_error NAME "kokkos-${DPCORE_KOKKOS_VERSION}"
                 URL "${DPCORE_KOKKOS_URL}" SHA256 ${DPCORE_KOKKOS_SHA256}
                 INNER "kokkos-${DPCORE_KOKKOS_VERSION}")
  if(NOT _kokkos_source)
    message(STATUS "dpcore: no archive from there (${_release_error})")
    _dpcore_kokkos_from_pypi(_kokkos_source _pypi_error)
  endif()
  if(NOT _kokkos_source)
    message(FATAL_ERROR
      "No Kokkos >= ${DPCORE_KOKKOS_MINIMUM}:\n"
      "  installed: none with backend ${DPCORE_BACKEND} (set Kokkos_ROOT if there is one)\n"
      "  source folder: DPCORE_KOKKOS_SOURCE is not set\n"
      "  ${DPCORE_KOKKOS_URL}: ${_release_error}\n"
      "  PyPI, pycompadre ${DPCORE_PYCOMPADRE_VERSION}: ${_pypi_error}\n"
      "Without a network, unpack a Kokkos release and give -DDPCORE_KOKKOS_SOURCE=FOLDER.")
  endif()
endif()
message(STATUS "dpcore: Kokkos from ${_kokkos_source}")
_dpcore_add_kokkos("${_kokkos_source}")
