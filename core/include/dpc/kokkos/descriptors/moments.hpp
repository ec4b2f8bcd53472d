// SPDX-License-Identifier: MIT
// Step compute_moments: C from the pairs of one atom and neighbour type, all channels at once. On a GPU a thread of the group has a
// channel; on a processor a pack has several, and a pass takes several packs.
#pragma once

#include "dpc/kokkos/descriptors/described_chunk.hpp"
#include "dpc/math/counts.hpp"
#include "dpc/math/moments.hpp"

namespace dpc::kokkos {

/// Packs of channels that fit the registers at once: the sums of four components each, and what the polynomials need.
constexpr int kMostPacks = kPackBytes == 64 ? 4 : kPackBytes == 32 ? 2 : 1;

/// The pairs of one centre and neighbour type.
template <class Real>
struct SegmentPairs {
    const PairArrays<Real>& pairs;
    const PackedTable<Real>& table;
    int begin, end;

    template <int ORDER>
    KOKKOS_FORCEINLINE_FUNCTION math::TablePlace<Real> place(int pair, int channel) const {
        const int interval_size = (ORDER + 1) * table.stride;
        return {table.coef + static_cast<std::ptrdiff_t>(pairs.interval[pair]) * interval_size + channel, table.stride,
                pairs.distance[pair]};
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

    template <int ORDER, class Group>
    KOKKOS_FORCEINLINE_FUNCTION void all_passes(const Group& group, const DeviceTypePair<Real>& model,
                                                const SegmentPairs<Real>& segment, int b, int k) const {
        constexpr int width = Pack<Real>::width;
        const math::Slots slots = chunk.slots(b, k);
        const int n_packs = (model.table.rank + width - 1) / width;
        math::in_passes<kMostPacks>((n_packs + group.size() - 1) / group.size(), [&](auto count, int first) {
            group.for_each(group.size(), [&](int thread) {
                const int channel = (first * group.size() + thread) * width;
                if (channel < model.table.rank) {
                    sum_channels<ORDER, decltype(count)::value>(model, segment, channel, slots, k);
                }
            });
        });
    }

    /// N packs of channels from `channel` on.
    template <int ORDER, int N>
    KOKKOS_FORCEINLINE_FUNCTION void sum_channels(const DeviceTypePair<Real>& model, const SegmentPairs<Real>& segment,
                                                  int channel, const math::Slots& slots, int k) const {
        using P = Pack<Real>;
        P sum[COMPONENTS][N];
        for (auto& component : sum) {
            for (P& pack : component) {
                pack = P(0.0);
            }
        }
        for (int pair = segment.begin; pair < segment.end; ++pair) {
            math::add_moments<ORDER>(
                segment.template place<ORDER>(pair, channel), [&](int c) { return segment.pairs.environment[c][pair]; }, sum);
        }
        for (int v = 0; v < N; ++v) {
            P of_pack[COMPONENTS];
            for (int c = 0; c < COMPONENTS; ++c) {
                of_pack[c] = sum[c][v];
            }
            store_channels(model, of_pack, channel + v * P::width, slots, k);
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
    KOKKOS_FORCEINLINE_FUNCTION void store_channels(const DeviceTypePair<Real>& model, const Pack<Real> (&sum)[COMPONENTS],
                                                    int channel, const math::Slots& slots, int k) const {
        constexpr int width = Pack<Real>::width;
        const auto empty = static_cast<Real>(slots.empty);
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
            if constexpr (COMPONENTS == 1) {  // of more, what a masked slot adds is 0
                of[0][element] += static_cast<Real>(slots.masked) * model.masked[channel + element];
            }
            of[0][element] += empty * model.padding[channel + element];
            for (int c = 0; c < COMPONENTS; ++c) {
                to[c * moments.lanes] = of[c][element] * chunk.inverse_n_sel;
            }
        }
    }
};

}  // namespace dpc::kokkos
