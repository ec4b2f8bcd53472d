// SPDX-License-Identifier: MIT
// How the centres are cut into chunks: of one type each, of nearly the same size, and so many atoms that the scratch arrays stay in a
// core's cache (processor) or keep a GPU busy without taking its memory.
#pragma once

#include <algorithm>
#include <vector>

#include "dpc/kokkos/centres.hpp"
#include "dpc/kokkos/scratch.hpp"

namespace dpc::kokkos {

struct PlannedChunk {
    int type = 0;
    int first_centre = 0;
    Tiles tiles;
};

struct Plan {
    std::vector<PlannedChunk> chunks;
    std::size_t most_lanes = 0, most_slots = 0;  // of any chunk
    int together = 1;                            // chunks that are evaluated at once
};

constexpr int kWorkerAtoms = 64;         // of a chunk, per thread of a processor
constexpr int kMostGpuAtoms = 65536;     // of a chunk on a GPU: more do not make it busier
constexpr int kFewestGpuAtoms = 1024;    // however little memory there is
constexpr double kGpuMemoryShare = 0.1;  // of the free memory, for scratch
constexpr int kGpuLaneMultiple = 32;
static_assert(kGpuLaneMultiple % kNetAtoms == 0, "teams of fused_net.hpp have whole chunks");
constexpr int kFewGpuAtoms = 16384;  // with so many launches take longer than kernels: chunks are evaluated together

/// Lanes of a tile. On a processor those of one product tile.
template <class ExecSpace, class Real>
int tile_lanes(int n_atoms) {
    return is_gpu<ExecSpace> ? (n_atoms + kGpuLaneMultiple - 1) / kGpuLaneMultiple * kGpuLaneMultiple
                             : kTilePacks * Pack<Real>::width;
}

/// Bytes that scratch may take by default: no limit on a processor, where chunks are small anyway. held: what it has already.
template <class ExecSpace>
std::size_t default_scratch_bytes(const ExecSpace&, [[maybe_unused]] std::size_t held) {
#if defined(KOKKOS_ENABLE_CUDA)
    if constexpr (std::is_same_v<ExecSpace, Kokkos::Cuda>) {
        std::size_t free = 0, total = 0;
        if (cudaMemGetInfo(&free, &total) == cudaSuccess) {
            return static_cast<std::size_t>(kGpuMemoryShare * static_cast<double>(free + held));
        }
    }
#endif
#if defined(KOKKOS_ENABLE_HIP)
    if constexpr (std::is_same_v<ExecSpace, Kokkos::HIP>) {
        std::size_t free = 0, total = 0;
        if (hipMemGetInfo(&free, &total) == hipSuccess) {
            return static_cast<std::size_t>(kGpuMemoryShare * static_cast<double>(free + held));
        }
    }
#endif
    return std::size_t(4) << 30;
}

/// Chunks of at most this many atoms.
template <class ExecSpace, class Real>
Plan cut(const ExecSpace& space, int n_types, Centres<ExecSpace>& centres, int most_atoms) {
    Plan plan;
    std::vector<int> bounds = {0};
    for (int a = 0; a < n_types; ++a) {
        const long long n = centres.begin(a + 1) - centres.begin(a);
        const long long n_chunks = (n + most_atoms - 1) / most_atoms;
        for (long long k = 0; k < n_chunks; ++k) {
            const int begin = static_cast<int>(n * k / n_chunks), end = static_cast<int>(n * (k + 1) / n_chunks);
            Tiles tiles;
            tiles.n_atoms = end - begin;
            tiles.lanes = tile_lanes<ExecSpace, Real>(tiles.n_atoms);
            tiles.n_tiles = (tiles.n_atoms + tiles.lanes - 1) / tiles.lanes;
            plan.chunks.push_back({a, centres.begin(a) + begin, tiles});
            plan.most_lanes =
                std::max(plan.most_lanes, static_cast<std::size_t>(tiles.lanes) * static_cast<std::size_t>(tiles.n_tiles));
            bounds.push_back(centres.begin(a) + end);
        }
    }
    plan.most_slots = static_cast<std::size_t>(centres.most_slots(space, bounds));
    return plan;
}

/// Chunks are of at most this many atoms, however much memory there is.
template <class ExecSpace>
int default_most_atoms(const ExecSpace& space) {
    return is_gpu<ExecSpace> ? kMostGpuAtoms : kWorkerAtoms * count_workers(space);
}

/// A bound of the memory does not make chunks smaller than this.
template <class ExecSpace, class Real>
constexpr int fewest_atoms() {
    return is_gpu<ExecSpace> ? kFewestGpuAtoms : kTilePacks * Pack<Real>::width;
}

/// scratch_bytes 0: the default. held: bytes of scratch that exist already; the device is asked for its memory where these do not do.
template <class ExecSpace, class Real>
Plan make_plan(const ExecSpace& space, const DeviceModel<ExecSpace, Real>& model, Centres<ExecSpace>& centres,
               std::size_t scratch_bytes, std::size_t held) {
    std::size_t limit = std::max(scratch_bytes, held);
    const int fewest = fewest_atoms<ExecSpace, Real>();
    int most_atoms = default_most_atoms(space);
    Plan plan;
    for (;;) {
        plan = cut<ExecSpace, Real>(space, model.n_types, centres, most_atoms);
        const std::size_t bytes = Scratch<ExecSpace, Real>::bytes_of(model, plan.most_lanes, plan.most_slots);
        if (bytes > limit && scratch_bytes == 0) {
            limit = std::max(limit, default_scratch_bytes(space, held));
        }
        if (bytes <= limit || most_atoms <= fewest) {
            break;
        }
        most_atoms = std::max(fewest, most_atoms / 2);
    }
    if (is_gpu<ExecSpace> && centres.n_centres() <= kFewGpuAtoms && plan.chunks.size() > 1) {
        const std::size_t bytes = kMostTogether * Scratch<ExecSpace, Real>::bytes_of(model, plan.most_lanes, plan.most_slots);
        if (bytes > limit && scratch_bytes == 0) {
            limit = std::max(limit, default_scratch_bytes(space, held));
        }
        plan.together = bytes <= limit ? kMostTogether : 1;
    }
    return plan;
}

}  // namespace dpc::kokkos
