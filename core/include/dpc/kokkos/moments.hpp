// SPDX-License-Identifier: MIT
// Steps compute_moments and reverse_moments: sums over the pairs of one atom and neighbour type, all channels at once. A lane of a
// warp is a channel; on a processor a pack is several, and a pass takes several packs.
#pragma once

#include "dpc/kokkos/chunk.hpp"
#include "dpc/math/moments.hpp"
#include "dpc/math/passes.hpp"

namespace dpc::kokkos {

/// Packs of channels that fit the registers at once: four sums each, and what the polynomials need.
constexpr int kMostPacks = kPackBytes == 64 ? 4 : kPackBytes == 32 ? 2 : 1;

/// The pairs of one centre and neighbour type.
template <class Real>
struct SegmentPairs {
    const PairArrays<Real>& pairs;
    const PackedTable<Real>& table;
    int begin, end;

    template <int ORDER>
    KOKKOS_FORCEINLINE_FUNCTION math::TablePlace<Real> place(int pair, int channel) const {
        const int row_size = (ORDER + 1) * table.stride;
        return {table.coef + static_cast<std::ptrdiff_t>(pairs.table_row[pair]) * row_size + channel, table.stride, pairs.distance[pair]};
    }
};

template <class Real>
struct ComputeMoments {
    Chunk<Real> chunk;
    Rows<Real> rows;  // C (n_rows, 4, lanes)
    Real inverse_n_sel;

    template <class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Lanes& lanes, int, int b, int k) const {
        const DevicePair<Real>& model = chunk.model_pairs[b];
        if (!model.has_table) {
            return;
        }
        const int begin = chunk.firsts[chunk.segment(b, k)];
        const SegmentPairs<Real> segment{chunk.pairs, model.table, begin, begin + chunk.n_pairs(b, k)};
        if (model.table.order == 5) {
            all_passes<5>(lanes, model, segment, b, k);
        } else {
            all_passes<3>(lanes, model, segment, b, k);
        }
    }

    template <int ORDER, class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION void all_passes(const Lanes& lanes, const DevicePair<Real>& model, const SegmentPairs<Real>& segment, int b,
                                           int k) const {
        constexpr int width = Pack<Real>::width;
        const auto empty = static_cast<Real>(math::slots_of(model.kind, model.sel, chunk.counts[chunk.segment(b, k)]).empty);
        const int n_packs = (model.table.rank + width - 1) / width;
        math::in_passes<kMostPacks>((n_packs + lanes.size() - 1) / lanes.size(), [&](auto count, int first) {
            lanes.for_each(lanes.size(), [&](int lane) {
                const int channel = (first * lanes.size() + lane) * width;
                if (channel < model.table.rank) {
                    sum_channels<ORDER, decltype(count)::value>(model, segment, channel, empty, k);
                }
            });
        });
    }

    /// N packs of channels from `channel` on.
    template <int ORDER, int N>
    KOKKOS_FORCEINLINE_FUNCTION void sum_channels(const DevicePair<Real>& model, const SegmentPairs<Real>& segment, int channel, Real empty,
                                             int k) const {
        using P = Pack<Real>;
        P sum[4][N];
        for (auto& component : sum) {
            for (P& pack : component) {
                pack = P(0.0);
            }
        }
        for (int pair = segment.begin; pair < segment.end; ++pair) {
            math::add_moments<ORDER>(segment.template place<ORDER>(pair, channel), [&](int c) { return segment.pairs.row[c][pair]; }, sum);
        }
        for (int v = 0; v < N; ++v) {
            store_channels(model, sum[0][v], sum[1][v], sum[2][v], sum[3][v], channel + v * P::width, empty, k);
        }
    }

    /// Rows of C: with the empty slots, over n_sel.
    KOKKOS_FORCEINLINE_FUNCTION void store_channels(const DevicePair<Real>& model, Pack<Real> a, Pack<Real> b, Pack<Real> c, Pack<Real> d,
                                               int channel, Real empty, int k) const {
        constexpr int width = Pack<Real>::width;
        Real of[4][width];
        a.store(of[0]);
        b.store(of[1]);
        c.store(of[2]);
        d.store(of[3]);
        const int n = Kokkos::min(width, model.table.rank - channel);
        for (int lane = 0; lane < n; ++lane) {
            const int row = model.row_of_channel[channel + lane];
            if (row < 0) {
                continue;
            }
            Real* to = rows.of_atom(4 * row, k);
            of[0][lane] += empty * model.padding[channel + lane];
            for (int component = 0; component < 4; ++component) {
                to[component * rows.lanes] = of[component][lane] * inverse_n_sel;
            }
        }
    }
};

}  // namespace dpc::kokkos
