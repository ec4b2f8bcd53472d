// SPDX-License-Identifier: MIT
// Kernels between moments and features: products of rows. Arrays of a block of atoms have the atom as their fastest index, padded to
// `lanes` (a multiple of every pack width).
#pragma once

#include "dpc/packed_layout.hpp"
#include "host/kernels/component.hpp"

namespace dpc::host {

template <class Real>
struct ProductKernels {
    /// products (n, lanes) of rows (n_rows, 4, lanes). scratch: 8 n_rows kLaneMultiple.
    void (*compute)(const ProductList& list, int lanes, const Real* rows, Real* scratch, Real* products);
    /// dE/drows from dE/dproducts; overwrites.
    void (*reverse)(const ProductList& list, int lanes, const Real* rows, const Real* reverse_products, Real* scratch, Real* reverse_rows);
};

}  // namespace dpc::host
