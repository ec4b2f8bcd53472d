// SPDX-License-Identifier: MIT
// Step reverse_moments: dE/dR of every pair from dE/dC. On a GPU the components of a pair are sums over the threads that share it; on a
// processor packs of several pairs are summed together.
#pragma once

#include "dpc/kokkos/descriptors/moments.hpp"

namespace dpc::kokkos {

/// Slope: math::EnvironmentIsArgument, or math::EnvironmentSlope for tables over the distance.
template <class Real, int COMPONENTS, class Slope>
struct ReverseMoments {
    static constexpr int n_sums = math::kSumsAtOnce<COMPONENTS>,
                         pairs_at_once = math::kPairsAtOnce<COMPONENTS>;  // of a processor
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
        using P = typename Group::template Channels<Real>;
        constexpr int at_once = math::kChannelStep<P>;
        math::in_passes<most_packs_of<COMPONENTS>(Group::most_packs)>(
            (model.table.rank + at_once - 1) / at_once,
            [&](auto count, int first) { pass<ORDER, decltype(count)::value>(group, model, segment, first * at_once, k); });
    }

    /// dE/dmoments of N packs of channels of atom k; channels that are in no moment have none.
    template <int N, class P>
    KOKKOS_FORCEINLINE_FUNCTION void load_weights(const DeviceTypePair<Real>& model, int first, int k,
                                                  P (&weight)[COMPONENTS][N]) const {
        for (int v = 0; v < N; ++v) {
            const int channel = first + v * math::kChannelStep<P>;
            alignas(P) Real of[COMPONENTS][P::width];
            for (int element = 0; element < P::width; ++element) {
                const int moment = channel + element < model.table.rank ? model.moment_of_channel[channel + element] : -1;
                const Real* from = reverse_moments.of_atom(moment < 0 ? 0 : COMPONENTS * moment, k);
                for (int c = 0; c < COMPONENTS; ++c) {
                    of[c][element] = moment < 0 ? Real(0) : from[c * reverse_moments.lanes] * chunk.inverse_n_sel;
                }
            }
            for (int c = 0; c < COMPONENTS; ++c) {
                weight[c][v] = P::load(of[c]);
            }
        }
    }

    /// e += what N packs of channels add to dE/dR of a pair, still spread over the elements.
    template <int ORDER, int N, class P>
    KOKKOS_FORCEINLINE_FUNCTION void reverse(const SegmentPairs<Real>& segment, int pair, int channel,
                                             const P (&weight)[COMPONENTS][N], P (&e)[COMPONENTS]) const {
        math::reverse_moments<ORDER>(
            segment.template place<ORDER>(pair, channel),
            [&](int c) { return math::component_of<COMPONENTS>(segment.pairs.environment, c)[pair]; },
            math::slope_of(segment.pairs, pair, Slope{}), weight, e);
    }

    /// N packs of channels from `channel` on.
    template <int ORDER, int N>
    KOKKOS_FORCEINLINE_FUNCTION void pass(const SoleThread&, const DeviceTypePair<Real>& model, const SegmentPairs<Real>& segment,
                                          int channel, int k) const {
        using P = Pack<Real>;
        P weight[COMPONENTS][N];
        load_weights(model, channel, k, weight);
        for (int pair = segment.begin; pair < segment.end; pair += pairs_at_once) {
            const int left = segment.end - pair, n = left < pairs_at_once ? left : pairs_at_once;
            P partial[n_sums];  // (component, pair)
            for (int unused = COMPONENTS * pairs_at_once; unused < n_sums; ++unused) {
                partial[unused] = P(0.0);
            }
            for (int m = 0; m < pairs_at_once; ++m) {
                P e[COMPONENTS];
                for (P& component : e) {
                    component = P(0.0);
                }
                if (m < n) {
                    reverse<ORDER>(segment, pair + m, channel, weight, e);
                }
                for (int c = 0; c < COMPONENTS; ++c) {
                    partial[c * pairs_at_once + m] = e[c];
                }
            }
            store(partial, pair, n, channel > 0);
        }
    }

    /// Sums over packs to the pairs' dE/dR. adds: to what the pass before left there.
    KOKKOS_FORCEINLINE_FUNCTION void store(const Pack<Real> (&partial)[n_sums], int pair, int n, bool adds) const {
        Real sums[n_sums];
#if defined(DPC_PACKS_OF_ONE)
        for (int m = 0; m < n_sums; ++m) {
            sums[m] = partial[m].v;
        }
#else
        simd::DPC_ISA::sum_elements(partial, sums);
#endif
        for (int c = 0; c < COMPONENTS; ++c) {
            Real* to = math::component_of<COMPONENTS>(chunk.pairs.reverse_environment, c) + pair;
            for (int m = 0; m < n; ++m) {
                to[m] = sums[c * pairs_at_once + m] + (adds ? to[m] : Real(0));
            }
        }
    }

    template <int ORDER, int N, class Warp>
    KOKKOS_FORCEINLINE_FUNCTION void pass(const ThreadGroup<Warp>& group, const DeviceTypePair<Real>& model,
                                          const SegmentPairs<Real>& segment, int first, int k) const {
        using P = typename ThreadGroup<Warp>::template Channels<Real>;
        P weight[COMPONENTS][N];
        const int channel = first + group.part() * P::width;
        load_weights(model, channel, k, weight);
        for (int first_pair = segment.begin; first_pair < segment.end; first_pair += group.n_pairs()) {
            const int pair = first_pair + group.pair();
            const bool is_pair = pair < segment.end;
            Real sums[COMPONENTS];
            for (Real& sum_of_component : sums) {
                sum_of_component = Real(0);
            }
            if (is_pair) {
                P e[COMPONENTS];
                for (P& component : e) {
                    component = P(0.0);
                }
                reverse<ORDER>(segment, pair, channel, weight, e);
                for (int c = 0; c < COMPONENTS; ++c) {
                    sums[c] = sum(e[c]);
                }
            }
            group.sum_over_parts(sums, [&](int c, Real total) {
                if (is_pair) {
                    Real* to = array_of(c) + pair;
                    *to = first > 0 ? *to + total : total;
                }
            });
        }
        group.barrier();
    }

    /// dE/dR of component c. Of two it is chosen by a condition: their pointers are a copy of se_e3_tebd's own, which an index that
    /// is known at run time would put into local memory.
    KOKKOS_FORCEINLINE_FUNCTION Real* array_of(int c) const {
        Real* const* arrays = chunk.pairs.reverse_environment;
        if constexpr (COMPONENTS == 2) {
            return c == 0 ? arrays[0] : arrays[1];
        } else {
            return math::component_of<COMPONENTS>(chunk.pairs.reverse_environment, c);
        }
    }
};

}  // namespace dpc::kokkos
