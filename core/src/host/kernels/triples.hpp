// SPDX-License-Identifier: MIT
// Kernels over pairs of neighbours of one centre: products of their vectors v, where these lie in a table, and the way back. What
// a table gives for them is the business of bundles.hpp.
#pragma once

#include "dpc/packed_layout.hpp"
#include "host/kernels/component.hpp"
#include "host/kernels/pair_arrays.hpp"

namespace dpc::host {

/// v (3, neighbours) and dE/dv.
template <class Real>
struct NeighbourVectors {
    Real* v[3];
    Real* reverse_v[3];
};

/// Products of neighbour j with begin .. end - 1, in the places from `place` on.
struct ProductRow {
    int j, begin, end, place;
};

/// Where products lie in a table.
template <class Real>
struct ProductPlaces {
    std::int32_t* interval;
    Real* distance;
};

template <class Real>
struct TripleKernels {
    /// x = v_j . v_k of some rows, one behind the other. Here and below up to kPairPadding more may be overwritten.
    void (*multiply)(const NeighbourVectors<Real>& neighbours, const ProductRow* rows, int n_rows, Real* x);
    /// x = v_k . v_k.
    void (*square)(const NeighbourVectors<Real>& neighbours, int begin, int end, Real* x);
    /// Places of n products, which are there in the place of the distances.
    void (*locate)(const math::Grid& grid, int n, const ProductPlaces<Real>& places);
    /// dE/dv of both neighbours += what dE/dx of the products of some rows adds. Up to kPairPadding before those may be read.
    void (*reverse)(const NeighbourVectors<Real>& neighbours, const ProductRow* rows, int n_rows, const Real* reverse_x);
    /// w of the products: of sw of both neighbours, or of each with itself.
    void (*weigh)(const Real* sw, const ProductRow* rows, int n_rows, Real* w);
    void (*weigh_squares)(const Real* sw, int begin, int end, Real* w);
    /// dE/dsw of the neighbours += what dE/dw adds.
    void (*reverse_weights)(const Real* sw, Real* reverse_sw, const ProductRow* rows, int n_rows, const Real* reverse_w);
    void (*reverse_weighted_squares)(const Real* sw, Real* reverse_sw, int begin, int end, const Real* reverse_w);
    void (*reverse_squares)(const NeighbourVectors<Real>& neighbours, int begin, int end, const Real* reverse_x);
};

}  // namespace dpc::host
