// SPDX-License-Identifier: LGPL-3.0-or-later
// Memory that was freed, given back to the system. The C library keeps it for later: after a model was read
// that is the size of the file once more.
#pragma once

#include <cstdlib>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace dpcore {

/// A request only, without effect with other C libraries. Takes a millisecond.
inline void give_back_freed_memory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

}  // namespace dpcore
