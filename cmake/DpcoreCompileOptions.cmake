# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Compiler flags of dpcore's own code.  Never -ffast-math: sums, NaN checks and comparisons keep
# IEEE meaning.  What is switched off (errno of math functions, traps) has no effect on values.

include_guard(GLOBAL)
include(CheckCXXCompilerFlag)
include(CheckCXXSourceCompiles)

set(_gnu_like OFF)
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang|IntelLLVM")
  set(_gnu_like ON)
endif()

add_library(dpcore_options INTERFACE)

if(_gnu_like)
  target_compile_options(dpcore_options INTERFACE
    -fno-math-errno -fno-trapping-math)
  # hipcc gives it to the device too, where clang 15 then asks for functions of OpenMP's device library
  if(NOT DPCORE_BACKEND STREQUAL "hip")
    target_compile_options(dpcore_options INTERFACE -fopenmp-simd)
  endif()
  check_cxx_compiler_flag(-march=native DPCORE_HAS_MARCH_NATIVE)
  if(DPCORE_NATIVE AND DPCORE_HAS_MARCH_NATIVE)
    target_compile_options(dpcore_options INTERFACE -march=native)
    # GCC prefers 256-bit vectors even where 512-bit ones exist.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      set(CMAKE_REQUIRED_FLAGS "-march=native -mprefer-vector-width=512")
      check_cxx_source_compiles("
        #ifndef __AVX512F__
        #error no AVX-512
        #endif
        int main() { return 0; }" DPCORE_HAS_AVX512)
      unset(CMAKE_REQUIRED_FLAGS)
      if(DPCORE_HAS_AVX512)
        target_compile_options(dpcore_options INTERFACE -mprefer-vector-width=512)
      endif()
    endif()
  endif()
endif()

# Warnings are a target of their own: headers of dependencies come in as system headers.
add_library(dpcore_warnings INTERFACE)
if(_gnu_like)
  target_compile_options(dpcore_warnings INTERFACE
    -Wall -Wextra -Wshadow -Wdouble-promotion -Wcast-qual -Wnon-virtual-dtor -Woverloaded-virtual
    -Wunused -Wformat=2 -Wundef)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(dpcore_warnings INTERFACE -Wlogical-op -Wduplicated-cond)
    if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      # False alarms in GCC's own header of AVX-512 intrinsics (GCC bug 105593), inlined into Eigen.
      target_compile_options(dpcore_warnings INTERFACE -Wno-maybe-uninitialized)
    endif()
  endif()
  if(NOT DPCORE_BACKEND MATCHES "^(cuda|hip)$")
    target_compile_options(dpcore_warnings INTERFACE -Wpedantic)
  endif()
  if(DPCORE_WERROR)
    # nvcc names its own: kernels that call functions of the host, and that keep a pointer to their object
    target_compile_options(dpcore_warnings INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Werror>"
      "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Xcompiler=-Werror -Werror cross-execution-space-call,ext-lambda-captures-this>")
  endif()
endif()
