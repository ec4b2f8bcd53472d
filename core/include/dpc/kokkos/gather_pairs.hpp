// SPDX-License-Identifier: MIT
// Step gather_pairs: the listed neighbours of a centre that are inside the cut-off, ordered by their type, with their vectors.
#pragma once

#include "dpc/kokkos/nearest_neighbours.hpp"

namespace dpc::kokkos {

/// KEEPS_NEAREST: the rule is not `all`. A kernel of its own, so that nobody else pays for its registers.
template <bool KEEPS_NEAREST, class List, class Positions, class Types>
struct GatherPairs {
    Chunk chunk;
    List list;
    Positions x;
    Types types;
    double length;
    KeepRule keep;
    CutoffSlots cutoffs;

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

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int, int, int k) const {
        const int i = chunk.centres[k], first = chunk.first_slot(k);
        const double origin[3] = {static_cast<double>(x(i, 0)), static_cast<double>(x(i, 1)), static_cast<double>(x(i, 2))};
        int* candidates = chunk.pairs.candidates + first;
        group.for_each(9, [&](int c) { chunk.virial[c * chunk.tiles.n_atoms + k] = 0; });
        int j = 0;  // the last one that was looked at
        int n_inside = group.compact(
            chunk.factor(k) == 0 ? 0 : list.count(i),
            [&](int n) {
                j = list.neighbour(i, n);
                const int b = types(j);
                return vector_to(origin, j).r2 < chunk.rcut2 && b >= 0 &&
                       ((KEEPS_NEAREST && keep.of_all_types) || chunk.limits[b].is_counted);
            },
            [&](int, int at) { candidates[at] = j; });
        if (cutoffs.least_shared > 0) {
            count_shared(group, k, origin, candidates, n_inside);
        }
        const bool is_cut = KEEPS_NEAREST && keep.of_all_types && n_inside > keep.n_slots;
        if constexpr (KEEPS_NEAREST) {
            if (is_cut) {
                keep_nearest(group, k, origin, candidates, n_inside);
                n_inside = keep.n_slots;
            }
            if (cutoffs.least_shared > 0) {
                share_out(group, k, origin, candidates, n_inside);
            }
        }
        int n = first;
        bool is_close = false;
        for (int b = 0; b < chunk.n_types; ++b) {
            n += place_type(group, b, k, origin, candidates, n_inside, n, is_cut, is_close);
        }
        pad(group, n);
        if (chunk.is_close != nullptr) {
            group.once([&] { chunk.is_close[k] = is_close ? 1 : 0; });
        }
    }

