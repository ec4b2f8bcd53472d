// SPDX-License-Identifier: MIT
// Step compute_environment: R of every pair and where it lies in its table, if the descriptor has tables for pairs (LOCATES);
// of three bodies with gates R_0 is the switch function.
#pragma once

#include "dpc/kokkos/descriptors/described_chunk.hpp"
#include "dpc/math/table_lookup.hpp"

namespace dpc::kokkos {

template <class Real, int COMPONENTS, bool LOCATES = true>
struct ComputeEnvironment {
    DescribedChunk<Real> chunk;
    math::EnvParameters parameters;
    bool is_gated = false;

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int, int b, int k) const {
        using P = Pack<double>;
        const int first = chunk.begin(b, k), n = chunk.n_pairs(b, k);
        group.for_each((n + P::width - 1) / P::width,
                       [&](int pack) { compute(chunk.type_pairs[b].table.grid, first + pack * P::width); });
        if (n < chunk.common.n_stored(b, k)) {  // of another descriptor
            group.for_each(chunk.common.n_stored(b, k) - n, [&](int pair) { make_neutral(first + n + pair); });
        }
        if constexpr (P::width > 1) {
            if (b == chunk.common.n_types - 1) {  // what packs touch beyond the last pair
                const int end = first + chunk.common.n_stored(b, k);
                group.for_each(kSlotPadding, [&](int slot) { make_neutral(end + slot); });
            }
        }
    }

    /// A pack of pairs. What it writes beyond the segment the next segment overwrites; segments of an atom come in order.
    KOKKOS_FORCEINLINE_FUNCTION void compute(const math::Grid& grid, int at) const {
        using P = Pack<double>;
        P x = math::compute_environment<COMPONENTS, P>(parameters, chunk.pairs, at);
        if constexpr (LOCATES) {
            if (chunk.table_rcut > 0) {
                x = math::follow_distance<COMPONENTS, P>(chunk.table_rcut, chunk.pairs, at);
            }
            if (chunk.ignores_beyond) {
                clear_beyond(at);
            }
            P distance;
            store_integers(math::locate(grid, x, distance), chunk.pairs.interval + at);
            math::store_from_double(distance, chunk.pairs.distance + at);
        } else if (is_gated) {
            math::follow_switch<P>(parameters, chunk.pairs, at);
        }
    }

    /// R = 0 and no force of those in a pack of pairs that are beyond the descriptor's own cut-off.
    KOKKOS_FORCEINLINE_FUNCTION void clear_beyond(int at) const {
        const PairArrays<Real>& pairs = chunk.pairs;
        for (int slot = at; slot < at + Pack<double>::width; ++slot) {
            if (pairs.r2[slot] >= chunk.rcut2) {
                pairs.dx_over_r[slot] = 0;
                if constexpr (COMPONENTS > 1) {
                    pairs.h[slot] = pairs.dh_over_r[slot] = 0;
                    for (int c = 0; c < COMPONENTS; ++c) {
                        pairs.environment[c][slot] = Real(0);
                    }
                }
            }
        }
    }

    /// No force, whatever the pair vector.
    KOKKOS_FORCEINLINE_FUNCTION void make_neutral(int slot) const {
        const PairArrays<Real>& pairs = chunk.pairs;
        pairs.dx_over_r[slot] = 0;
        if constexpr (COMPONENTS > 1) {
            pairs.h[slot] = pairs.dh_over_r[slot] = 0;
        }
        for (int c = 0; c < COMPONENTS; ++c) {
            pairs.reverse_environment[c][slot] = Real(0);
        }
    }
};

}  // namespace dpc::kokkos
