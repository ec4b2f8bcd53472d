// SPDX-License-Identifier: MIT
// Steps compute_triples and reverse_triples of se_e3: sums of phi(v_j . v_k) over the pairs of neighbours of two types, and dE/dv. A group
// of threads has an atom: for one neighbour j after the other its threads share the neighbours k to find where the products lie, then
// each has channels, as in compute_moments, then they share the k again. Of high order the products in the frequent interval, most of all,
// have their powers summed first, and share the coefficients of their gradient, whatever the number of channels.
#pragma once

#include "dpc/kokkos/descriptors/reverse_moments.hpp"

namespace dpc::kokkos {

/// What both steps do. COMPONENTS: of a moment; with two the second one is the sum of w phi, w = sw_j sw_k.
template <class Real, int COMPONENTS>
struct TripleLists {
    DescribedChunk<Real> chunk;
    // Of the products of a neighbour, one row: interval, distance, environment[1] (w), reverse_environment[0] (of x), [1] (of w) of those
    // that are looked up; of high order environment[0], of all of them x, then dE/dx, and [2] dE/dw.
    PairArrays<Real> products;
    const DeviceTriple<Real>* triples;
    int n_triples;
    int* inside;  // (slots), of the pairs inside this descriptor's cut-off
    int* others;  // (slots), of high order: which products of a row are looked up

    template <int ORDER>
    static constexpr bool is_wide = ORDER == math::kHighOrder;

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

    /// The same number wherever it is computed, so that no product is frequent here and not there: where compilers may fuse a product and a
    /// sum, they are told to.
    KOKKOS_FORCEINLINE_FUNCTION Real product(int j, int other) const {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(DPC_PACKS_OF_ONE)
        return Kokkos::fma(v(0)[j], v(0)[other], Kokkos::fma(v(1)[j], v(1)[other], v(2)[j] * v(2)[other]));
#else
        return v(0)[j] * v(0)[other] + v(1)[j] * v(1)[other] + v(2)[j] * v(2)[other];
#endif
    }
    KOKKOS_FORCEINLINE_FUNCTION Real weight(int j, int other) const { return sw()[j] * sw()[other]; }

    /// w of the products of neighbour j with those in inside[begin ..] of a pack, of which so many are left.
    KOKKOS_FORCEINLINE_FUNCTION Pack<Real> weights(int j, int begin, int left) const {
        constexpr int width = Pack<Real>::width;
        if constexpr (width == 1) {
            return Pack<Real>(weight(j, inside[begin]));
        } else {
            alignas(Pack<Real>) Real numbers[width];
            for (int n = 0; n < width; ++n) {
                numbers[n] = n < left ? weight(j, inside[begin + n]) : Real(0);
            }
            return Pack<Real>::load(numbers);
        }
    }

    /// use(j, begin) for the neighbours j of the first type: their products are with inside[begin .. end of the second type's - 1].
    template <class Use>
    KOKKOS_FORCEINLINE_FUNCTION void for_each_row(const DeviceTriple<Real>& triple, int n_first, int k, const Use& use) const {
        const int of_first = chunk.begin(triple.b, k), of_second = chunk.begin(triple.c, k);
        for (int n = 0; n < n_first; ++n) {
            use(inside[of_first + n], triple.b == triple.c ? of_second + n : of_second);
        }
    }

    /// x of a row.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void multiply(const Group& group, int j, int begin, int end) const {
        group.for_each(end - begin, [&](int n) { products.environment[0][begin + n] = product(j, inside[begin + n]); });
    }

    /// Where the products of neighbour j with those in inside[begin .. end - 1] lie, in the places from begin on; of high order of those
    /// that are not frequent, with x of the row. Returns how many.
    template <int ORDER, class Group>
    KOKKOS_FORCEINLINE_FUNCTION int locate(const Group& group, const DeviceTriple<Real>& triple, int j, int begin,
                                           int end) const {
        const math::Grid& grid = triple.sums.table.grid;
        if constexpr (is_wide<ORDER>) {
            using P = Pack<Real>;
            multiply(group, j, begin, end);
            const Real* x = products.environment[0] + begin;
            const Real first = triple.frequent.knot[0], last = triple.frequent.knot[2];
            const int n_others = group.compact(
                end - begin, [&](int n) { return !(x[n] >= first && x[n] < last); },
                [&](int n, int at) {
                    others[begin + at] = n;
                    products.distance[begin + at] = x[n];
                });
            for_each_pack(group, n_others, [&](int n, int left) {
                P x_of[1] = {load_some<P>(products.distance + begin + n, left, last)}, interval[1], distance[1];
                math::locate_among_middles(grid, x_of, interval, distance);
                store_some(distance[0], products.distance + begin + n, left);
                store_some(interval[0], products.interval + begin + n, left);
            });
            if constexpr (COMPONENTS > 1) {
                group.for_each(n_others,
                               [&](int n) { products.environment[1][begin + n] = weight(j, inside[begin + others[begin + n]]); });
            }
            return n_others;
        } else {
            group.for_each(end - begin, [&](int n) {
                const int place = begin + n, other = inside[place];
                double distance = 0;
                products.interval[place] =
                    static_cast<std::int32_t>(math::locate_product(grid, static_cast<double>(product(j, other)), distance));
                products.distance[place] = static_cast<Real>(distance);
                if constexpr (COMPONENTS > 1) {
                    products.environment[1][place] = weight(j, other);
                }
            });
            return end - begin;
        }
    }

