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

/// Where products lie in a table.
template <class Real>
struct ProductPlaces {
    std::int32_t* interval;
    Real* distance;
};

template <class Real>
struct TripleKernels {
    /// x = v_j . v_k of the neighbours k = begin .. end - 1. Here and below up to kPairPadding more may be overwritten.
    void (*multiply)(const NeighbourVectors<Real>& neighbours, int j, int begin, int end, Real* x);
    /// x = v_k . v_k.
    void (*square)(const NeighbourVectors<Real>& neighbours, int begin, int end, Real* x);
    /// Places of n products, which are there in the place of the distances.
    void (*locate)(const math::Grid& grid, int n, const ProductPlaces<Real>& places);
    /// dE/dv of j and of the neighbours k += what dE/dx (end - begin) of the products adds.
    void (*reverse)(const NeighbourVectors<Real>& neighbours, int j, int begin, int end, const Real* reverse_x);
    /// w (end - begin) of the pairs: products of sw of j and the neighbours, or of each with itself.
    void (*weigh)(const Real* sw, int j, int begin, int end, Real* w);
    void (*weigh_squares)(const Real* sw, int begin, int end, Real* w);
    /// dE/dsw of j and of the neighbours += what dE/dw (end - begin) adds.
    void (*reverse_weights)(const Real* sw, Real* reverse_sw, int j, int begin, int end, const Real* reverse_w);
    void (*reverse_weighted_squares)(const Real* sw, Real* reverse_sw, int begin, int end, const Real* reverse_w);
    void (*reverse_squares)(const NeighbourVectors<Real>& neighbours, int begin, int end, const Real* reverse_x);
};

}  // namespace dpc::host
