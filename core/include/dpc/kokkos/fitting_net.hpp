// SPDX-License-Identifier: MIT
// The fitting net on a chunk: energies, then dE/d(first layer's input). y_l = act(W_l^T y_{l-1} + b) idt + skip(y_{l-1}); every array
// is (tile, neuron, lane). Biases, activations, slopes, time steps and skip connections are one pass after each product, on both ways.
#pragma once

#include "dpc/kokkos/fused_net.hpp"
#include "dpc/kokkos/matrix_product.hpp"
#include "dpc/kokkos/scratch.hpp"
#include "dpc/math/activation.hpp"

namespace dpc::kokkos {

/// y holds W^T x and becomes the output; slope = act'(..) idt, times dE/dy where that is a number of the neuron: before the last layer.
template <class Real>
struct Activate {
    static constexpr int width = Pack<Real>::width;
    DeviceLayer<Real> layer;
    TiledRows<Real> x, y, slope;
    const Real* reverse_y;  // (n_out), null: not yet known

    KOKKOS_INLINE_FUNCTION void operator()(int tile, int neuron, int lane) const {
        using P = Pack<Real>;
        const P scale = layer.idt != nullptr ? P(layer.idt[neuron]) : P(1.0);
        Real* at = y.at(tile, neuron, lane);
        const P argument = P::load(at) + P(layer.bias[neuron]);
        const math::ValueSlope<P> f = math::with_activation(
            layer.activation, [&](auto kind) { return math::activation<decltype(kind)::value>(argument, layer.parameter); });
        P value = f.value * scale;
        if (layer.skip != Skip::none) {
            value += P::load(x.at(tile, neuron % layer.weight.n_in, lane));
        }
        value.store(at);
        P to_argument = f.slope * scale;
        if (reverse_y != nullptr) {
            to_argument = to_argument * P(reverse_y[neuron]);
        }
        to_argument.store(slope.at(tile, neuron, lane));
    }
};

/// Atomic parameters, counted from those of the first atom (PackedModel::set_parameters): the last rows of the net's input.
template <class Real>
struct PlaceParameters {
    static constexpr int width = Pack<Real>::width;
    TiledRows<Real> to;
    const int* centres;    // (n_atoms) atom indices
    const double* values;  // (atoms, n)
    int n, n_atoms;

    KOKKOS_INLINE_FUNCTION void operator()(int tile, int c, int lane) const {
        Real* row = to.at(tile, c, lane);
        for (int m = 0; m < width; ++m) {
            const int k = tile * to.lanes + lane + m;
            row[m] = k < n_atoms ? static_cast<Real>(values[static_cast<std::int64_t>(centres[k]) * n + c] - values[c]) : Real(0);
        }
    }
};

/// The last layer: energies in double; without any other layer its weights, which are dE/dy, replace y.
template <class Real>
struct SumEnergy {
    static constexpr int width = Pack<Real>::width;
    const Real* weight;  // (n_in)
    TiledRows<Real> y;
    double bias;     // of layer and type
    double* energy;  // (n_atoms)
    int n_atoms;
    bool is_only;

    KOKKOS_INLINE_FUNCTION void operator()(int tile, int, int lane) const {
        double sum[width];
        for (double& s : sum) {
            s = bias;
        }
        for (int neuron = 0; neuron < y.n_rows; ++neuron) {
            Real* from = y.at(tile, neuron, lane);
            for (int n = 0; n < width; ++n) {
                sum[n] += static_cast<double>(weight[neuron]) * static_cast<double>(from[n]);
            }
            if (is_only) {
                Pack<Real>(weight[neuron]).store(from);
            }
        }
        const int first = tile * y.lanes + lane;
        for (int n = 0; n < width && first + n < n_atoms; ++n) {
            energy[first + n] = sum[n];
        }
    }
};

/// The gradient of an atom's features times the factor of its energy.
template <class Real>
struct MultiplyByFactors {
    static constexpr int width = Pack<Real>::width;
    TiledRows<Real> gradient;
    Chunk chunk;

