// SPDX-License-Identifier: MIT
// The pairs of a block as the kernels have them: contiguous over the block, ordered by neighbour type, then atom.
#pragma once

#include "dpc/math/pair_arrays.hpp"

namespace dpc::host {

constexpr int kPairPadding = 16;  // pairs that a kernel may touch beyond the last one

/// Scratch arrays of the pairs inside a cut-off. d and r^2 come from gather_pairs, the rest from compute_environment and on. R,
/// the environment of a pair, has 4 components, of which one is a scalar and three are a vector; se_e2_r has none but the weight
/// 1, and then only the derivative of the table's argument: h, dh_over_r, environment and reverse_environment[1 .. 3] are not
/// there.
template <class Real>
struct PairArrays : math::PairArrays<Real> {
    double* x;  // R_0, or rcut - r, in double, for the look-up
};

}  // namespace dpc::host
