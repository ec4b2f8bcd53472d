// SPDX-License-Identifier: MIT
// A chunk as the kernels of one descriptor see it, and the scratch arrays that a descriptor has.
#pragma once

#include "dpc/kokkos/chunk.hpp"
#include "dpc/kokkos/device_model.hpp"
#include "dpc/math/pair_arrays.hpp"
#include "dpc/math/slots.hpp"

namespace dpc::kokkos {

using math::PairArrays;

/// Kinds that do not need an array have null. moments: C (n_moments, components, lanes); expanded: T (M, components, lanes).
template <class Real>
struct DescriptorArrays {
    PairArrays<Real> pairs{};     // neighbour, d, r2: those of the chunk
    int* inside = nullptr;        // (slots) of pairs inside the cut-off of a descriptor of three bodies
    int* others = nullptr;        // (slots) products of a neighbour that are looked up (TripleLists)
    PairArrays<Real> products{};  // of three bodies, of one neighbour after the other; places are those of `pairs`
    Real *moments = nullptr, *reverse_moments = nullptr, *expanded = nullptr, *reverse_expanded = nullptr;
};

template <class Real>
struct DescribedChunk {
    Chunk common;
    PairArrays<Real> pairs{};
    const DeviceTypePair<Real>* type_pairs = nullptr;  // by neighbour type
    double rcut2 = 0;                                  // of this descriptor
    Real inverse_n_sel{};
    double table_rcut = 0;  // of tables over the distance, 0: over x
    int n_sel = 0, padding_moment = -1;
    int shared_place = -1;  // of several descriptors this one, if its slots are for neighbours of any type: its place
    bool ignores_beyond =
        false;  // pairs beyond this descriptor's cut-off add nothing: empty slots are counted for all types together

    KOKKOS_INLINE_FUNCTION int begin(int b, int k) const { return common.firsts[common.segment(b, k)]; }
    /// Pairs that contribute one by one. Those beyond this descriptor's cut-off are as good as empty slots (R is that of the padding,
    /// its derivatives are 0), and are counted as filled; or R is 0, and they are not. Where there are more than slots, and only the nearest are kept, these come first.
    KOKKOS_INLINE_FUNCTION int n_pairs(int b, int k) const {
        return type_pairs[b].kind == PairKind::ordinary ? kept(b, k, common.counts[common.segment(b, k)]) : 0;
    }
    /// Neighbours of an atom that fill slots.
    KOKKOS_INLINE_FUNCTION int n_filled(int k) const {
        int n = 0;
        for (int b = 0; b < common.n_types; ++b) {
            if (math::is_counted(type_pairs[b].kind)) {
                const int of_type = kept(b, k, common.counts[common.segment(b, k)]);
                n += rcut2 < common.rcut2 ? count_inside(common.pairs.r2 + begin(b, k), of_type, rcut2) : of_type;
            }
        }
        return n;
    }
    KOKKOS_INLINE_FUNCTION int kept(int b, int k, int n) const {
        const int most = common.keeps_own && shared_place >= 0 ? *common.shared(shared_place, b, k) : type_pairs[b].sel;
        return common.keeps_own && n > most ? most : n;
    }
    KOKKOS_INLINE_FUNCTION math::Slots slots(int b, int k) const {
        const DeviceTypePair<Real>& model = type_pairs[b];
        int n = common.counts[common.segment(b, k)];
        if (model.kind == PairKind::descriptor_excluded && rcut2 < common.rcut2) {
            n = count_inside(common.pairs.r2 + begin(b, k), n, rcut2);
        }
        return math::slots_of(model.kind, model.sel, kept(b, k, n));
    }
};

}  // namespace dpc::kokkos