    KOKKOS_INLINE_FUNCTION void operator()(int tile, int feature, int lane) const {
        Real* row = gradient.at(tile, feature, lane);
        const int first = tile * gradient.lanes + lane;
        for (int n = 0; n < width && first + n < chunk.tiles.n_atoms; ++n) {
            row[n] *= static_cast<Real>(chunk.factor(first + n));
        }
    }
};

/// dE/dx of a layer, from the product with its weights, and what went past the layer.
template <class Real>
struct ReverseSkip {
    static constexpr int width = Pack<Real>::width;
    TiledRows<Real> reverse_x;
    int n_skipped = 0;          // rows of dE/dy, 0: the layer has no skip connection
    TiledRows<Real> reverse_y;  // dE/dy, without data: `weights`
    const Real* weights = nullptr;

    KOKKOS_INLINE_FUNCTION Pack<Real> gradient(int tile, int neuron, int lane) const {
        using P = Pack<Real>;
        P value = P::load(reverse_x.at(tile, neuron, lane));
        for (int from = neuron; from < n_skipped; from += reverse_x.n_rows) {
            value += reverse_y.data != nullptr ? P::load(reverse_y.at(tile, from, lane)) : P(weights[from]);
        }
        return value;
    }
    KOKKOS_INLINE_FUNCTION void operator()(int tile, int neuron, int lane) const {
        gradient(tile, neuron, lane).store(reverse_x.at(tile, neuron, lane));
    }
};

/// The same, and slope *= dE/dx for the layer before.
template <class Real>
struct ReverseActivate {
    static constexpr int width = Pack<Real>::width;
    ReverseSkip<Real> behind;
    TiledRows<Real> slope;
    bool keeps_gradient;  // the layer before has a skip connection, too

    KOKKOS_INLINE_FUNCTION void operator()(int tile, int neuron, int lane) const {
        using P = Pack<Real>;
        const P gradient = behind.gradient(tile, neuron, lane);
        if (keeps_gradient) {
            gradient.store(behind.reverse_x.at(tile, neuron, lane));
        }
        Real* at = slope.at(tile, neuron, lane);
        P(P::load(at) * gradient).store(at);
    }
};

/// Sums over the atoms of a chunk, one neuron of the first layer a team: dE/d(what it sums up, its bias included), times the factors of
/// their energies.
template <class ExecSpace, class Real>
struct SumFirstLayer {
    using Member = typename Kokkos::TeamPolicy<ExecSpace>::member_type;
    TiledRows<Real> gradient;  // of a net of one layer, which is linear, without data: 1
    Chunk chunk;
    double* sums;  // (n_rows) added to

    KOKKOS_FUNCTION void operator()(const Member& member) const {
        const int neuron = member.league_rank();
        double sum = 0;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(member, chunk.tiles.n_atoms),
            [&](int k, double& partial) {
                if (chunk.contributes(k)) {
                    const double of_atom = gradient.data == nullptr ? 1.0 : static_cast<double>(*gradient.of_atom(neuron, k));
                    partial += of_atom * chunk.factor(k);
                }
            },
            sum);
        Kokkos::single(Kokkos::PerTeam(member), [&]() { sums[neuron] += sum; });
    }
};

/// The arrays of a chunk in the net.
template <class ExecSpace, class Real>
class FittingNet {
public:
    FittingNet(Launches<ExecSpace>& launches, const DeviceType<Real>& type, const ScratchArrays<Real>& scratch,
               const Chunk& chunk, MatrixProduct<ExecSpace, Real>& product)
        : launches_(launches),
          type_(type),
          layers_(type.layers),
          scratch_(scratch),
          chunk_(chunk),
          product_(product),
          input_(scratch.features(type.n_features, chunk.tiles.lanes)) {}

    /// chunk.energy, the type's bias included; the input becomes dE/dinput.
    void evaluate() {
        if (type_.split.n_layers > 0) {
            fuse();
        } else {
            compute();
            reverse();
        }
        if (chunk_.factors != nullptr) {
            for_each_row("dpc::multiply_by_factors", launches_, chunk_.tiles, input_.n_rows,
                         MultiplyByFactors<Real>{input_, chunk_});
        }
    }

