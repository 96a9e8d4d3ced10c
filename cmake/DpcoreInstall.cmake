# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Where things are installed.  `cmake --install` gives the usual prefix (bin, lib, include); in a
# wheel the folder of the Python package is such a prefix itself: dpcore/lib, dpcore/include.

include_guard(GLOBAL)

if(SKBUILD)
  set(CMAKE_INSTALL_LIBDIR lib)
  set(CMAKE_INSTALL_INCLUDEDIR include)
  set(CMAKE_INSTALL_BINDIR bin)
  set(DPCORE_INSTALL_MODULEDIR .)
else()
  include(GNUInstallDirs)
  # The folder of the extension module; found in bindings/ once Python's version is known.
  set(DPCORE_INSTALL_PYTHONDIR "" CACHE STRING
      "Folder for Python packages relative to the prefix; empty: lib/pythonX.Y/site-packages")
endif()
set(DPCORE_INSTALL_CMAKEDIR "${CMAKE_INSTALL_LIBDIR}/cmake/dpcore")

# Build and install trees work without LD_LIBRARY_PATH; libraries outside the system are kept.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
