// SPDX-License-Identifier: MIT
// The fitting net of one type on a block of atoms: energies, then dE/d(first layer's input). Matrix products and activations are kernels.
#pragma once

#include <vector>

#include "dpc/packed_model.hpp"
#include "host/kernels/kernels.hpp"

namespace dpc::host {

/// Per layer: output and slope of every neuron, (n_out, lanes). Owned by a thread, reused from block to block.
template <class Real>
struct NetScratch {
    std::vector<AlignedArray<Real>> output, slope;
    AlignedArray<float> single;  // of first layers with inputs in single precision
    void reserve(const PackedModel<Real>& model, int lanes);
    std::size_t bytes() const;
};

/// input (n_features, lanes) -> energy (lanes), bias of the type not included.
template <class Real>
void compute_fitting_net(const Kernels<Real>& kernels, const std::vector<PackedLayer<Real>>& layers, Lanes lanes,
                         const Real* input, NetScratch<Real>& scratch, double* energy);

/// After compute_fitting_net on the same block: reverse_input (n_features, lanes) = dE/dinput.
template <class Real>
void reverse_fitting_net(const Kernels<Real>& kernels, const std::vector<PackedLayer<Real>>& layers, Lanes lanes,
                         NetScratch<Real>& scratch, Real* reverse_input);

/// After reverse_fitting_net, over the first n_atoms lanes: the sum of dE/d(what a neuron of the first layer sums up, its bias included),
/// times the factors of the atoms' energies (null: 1).
template <class Real>
double first_layer_gradient(const std::vector<PackedLayer<Real>>& layers, int lanes, int n_atoms, const double* factors,
                            const NetScratch<Real>& scratch, int neuron);

}  // namespace dpc::host
