// SPDX-License-Identifier: MIT
// Step compute_moments: C from the pairs of one atom and neighbour type, several packs of channels at once. On a GPU some threads of the
// group share the channels of a pair, and the group has several pairs at once.
#pragma once

#include "dpc/kokkos/descriptors/described_chunk.hpp"
#include "dpc/math/counts.hpp"
#include "dpc/math/moments.hpp"

template <class T, int N>
inline constexpr int dpc::math::kChannelStep<dpc::kokkos::Few<T, N>> = N * dpc::kokkos::kPairThreads;

namespace dpc::kokkos {

/// The pairs of one centre and neighbour type, and their table: copies, for what is read through a reference is read for every pair.
template <class Real>
struct SegmentPairs {
    const PairArrays<Real>& pairs;
    const Real* coefficients;
    int stride, begin, end;

    KOKKOS_FORCEINLINE_FUNCTION SegmentPairs(const PairArrays<Real>& all, const PackedTable<Real>& table, int first, int behind)
        : pairs(all), coefficients(table.coef), stride(table.stride), begin(first), end(behind) {
#if defined(__CUDA_ARCH__)
        __builtin_assume(__isGlobal(coefficients));  // the pointer itself comes from memory: the compiler cannot know
#endif
    }

    template <int ORDER>
    KOKKOS_FORCEINLINE_FUNCTION math::TablePlace<Real> place(int pair, int channel) const {
        const int interval_size = (ORDER + 1) * stride;
        return {coefficients + static_cast<std::ptrdiff_t>(pairs.interval[pair]) * interval_size, channel, pairs.distance[pair]};
    }
};

template <class Real, int COMPONENTS>
struct ComputeMoments {
    DescribedChunk<Real> chunk;
    TiledRows<Real> moments;  // C (n_moments, COMPONENTS, lanes)

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int, int b, int k) const {
        const DeviceTypePair<Real>& model = chunk.type_pairs[b];
        if (b == 0 && chunk.padding_moment >= 0) {
            group.once([&] { store_padding(k); });
        }
        if (!model.has_table) {
            return;
        }
        const int begin = chunk.begin(b, k);
        const SegmentPairs<Real> segment{chunk.pairs, model.table, begin, begin + chunk.n_pairs(b, k)};
        math::with_order(model.table.order, [&](auto order) { all_passes<decltype(order)::value>(group, model, segment, b, k); });
    }

    template <int ORDER>
    KOKKOS_FORCEINLINE_FUNCTION void all_passes(const SoleThread&, const DeviceTypePair<Real>& model,
                                                const SegmentPairs<Real>& segment, int b, int k) const {
        using P = Pack<Real>;
        const math::Slots slots = chunk.slots(b, k);
        math::in_passes<most_packs_of<COMPONENTS>(SoleThread::most_packs)>(
            (model.table.rank + P::width - 1) / P::width, [&](auto count, int first) {
                P sum[COMPONENTS][decltype(count)::value];
                const int channel = first * P::width;
                add_pairs<ORDER>(segment, segment.begin, 1, channel, sum);
                for (int v = 0; v < decltype(count)::value; ++v) {
                    P of_pack[COMPONENTS];
                    for (int c = 0; c < COMPONENTS; ++c) {
                        of_pack[c] = sum[c][v];
                    }
                    store_pack(model, of_pack, channel + v * P::width, slots, k);
                }
            });
    }

