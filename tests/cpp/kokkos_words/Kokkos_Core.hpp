// SPDX-License-Identifier: LGPL-3.0-or-later
// Stands in for Kokkos where a test compiles a header of core/src that uses only its words for functions.
#pragma once

#define KOKKOS_FORCEINLINE_FUNCTION inline __attribute__((always_inline))
#define KOKKOS_INLINE_FUNCTION inline
