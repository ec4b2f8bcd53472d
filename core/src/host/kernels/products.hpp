// SPDX-License-Identifier: MIT
// Kernels between moments and features: products S_pq of factors, the moments or what the direct form makes of them. Arrays of a
// block of atoms have the atom as their fastest index, padded to `lanes` (a multiple of every pack width).
#pragma once

#include "dpc/packed_layout.hpp"
#include "host/kernels/component.hpp"

namespace dpc::host {

template <class Real>
struct ProductKernels {
    /// products (n, lanes) of factors (n_factors, components, lanes). scratch: 2 components n_factors kLaneMultiple.
    ByComponents<void (*)(const ProductList& list, int lanes, const Real* factors, Real* scratch, Real* products)> compute;
    /// dE/dfactors from dE/dproducts; overwrites.
    ByComponents<void (*)(const ProductList& list, int lanes, const Real* factors, const Real* reverse_products, Real* scratch,
                          Real* reverse_factors)>
        reverse;
};

}  // namespace dpc::host
