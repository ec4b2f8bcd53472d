// SPDX-License-Identifier: MIT
// Steps compute_products and reverse_products: S_pq = sum_c C_pc C_qc for the products of the list, and the way back. Every lane
// (atom) for itself; the gradient is gathered factor by factor, so that nothing is added to twice.
#pragma once

#include "dpc/kokkos/chunk.hpp"

namespace dpc::kokkos {

/// Factors that a thread of a GPU takes at once, as many as its registers hold: what it reads of another one serves all of them. A
/// processor has all of them in its first-level cache.
template <int COMPONENTS>
inline constexpr int kFactorsAtOnce = kPackBytes > 0 || COMPONENTS > 9 ? 1
                                      : COMPONENTS > 4                 ? 2
                                                                       : 4;

/// How many times as many there are of all.
template <int COMPONENTS>
int factor_groups(const DeviceProducts& list) {
    return (list.n_factors + kFactorsAtOnce<COMPONENTS> - 1) / kFactorsAtOnce<COMPONENTS>;
}

/// Some factors that follow each other, and which products the list has of them.
template <int N>
struct FactorGroup {
    int p;  // the first
    int begin[N], end[N];
    int least_begin, most_end;  // of all

    KOKKOS_FORCEINLINE_FUNCTION FactorGroup(const DeviceProducts& list, int group) : p(group * N) {
        least_begin = list.n_factors;
        most_end = 0;
        for (int f = 0; f < N; ++f) {
            const bool is_there = p + f < list.n_factors;
            begin[f] = is_there ? list.begin[p + f] : 0;
            end[f] = is_there ? list.end[p + f] : 0;
            if (begin[f] < end[f]) {
                least_begin = Kokkos::min(least_begin, begin[f]);
                most_end = Kokkos::max(most_end, end[f]);
            }
        }
    }
    KOKKOS_FORCEINLINE_FUNCTION bool has(int f, int q) const { return N == 1 || (begin[f] <= q && q < end[f]); }
};

template <class Real, int COMPONENTS>
struct ComputeProducts {
    static constexpr int width = Pack<Real>::width, n = kFactorsAtOnce<COMPONENTS>;
    DeviceProducts list;
    TiledRows<Real> factors;   // (n_factors, COMPONENTS, lanes)
    TiledRows<Real> products;  // (n, lanes)

    /// The products of the factors of a group.
    KOKKOS_INLINE_FUNCTION void operator()(int tile, int group, int lane) const {
        using P = Pack<Real>;
        const FactorGroup<n> mine(list, group);
        const int lanes = factors.lanes;
        P of[n][COMPONENTS];
        Real* out[n];
        for (int f = 0; f < n; ++f) {
            const int p = Kokkos::min(mine.p + f, list.n_factors - 1);
            const Real* factor = factors.at(tile, COMPONENTS * p, lane);
            for (int c = 0; c < COMPONENTS; ++c) {
                of[f][c] = P::load(factor + c * lanes);
            }
            out[f] = products.at(tile, list.first[p], lane);
        }
        const Real* from = factors.at(tile, COMPONENTS * mine.least_begin, lane);
        for (int q = mine.least_begin; q < mine.most_end; ++q) {
            P other[COMPONENTS];
            for (int c = 0; c < COMPONENTS; ++c) {
                other[c] = P::load(from + c * lanes);
            }
            for (int f = 0; f < n; ++f) {
                if (mine.has(f, q)) {
                    P product = of[f][0] * other[0] + of[f][1] * other[1];
                    for (int c = 2; c < COMPONENTS; ++c) {
                        product = product + of[f][c] * other[c];
                    }
                    product.store(out[f]);
                    out[f] += lanes;
                }
            }
            from += COMPONENTS * lanes;
        }
    }
};

template <class Real, int COMPONENTS>
struct ReverseProducts {
    static constexpr int width = Pack<Real>::width, n = kFactorsAtOnce<COMPONENTS>;
    DeviceProducts list;
    TiledRows<Real> factors;          // (n_factors, COMPONENTS, lanes)
    TiledRows<Real> reverse;          // dE/dproducts (n, lanes)
    TiledRows<Real> reverse_factors;  // dE/dfactors (n_factors, COMPONENTS, lanes)

    /// dE/dfactor p for those of a group: from products p q and from products q p.
    KOKKOS_INLINE_FUNCTION void operator()(int tile, int group, int lane) const {
        using P = Pack<Real>;
        const FactorGroup<n> mine(list, group);
        P sum[n][COMPONENTS];
        const Real* gradient[n];
        for (int f = 0; f < n; ++f) {
            for (P& component : sum[f]) {
                component = P(0.0);
            }
            gradient[f] = reverse.at(tile, list.first[Kokkos::min(mine.p + f, list.n_factors - 1)], lane);
        }
        for (int q = mine.least_begin; q < mine.most_end; ++q) {
            P other[COMPONENTS];
            load(tile, q, lane, other);
            for (int f = 0; f < n; ++f) {
                if (mine.has(f, q)) {
                    add(P::load(gradient[f]), other, sum[f]);
                    gradient[f] += reverse.lanes;
                }
            }
        }
        for (int q = 0; q < list.n_factors; ++q) {
            const int begin = list.begin[q], end = list.end[q];
            if (begin >= mine.p + n || end <= mine.p) {
                continue;
            }
            P other[COMPONENTS];
            load(tile, q, lane, other);
            const Real* of_q = reverse.at(tile, list.first[q] + mine.p - begin, lane);
            for (int f = 0; f < n; ++f) {
                if (begin <= mine.p + f && mine.p + f < end) {
                    add(P::load(of_q + f * reverse.lanes), other, sum[f]);
                }
            }
        }
        for (int f = 0; f < n; ++f) {
            if (mine.p + f < list.n_factors) {
                Real* to = reverse_factors.at(tile, COMPONENTS * (mine.p + f), lane);
                for (int c = 0; c < COMPONENTS; ++c) {
                    sum[f][c].store(to + c * reverse_factors.lanes);
                }
            }
        }
    }

    KOKKOS_FORCEINLINE_FUNCTION void load(int tile, int q, int lane, Pack<Real> (&other)[COMPONENTS]) const {
        const Real* from = factors.at(tile, COMPONENTS * q, lane);
        for (int c = 0; c < COMPONENTS; ++c) {
            other[c] = Pack<Real>::load(from + c * factors.lanes);
        }
    }
    KOKKOS_FORCEINLINE_FUNCTION static void add(Pack<Real> gradient, const Pack<Real> (&other)[COMPONENTS],
                                                Pack<Real> (&sum)[COMPONENTS]) {
        for (int c = 0; c < COMPONENTS; ++c) {
            sum[c] += gradient * other[c];
        }
    }
};

}  // namespace dpc::kokkos
