// SPDX-License-Identifier: MIT
// Steps compute_harmonics and reverse_harmonics: components of the environment of higher degree, after those of the first four and
// before the way back of these. Of all pairs of an atom, those that add nothing among them.
#pragma once

#include "dpc/kokkos/descriptors/described_chunk.hpp"

namespace dpc::kokkos {

/// step(at) for the packs of pairs of an atom.
template <class Group, class Step>
KOKKOS_FORCEINLINE_FUNCTION void for_each_pack_of_pairs(const Group& group, const Chunk& chunk, int k, const Step& step) {
    constexpr int width = Pack<double>::width;
    const int begin = chunk.first_pair(k), end = chunk.end_of_pairs(k);
    group.for_each((end - begin + width - 1) / width, [&](int pack) { step(begin + pack * width); });
}

template <class Real, int COMPONENTS>
struct ComputeHarmonics {
    DescribedChunk<Real> chunk;
    math::Harmonics harmonics;

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int, int, int k) const {
        for_each_pack_of_pairs(group, chunk.common, k, [&](int at) {
            math::compute_harmonics<COMPONENTS, Pack<double>>(harmonics, chunk.pairs, at);
            if (chunk.table_rcut == 0) {  // of tables over the distance the slopes are there
                math::store_from_double(Pack<double>(1.0), chunk.pairs.environment_slope + at);
            }
        });
    }
};

template <class Real, int COMPONENTS>
struct ReverseHarmonics {
    DescribedChunk<Real> chunk;
    math::Harmonics harmonics;

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int, int, int k) const {
        for_each_pack_of_pairs(group, chunk.common, k, [&](int at) {
            math::reverse_harmonics<COMPONENTS, Pack<double>>(harmonics, true, chunk.pairs, at);
        });
    }
};

}  // namespace dpc::kokkos
