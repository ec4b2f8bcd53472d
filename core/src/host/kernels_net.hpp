// SPDX-License-Identifier: MIT
// The kernels between the moments and the energy: products of rows, and the layers of the fitting net. Part of kernels.cpp, compiled
// once per instruction set with it. All arrays are (feature, lanes), the atom as the fastest index.
#pragma once

#include "dpc/math/activation.hpp"
#include "dpc/math/product_tile.hpp"
#include "dpc/simd.hpp"
#include "kernels.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using simd::DPC_ISA::Pack;

/// One pack of lanes of (n, lanes) arrays, side by side in the first-level cache: rows whose distance is a power of two would
/// share a few sets of it.
template <class Real>
DPC_FUNCTION void gather_lane(int n, int lanes, const Real* rows, Real* packed) {
    for (int row = 0; row < n; ++row) {
        Pack<Real>::load(rows + static_cast<std::ptrdiff_t>(row) * lanes).store(packed + row * Pack<Real>::width);
    }
}

template <class Real>
void compute_products(const ProductList& list, int lanes, const Real* rows, Real* scratch, Real* products) {
    using P = Pack<Real>;
    constexpr int width = P::width;
    for (int lane = 0; lane < lanes; lane += width) {
        gather_lane(4 * list.n_rows, lanes, rows + lane, scratch);
        Real* out = products + lane;
        for (int p = 0; p < list.n_rows; ++p) {
            const Real* row = scratch + 4 * p * width;
            const P a = P::load(row), b = P::load(row + width), c = P::load(row + 2 * width), d = P::load(row + 3 * width);
            const Real* other = scratch + 4 * list.begin[p] * width;
            for (int q = list.begin[p]; q < list.end[p]; ++q) {
                const P product = a * P::load(other) + b * P::load(other + width) + c * P::load(other + 2 * width) +
                                  d * P::load(other + 3 * width);
                product.store(out);
                out += lanes;
                other += 4 * width;
            }
        }
    }
}

template <class Real>
void reverse_products(const ProductList& list, int lanes, const Real* rows, const Real* reverse, Real* scratch, Real* reverse_rows) {
    using P = Pack<Real>;
    constexpr int width = P::width;
    Real* const reverse_scratch = scratch + 4 * list.n_rows * width;
    for (int lane = 0; lane < lanes; lane += width) {
        gather_lane(4 * list.n_rows, lanes, rows + lane, scratch);
        for (int row = 0; row < 4 * list.n_rows; ++row) {
            P(0.0).store(reverse_scratch + row * width);
        }
        const Real* gradient = reverse + lane;
        for (int p = 0; p < list.n_rows; ++p) {
            P row[4], sum[4];
            for (int c = 0; c < 4; ++c) {
                row[c] = P::load(scratch + (4 * p + c) * width);
                sum[c] = P(0.0);
            }
            for (int q = list.begin[p]; q < list.end[p]; ++q) {
                const P g = P::load(gradient);
                for (int c = 0; c < 4; ++c) {
                    const int at_q = (4 * q + c) * width;
                    sum[c] += g * P::load(scratch + at_q);
                    (P::load(reverse_scratch + at_q) + g * row[c]).store(reverse_scratch + at_q);
                }
                gradient += lanes;
            }
            for (int c = 0; c < 4; ++c) {
                const int at_p = (4 * p + c) * width;
                (P::load(reverse_scratch + at_p) + sum[c]).store(reverse_scratch + at_p);
            }
        }
        for (int row = 0; row < 4 * list.n_rows; ++row) {
            P::load(reverse_scratch + row * width).store(reverse_rows + static_cast<std::ptrdiff_t>(row) * lanes + lane);
        }
    }
}

/// Rows of a panel times N packs of lanes, all sums in registers.
template <class Real, int N>
void product_tile(int n_in, const Real* panel, int lanes, const Real* x, Real* y) {
    using P = Pack<Real>;
    P sum[kPanelRows][N];
    math::product_tile<math::NextPanel::fetched>(n_in, panel, lanes, x, sum);
    for (int row = 0; row < kPanelRows; ++row) {
        for (int v = 0; v < N; ++v) {
            sum[row][v].store(y + row * lanes + v * P::width);
        }
    }
}