    /// Of several descriptors whose slots are for neighbours of any type: how many of the n candidates each has inside its cut-off,
    /// where these may be too many.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void count_shared(const Group& group, int k, const double (&origin)[3], const int* candidates,
                                                  int n) const {
        for (int d = 0; d < cutoffs.n; ++d) {
            int inside = 0;
            if (cutoffs.of_any[d] > 0 && n > cutoffs.of_any[d]) {
                inside = NearestSlots<List>::count(group, n,
                                                   [&](int c) { return vector_to(origin, candidates[c]).r2 < cutoffs.rcut2[d]; });
            }
            if (cutoffs.of_any[d] > 0) {
                group.once([&] { *chunk.shared(d, chunk.n_types, k) = inside; });
            }
        }
    }

    /// How many of each type each of them keeps, the nearest ones.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void share_out(const Group& group, int k, const double (&origin)[3], const int* candidates,
                                               int n) const {
        const int first = chunk.first_slot(k);
        const NearestSlots<List> slots{chunk.pairs, list, first};
        if (n > cutoffs.least_shared) {
            group.for_each(n, [&](int c) { place(origin, candidates[c], first + c); });
        }
        for (int d = 0; d < cutoffs.n; ++d) {
            const int most = cutoffs.of_any[d];
            if (most == 0) {
                continue;
            }
            const bool is_cut = n > most && NearestSlots<List>::count(group, n, [&](int c) {
                                                return chunk.pairs.r2[first + c] < cutoffs.rcut2[d];
                                            }) > most;
            math::NeighbourOrder last{};
            if (is_cut) {
                last = slots.order_at(group, n, most - 1, chunk.rcut2);
            }
            for (int b = 0; b < chunk.n_types; ++b) {
                int kept = TypePairLimits::kUnlimited;
                if (is_cut) {
                    kept = NearestSlots<List>::count(
                        group, n, [&](int c) { return types(candidates[c]) == b && !is_nearer(last, slots.order(c)); });
                }
                group.once([&] { *chunk.shared(d, b, k) = kept; });
            }
        }
    }

    /// The nearest n_slots of the candidates. The number of each type inside the cut-off is noted.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void keep_nearest(const Group& group, int k, const double (&origin)[3], int* candidates,
                                                  int n_inside) const {
        const int first = chunk.first_slot(k);
        const NearestSlots<List> slots{chunk.pairs, list, first};
        group.for_each(n_inside, [&](int n) { place(origin, candidates[n], first + n); });
        for (int b = 0; b < chunk.n_types; ++b) {
            note_crowd(group, b, k, n_inside,
                       [&](int c, double rcut2) { return types(candidates[c]) == b && chunk.pairs.r2[first + c] < rcut2; });
        }
        slots.choose(group, n_inside, keep.n_slots, chunk.rcut2);
        group.for_each(keep.n_slots, [&](int n) { candidates[n] = chunk.pairs.chosen[first + n]; });
    }

    /// How many of n neighbours of type b are inside the cut-off (is_inside(n, rcut2)): of several descriptors, of the one that has the most
    /// beyond its slots.
    template <class Group, class IsInside>
    KOKKOS_FORCEINLINE_FUNCTION void note_crowd(const Group& group, int b, int k, int n, const IsInside& is_inside) const {
        const auto count = [&](double rcut2) {
            return NearestSlots<List>::count(group, n, [&](int c) { return is_inside(c, rcut2); });
        };
        int found = cutoffs.n == 0 ? count(chunk.rcut2) : 0,
            sel = cutoffs.n == 0 ? chunk.limits[b].sel : TypePairLimits::kUnlimited;
        for (int d = 0; d < cutoffs.n; ++d) {
            const bool is_own = cutoffs.of_any[d] == 0;
            const int inside = count(cutoffs.rcut2[d]),
                      slots = is_own ? cutoffs.sel[d * chunk.n_types + b] : TypePairLimits::kUnlimited;
            const bool is_worse = inside - slots > found - sel;
            found = is_worse ? inside : found;
            sel = is_worse ? slots : sel;
        }
        group.once([&] {
            chunk.within[chunk.segment(b, k)] = found;
            chunk.within_sel[chunk.segment(b, k)] = sel;
        });
    }

    /// The same of those of one type, which lie in slots already.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void keep_nearest_of_type(const Group& group, int sel, const double (&origin)[3], int first,
                                                          int found) const {
        NearestSlots<List>{chunk.pairs, list, first}.choose(group, found, sel, chunk.rcut2);
        group.for_each(sel, [&](int n) { place(origin, chunk.pairs.chosen[first + n], first + n); });
    }

    /// The candidates of type b from slot `first` on. Returns how many stay there. is_cut: there were too many of all types.
    /// is_close: true where one is closer than the training data.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION int place_type(const Group& group, int b, int k, const double (&origin)[3], const int* candidates,
                                               int n_inside, int first, bool is_cut, bool& is_close) const {
        const int segment = chunk.segment(b, k);
        int found = 0;
        if (chunk.limits[b].is_counted) {
            found = group.compact(
                n_inside, [&](int n) { return types(candidates[n]) == b; },
                [&](int n, int at) { place(origin, candidates[n], first + at); });
        }
        if (!is_cut) {
            if (cutoffs.n == 0) {
                group.once([&] { chunk.within[segment] = found; });
            } else {
                note_crowd(group, b, k, found, [&](int n, double rcut2) { return chunk.pairs.r2[first + n] < rcut2; });
            }
        }
        if constexpr (KEEPS_NEAREST) {
            if (found > chunk.limits[b].sel) {
                keep_nearest_of_type(group, chunk.limits[b].sel, origin, first, found);
                found = chunk.limits[b].sel;
            } else if (cutoffs.n > 0 &&
                       (found > chunk.limits[b].least_sel || (cutoffs.least_shared > 0 && n_inside > cutoffs.least_shared))) {
                NearestSlots<List>{chunk.pairs, list, first}.sort(group, found);
                group.for_each(found, [&](int n) { place(origin, chunk.pairs.chosen[first + n], first + n); });
            }
        }
        double closest = Kokkos::Experimental::infinity_v<double>;
        group.for_each(found, [&](int n) { closest = Kokkos::min(closest, chunk.pairs.r2[first + n]); });
        group.smallest(closest);
        group.once([&] {
            chunk.counts[segment] = found;
            chunk.firsts[segment] = first;
            chunk.closest2[segment] = closest;
        });
        if (!chunk.limits[b].is_stored) {
            return 0;
        }
        const double limit = chunk.limits[b].close_distance;
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
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void pad(const Group& group, int end) const {
        group.for_each(kSlotPadding, [&](int n) {
            const int slot = end + n;
            chunk.pairs.d[0][slot] = chunk.pairs.d[1][slot] = chunk.pairs.d[2][slot] = 0;
            chunk.pairs.r2[slot] = chunk.rcut2;
        });
    }
};

}  // namespace dpc::kokkos
