// SPDX-License-Identifier: MIT
// Kernels of the fitting net: matrix products, and layers with their activations. All arrays are (feature, lanes), the atom as
// the fastest index.
#pragma once

#include "dpc/packed_layout.hpp"
#include "host/kernels/component.hpp"

namespace dpc::host {

/// Lanes of an array, and how many of them, at least one, from the first on, hold atoms: what is computed of the others is not defined, but finite
/// where the input is.
struct Lanes {
    int n, used;
};

template <class Real>
struct NetKernels {
    /// y (n_out rounded up to kPanelRows, lanes) = matrix x, x (n_in, lanes).
    void (*multiply)(const PackedMatrix<Real>& matrix, int lanes, const Real* x, Real* y);
    /// y and slope = act'(..) idt, both (n_out rounded up to kPanelRows, lanes), of x (n_in, lanes). scratch, of layers with inputs in
    /// single precision: (n_single + n_out, each rounded up to kPanelRows, lanes).
    void (*compute_layer)(const PackedLayer<Real>& layer, Lanes lanes, const Real* x, Real* y, Real* slope, float* scratch);
    /// reverse_x (n_in rounded up, lanes) = dE/dx from dE/dy; slope is overwritten.
    void (*reverse_layer)(const PackedLayer<Real>& layer, Lanes lanes, const Real* reverse_y, Real* slope, Real* reverse_x,
                          float* scratch);
};

}  // namespace dpc::host
