// SPDX-License-Identifier: MIT
// Steps compute_products and reverse_products: S_pq = sum_c C_pc C_qc for the products of the list, and dE/dC from dE/dS. Every lane
// (atom) for itself; the gradient is gathered row by row, so that nothing is added to twice.
#pragma once

#include "dpc/kokkos/chunk.hpp"

namespace dpc::kokkos {

template <class Real>
struct ComputeProducts {
    static constexpr int width = Pack<Real>::width;
    DeviceProducts list;
    Rows<Real> rows;      // (n_rows, 4, lanes)
    Rows<Real> products;  // (n, lanes)

    /// The products of row p.
    KOKKOS_INLINE_FUNCTION void operator()(int tile, int p, int lane) const {
        using P = Pack<Real>;
        const int lanes = rows.lanes;
        const Real* row = rows.at(tile, 4 * p, lane);
        const P a = P::load(row), b = P::load(row + lanes), c = P::load(row + 2 * lanes), d = P::load(row + 3 * lanes);
        Real* out = products.at(tile, list.first[p], lane);
        const Real* other = rows.at(tile, 4 * list.begin[p], lane);
        for (int q = list.begin[p]; q < list.end[p]; ++q) {
            const P product = a * P::load(other) + b * P::load(other + lanes) + c * P::load(other + 2 * lanes) + d * P::load(other + 3 * lanes);
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
    Rows<Real> rows;          // (n_rows, 4, lanes)
    Rows<Real> reverse;       // dE/dproducts (n, lanes)
    Rows<Real> reverse_rows;  // dE/drows (n_rows, 4, lanes)

    /// dE/drow p: from products p q and from products q p.
    KOKKOS_INLINE_FUNCTION void operator()(int tile, int p, int lane) const {
        using P = Pack<Real>;
        const int lanes = rows.lanes;
        P sum[4] = {P(0.0), P(0.0), P(0.0), P(0.0)};
        const Real* gradient = reverse.at(tile, list.first[p], lane);
        const Real* other = rows.at(tile, 4 * list.begin[p], lane);
        for (int q = list.begin[p]; q < list.end[p]; ++q) {
            add(P::load(gradient), other, sum);
            gradient += lanes;
            other += 4 * lanes;
        }
        for (int q = 0; q < list.n_rows; ++q) {
            if (list.begin[q] <= p && p < list.end[q]) {
                add(P::load(reverse.at(tile, list.first[q] + p - list.begin[q], lane)), rows.at(tile, 4 * q, lane), sum);
            }
        }
        Real* to = reverse_rows.at(tile, 4 * p, lane);
        for (int c = 0; c < 4; ++c) {
            sum[c].store(to + c * lanes);
        }
    }

    KOKKOS_INLINE_FUNCTION void add(Pack<Real> gradient, const Real* row, Pack<Real> (&sum)[4]) const {
        for (int c = 0; c < 4; ++c) {
            sum[c] += gradient * Pack<Real>::load(row + c * rows.lanes);
        }
    }
};

}  // namespace dpc::kokkos
