// SPDX-License-Identifier: MIT
// Step gather_pairs: the listed neighbours of a centre that are inside the cut-off, ordered by their type, with their vectors.
#pragma once

#include "dpc/kokkos/chunk.hpp"

namespace dpc::kokkos {

template <class List, class Positions, class Types>
struct GatherPairs {
    Chunk chunk;
    List list;
    Positions x;
    Types types;
    double length;

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
        int* candidates = chunk.pairs.candidates + first;
        const int n_inside = lanes.compact(
            list.count(i),
            [&](int n) {
                const int j = list.neighbour(i, n);
                const int b = types(j);
                return vector_to(origin, j).r2 < chunk.rcut2 && b >= 0 && chunk.limits[b].is_listed;
            },
            [&](int n, int at) { candidates[at] = list.neighbour(i, n); });
        int n = first;
        bool is_close = false;
        for (int b = 0; b < chunk.n_types; ++b) {
            n += place_type(lanes, b, k, origin, candidates, n_inside, n, is_close);
        }
        pad(lanes, n);
        if (chunk.is_close != nullptr) {
            lanes.once([&] { chunk.is_close[k] = is_close ? 1 : 0; });
        }
    }

    /// The candidates of type b from slot `first` on. Returns how many stay there. is_close: true where one is closer than the
    /// training data.
    template <class Lanes>
    KOKKOS_FORCEINLINE_FUNCTION int place_type(const Lanes& lanes, int b, int k, const double (&origin)[3], const int* candidates, int n_inside,
                                          int first, bool& is_close) const {
        const int segment = chunk.segment(b, k);
        const int found = !chunk.limits[b].is_listed
                              ? 0
                              : lanes.compact(
                                    n_inside, [&](int n) { return types(candidates[n]) == b; },
                                    [&](int n, int at) { place(origin, candidates[n], first + at); });
        double closest = Kokkos::Experimental::infinity_v<double>;
        lanes.for_each(found, [&](int n) { closest = Kokkos::min(closest, chunk.pairs.r2[first + n]); });
        lanes.smallest(closest);
        lanes.once([&] {
            chunk.counts[segment] = found;
            chunk.firsts[segment] = first;
            chunk.closest2[segment] = closest;
        });
        if (!chunk.limits[b].is_stored) {
            return 0;
        }
        const double limit = chunk.limits[b].min_distance;
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
            chunk.pairs.r2[slot] = chunk.rcut2;
        });
    }
};

}  // namespace dpc::kokkos
