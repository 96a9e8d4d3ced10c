/* SPDX-License-Identifier: LGPL-3.0-or-later */
#pragma once

/*
 * DPCORE_API marks what libdpcore exports.  Everything else in the library is hidden, the copy of
 * Kokkos inside it included.  Exception classes need it too, or they cannot be caught outside.
 */
#if defined(__GNUC__) || defined(__clang__)
#define DPCORE_API __attribute__((visibility("default")))
#else
#define DPCORE_API
#endif
