// SPDX-License-Identifier: MIT
// Steps compute_environment and locate: the environment row of every pair and where it lies in its table.
#pragma once

#include "dpc/kokkos/chunk.hpp"
#include "dpc/math/table_lookup.hpp"

namespace dpc::kokkos {

template <class Real>
struct ComputeEnvironment {
    Chunk<Real> chunk;
    math::EnvParameters parameters;

    template <class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Lanes& lanes, int, int b, int k) const {
        using P = Pack<double>;
        const int first = chunk.firsts[chunk.segment(b, k)];
        const int n_packs = (chunk.n_pairs(b, k) + P::width - 1) / P::width;
        lanes.for_each(n_packs, [&](int pack) { compute(chunk.model_pairs[b].table.grid, first + pack * P::width); });
    }

    /// A pack of pairs. What it writes beyond the segment the next segment overwrites; segments of an atom come in order.
    KOKKOS_FORCEINLINE_FUNCTION void compute(const math::Grid& grid, int at) const {
        using P = Pack<double>;
        const PairArrays<Real>& pairs = chunk.pairs;
        const P x = math::compute_environment<4, P>(parameters, pairs, at);
        P distance;
        store_integers(math::locate(grid, x, distance), pairs.table_row + at);
        math::store_from_double(distance, pairs.distance + at);
    }
};

}  // namespace dpc::kokkos
