// SPDX-License-Identifier: MIT
// Steps compute_products and reverse_products: S_pq = sum_c C_pc C_qc for the products of the list, and the way back. Every lane
// (atom) for itself; the gradient is gathered factor by factor, so that nothing is added to twice.
#pragma once

#include "dpc/kokkos/chunk.hpp"

namespace dpc::kokkos {

template <class Real>
struct ComputeProducts {
    static constexpr int width = Pack<Real>::width;
    DeviceProducts list;
    TiledRows<Real> factors;   // (n_factors, 4, lanes)
    TiledRows<Real> products;  // (n, lanes)

    /// The products of factor p.
    KOKKOS_INLINE_FUNCTION void operator()(int tile, int p, int lane) const {
        using P = Pack<Real>;
        const int lanes = factors.lanes;
        const Real* factor = factors.at(tile, 4 * p, lane);
        const P a = P::load(factor), b = P::load(factor + lanes), c = P::load(factor + 2 * lanes),
                d = P::load(factor + 3 * lanes);
        Real* out = products.at(tile, list.first[p], lane);
        const int begin = list.begin[p], end = list.end[p];
        const Real* other = factors.at(tile, 4 * begin, lane);
        for (int q = begin; q < end; ++q) {
            const P product =
                a * P::load(other) + b * P::load(other + lanes) + c * P::load(other + 2 * lanes) + d * P::load(other + 3 * lanes);
            product.store(out);
            out += lanes;
            other += 4 * lanes;
        }
    }
};

template <class Real>
struct ReverseProducts {
    static constexpr int width = Pack<Real>::width;
    DeviceProducts list;
    TiledRows<Real> factors;          // (n_factors, 4, lanes)
    TiledRows<Real> reverse;          // dE/dproducts (n, lanes)
    TiledRows<Real> reverse_factors;  // dE/dfactors (n_factors, 4, lanes)

    /// dE/dfactor p: from products p q and from products q p.
    KOKKOS_INLINE_FUNCTION void operator()(int tile, int p, int lane) const {
        using P = Pack<Real>;
        const int lanes = factors.lanes;
        P sum[4] = {P(0.0), P(0.0), P(0.0), P(0.0)};
        const Real* gradient = reverse.at(tile, list.first[p], lane);
        const int begin = list.begin[p], end = list.end[p];
        const Real* other = factors.at(tile, 4 * begin, lane);
        for (int q = begin; q < end; ++q) {
            add(P::load(gradient), other, sum);
            gradient += lanes;
            other += 4 * lanes;
        }
        for (int q = 0; q < list.n_factors; ++q) {
            if (list.begin[q] <= p && p < list.end[q]) {
                add(P::load(reverse.at(tile, list.first[q] + p - list.begin[q], lane)), factors.at(tile, 4 * q, lane), sum);
            }
        }
        Real* to = reverse_factors.at(tile, 4 * p, lane);
        for (int c = 0; c < 4; ++c) {
            sum[c].store(to + c * lanes);
        }
    }

    KOKKOS_INLINE_FUNCTION void add(Pack<Real> gradient, const Real* factor, Pack<Real> (&sum)[4]) const {
        for (int c = 0; c < 4; ++c) {
            sum[c] += gradient * Pack<Real>::load(factor + c * factors.lanes);
        }
    }
};

}  // namespace dpc::kokkos
