// SPDX-License-Identifier: MIT
// Where a centre has more neighbours than sel: the rare case of gather_pairs.
#pragma once

#include "dpc/kokkos/chunk.hpp"
#include "dpc/math/neighbour_slots.hpp"

namespace dpc::kokkos {

/// What a centre keeps of too many neighbours.
struct KeepRule {
    bool of_all_types = false;  // together they may be too many
    int n_slots = 0;            // of all types
};

/// The pairs in the slots from `first` on, of one centre.
template <class List>
struct NearestSlots {
    const GatheredPairs& pairs;
    const List& list;
    int first;

    KOKKOS_FORCEINLINE_FUNCTION math::NeighbourOrder order(int n) const {
        const int slot = first + n;
        const long long tag = list.tag(pairs.neighbour[slot]);
        return math::order_of(pairs.r2[slot], tag, pairs.d[0][slot], pairs.d[1][slot], pairs.d[2][slot]);
    }
    KOKKOS_FORCEINLINE_FUNCTION long long distance(int n) const { return math::rounded(pairs.r2[first + n]); }

    /// The atoms of the nearest `most` (at least 1) of n > most pairs into pairs.chosen, from its slot `first` on, in their order.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void choose(const Group& group, int n, int most, double rcut2) const {
        const math::NeighbourOrder last = order_at(group, n, most - 1, rcut2);
        group.compact(
            n, [&](int k) { return !is_nearer(last, order(k)); },
            [&](int k, int at) { pairs.chosen[first + at] = pairs.neighbour[first + k]; });
    }

    /// The atoms of all n pairs, the nearest first, into pairs.chosen.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void sort(const Group& group, int n) const {
        group.for_each(n, [&](int k) {
            const math::NeighbourOrder mine = order(k);
            int nearer = 0;
            for (int other = 0; other < n; ++other) {
                const math::NeighbourOrder its = order(other);
                nearer += is_nearer(its, mine) || (other < k && !is_nearer(mine, its)) ? 1 : 0;
            }
            pairs.chosen[first + nearer] = pairs.neighbour[first + k];
        });
    }

    /// Of the neighbour that `place` others are nearer than.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION math::NeighbourOrder order_at(const Group& group, int n, int place, double rcut2) const {
        long long low = 0, high = math::rounded(rcut2);
        while (low < high) {  // the smallest distance with more than `place` neighbours up to it
            const long long middle = low + (high - low) / 2;
            const bool is_enough = count(group, n, [&](int k) { return distance(k) <= middle; }) > place;
            low = is_enough ? low : middle + 1;
            high = is_enough ? middle : high;
        }
        const int place_of_equals = place - count(group, n, [&](int k) { return distance(k) < low; });
        double found = Kokkos::Experimental::infinity_v<double>;
        group.for_each(n, [&](int k) {
            if (distance(k) == low && count_nearer_equals(k, n) == place_of_equals) {
                found = k;
            }
        });
        group.smallest(found);
        return order(static_cast<int>(found));
    }

    KOKKOS_FORCEINLINE_FUNCTION int count_nearer_equals(int k, int n) const {
        const math::NeighbourOrder mine = order(k);
        int nearer = 0;
        for (int other = 0; other < n; ++other) {
            if (distance(other) == mine.r2) {
                const math::NeighbourOrder its = order(other);
                nearer += is_nearer(its, mine) || (other < k && !is_nearer(mine, its)) ? 1 : 0;
            }
        }
        return nearer;
    }

    template <class Group, class Test>
    KOKKOS_FORCEINLINE_FUNCTION static int count(const Group& group, int n, const Test& test) {
        int found[1] = {0};
        group.for_each(n, [&](int k) { found[0] += test(k) ? 1 : 0; });
        group.sum(found);
        return found[0];
    }
};

}  // namespace dpc::kokkos
