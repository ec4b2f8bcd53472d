// SPDX-License-Identifier: MIT
// CUDA 13 took three signatures out of its runtime that Kokkos before 4.7.2 calls: cudaMemAdvise and cudaMemPrefetchAsync with
// the number of a device, and cudaGraphAddDependencies without data for the edges. Kokkos calls them in its headers, so every
// source that includes them needs what stands here. The overloads give the old calls back in terms of the new ones. The
// file is put before the source by `-include`: cmake/kokkos.cmake does so for an old Kokkos with CUDA; to build such a Kokkos with
// CUDA 13, give it -DCMAKE_CXX_FLAGS="-include .../cmake/kokkos_cuda13.hpp". With CUDA 12 it is empty.
#pragma once
#include <cuda_runtime_api.h>

#if CUDART_VERSION >= 13000
namespace dpc_cuda13 {

// A negative number, cudaCpuDeviceId, means the host.
inline cudaMemLocation location_of(int device) {
    cudaMemLocation location{};
    location.type = device < 0 ? cudaMemLocationTypeHost : cudaMemLocationTypeDevice;
    location.id = device < 0 ? 0 : device;
    return location;
}

}  // namespace dpc_cuda13

inline cudaError_t cudaMemAdvise(const void* begin, size_t bytes, cudaMemoryAdvise advice, int device) {
    return cudaMemAdvise(begin, bytes, advice, dpc_cuda13::location_of(device));
}

inline cudaError_t cudaMemPrefetchAsync(const void* begin, size_t bytes, int device, cudaStream_t stream = nullptr) {
    return cudaMemPrefetchAsync(begin, bytes, dpc_cuda13::location_of(device), 0u, stream);
}

inline cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t* from, const cudaGraphNode_t* to, size_t edges) {
    return cudaGraphAddDependencies(graph, from, to, nullptr, edges);
}
#endif
