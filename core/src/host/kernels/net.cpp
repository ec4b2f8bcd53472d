// SPDX-License-Identifier: MIT
// See net.hpp.
#include "host/kernels/net.hpp"

#include "dpc/math/activation.hpp"
#include "dpc/math/counts.hpp"
#include "dpc/math/product_tile.hpp"
#include "dpc/simd.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using simd::DPC_ISA::Pack;

/// Rows of a panel times N packs of lanes, all sums in registers: 6 rows and 4 packs are 24 sums, more than enough that none
/// waits for its last multiply-add, and an input of N loads and 6 broadcasts serves 6 N of them. The weights of a panel lie in
/// the order in which they are read; those of the next panel are fetched meanwhile (docs/architecture.md).
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

/// Packs of lanes of a tile: as many as the sums of kPanelRows rows leave registers for.
constexpr int kPacksAtOnce = DPC_PACK_BYTES == 64 ? 4 : simd::DPC_ISA::kRegisters == 32 ? 3 : DPC_PACK_BYTES == 32 ? 2 : 1;

/// One panel times all lanes, which are a multiple of kLaneMultiple. The panel, some hundred weights a row, stays in the
/// first-level cache over the tiles.
template <class Real>
DPC_FUNCTION void multiply_panel(int n_in, const Real* panel, int lanes, const Real* x, Real* y) {
    constexpr int width = Pack<Real>::width;
    math::in_passes<kPacksAtOnce>(lanes / width, [&](auto count, int first) {
        product_tile<Real, decltype(count)::value>(n_in, panel, lanes, x + first * width, y + first * width);
    });
}

template <class Real>
void multiply(const PackedMatrix<Real>& matrix, int lanes, const Real* x, Real* y) {
    const Real* panel = matrix.panels;
    for (int row = 0; row < matrix.n_out; row += kPanelRows) {
        multiply_panel(matrix.n_in, panel, lanes, x, y + static_cast<std::ptrdiff_t>(row) * lanes);
        panel += static_cast<std::ptrdiff_t>(kPanelRows) * matrix.n_in;
    }
}

/// Neurons begin .. end - 1: y holds W^T x and becomes the output. What is the neuron's own, bias, time step and whether it
/// skips, is asked outside of the loop over atoms, whose packs are independent; the kind of activation is a constant.
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

/// dE/dy times the slopes in their place, as the input of the transposed product; what skips the layer is added to its result.
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

template <class Real>
constexpr NetKernels<Real> functions() {
    NetKernels<Real> table{};
    table.multiply = multiply<Real>;
    table.compute_layer = compute_layer<Real>;
    table.reverse_layer = reverse_layer<Real>;
    return table;
}

}  // namespace

extern const InBoth<NetKernels> net_kernels;
const InBoth<NetKernels> net_kernels = {functions<double>(), functions<float>()};

}  // namespace dpc::host::DPC_ISA
