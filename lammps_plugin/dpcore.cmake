# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Builds pair_style deepmd into LAMMPS without a change of its source tree:
#
#   cmake -S LAMMPS/cmake -B build -D CMAKE_PROJECT_lammps_INCLUDE=.../dpcore.cmake -D CMAKE_PREFIX_PATH=PREFIX_OF_DPCORE
#
# CMake reads this file at LAMMPS' project(); what needs LAMMPS' own target waits for the end of its CMakeLists.txt.

if(CMAKE_VERSION VERSION_LESS 3.19)
  message(FATAL_ERROR "dpcore.cmake needs CMake 3.19 or newer, this is ${CMAKE_VERSION}; or copy the folder DEEPMD into "
                      "src and use LAMMPS' traditional make.")
endif()
set(_dpcore_folder "${CMAKE_CURRENT_LIST_DIR}/DEEPMD")
find_package(dpcore REQUIRED)
# LAMMPS' lists of styles
set_property(GLOBAL APPEND PROPERTY PAIR "${_dpcore_folder}/pair_deepmd.h")
set_property(GLOBAL APPEND PROPERTY COMPUTE "${_dpcore_folder}/compute_deeptensor_atom.h")
set_property(GLOBAL APPEND PROPERTY FIX "${_dpcore_folder}/fix_dplr.h")
set_property(GLOBAL APPEND PROPERTY KSPACE "${_dpcore_folder}/pppm_dplr.h")
file(GLOB _dpcore_sources CONFIGURE_DEPENDS "${_dpcore_folder}/*.cpp")

function(_dpcore_add_to_lammps)
  target_sources(lammps PRIVATE ${_dpcore_sources})
  target_include_directories(lammps PRIVATE "${_dpcore_folder}")
  target_link_libraries(lammps PRIVATE dpcore::core)
  target_compile_features(lammps PRIVATE cxx_std_17)
endfunction()
cmake_language(DEFER CALL _dpcore_add_to_lammps)
