// SPDX-License-Identifier: MIT
// Kernels with tables: where an x is on the knots, phi(x) summed to the moments of one atom and neighbour type, and the way back. For
// many arguments in few intervals: bundles.hpp.
#pragma once

#include "dpc/packed_layout.hpp"
#include "host/kernels/component.hpp"
#include "host/kernels/pair_arrays.hpp"

namespace dpc::host {

template <class Real>
struct TableKernels {
    /// Interval of the table and distance from its left knot of the pairs begin .. end - 1.
    void (*locate)(const math::Grid& grid, int begin, int end, const PairArrays<Real>& pairs);
    /// moments (components, stride) of the pairs: phi(x) (x) R summed, or the sum of phi(x).
    ByComponents<void (*)(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, Real* moments)>
        compute_moments;
    /// reverse_environment of the pairs from dE/dmoments (components, stride): [0] with that of x.
    ByComponents<void (*)(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, const Real* moments)>
        reverse_moments;
    /// The same where R_0 is not what the table is looked up at: with environment_slope.
    ByComponents<void (*)(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, const Real* moments)>
        reverse_moments_over_r;
};

}  // namespace dpc::host
