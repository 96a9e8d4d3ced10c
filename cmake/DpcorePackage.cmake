# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The CMake package: after install, find_package(dpcore) gives the target dpcore::core.

include_guard(GLOBAL)
include(CMakePackageConfigHelpers)

if(NOT DPCORE_BUILD_SHARED)
  message(STATUS "dpcore: a static libdpcore is for use inside this build; no CMake package is installed")
  return()
endif()

configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/dpcoreConfig.cmake.in" "${CMAKE_BINARY_DIR}/cmake/dpcoreConfig.cmake"
  INSTALL_DESTINATION "${DPCORE_INSTALL_CMAKEDIR}")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/cmake/dpcoreConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/cmake/dpcoreConfig.cmake"
              "${CMAKE_BINARY_DIR}/cmake/dpcoreConfigVersion.cmake"
        DESTINATION "${DPCORE_INSTALL_CMAKEDIR}" COMPONENT devel)
install(EXPORT dpcoreTargets NAMESPACE dpcore:: DESTINATION "${DPCORE_INSTALL_CMAKEDIR}"
        COMPONENT devel)
