// SPDX-License-Identifier: MIT
// Steps compute_triples and reverse_triples of se_e3: sums of phi(v_j . v_k) over the pairs of neighbours of two types, and dE/dv. A group
// of threads has an atom: for one neighbour j after the other its threads share the neighbours k to find where the products lie, then
// each has channels, as in compute_moments, then they share the k again.
#pragma once

#include "dpc/kokkos/descriptors/reverse_moments.hpp"

namespace dpc::kokkos {

/// What both steps do. COMPONENTS: of a moment; with two the second one is the sum of w phi, w = sw_j sw_k.
template <class Real, int COMPONENTS>
struct TripleLists {
    DescribedChunk<Real> chunk;
    PairArrays<Real>
        products;  // of a neighbour: interval, distance, environment[1] (w), reverse_environment[0] (of x), [1] (of w)
    const DeviceTriple<Real>* triples;
    int n_triples;
    int* inside;  // (slots), of the pairs inside this descriptor's cut-off

    KOKKOS_FORCEINLINE_FUNCTION const Real* sw() const { return chunk.pairs.environment[0]; }
    KOKKOS_FORCEINLINE_FUNCTION Real* reverse_sw() const { return chunk.pairs.reverse_environment[0]; }
    KOKKOS_FORCEINLINE_FUNCTION const Real* v(int c) const { return chunk.pairs.environment[c + 1]; }
    KOKKOS_FORCEINLINE_FUNCTION Real* reverse_v(int c) const { return chunk.pairs.reverse_environment[c + 1]; }

    /// From slot begin(b) of `inside` on the slots of the neighbours of type b. Returns how many.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION int find_inside(const Group& group, int b, int k) const {
        const int begin = chunk.begin(b, k);
        return group.compact(
            chunk.n_pairs(b, k), [&](int n) { return chunk.pairs.r2[begin + n] < chunk.rcut2; },
            [&](int n, int at) { inside[begin + at] = begin + n; });
    }

    /// Where the products of neighbour j with those in inside[begin .. end - 1] lie, in the places of these.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void locate(const Group& group, const math::Grid& grid, int j, int begin, int end) const {
        group.for_each(end - begin, [&](int n) {
            const int place = begin + n, other = inside[place];
            const Real x = v(0)[j] * v(0)[other] + v(1)[j] * v(1)[other] + v(2)[j] * v(2)[other];
            double distance = 0;
            products.interval[place] = static_cast<std::int32_t>(math::locate_product(grid, static_cast<double>(x), distance));
            products.distance[place] = static_cast<Real>(distance);
            if constexpr (COMPONENTS > 1) {
                products.environment[1][place] = sw()[j] * sw()[other];
            }
        });
    }
};

template <class Real, int COMPONENTS>
struct ComputeTriples {
    TripleLists<Real, COMPONENTS> lists;
    TiledRows<Real> moments;  // C (n_moments, COMPONENTS, lanes)
    int n_moments;

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int, int, int k) const {
        group.for_each(COMPONENTS * n_moments, [&](int moment) { *moments.of_atom(moment, k) = Real(0); });
        for (int t = 0; t < lists.n_triples && lists.chunk.common.contributes(k); ++t) {
            const DeviceTriple<Real>& triple = lists.triples[t];
            const int n_first = lists.find_inside(group, triple.b, k);
            const int n_second = triple.b == triple.c ? n_first : lists.find_inside(group, triple.c, k);
            math::with_order(triple.sums.table.order,
                             [&](auto order) { all_passes<decltype(order)::value>(group, triple, n_first, n_second, k); });
        }
    }

    template <int ORDER, class Group>
    KOKKOS_FORCEINLINE_FUNCTION void all_passes(const Group& group, const DeviceTriple<Real>& triple, int n_first, int n_second,
                                                int k) const {
        constexpr int width = Pack<Real>::width;
        const int n_packs = (triple.sums.table.rank + width - 1) / width;
        math::in_passes<kMostPacks>((n_packs + group.size() - 1) / group.size(), [&](auto count, int first) {
            pass<ORDER, decltype(count)::value>(group, triple, first, n_first, n_second, k);
        });
    }

    /// N packs of channels of each thread. Of neighbours of one type every pair of different ones counts twice, each with itself once.
    template <int ORDER, int N, class Group>
    KOKKOS_FORCEINLINE_FUNCTION void pass(const Group& group, const DeviceTriple<Real>& triple, int first, int n_first,
                                          int n_second, int k) const {
        using P = Pack<Real>;
        const bool is_same = triple.b == triple.c;
        const int of_first = lists.chunk.begin(triple.b, k), of_second = lists.chunk.begin(triple.c, k),
                  end = of_second + n_second;
        P different[COMPONENTS][N], squares[COMPONENTS][N];  // every thread's own
        for (int c = 0; c < COMPONENTS; ++c) {
            for (int v = 0; v < N; ++v) {
                different[c][v] = squares[c][v] = P(0.0);
            }
        }
        for (int n = 0; n < n_first; ++n) {
            const int begin = is_same ? of_second + n : of_second;
            lists.locate(group, triple.sums.table.grid, lists.inside[of_first + n], begin, end);
            group.for_each(group.size(), [&](int thread) {
                const int channel = (first * group.size() + thread) * P::width;
                if (channel >= triple.sums.table.rank) {
                    return;
                }
                const SegmentPairs<Real> segment{lists.products, triple.sums.table, begin, end};
                const auto add = [&](int place, P(&to)[COMPONENTS][N]) {
                    math::add_moments<ORDER>(
                        segment.template place<ORDER>(place, channel),
                        [&](int c) { return lists.products.environment[c][place]; }, to);
                };
                if (is_same) {
                    add(begin, squares);
                }
                for (int place = is_same ? begin + 1 : begin; place < end; ++place) {
                    add(place, different);
                }
            });
        }
        group.for_each(group.size(), [&](int thread) {
            for (int c = 0; c < COMPONENTS; ++c) {
                for (int v = 0; v < N; ++v) {
                    const P sum = is_same ? different[c][v] * P(2.0) + squares[c][v] : different[c][v];
                    store(triple, c, (first * group.size() + thread) * P::width + v * P::width, sum, k);
                }
            }
        });
    }

    KOKKOS_FORCEINLINE_FUNCTION void store(const DeviceTriple<Real>& triple, int c, int channel, Pack<Real> sum, int k) const {
        Real elements[Pack<Real>::width];
        sum.store(elements);
        for (int element = 0; element < Pack<Real>::width && channel + element < triple.sums.table.rank; ++element) {
            const int moment = triple.sums.moment_of_channel[channel + element];
            if (moment >= 0) {
                *moments.of_atom(COMPONENTS * moment + c, k) = elements[element] * triple.inverse_divisor;
            }
        }
    }
};