    template <int ORDER, class Warp>
    KOKKOS_FORCEINLINE_FUNCTION void all_passes(const ThreadGroup<Warp>& group, const DeviceTypePair<Real>& model,
                                                const SegmentPairs<Real>& segment, int b, int k) const {
        using P = typename ThreadGroup<Warp>::template Channels<Real>;
        constexpr int at_once = math::kChannelStep<P>;
        const math::Slots slots = chunk.slots(b, k);
        math::in_passes<most_packs_of<COMPONENTS>(ThreadGroup<Warp>::most_packs)>(
            (model.table.rank + at_once - 1) / at_once, [&](auto count, int first) {
                constexpr int n_packs = decltype(count)::value;
                P sum[COMPONENTS][n_packs];
                const int channel = first * at_once + group.part() * P::width;
                add_pairs<ORDER>(segment, segment.begin + group.pair(), group.n_pairs(), channel, sum);
                Real sums[COMPONENTS * n_packs * P::width];  // (component, pack, element)
                for (int c = 0; c < COMPONENTS; ++c) {
                    for (int n = 0; n < n_packs * P::width; ++n) {
                        sums[c * n_packs * P::width + n] = sum[c][n / P::width].v[n % P::width];
                    }
                }
                group.sum_over_pairs(sums, [&](int n, Real total) {
                    const int c = n / (n_packs * P::width), pack = n / P::width % n_packs;
                    store(model, c, total, channel + pack * at_once + n % P::width, slots, k);
                });
            });
    }

    /// N packs of channels from `channel` on, over every `step`th pair from `first` on.
    template <int ORDER, int N, class P>
    KOKKOS_FORCEINLINE_FUNCTION void add_pairs(const SegmentPairs<Real>& segment, int first, int step, int channel,
                                               P (&sum)[COMPONENTS][N]) const {
        for (auto& component : sum) {
            for (P& pack : component) {
                pack = P(0.0);
            }
        }
        for (int pair = first; pair < segment.end; pair += step) {
            math::add_moments<ORDER>(
                segment.template place<ORDER>(pair, channel),
                [&](int c) { return math::component_of<COMPONENTS>(segment.pairs.environment, c)[pair]; }, sum);
        }
    }

    /// The moment of C of empty slots that are counted for all types together.
    KOKKOS_FUNCTION void store_padding(int k) const {
        Real* to = moments.of_atom(COMPONENTS * chunk.padding_moment, k);
        for (int c = 0; c < COMPONENTS; ++c) {
            to[c * moments.lanes] = c == 0 ? static_cast<Real>(chunk.n_sel - chunk.n_filled(k)) * chunk.inverse_n_sel : Real(0);
        }
    }

    /// To C: with the slots that no pair fills, over n_sel.
    KOKKOS_FORCEINLINE_FUNCTION Real with_slots(const DeviceTypePair<Real>& model, int c, Real sum, int channel,
                                                const math::Slots& slots) const {
        if (c == 0) {
            if constexpr (COMPONENTS == 1) {  // of more, what a masked slot adds is 0
                sum += static_cast<Real>(slots.masked) * model.masked[channel];
            }
            sum += static_cast<Real>(slots.empty) * model.padding[channel];
        }
        return sum * chunk.inverse_n_sel;
    }

    KOKKOS_FORCEINLINE_FUNCTION void store(const DeviceTypePair<Real>& model, int c, Real sum, int channel,
                                           const math::Slots& slots, int k) const {
        const int moment = channel < model.table.rank ? model.moment_of_channel[channel] : -1;
        if (moment >= 0) {
            *moments.of_atom(COMPONENTS * moment + c, k) = with_slots(model, c, sum, channel, slots);
        }
    }

    KOKKOS_FORCEINLINE_FUNCTION void store_pack(const DeviceTypePair<Real>& model, const Pack<Real> (&sum)[COMPONENTS],
                                                int channel, const math::Slots& slots, int k) const {
        constexpr int width = Pack<Real>::width;
        Real of[COMPONENTS][width];
        for (int c = 0; c < COMPONENTS; ++c) {
            sum[c].store(of[c]);
        }
        const int n = Kokkos::min(width, model.table.rank - channel);
        for (int element = 0; element < n; ++element) {
            const int moment = model.moment_of_channel[channel + element];
            if (moment < 0) {
                continue;
            }
            Real* to = moments.of_atom(COMPONENTS * moment, k);
            for (int c = 0; c < COMPONENTS; ++c) {
                to[c * moments.lanes] = with_slots(model, c, of[c][element], channel + element, slots);
            }
        }
    }
};

}  // namespace dpc::kokkos
