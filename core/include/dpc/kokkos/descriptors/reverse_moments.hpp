// SPDX-License-Identifier: MIT
// Step reverse_moments: dE/dR of every pair from dE/dC. On a GPU a thread of the group has a channel, so that the components of a pair
// are sums over the threads; on a processor packs of several pairs are summed together.
#pragma once

#include "dpc/kokkos/descriptors/moments.hpp"

namespace dpc::kokkos {

/// Numbers that are summed over a group or the elements of their packs together: on a processor 16 packs, on a GPU more need too many
/// registers.
constexpr int kSumsAtOnce = kPackBytes == 0 ? 8 : 16;

/// Slope: math::EnvironmentIsArgument, or math::EnvironmentSlope for tables over the distance.
template <class Real, int COMPONENTS, class Slope>
struct ReverseMoments {
    static constexpr int pairs_at_once = kSumsAtOnce / COMPONENTS;
    DescribedChunk<Real> chunk;
    TiledRows<Real> reverse_moments;  // dE/dC (n_moments, COMPONENTS, lanes)

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int, int b, int k) const {
        const DeviceTypePair<Real>& model = chunk.type_pairs[b];
        const int n = chunk.n_pairs(b, k);
        if (n == 0) {
            return;
        }
        const int begin = chunk.begin(b, k);
        const SegmentPairs<Real> segment{chunk.pairs, model.table, begin, begin + n};
        math::with_order(model.table.order, [&](auto order) { all_passes<decltype(order)::value>(group, model, segment, k); });
    }

    template <int ORDER, class Group>
    KOKKOS_FORCEINLINE_FUNCTION void all_passes(const Group& group, const DeviceTypePair<Real>& model,
                                                const SegmentPairs<Real>& segment, int k) const {
        const int n_packs = (model.table.rank + Pack<Real>::width - 1) / Pack<Real>::width;
        math::in_passes<kMostPacks>((n_packs + group.size() - 1) / group.size(), [&](auto count, int first) {
            pass<ORDER, decltype(count)::value>(group, model, segment, first, k);
        });
    }

    /// dE/dmoments of pack v of channels of atom k; channels that are in no moment have none.
    template <int N>
    KOKKOS_FORCEINLINE_FUNCTION void load_weights(const DeviceTypePair<Real>& model, int first, int v, int k,
                                                  Pack<Real> (&weight)[COMPONENTS][N]) const {
        constexpr int width = Pack<Real>::width;
        const int channel = first + v * width;
        Real of[COMPONENTS][width];
        for (int element = 0; element < width; ++element) {
            const int moment = channel + element < model.table.rank ? model.moment_of_channel[channel + element] : -1;
            const Real* from = reverse_moments.of_atom(moment < 0 ? 0 : COMPONENTS * moment, k);
            for (int c = 0; c < COMPONENTS; ++c) {
                of[c][element] = moment < 0 ? Real(0) : from[c * reverse_moments.lanes] * chunk.inverse_n_sel;
            }
        }
        for (int c = 0; c < COMPONENTS; ++c) {
            weight[c][v] = Pack<Real>::load(of[c]);
        }
    }

    template <int ORDER, int N, class Group>
    KOKKOS_FORCEINLINE_FUNCTION void pass(const Group& group, const DeviceTypePair<Real>& model,
                                          const SegmentPairs<Real>& segment, int first, int k) const {
        using P = Pack<Real>;
        P weight[COMPONENTS][N];  // every thread's own
        int channel = 0;
        group.for_each(group.size(), [&](int thread) {
            channel = (first * group.size() + thread) * P::width;
            for (int v = 0; v < N; ++v) {
                load_weights(model, channel, v, k, weight);
            }
            channel = channel < model.table.stride ? channel : 0;  // idle threads, with weights 0, read some interval
        });
        for (int pair = segment.begin; pair < segment.end; pair += pairs_at_once) {
            const int left = segment.end - pair, n = left < pairs_at_once ? left : pairs_at_once;
            P partial[kSumsAtOnce];  // (component, pair)
            group.for_each(group.size(), [&](int) {
                for (int m = 0; m < pairs_at_once; ++m) {
                    P e[COMPONENTS];
                    for (P& component : e) {
                        component = P(0.0);
                    }
                    if (m < n) {
                        math::reverse_moments<ORDER>(
                            segment.template place<ORDER>(pair + m, channel),
                            [&](int c) { return segment.pairs.environment[c][pair + m]; },
                            math::slope_of(segment.pairs, pair + m, Slope{}), weight, e);
                    }
                    for (int c = 0; c < COMPONENTS; ++c) {
                        partial[c * pairs_at_once + m] = e[c];
                    }
                }
            });
            store(group, partial, pair, n, first > 0);
        }
    }

    /// Sums over group and packs to the pairs' dE/dR. adds: to what the pass before left there.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void store(const Group& group, const Pack<Real> (&partial)[kSumsAtOnce], int pair, int n,
                                           bool adds) const {
        Real sums[kSumsAtOnce];
#if defined(DPC_PACKS_OF_ONE)
        for (int m = 0; m < kSumsAtOnce; ++m) {
            sums[m] = partial[m].v;
        }
#else
        simd::DPC_ISA::sum_elements(partial, sums);
#endif
        group.sum(sums);
        group.once([&] {
            for (int c = 0; c < COMPONENTS; ++c) {
                Real* to = chunk.pairs.reverse_environment[c] + pair;
                for (int m = 0; m < n; ++m) {
                    to[m] = sums[c * pairs_at_once + m] + (adds ? to[m] : Real(0));
                }
            }
        });
    }
};

}  // namespace dpc::kokkos
