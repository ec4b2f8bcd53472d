// SPDX-License-Identifier: MIT
// Step reverse_moments: dE/dR of every pair from dE/dC. A lane of a warp is a channel, so that the four components of a pair are
// sums over the lanes; on a processor packs of several pairs are summed together.
#pragma once

#include "dpc/kokkos/moments.hpp"

namespace dpc::kokkos {

/// Pairs whose sums over the lanes are made together: on a processor four packs merge well, on a GPU more need too many registers.
constexpr int kPairsAtOnce = kPackBytes == 0 ? 2 : 4;

template <class Real>
struct ReverseMoments {
    Chunk<Real> chunk;
    Rows<Real> reverse_rows;  // dE/dC (n_rows, 4, lanes)
    Real inverse_n_sel;

    template <class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Lanes& lanes, int, int b, int k) const {
        const DevicePair<Real>& model = chunk.model_pairs[b];
        const int n = chunk.n_pairs(b, k);
        if (n == 0) {
            return;
        }
        const int begin = chunk.firsts[chunk.segment(b, k)];
        const SegmentPairs<Real> segment{chunk.pairs, model.table, begin, begin + n};
        if (model.table.order == 5) {
            all_passes<5>(lanes, model, segment, k);
        } else {
            all_passes<3>(lanes, model, segment, k);
        }
    }

    template <int ORDER, class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION void all_passes(const Lanes& lanes, const DevicePair<Real>& model, const SegmentPairs<Real>& segment, int k) const {
        const int n_packs = (model.table.rank + Pack<Real>::width - 1) / Pack<Real>::width;
        math::in_passes<kMostPacks>((n_packs + lanes.size() - 1) / lanes.size(),
                                    [&](auto count, int first) { pass<ORDER, decltype(count)::value>(lanes, model, segment, first, k); });
    }

    /// dE/dmoments of pack v of channels of atom k; channels without a row have none.
    template <int N>
    KOKKOS_FORCEINLINE_FUNCTION void load_weights(const DevicePair<Real>& model, int first, int v, int k, Pack<Real> (&weight)[4][N]) const {
        constexpr int width = Pack<Real>::width;
        const int channel = first + v * width;
        Real of[4][width];
        for (int lane = 0; lane < width; ++lane) {
            const int row = channel + lane < model.table.rank ? model.row_of_channel[channel + lane] : -1;
            const Real* from = reverse_rows.of_atom(row < 0 ? 0 : 4 * row, k);
            for (int c = 0; c < 4; ++c) {
                of[c][lane] = row < 0 ? Real(0) : from[c * reverse_rows.lanes] * inverse_n_sel;
            }
        }
        for (int c = 0; c < 4; ++c) {
            weight[c][v] = Pack<Real>::load(of[c]);
        }
    }

    template <int ORDER, int N, class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION void pass(const Lanes& lanes, const DevicePair<Real>& model, const SegmentPairs<Real>& segment, int first, int k) const {
        using P = Pack<Real>;
        P weight[4][N];  // every lane's own
        int channel = 0;
        lanes.for_each(lanes.size(), [&](int lane) {
            channel = (first * lanes.size() + lane) * P::width;
            for (int v = 0; v < N; ++v) {
                load_weights(model, channel, v, k, weight);
            }
            channel = channel < model.table.stride ? channel : 0;  // idle lanes, with weights 0, read some row
        });
        for (int pair = segment.begin; pair < segment.end; pair += kPairsAtOnce) {
            const int left = segment.end - pair, n = left < kPairsAtOnce ? left : kPairsAtOnce;
            P partial[4 * kPairsAtOnce];  // (component, pair)
            lanes.for_each(lanes.size(), [&](int) {
                for (int m = 0; m < kPairsAtOnce; ++m) {
                    P e[4] = {P(0.0), P(0.0), P(0.0), P(0.0)};
                    if (m < n) {
                        math::reverse_moments<ORDER>(segment.template place<ORDER>(pair + m, channel),
                                                     [&](int c) { return segment.pairs.row[c][pair + m]; }, weight, e);
                    }
                    for (int c = 0; c < 4; ++c) {
                        partial[c * kPairsAtOnce + m] = e[c];
                    }
                }
            });
            store(lanes, partial, pair, n, first > 0);
        }
    }

    /// Sums over lanes and packs to the pairs' dE/dR. adds: to what the pass before left there.
    template <class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION void store(const Lanes& lanes, const Pack<Real> (&partial)[4 * kPairsAtOnce], int pair, int n, bool adds) const {
        Real sums[4 * kPairsAtOnce];
#if defined(DPC_PACKS_OF_ONE)
        for (int m = 0; m < 4 * kPairsAtOnce; ++m) {
            sums[m] = partial[m].v;
        }
#else
        simd::DPC_ISA::sum_lanes(partial, sums);
#endif
        lanes.sum(sums);
        lanes.once([&] {
            for (int c = 0; c < 4; ++c) {
                Real* to = chunk.pairs.reverse_row[c] + pair;
                for (int m = 0; m < n; ++m) {
                    to[m] = sums[c * kPairsAtOnce + m] + (adds ? to[m] : Real(0));
                }
            }
        });
    }
};

}  // namespace dpc::kokkos
