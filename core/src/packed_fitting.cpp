// SPDX-License-Identifier: MIT
// Fitting nets as one precision evaluates them, and the parameters in the biases of their first layers; see packed_model.hpp.
#include <algorithm>
#include <cmath>
#include <limits>

#include "packed_parts.hpp"

namespace dpc {
namespace {

/// Of parameters that Real does not hold, or their sums.
template <class Real>
[[noreturn]] void throw_beyond(const std::string& what) {
    throw InputError("the model is given " + what +
                     (std::is_same_v<Real, float> ? kBeyond : " that are too large: their sums go beyond double precision"));
}

}  // namespace

template <class Real>
const Real* PackedModel<Real>::keep(const double* values, std::size_t n) {
    if (values == nullptr) {
        return nullptr;
    }
    if constexpr (std::is_same_v<Real, double>) {
        return values;  // the Model's own memory, which lives as long as this
    } else {
        storage_.push_back(std::make_unique<AlignedArray<Real>>());
        Real* copy = storage_.back()->reserve(n);
        std::transform(values, values + n, copy, narrowed<Real>);
        return copy;
    }
}

/// inputs: rows of the weight in use, null: all; the last n_single of them in single precision.
template <class Real>
PackedLayer<Real> PackedModel<Real>::pack_layer(const Layer& layer, const std::vector<int>* inputs, int n_single) {
    const int n_in = (inputs != nullptr ? static_cast<int>(inputs->size()) : layer.n_in) - n_single;
    const auto weight = [&](int in, int out) {
        const std::ptrdiff_t row = inputs != nullptr ? (*inputs)[static_cast<std::size_t>(in)] : in;
        return layer.weight[row * layer.n_out + out];
    };
    const auto n_out = static_cast<std::size_t>(layer.n_out);
    PackedLayer<Real> packed;
    packed.weight = pack_matrix(layer.n_out, n_in, [&](int out, int in) { return weight(in, out); });
    packed.reverse_weight = pack_matrix(n_in, layer.n_out, weight);
    if (n_single > 0) {
        packed.single = pack_matrix<float>(layer.n_out, n_single, [&](int out, int in) { return weight(n_in + in, out); });
        packed.reverse_single =
            pack_matrix<float>(n_single, layer.n_out, [&](int in, int out) { return weight(n_in + in, out); });
    }
    packed.activation = layer.activation;
    packed.parameter = layer.activation_parameter;
    packed.skip = layer.skip;
    packed.bias = keep(layer.bias, n_out);
    packed.idt = keep(layer.idt, n_out);
    return packed;
}

/// inputs: rows of the first layer's weight in use, empty: all; the last n_single of them in single precision.
template <class Real>
void PackedModel<Real>::pack_layers(int a, const std::vector<int>& inputs, int n_single, PackedSet<Real>& set) {
    const auto at = static_cast<std::size_t>(a);
    PackedType<Real>& type = set.types[at];
    const PackedType<Real>* packed_before = close_ && &set != close_.get() ? &close_->types[at] : nullptr;
    std::vector<PackedLayer<Real>>& layers = type.fitting.layers;
    for (const Layer& layer : model->fittings[at].layers) {
        const std::size_t l = layers.size();
        const bool takes_part = l == 0 && !inputs.empty();
        const bool is_packed = packed_before != nullptr && (type.takes_all || !takes_part);
        layers.push_back(is_packed ? packed_before->fitting.layers[l]
                                   : pack_layer(layer, takes_part ? &inputs : nullptr, takes_part ? n_single : 0));
        if (l == 0 && !biases_.empty()) {
            layers.back().bias = biases_[at].data();
        }
        set.most_neurons = std::max(set.most_neurons, layer.n_out);
    }
    set.most_layers = std::max(set.most_layers, static_cast<int>(layers.size()));
}

template <class Real>
void PackedModel<Real>::set_parameters(const Span& fparam, const Span& aparam) {
    const auto most = 0.5 * static_cast<double>(std::numeric_limits<Real>::max());  // differences are taken, too
    const auto is_beyond = [most](double value) { return !(std::abs(value) <= most); };
    if (std::any_of(aparam.values, aparam.values + aparam.n, is_beyond)) {
        throw_beyond<Real>("atomic parameters");
    }
    for (std::size_t a = 0; a < biases_.size(); ++a) {
        if (model->fittings[a].layers.empty()) {
            continue;
        }
        const Layer& layer = model->fittings[a].layers.front();
        const double* row = model->parameter_weights(static_cast<int>(a));
        std::vector<double> bias(layer.bias, layer.bias + layer.n_out);
        for (int k = 0; k < model->n_parameters(); ++k, row += layer.n_out) {
            const double value = k < model->n_fparam ? fparam.values[k] : aparam.n > 0 ? aparam.values[k - model->n_fparam] : 0;
            for (int neuron = 0; neuron < layer.n_out; ++neuron) {
                bias[static_cast<std::size_t>(neuron)] += row[neuron] * value;
            }
        }
        if (std::any_of(bias.begin(), bias.end(), is_beyond)) {
            throw_beyond<Real>("parameters");
        }
        std::transform(bias.begin(), bias.end(), biases_[a].data(), [](double sum) { return static_cast<Real>(sum); });
    }
}

template void PackedModel<double>::pack_layers(int, const std::vector<int>&, int, PackedSet<double>&);
template void PackedModel<float>::pack_layers(int, const std::vector<int>&, int, PackedSet<float>&);
template void PackedModel<double>::set_parameters(const Span&, const Span&);
template void PackedModel<float>::set_parameters(const Span&, const Span&);

}  // namespace dpc
