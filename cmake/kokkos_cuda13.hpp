// SPDX-License-Identifier: LGPL-3.0-or-later
// Kokkos 4.5 with CUDA 13: three functions of the CUDA runtime with the arguments that they had in CUDA 12,
// forwarded to those of CUDA 13. Included before every source of Kokkos and of dpcore (DpcoreCuda.cmake).
#pragma once

#include <cuda_runtime.h>

#if CUDART_VERSION >= 13000

inline cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t* from,
                                            const cudaGraphNode_t* to, size_t n) {
  return cudaGraphAddDependencies(graph, from, to, nullptr, n);
}

/// A device's number, or cudaCpuDeviceId, as CUDA 13 names it.
inline cudaMemLocation dpcore_memory_location(int device) {
  cudaMemLocation location = {};
  location.type = device == cudaCpuDeviceId ? cudaMemLocationTypeHost : cudaMemLocationTypeDevice;
  location.id = device == cudaCpuDeviceId ? 0 : device;
  return location;
}

inline cudaError_t cudaMemAdvise(const void* pointer, size_t bytes, cudaMemoryAdvise advice, int device) {
  return cudaMemAdvise(pointer, bytes, advice, dpcore_memory_location(device));
}

inline cudaError_t cudaMemPrefetchAsync(const void* pointer, size_t bytes, int device, cudaStream_t stream) {
  return cudaMemPrefetchAsync(pointer, bytes, dpcore_memory_location(device), 0U, stream);
}

#endif