    /// Whether the product in the first place of a row is the row's first, if there is one.
    template <int ORDER>
    KOKKOS_FORCEINLINE_FUNCTION bool begins_row(int begin) const {
        return !is_wide<ORDER> || others[begin] == 0;
    }

    /// use(first, how many are left) for the packs of n numbers.
    template <class Group, class Use>
    KOKKOS_FORCEINLINE_FUNCTION static void for_each_pack(const Group& group, int n, const Use& use) {
        constexpr int width = Pack<Real>::width;
        group.for_each((n + width - 1) / width, [&](int pack) { use(pack * width, n - pack * width); });
    }
};

/// The coefficients of the frequent interval.
template <int ORDER, class Real>
KOKKOS_FORCEINLINE_FUNCTION math::TablePlace<Real> frequent_place(const DeviceTriple<Real>& triple, int channel) {
    const PackedTable<Real>& table = triple.sums.table;
    return {table.coef + static_cast<std::ptrdiff_t>(triple.frequent.first) * ((ORDER + 1) * table.stride), channel, Real(0)};
}

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
            math::with_order_of_products(triple.sums.table.order, [&](auto order) {
                all_passes<decltype(order)::value>(group, triple, n_first, n_second, k);
            });
        }
    }

    template <int ORDER, class Group>
    KOKKOS_FORCEINLINE_FUNCTION void all_passes(const Group& group, const DeviceTriple<Real>& triple, int n_first, int n_second,
                                                int k) const {
        constexpr int width = Pack<Real>::width;
        const int n_packs = (triple.sums.table.rank + width - 1) / width;
        if constexpr (TripleLists<Real, COMPONENTS>::template is_wide<ORDER>) {
            add_frequent<ORDER>(group, triple, n_first, n_second, k);
        }
        math::in_passes<kMostPacks>((n_packs + group.size() - 1) / group.size(), [&](auto count, int first) {
            pass<ORDER, decltype(count)::value>(group, triple, first, n_first, n_second, k);
        });
    }

    /// Sums of the powers of the distances of frequent products, and of these times w.
    template <int ORDER>
    struct PowerSums {
        Pack<Real> of[COMPONENTS][ORDER + 1];
    };

    /// sums += the powers of some products x of a row, of which so many are left. The first one of the row counts once.
    template <int ORDER>
    KOKKOS_FORCEINLINE_FUNCTION void add_powers(const DeviceTriple<Real>& triple, int j, int row, int n, int left, Real others,
                                                PowerSums<ORDER>& sums) const {
        using P = Pack<Real>;
        const P none(Real(0)), x = load_some<P>(lists.products.environment[0] + row + n, left, triple.frequent.knot[2]);
        const auto is_behind = x >= P(triple.frequent.knot[0]), is_before = x < P(triple.frequent.knot[2]);
        const auto of_frequent = [&](P value) { return select(is_behind, select(is_before, value, none), none); };
        const P t = of_frequent(x - P(triple.frequent.origin[0])), high = math::without_tiny(t, P(triple.frequent.tiny));
        P power = of_frequent(n == 0 ? first_and_others<P>(Real(1), others) : P(others)), w = none;
        if constexpr (COMPONENTS > 1) {
            w = lists.weights(j, row + n, left);
        }
        for (int p = 0; p <= ORDER; ++p) {
            sums.of[0][p] += power;
            if constexpr (COMPONENTS > 1) {
                sums.of[1][p] += power * w;
            }
            power = power * (p < math::kLowPowers ? t : high);
        }
    }

    /// What the products in the frequent interval add, to C: of neighbours of one type every pair of different ones counts twice, and the
    /// first of a row is a neighbour with itself.
    template <int ORDER, class Group>
    KOKKOS_FORCEINLINE_FUNCTION void add_frequent(const Group& group, const DeviceTriple<Real>& triple, int n_first, int n_second,
                                                  int k) const {
        using P = Pack<Real>;
        const int end = lists.chunk.begin(triple.c, k) + n_second;
        PowerSums<ORDER> of_packs;
        for (auto& of_component : of_packs.of) {
            for (P& sum : of_component) {
                sum = P(Real(0));
            }
        }
        const Real times = triple.b == triple.c ? Real(2) : Real(1);
        lists.for_each_row(triple, n_first, k, [&](int j, int begin) {
            lists.multiply(group, j, begin, end);
            lists.for_each_pack(group, end - begin,
                                [&](int n, int left) { add_powers<ORDER>(triple, j, begin, n, left, times, of_packs); });
        });
        Real sums[COMPONENTS * (ORDER + 1)];
        for (int c = 0; c < COMPONENTS; ++c) {
            for (int p = 0; p <= ORDER; ++p) {
                sums[c * (ORDER + 1) + p] = sum(of_packs.of[c][p]);
            }
        }
        group.sum(sums);
        const int n_packs = (triple.sums.table.rank + P::width - 1) / P::width;
        group.for_each(n_packs, [&](int pack) {
            const math::TablePlace<Real> place = frequent_place<ORDER>(triple, pack * P::width);
            for (int c = 0; c < COMPONENTS; ++c) {
                P total(Real(0));
                for (int p = 0; p <= ORDER; ++p) {
                    total += P(sums[c * (ORDER + 1) + p]) * place.template coefficients<ORDER, P>(0)(p);
                }
                store(triple, c, pack * P::width, total, k);
            }
        });
    }

    /// N packs of channels of each thread. Of neighbours of one type every pair of different ones counts twice, each with itself once.
    template <int ORDER, int N, class Group>
    KOKKOS_FORCEINLINE_FUNCTION void pass(const Group& group, const DeviceTriple<Real>& triple, int first, int n_first,
                                          int n_second, int k) const {
        using P = Pack<Real>;
        const bool is_same = triple.b == triple.c;
        const int end = lists.chunk.begin(triple.c, k) + n_second;
        P different[COMPONENTS][N], squares[COMPONENTS][N];  // every thread's own
        for (int c = 0; c < COMPONENTS; ++c) {
            for (int v = 0; v < N; ++v) {
                different[c][v] = squares[c][v] = P(0.0);
            }
        }
        lists.for_each_row(triple, n_first, k, [&](int j, int begin) {
            const int behind = begin + lists.template locate<ORDER>(group, triple, j, begin, end);
            const bool has_square = is_same && begin < behind && lists.template begins_row<ORDER>(begin);
            group.for_each(group.size(), [&](int thread) {
                const int channel = (first * group.size() + thread) * P::width;
                if (channel >= triple.sums.table.rank) {
                    return;
                }
                const SegmentPairs<Real> segment{lists.products, triple.sums.table, begin, behind};
                const auto add = [&](int place, P(&to)[COMPONENTS][N]) {
                    math::add_moments<ORDER>(
                        segment.template place<ORDER>(place, channel),
                        [&](int c) { return lists.products.environment[c][place]; }, to);
                };
                if (has_square) {
                    add(begin, squares);
                }
                for (int place = has_square ? begin + 1 : begin; place < behind; ++place) {
                    add(place, different);
                }
            });
        });
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
                *moments.of_atom(COMPONENTS * moment + c, k) += elements[element] * triple.inverse_divisor;
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
        math::with_order_of_products(triple.sums.table.order, [&](auto order) {
            add_of_order<decltype(order)::value>(group, triple, n_first, lists.chunk.begin(triple.c, k) + n_second, k);
        });
    }

    template <int ORDER, class Group>
    KOKKOS_FORCEINLINE_FUNCTION void add_of_order(const Group& group, const DeviceTriple<Real>& triple, int n_first, int end,
                                                  int k) const {
        constexpr bool is_wide = TripleLists<Real, COMPONENTS>::template is_wide<ORDER>;
        ReverseMoments<Real, COMPONENTS, math::EnvironmentIsArgument> slopes{lists.chunk, reverse_moments};
        slopes.chunk.pairs = lists.products;
        slopes.chunk.inverse_n_sel = triple.b == triple.c ? 2 * triple.inverse_divisor : triple.inverse_divisor;
        const SlopesOfFrequent<ORDER> frequent = slopes_of_frequent<ORDER>(group, triple, slopes, k);
        lists.for_each_row(triple, n_first, k, [&](int j, int begin) {
            if (begin >= end) {
                return;
            }
            const int n = lists.template locate<ORDER>(group, triple, j, begin, end);
            const SegmentPairs<Real> segment{lists.products, triple.sums.table, begin, begin + n};
            if (n > 0) {
                slopes.template all_passes<ORDER>(group, triple.sums, segment, k);
            }
            const Real *of_x = lists.products.reverse_environment[0], *of_w = lists.products.reverse_environment[1];
            if constexpr (is_wide) {
                of_whole_row(group, triple, frequent, j, begin, end, n);
                of_x = lists.products.environment[0];
                of_w = lists.products.environment[2];
            }
            to_vectors(group, j, begin, end, of_x, of_w);
        });
    }

    /// What dE/dx and dE/dw of all products in the frequent interval are: of one component dE/dx is the slope of a polynomial, of a second one
    /// dE/dw another polynomial, and the slope of that times w a part of dE/dx.
    template <int ORDER>
    struct SlopesOfFrequent {
        Real c[COMPONENTS][ORDER + 1];
    };
    template <int ORDER, class Slopes, class Group>
    KOKKOS_FORCEINLINE_FUNCTION SlopesOfFrequent<ORDER> slopes_of_frequent(const Group& group, const DeviceTriple<Real>& triple,
                                                                           const Slopes& slopes, int k) const {
        SlopesOfFrequent<ORDER> frequent{};
        if constexpr (TripleLists<Real, COMPONENTS>::template is_wide<ORDER>) {
            using P = Pack<Real>;
            const int n_packs = (triple.sums.table.rank + P::width - 1) / P::width;
            group.for_each(n_packs, [&](int pack) {
                const math::TablePlace<Real> place = frequent_place<ORDER>(triple, pack * P::width);
                P weight[COMPONENTS][1];
                slopes.load_weights(triple.sums, pack * P::width, k, weight);
                for (int c = 0; c < COMPONENTS; ++c) {
                    for (int p = 0; p <= ORDER; ++p) {
                        frequent.c[c][p] += sum(weight[c][0] * place.template coefficients<ORDER, P>(0)(p));
                    }
                }
            });
            for (int c = 0; c < COMPONENTS; ++c) {
                group.sum(frequent.c[c]);
            }
        }
        return frequent;
    }

    /// dE/dx and dE/dw of a row, of which n products were looked up.
    template <int ORDER, class Group>
    KOKKOS_FORCEINLINE_FUNCTION void of_whole_row(const Group& group, const DeviceTriple<Real>& triple,
                                                  const SlopesOfFrequent<ORDER>& frequent, int j, int begin, int end,
                                                  int n) const {
        using P = Pack<Real>;
        Real *of_x = lists.products.environment[0] + begin,
             *of_w = COMPONENTS > 1 ? lists.products.environment[2] + begin : nullptr;
        const P origin(triple.frequent.origin[0]);
        lists.for_each_pack(group, end - begin, [&](int first, int left) {  // what this gives for the others is overwritten below
            const P t = load_some<P>(of_x + first, left, Real(0)) - origin;
            P slope;
            math::polynomial<ORDER>([&](int p) { return P(frequent.c[0][p]); }, t, slope);
            if constexpr (COMPONENTS > 1) {
                P slope_of_second;
                const P second = math::polynomial<ORDER>([&](int p) { return P(frequent.c[1][p]); }, t, slope_of_second);
                slope += lists.weights(j, begin + first, left) * slope_of_second;
                store_some(second, of_w + first, left);
            }
            store_some(slope, of_x + first, left);
        });
        group.for_each(n, [&](int at) {
            of_x[lists.others[begin + at]] = lists.products.reverse_environment[0][begin + at];
            if constexpr (COMPONENTS > 1) {
                of_w[lists.others[begin + at]] = lists.products.reverse_environment[1][begin + at];
            }
        });
    }

    /// From dE/dx and dE/dw of the products of neighbour j. Its own square comes with half of what both sides of it get: to one side.
    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void to_vectors(const Group& group, int j, int begin, int end, const Real* of_x,
                                                const Real* of_w) const {
        Real total[COMPONENTS == 1 ? 3 : 4] = {};  // of v, and of sw
        group.for_each(end - begin, [&](int n) {
            const int other = lists.inside[begin + n];
            const Real e = of_x[begin + n];
            for (int c = 0; c < 3; ++c) {
                total[c] += e * lists.v(c)[other];
                if (other != j) {
                    lists.reverse_v(c)[other] += e * lists.v(c)[j];
                }
            }
            if constexpr (COMPONENTS > 1) {
                total[3] += of_w[begin + n] * lists.sw()[other];
                if (other != j) {
                    lists.reverse_sw()[other] += of_w[begin + n] * lists.sw()[j];
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
