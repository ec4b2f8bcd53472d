// SPDX-License-Identifier: MIT
// The inner loops of the host evaluator as a table of functions, one such table per instruction set (kernels.cpp is compiled
// several times). Step names as in docs/theory.md section 4; every compute_x has its reverse_x. Arrays of a block of atoms have
// the atom as their fastest index, padded to `lanes` (a multiple of every pack width); arrays of pairs are contiguous over the
// block, ordered by neighbour type, then atom.
#pragma once

#include <cstdint>

#include "dpc/math/pair_arrays.hpp"
#include "dpc/packed_layout.hpp"
#include "listed.hpp"

namespace dpc::host {

constexpr int kPairPadding = 16;   // pairs that a kernel may touch beyond the last one

/// Scratch arrays of the pairs inside a cut-off. d and r^2 come from gather_pairs, the rest from compute_environment and on. R, the
/// environment of a pair, has 4 components, of which one is a scalar and three are a vector; se_e2_r has none but the weight 1, and
/// then only the derivative of the table's argument: h, dh_over_r, row and reverse_row[1 .. 3] are not there.
template <class Real>
struct PairArrays : math::PairArrays<Real> {
    double* x;  // R_0 in double, for the look-up
};

/// The kernels that know how many components a row of C has: 4, phi(x) (x) R summed over the pairs, or 1, the sum of phi(x).
template <class Real, int COMPONENTS>
struct MomentKernels {
    void (*compute_environment)(const math::EnvParameters& parameters, int n_pairs, const PairArrays<Real>& pairs);
    /// moments (COMPONENTS, stride) of the pairs.
    void (*compute_moments)(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, Real* moments);
    /// reverse_row of the pairs from dE/dmoments (COMPONENTS, stride).
    void (*reverse_moments)(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, const Real* moments);
    /// gradient (3, n_pairs) = dE/dd of every pair; virial (9) += -d (x) gradient.
    void (*reverse_environment)(int n_pairs, const PairArrays<Real>& pairs, double* const gradient[3], double* virial);
};

template <class Real>
struct Kernels {
    const char* name;

    /// Append the neighbours closer than rcut to pairs, from slot `first` on; smallest r2 seen is kept in *closest. Returns how many.
    int (*gather_pairs)(const double* x, double length, const double* centre, Listed listed, double rcut2, int first,
                        const PairArrays<Real>& pairs, double* closest);
    void (*locate)(const math::Grid& grid, int begin, int end, const PairArrays<Real>& pairs);
    MomentKernels<Real, 4> moments4;
    MomentKernels<Real, 1> moments1;
    /// products (n, lanes) of rows (n_rows, 4, lanes). scratch: 8 n_rows kLaneMultiple.
    void (*compute_products)(const ProductList& list, int lanes, const Real* rows, Real* scratch, Real* products);
    /// dE/drows from dE/dproducts; overwrites.
    void (*reverse_products)(const ProductList& list, int lanes, const Real* rows, const Real* reverse_products, Real* scratch,
                             Real* reverse_rows);
    /// y (n_out rounded up to kPanelRows, lanes) = matrix x, x (n_in, lanes).
    void (*multiply)(const PackedMatrix<Real>& matrix, int lanes, const Real* x, Real* y);
    /// y and slope = act'(..) idt, both (n_out rounded up to kPanelRows, lanes), of x (n_in, lanes).
    void (*compute_layer)(const PackedLayer<Real>& layer, int lanes, const Real* x, Real* y, Real* slope);
    /// reverse_x (n_in rounded up, lanes) = dE/dx from dE/dy; slope is overwritten.
    void (*reverse_layer)(const PackedLayer<Real>& layer, int lanes, const Real* reverse_y, Real* slope, Real* reverse_x);

    template <int COMPONENTS>
    const MomentKernels<Real, COMPONENTS>& moments() const {
        if constexpr (COMPONENTS == 4) {
            return moments4;
        } else {
            return moments1;
        }
    }
};

/// The kernels for the best instruction set of this processor, or the one that the environment variable DPC_ISA names.
template <class Real>
const Kernels<Real>& select_kernels();

}  // namespace dpc::host