/// One panel times all lanes, which are a multiple of kLaneMultiple.
template <class Real>
DPC_FUNCTION void multiply_panel(int n_in, const Real* panel, int lanes, const Real* x, Real* y) {
    constexpr int width = Pack<Real>::width;
    constexpr int most = DPC_PACK_BYTES == 64 ? 4 : DPC_PACK_BYTES == 32 ? 2 : 1;
    int lane = 0;
    for (; lane + most * width <= lanes; lane += most * width) {
        product_tile<Real, most>(n_in, panel, lanes, x + lane, y + lane);
    }
    for (; lane + 2 * width <= lanes; lane += 2 * width) {
        product_tile<Real, 2>(n_in, panel, lanes, x + lane, y + lane);
    }
    for (; lane < lanes; lane += width) {
        product_tile<Real, 1>(n_in, panel, lanes, x + lane, y + lane);
    }
}

template <class Real>
void multiply(const PackedMatrix<Real>& matrix, int lanes, const Real* x, Real* y) {
    const Real* panel = matrix.panels;
    for (int row = 0; row < matrix.n_out; row += kPanelRows) {
        multiply_panel(matrix.n_in, panel, lanes, x, y + static_cast<std::ptrdiff_t>(row) * lanes);
        panel += static_cast<std::ptrdiff_t>(kPanelRows) * matrix.n_in;
    }
}

/// Neurons begin .. end - 1: y holds W^T x and becomes the output.
template <Activation KIND, class Real>
void activate(const PackedLayer<Real>& layer, int begin, int end, int lanes, const Real* x, Real* y, Real* slope) {
    using P = Pack<Real>;
    for (int neuron = begin; neuron < end; ++neuron) {
        const P bias(layer.bias[neuron]);
        const bool scales = layer.idt != nullptr;
        const P scale = scales ? P(layer.idt[neuron]) : P(1.0);
        const bool skips = layer.skip != Skip::none;
        const Real* from = skips ? x + static_cast<std::ptrdiff_t>(neuron % layer.weight.n_in) * lanes : x;
        const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(neuron) * lanes;
        for (int lane = 0; lane < lanes; lane += P::width) {
            const math::ValueSlope<P> f = math::activation<KIND>(P::load(y + at + lane) + bias, layer.parameter);
            P value = scales ? f.value * scale : f.value;
            if (skips) {
                value += P::load(from + lane);
            }
            value.store(y + at + lane);
            (scales ? f.slope * scale : f.slope).store(slope + at + lane);
        }
    }
}

template <class Real>
using Activate = void (*)(const PackedLayer<Real>&, int, int, int, const Real*, Real*, Real*);

template <class Real>
Activate<Real> activation_kernel(Activation kind) {
    return math::with_activation(kind, [](auto constant) -> Activate<Real> { return activate<decltype(constant)::value, Real>; });
}

/// Panel by panel, so that the activation finds its sums in the first-level cache.
template <class Real>
void compute_layer(const PackedLayer<Real>& layer, int lanes, const Real* x, Real* y, Real* slope) {
    const Activate<Real> activate_rows = activation_kernel<Real>(layer.activation);
    const PackedMatrix<Real>& weight = layer.weight;
    const Real* panel = weight.panels;
    for (int row = 0; row < weight.n_out; row += kPanelRows) {
        multiply_panel(weight.n_in, panel, lanes, x, y + static_cast<std::ptrdiff_t>(row) * lanes);
        const int end = row + kPanelRows < weight.n_out ? row + kPanelRows : weight.n_out;
        activate_rows(layer, row, end, lanes, x, y, slope);
        panel += static_cast<std::ptrdiff_t>(kPanelRows) * weight.n_in;
    }
}

template <class Real>
void reverse_layer(const PackedLayer<Real>& layer, int lanes, const Real* reverse_y, Real* slope, Real* reverse_x) {
    using P = Pack<Real>;
    const std::ptrdiff_t n = static_cast<std::ptrdiff_t>(layer.weight.n_out) * lanes;
    for (std::ptrdiff_t k = 0; k < n; k += P::width) {
        (P::load(slope + k) * P::load(reverse_y + k)).store(slope + k);
    }
    multiply(layer.reverse_weight, lanes, slope, reverse_x);
    if (layer.skip == Skip::none) {
        return;
    }
    const std::ptrdiff_t n_in = static_cast<std::ptrdiff_t>(layer.weight.n_in) * lanes;
    for (std::ptrdiff_t first = 0; first < n; first += n_in) {
        for (std::ptrdiff_t k = 0; k < n_in; k += P::width) {
            (P::load(reverse_x + k) + P::load(reverse_y + first + k)).store(reverse_x + k);
        }
    }
}

}  // namespace
}  // namespace dpc::host::DPC_ISA