    /// After evaluate: what a bias of the first layer would get, over the atoms that contribute. sums: (neurons), added to.
    void add_first_layer_gradient(double* sums) const {
        const int n = layers_.front().weight.n_out;
        const TiledRows<Real> gradient = layers_.size() > 1 ? slope(0) : TiledRows<Real>{};
        Kokkos::parallel_for("dpc::sum_first_layer", Kokkos::TeamPolicy<ExecSpace>(launches_.space(), n, Kokkos::AUTO),
                             SumFirstLayer<ExecSpace, Real>{gradient, chunk_, sums});
    }

private:
    void fuse() {
        if constexpr (can_fuse_net<ExecSpace, Real>()) {
            const int n_teams = chunk_.tiles.lanes / kNetAtoms;
            NetPart part{type_.split,          input_, {}, type_.energy_weight, type_.energy_bias, chunk_.energy,
                         chunk_.tiles.n_atoms, n_teams};
            for (std::size_t l = 0; l < n_hidden(); ++l) {
                part.slopes[l] = slope(l);
            }
            launches_.add(FusedNetLaunch<ExecSpace>{Together<NetPart>(part)});
        }
    }

    void compute() {
        TiledRows<Real> x = input_;
        for (std::size_t l = 0; l < n_hidden(); ++l) {
            const DeviceLayer<Real>& layer = layers_[l];
            const TiledRows<Real> y = output(l);
            product_("dpc::compute_layer", launches_, layer.weight, chunk_.tiles, x, y);
            for_each_row("dpc::activate", launches_, chunk_.tiles, y.n_rows,
                         Activate<Real>{layer, x, y, slope(l), l + 1 == n_hidden() ? type_.energy_weight : nullptr});
            x = y;
        }
        for_each_row(
            "dpc::sum_energy", launches_, chunk_.tiles, 1,
            SumEnergy<Real>{type_.energy_weight, x, type_.energy_bias, chunk_.energy, chunk_.tiles.n_atoms, n_hidden() == 0});
    }

    void reverse() {
        for (std::size_t l = n_hidden(); l-- > 0;) {
            const DeviceLayer<Real>& layer = layers_[l];
            const TiledRows<Real> reverse_x = l > 0 ? output(l - 1) : input_;
            product_("dpc::reverse_layer", launches_, layer.reverse_weight, chunk_.tiles, slope(l), reverse_x);
            const bool is_last = l + 1 == n_hidden(), skips = layer.skip != Skip::none;
            const ReverseSkip<Real> gradient{reverse_x, skips ? layer.weight.n_out : 0, is_last ? TiledRows<Real>{} : output(l),
                                             type_.energy_weight};
            if (l > 0) {
                for_each_row("dpc::reverse_activate", launches_, chunk_.tiles, reverse_x.n_rows,
                             ReverseActivate<Real>{gradient, slope(l - 1), layers_[l - 1].skip != Skip::none});
            } else if (skips) {
                for_each_row("dpc::reverse_skip", launches_, chunk_.tiles, reverse_x.n_rows, gradient);
            }
        }
    }

    std::size_t n_hidden() const { return layers_.size() - 1; }
    TiledRows<Real> output(std::size_t l) const { return scratch_.output(l, layers_[l].weight.n_out, chunk_.tiles.lanes); }
    TiledRows<Real> slope(std::size_t l) const { return scratch_.slope(l, layers_[l].weight.n_out, chunk_.tiles.lanes); }

    Launches<ExecSpace>& launches_;
    const DeviceType<Real>& type_;
    const std::vector<DeviceLayer<Real>>& layers_;
    const ScratchArrays<Real>& scratch_;
    const Chunk& chunk_;
    MatrixProduct<ExecSpace, Real>& product_;
    TiledRows<Real> input_;
};

}  // namespace dpc::kokkos
