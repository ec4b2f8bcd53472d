// SPDX-License-Identifier: MIT
// See fitting_net.hpp. y_l = act(W_l^T y_{l-1} + b) idt + skip(y_{l-1}); every array is (neurons, lanes), atoms contiguous.
#include "fitting_net.hpp"

#include <algorithm>

namespace dpc::host {
namespace {

/// W (n_in, 1) of the last layer: W^T has one row, the first of its only panel.
template <class Real>
Real last_weight(const PackedLayer<Real>& last, int neuron) {
    return last.weight.panels[static_cast<std::ptrdiff_t>(neuron) * kPanelRows];
}

}  // namespace

template <class Real>
void NetScratch<Real>::reserve(const PackedModel<Real>& model, int lanes) {
    const PackedSet<Real>& set = model.close();  // has the most of everything else
    const int most_single = model.ordinary.most_single;
    output.resize(static_cast<std::size_t>(set.most_layers));
    slope.resize(static_cast<std::size_t>(set.most_layers));
    for (auto* arrays : {&output, &slope}) {
        for (auto& array : *arrays) {
            array.reserve(static_cast<std::size_t>(panel_rows(set.most_neurons)) * static_cast<std::size_t>(lanes));
        }
    }
    if (most_single > 0) {
        single.reserve(static_cast<std::size_t>(panel_rows(most_single) + panel_rows(set.most_neurons)) *
                       static_cast<std::size_t>(lanes));
    }
}

template <class Real>
std::size_t NetScratch<Real>::bytes() const {
    std::size_t total = single.bytes();
    for (const auto* arrays : {&output, &slope}) {
        total += bytes_of(*arrays);
        for (const auto& array : *arrays) {
            total += array.bytes();
        }
    }
    return total;
}

template <class Real>
void compute_fitting_net(const Kernels<Real>& kernels, const std::vector<PackedLayer<Real>>& layers, Lanes lanes,
                         const Real* input, NetScratch<Real>& scratch, double* energy) {
    const Real* x = input;
    for (std::size_t l = 0; l + 1 < layers.size(); ++l) {
        Real* y = scratch.output[l].data();
        kernels.net.compute_layer(layers[l], lanes, x, y, scratch.slope[l].data(), scratch.single.data());
        x = y;
    }
    const PackedLayer<Real>& last = layers.back();
    std::fill(energy, energy + lanes.n, static_cast<double>(last.bias[0]));
    for (int neuron = 0; neuron < last.reverse_weight.n_out; ++neuron) {
        const auto weight = static_cast<double>(last_weight(last, neuron));
        const Real* value = x + static_cast<std::ptrdiff_t>(neuron) * lanes.n;
        for (int lane = 0; lane < lanes.n; ++lane) {
            energy[lane] += weight * static_cast<double>(value[lane]);
        }
    }
}

template <class Real>
void reverse_fitting_net(const Kernels<Real>& kernels, const std::vector<PackedLayer<Real>>& layers, Lanes lanes,
                         NetScratch<Real>& scratch, Real* reverse_input) {
    const PackedLayer<Real>& last = layers.back();
    // dE/dy of the last hidden layer: its outputs are no longer needed, so they make room.
    Real* reverse_y = layers.size() > 1 ? scratch.output[layers.size() - 2].data() : reverse_input;
    for (int neuron = 0; neuron < last.reverse_weight.n_out; ++neuron) {
        std::fill_n(reverse_y + static_cast<std::ptrdiff_t>(neuron) * lanes.n, lanes.n, last_weight(last, neuron));
    }
    for (std::size_t l = layers.size() - 1; l-- > 0;) {
        Real* reverse_x = l > 0 ? scratch.output[l - 1].data() : reverse_input;
        kernels.net.reverse_layer(layers[l], lanes, reverse_y, scratch.slope[l].data(), reverse_x, scratch.single.data());
        reverse_y = reverse_x;
    }
}

/// reverse_layer has left it where the slopes were.
template <class Real>
double first_layer_gradient(const std::vector<PackedLayer<Real>>& layers, int lanes, int n_atoms, const double* factors,
                            const NetScratch<Real>& scratch, int neuron) {
    const bool is_linear = layers.size() == 1;  // the only layer
    const Real* gradient = is_linear ? nullptr : scratch.slope.front().data() + static_cast<std::ptrdiff_t>(neuron) * lanes;
    double sum = 0;
    for (int m = 0; m < n_atoms; ++m) {
        const double of_atom = is_linear ? 1.0 : static_cast<double>(gradient[m]);
        sum += factors == nullptr ? of_atom : of_atom * factors[m];
    }
    return sum;
}

template struct NetScratch<double>;
template void compute_fitting_net(const Kernels<double>&, const std::vector<PackedLayer<double>>&, Lanes, const double*,
                                  NetScratch<double>&, double*);
template void reverse_fitting_net(const Kernels<double>&, const std::vector<PackedLayer<double>>&, Lanes, NetScratch<double>&,
                                  double*);
template double first_layer_gradient(const std::vector<PackedLayer<double>>&, int, int, const double*, const NetScratch<double>&,
                                     int);
template struct NetScratch<float>;
template void compute_fitting_net(const Kernels<float>&, const std::vector<PackedLayer<float>>&, Lanes, const float*,
                                  NetScratch<float>&, double*);
template void reverse_fitting_net(const Kernels<float>&, const std::vector<PackedLayer<float>>&, Lanes, NetScratch<float>&,
                                  float*);
template double first_layer_gradient(const std::vector<PackedLayer<float>>&, int, int, const double*, const NetScratch<float>&,
                                     int);

}  // namespace dpc::host
