// SPDX-License-Identifier: MIT
// Steps compute_products and reverse_products: S_pq = sum_c C_pc C_qc for the products of the list, and the way back. Every lane
// (atom) for itself; the gradient is gathered factor by factor, so that nothing is added to twice.
#pragma once

#include "dpc/kokkos/chunk.hpp"

namespace dpc::kokkos {

template <class Real, int COMPONENTS>
struct ComputeProducts {
    static constexpr int width = Pack<Real>::width;
    DeviceProducts list;
    TiledRows<Real> factors;   // (n_factors, COMPONENTS, lanes)
    TiledRows<Real> products;  // (n, lanes)

    /// The products of factor p.
    KOKKOS_INLINE_FUNCTION void operator()(int tile, int p, int lane) const {
        using P = Pack<Real>;
        const int lanes = factors.lanes;
        const Real* factor = factors.at(tile, COMPONENTS * p, lane);
        P of[COMPONENTS];
        for (int c = 0; c < COMPONENTS; ++c) {
            of[c] = P::load(factor + c * lanes);
        }
        Real* out = products.at(tile, list.first[p], lane);
        const int begin = list.begin[p], end = list.end[p];
        const Real* other = factors.at(tile, COMPONENTS * begin, lane);
        for (int q = begin; q < end; ++q) {
            P product = of[0] * P::load(other) + of[1] * P::load(other + lanes);
            for (int c = 2; c < COMPONENTS; ++c) {
                product = product + of[c] * P::load(other + c * lanes);
            }
            product.store(out);
            out += lanes;
            other += COMPONENTS * lanes;
        }
    }
};

template <class Real, int COMPONENTS>
struct ReverseProducts {
    static constexpr int width = Pack<Real>::width;
    DeviceProducts list;
    TiledRows<Real> factors;          // (n_factors, COMPONENTS, lanes)
    TiledRows<Real> reverse;          // dE/dproducts (n, lanes)
    TiledRows<Real> reverse_factors;  // dE/dfactors (n_factors, COMPONENTS, lanes)

    /// dE/dfactor p: from products p q and from products q p.
    KOKKOS_INLINE_FUNCTION void operator()(int tile, int p, int lane) const {
        using P = Pack<Real>;
        const int lanes = factors.lanes;
        P sum[COMPONENTS];
        for (P& component : sum) {
            component = P(0.0);
        }
        const Real* gradient = reverse.at(tile, list.first[p], lane);
        const int begin = list.begin[p], end = list.end[p];
        const Real* other = factors.at(tile, COMPONENTS * begin, lane);
        for (int q = begin; q < end; ++q) {
            add(P::load(gradient), other, sum);
            gradient += lanes;
            other += COMPONENTS * lanes;
        }
        for (int q = 0; q < list.n_factors; ++q) {
            if (list.begin[q] <= p && p < list.end[q]) {
                add(P::load(reverse.at(tile, list.first[q] + p - list.begin[q], lane)), factors.at(tile, COMPONENTS * q, lane),
                    sum);
            }
        }
        Real* to = reverse_factors.at(tile, COMPONENTS * p, lane);
        for (int c = 0; c < COMPONENTS; ++c) {
            sum[c].store(to + c * lanes);
        }
    }

    KOKKOS_INLINE_FUNCTION void add(Pack<Real> gradient, const Real* factor, Pack<Real> (&sum)[COMPONENTS]) const {
        for (int c = 0; c < COMPONENTS; ++c) {
            sum[c] += gradient * Pack<Real>::load(factor + c * factors.lanes);
        }
    }
};

}  // namespace dpc::kokkos