template <class Real, int COMPONENTS>
struct ReverseTriples {
    TripleLists<Real, COMPONENTS> lists;
    TiledRows<Real> reverse_moments;  // dE/dC (n_moments, COMPONENTS, lanes)

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int, int, int k) const {
        const Chunk& chunk = lists.chunk.common;
        const int last = chunk.n_types - 1, begin = chunk.firsts[chunk.segment(0, k)];
        const int n = chunk.firsts[chunk.segment(last, k)] + chunk.n_stored(last, k) - begin;
        for (int c = 0; c < 4; ++c) {
            clear(group, c, begin, n);
        }
        for (int t = 0; t < lists.n_triples && chunk.contributes(k); ++t) {
            add(group, lists.triples[t], k);
        }
        if constexpr (COMPONENTS == 1) {
            clear(group, 0, begin, n);  // held dE/dx of products; the first component of R does not matter
        }
    }

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void clear(const Group& group, int c, int begin, int n) const {
        Real* to = lists.chunk.pairs.reverse_environment[c] + begin;
        group.for_each(n, [&](int pair) { to[pair] = Real(0); });
    }

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void add(const Group& group, const DeviceTriple<Real>& triple, int k) const {
        const bool is_same = triple.b == triple.c;
        const int n_first = lists.find_inside(group, triple.b, k);
        const int n_second = is_same ? n_first : lists.find_inside(group, triple.c, k);
        const int of_first = lists.chunk.begin(triple.b, k), of_second = lists.chunk.begin(triple.c, k),
                  end = of_second + n_second;
        ReverseMoments<Real, COMPONENTS, math::EnvironmentIsArgument> slopes{lists.chunk, reverse_moments};
        slopes.chunk.pairs = lists.products;
        slopes.chunk.inverse_n_sel = is_same ? 2 * triple.inverse_divisor : triple.inverse_divisor;
        for (int n = 0; n < n_first; ++n) {
            const int j = lists.inside[of_first + n], begin = is_same ? of_second + n : of_second;
            if (begin >= end) {
                continue;
            }
            lists.locate(group, triple.sums.table.grid, j, begin, end);
            const SegmentPairs<Real> segment{lists.products, triple.sums.table, begin, end};
            math::with_order(triple.sums.table.order, [&](auto order) {
                slopes.template all_passes<decltype(order)::value>(group, triple.sums, segment, k);
            });
            to_vectors(group, j, begin, end);
        }
    }

    /// From dE/dx and dE/dw of the products of neighbour j. Its own square comes with half of what both sides of it get: to one side.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void to_vectors(const Group& group, int j, int begin, int end) const {
        Real total[COMPONENTS == 1 ? 3 : 4] = {};  // of v, and of sw
        group.for_each(end - begin, [&](int n) {
            const int other = lists.inside[begin + n];
            const Real e = lists.products.reverse_environment[0][begin + n];
            for (int c = 0; c < 3; ++c) {
                total[c] += e * lists.v(c)[other];
                if (other != j) {
                    lists.reverse_v(c)[other] += e * lists.v(c)[j];
                }
            }
            if constexpr (COMPONENTS > 1) {
                const Real of_w = lists.products.reverse_environment[1][begin + n];
                total[3] += of_w * lists.sw()[other];
                if (other != j) {
                    lists.reverse_sw()[other] += of_w * lists.sw()[j];
                }
            }
        });
        group.sum(total);
        group.once([&] {
            for (int c = 0; c < 3; ++c) {
                lists.reverse_v(c)[j] += total[c];
            }
            if constexpr (COMPONENTS > 1) {
                lists.reverse_sw()[j] += total[3];
            }
        });
    }
};

}  // namespace dpc::kokkos
