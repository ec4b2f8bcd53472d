// SPDX-License-Identifier: MIT
// Step gather_pairs: the listed neighbours of a centre that are inside the cut-off, ordered by their type, with their vectors.
#pragma once

#include "dpc/kokkos/nearest_neighbours.hpp"

namespace dpc::kokkos {

template <class Real, class List, class Positions, class Types>
struct GatherPairs {
    Chunk<Real> chunk;
    List list;
    Positions x;
    Types types;
    double length, rcut2;
    KeepRule keep;

    struct Vector {
        double d[3], r2;
    };

    KOKKOS_FORCEINLINE_FUNCTION Vector vector_to(const double (&origin)[3], int j) const {
        Vector v;
        for (int c = 0; c < 3; ++c) {
            v.d[c] = (static_cast<double>(x(j, c)) - origin[c]) * length;
        }
        v.r2 = v.d[0] * v.d[0] + v.d[1] * v.d[1] + v.d[2] * v.d[2];
        return v;
    }

    template <class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Lanes& lanes, int, int, int k) const {
        const int i = chunk.centres[k], first = chunk.first_slot(k);
        const double origin[3] = {static_cast<double>(x(i, 0)), static_cast<double>(x(i, 1)), static_cast<double>(x(i, 2))};
        int* candidates = chunk.pairs.table_row + first;
        int n_inside = lanes.compact(
            list.count(i),
            [&](int n) {
                const int j = list.neighbour(i, n);
                const int b = types(j);
                return vector_to(origin, j).r2 < rcut2 && b >= 0 &&
                       (keep.rule == NeighbourRule::total || math::is_counted(chunk.model_pairs[b].kind));
            },
            [&](int n, int at) { candidates[at] = list.neighbour(i, n); });
        const bool is_cut = keep.rule == NeighbourRule::total && n_inside > keep.n_slots;
        if (is_cut) {
            keep_nearest(lanes, k, origin, candidates, n_inside);
            n_inside = keep.n_slots;
        }
        int n = first;
        bool is_close = false;
        for (int b = 0; b < chunk.n_types; ++b) {
            n += place_type(lanes, b, k, origin, candidates, n_inside, n, is_cut, is_close);
        }
        pad(lanes, n);
        if (chunk.is_close != nullptr) {
            lanes.once([&] { chunk.is_close[k] = is_close ? 1 : 0; });
        }
    }

    /// The nearest n_slots of the candidates. The number of each type inside the cut-off is noted.
    template <class Lanes>
    KOKKOS_FUNCTION void keep_nearest(const Lanes& lanes, int k, const double (&origin)[3], int* candidates, int n_inside) const {
        const int first = chunk.first_slot(k);
        const NearestSlots<Real, List> slots{chunk.pairs, list, first};
        for (int b = 0; b < chunk.n_types; ++b) {
            const int n = slots.count(lanes, n_inside, [&](int c) { return types(candidates[c]) == b; });
            lanes.once([&] { chunk.within[chunk.segment(b, k)] = n; });
        }
        lanes.for_each(n_inside, [&](int n) { place(origin, candidates[n], first + n); });
        lanes.for_each(lanes.size(), [](int) {});  // what one lane wrote the others may read from here on
        slots.choose(lanes, n_inside, keep.n_slots, rcut2);
        lanes.for_each(keep.n_slots, [&](int n) { candidates[n] = static_cast<int>(chunk.pairs.h[first + n]); });
        lanes.for_each(lanes.size(), [](int) {});
    }

    /// The same of those of one type, which lie in slots already.
    template <class Lanes>
    KOKKOS_FUNCTION void keep_nearest_of_type(const Lanes& lanes, int sel, const double (&origin)[3], int first, int found) const {
        NearestSlots<Real, List>{chunk.pairs, list, first}.choose(lanes, found, sel, rcut2);
        lanes.for_each(sel, [&](int n) { place(origin, static_cast<int>(chunk.pairs.h[first + n]), first + n); });
        lanes.for_each(lanes.size(), [](int) {});
    }

    /// The candidates of type b from slot `first` on. Returns how many stay there. is_cut: there were too many of all types. is_close:
    /// true where one is closer than the training data.
    template <class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION int place_type(const Lanes& lanes, int b, int k, const double (&origin)[3], const int* candidates, int n_inside,
                                          int first, bool is_cut, bool& is_close) const {
        const int segment = chunk.segment(b, k);
        int found = !math::is_counted(chunk.model_pairs[b].kind)
                              ? 0
                              : lanes.compact(
                                    n_inside, [&](int n) { return types(candidates[n]) == b; },
                                    [&](int n, int at) { place(origin, candidates[n], first + at); });
        if (!is_cut) {
            lanes.once([&] { chunk.within[segment] = found; });
        }
        if (keep.rule != NeighbourRule::all && found > chunk.model_pairs[b].sel) {
            keep_nearest_of_type(lanes, chunk.model_pairs[b].sel, origin, first, found);
            found = chunk.model_pairs[b].sel;
        }
        double closest = Kokkos::Experimental::infinity_v<double>;
        lanes.for_each(found, [&](int n) { closest = Kokkos::min(closest, chunk.pairs.r2[first + n]); });
        lanes.smallest(closest);
        lanes.once([&] {
            chunk.counts[segment] = found;
            chunk.firsts[segment] = first;
            chunk.closest2[segment] = closest;
        });
        if (chunk.model_pairs[b].kind != PairKind::ordinary) {
            return 0;
        }
        const double limit = chunk.model_pairs[b].close_distance;
        is_close = is_close || closest < limit * limit;
        return found;
    }

    KOKKOS_FORCEINLINE_FUNCTION void place(const double (&origin)[3], int j, int slot) const {
        const Vector v = vector_to(origin, j);
        chunk.pairs.neighbour[slot] = j;
        for (int c = 0; c < 3; ++c) {
            chunk.pairs.d[c][slot] = v.d[c];
        }
        chunk.pairs.r2[slot] = v.r2;
    }

    /// What packs touch beyond the last pair: neutral.
    template <class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION void pad(const Lanes& lanes, int end) const {
        lanes.for_each(kSlotPadding, [&](int n) {
            const int slot = end + n;
            chunk.pairs.d[0][slot] = chunk.pairs.d[1][slot] = chunk.pairs.d[2][slot] = 0;
            chunk.pairs.r2[slot] = rcut2;
            chunk.pairs.dx_over_r[slot] = chunk.pairs.h[slot] = chunk.pairs.dh_over_r[slot] = 0;
            for (int c = 0; c < 4; ++c) {
                chunk.pairs.reverse_row[c][slot] = Real(0);
            }
        });
    }
};

}  // namespace dpc::kokkos
