// SPDX-License-Identifier: MIT
// See net.hpp.
#include "host/kernels/net.hpp"

#include <cstring>

#include "dpc/math/activation.hpp"
#include "dpc/math/counts.hpp"
#include "dpc/math/product_tile.hpp"
#include "dpc/simd.hpp"
#include "host/kernels/eight.hpp"

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

/// Half a pack: one instruction of a processor with 512-bit registers that works on 256 bits at a time takes as long as two of these.
constexpr bool kHasHalves = DPC_PACK_BYTES == 64;
template <class T>
struct HalfOf;
template <>
struct HalfOf<double> {
    typedef double Vector __attribute__((vector_size(DPC_PACK_BYTES / 2)));
};
template <>
struct HalfOf<float> {
    typedef float Vector __attribute__((vector_size(DPC_PACK_BYTES / 2)));
};

template <class T>
struct HalfPack {
    using Vector = typename HalfOf<T>::Vector;
    static constexpr int width = Pack<T>::width / 2;
    Vector v{};

    DPC_FUNCTION HalfPack() = default;
    DPC_FUNCTION explicit HalfPack(T scalar) : v(scalar - Vector{}) {}
    DPC_FUNCTION static HalfPack load(const T* from) {
        HalfPack half;
        std::memcpy(&half.v, from, sizeof(Vector));
        return half;
    }
    DPC_FUNCTION void store(T* to) const { std::memcpy(to, &v, sizeof(Vector)); }
    DPC_FUNCTION HalfPack& operator+=(HalfPack other) {
        v += other.v;
        return *this;
    }
    DPC_FUNCTION friend HalfPack operator*(HalfPack a, HalfPack b) {
        a.v *= b.v;
        return a;
    }
};

/// A panel times N packs of lanes and half a pack behind them, for blocks of few atoms. Alone, the half has two sums a row, of even
/// and of odd inputs: six would wait for each other.
template <class Real, int N>
void product_tile_and_half(int n_in, const Real* panel, int lanes, const Real* x, Real* y) {
    using P = Pack<Real>;
    using Half = HalfPack<Real>;
    constexpr int kPhases = N == 0 ? 2 : 1;
    P sum[kPanelRows][N == 0 ? 1 : N];
    Half half[kPhases][kPanelRows];
    for (int row = 0; row < kPanelRows; ++row) {
        for (int v = 0; v < N; ++v) {
            sum[row][v] = P(0.0);
        }
        for (int phase = 0; phase < kPhases; ++phase) {
            half[phase][row] = Half();
        }
    }
    const auto add = [&](auto phase) __attribute__((always_inline)) {
        P column[N == 0 ? 1 : N];
        for (int v = 0; v < N; ++v) {
            column[v] = P::load(x + v * P::width);
        }
        const Half last = Half::load(x + N * P::width);
        __builtin_prefetch(panel + kPanelRows * n_in, 0, 2);
        for (int row = 0; row < kPanelRows; ++row) {
            const P weight(panel[row]);
            for (int v = 0; v < N; ++v) {
                sum[row][v] += weight * column[v];
            }
            half[decltype(phase)::value - 1][row] += Half(panel[row]) * last;
        }
        panel += kPanelRows;
        x += lanes;
    };
    int k = 0;
    for (; k + kPhases <= n_in; k += kPhases) {
        add(math::Count<1>{});
        if constexpr (kPhases == 2) {
            add(math::Count<2>{});
        }
    }
    if (k < n_in) {
        add(math::Count<1>{});
    }
    for (int row = 0; row < kPanelRows; ++row) {
        for (int v = 0; v < N; ++v) {
            sum[row][v].store(y + row * lanes + v * P::width);
        }
        Half total = half[0][row];
        if constexpr (kPhases == 2) {
            total += half[1][row];
        }
        total.store(y + row * lanes + N * P::width);
    }
}

/// The rows of a panel for one input, and zeros behind them.
template <class Real>
DPC_FUNCTION typename Eight<Real>::Vector load_rows(const Real* panel) {
#if defined(__AVX512F__)
    constexpr int kMask = (1 << kPanelRows) - 1;
    if constexpr (sizeof(Real) == sizeof(double)) {
        return _mm512_maskz_loadu_pd(kMask, panel);
    } else {
        return _mm256_maskz_loadu_ps(kMask, panel);
    }
#else
    typename Eight<Real>::Vector rows{};
    std::memcpy(&rows, panel, kPanelRows * sizeof(Real));
    return rows;
#endif
}

/// A panel times the last M atoms of a block: the rows are the elements of a vector, so that an input costs M multiply-adds where half a
/// pack of atoms takes six. Inputs are summed in phases, which do not wait for each other. Loops that were not unrolled would leave the
/// sums in memory.
template <class Real, int M>
void product_of_atoms(int n_in, const Real* panel, int lanes, const Real* x, Real* y) {
    using Rows = typename Eight<Real>::Vector;
    constexpr int kPhases = M == 1 ? 4 : 2;
    Rows sum[kPhases][M];
    for (auto& of_phase : sum) {
#pragma GCC unroll 8
        for (Rows& of_atom : of_phase) {
            of_atom = Rows{};
        }
    }
    const auto add = [&](int phase) __attribute__((always_inline)) {
        const Rows rows = load_rows(panel);
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) {
            sum[phase][m] += rows * x[m];
        }
        panel += kPanelRows;
        x += lanes;
    };
    int k = 0;
    for (; k + kPhases <= n_in; k += kPhases) {
        for (int at = 0; at < kPhases * kPanelRows; at += kLaneMultiple<Real>) {
            __builtin_prefetch(panel + kPanelRows * n_in + at, 0, 2);
        }
#pragma GCC unroll 4
        for (int phase = 0; phase < kPhases; ++phase) {
            add(phase);
        }
    }
    for (; k < n_in; ++k) {
        add(0);
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
        Rows total = sum[0][m];
        for (int phase = 1; phase < kPhases; ++phase) {
            total += sum[phase][m];
        }
        for (int row = 0; row < kPanelRows; ++row) {
            y[row * lanes + m] = total[row];
        }
    }
}

/// How the lanes in use are cut: packs, and half a pack or some atoms by themselves. How many atoms are faster by themselves was measured
/// (docs/performance.md, "Few atoms").
template <class Real>
struct LanePieces {
    static constexpr int most_alone = sizeof(Real) == sizeof(double) ? 3 : 6, most_behind_packs = most_alone / 2 + 1;
    int n_packs, n_atoms;
    bool has_half;

    DPC_FUNCTION explicit LanePieces(int used) {
        constexpr int width = Pack<Real>::width, half = width / 2;
        const int rest = used % width;
        n_atoms = kHasHalves && rest <= (used < width ? most_alone : most_behind_packs) ? rest : 0;
        has_half = kHasHalves && n_atoms < rest && rest <= half;
        n_packs = used / width + (n_atoms < rest && !has_half ? 1 : 0);
    }
};

/// One panel times the lanes in use, which lie among a multiple of kLaneMultiple. The panel, some hundred weights a row, stays in the
/// first-level cache over the tiles.
template <class Real>
DPC_FUNCTION void multiply_panel(int n_in, const Real* panel, Lanes lanes, const Real* x, Real* y) {
    constexpr int width = Pack<Real>::width;
    const LanePieces<Real> pieces(lanes.used);
    const int n_beside_half = pieces.has_half ? pieces.n_packs % kPacksAtOnce : 0, n_alone = pieces.n_packs - n_beside_half;
    math::in_passes<kPacksAtOnce>(n_alone, [&](auto count, int first) {
        product_tile<Real, decltype(count)::value>(n_in, panel, lanes.n, x + first * width, y + first * width);
    });
    int end = pieces.n_packs * width;
    if constexpr (kHasHalves) {
        if (pieces.has_half) {
            math::with_count<kPacksAtOnce>(n_beside_half + 1, [&](auto count) {
                product_tile_and_half<Real, decltype(count)::value - 1>(n_in, panel, lanes.n, x + n_alone * width,
                                                                        y + n_alone * width);
            });
            end += width / 2;
        }
        if (pieces.n_atoms > 0) {
            math::with_count<LanePieces<Real>::most_alone>(pieces.n_atoms, [&](auto count) {
                product_of_atoms<Real, decltype(count)::value>(n_in, panel, lanes.n, x + end, y + end);
            });
            end += pieces.n_atoms;
        }
    }
    for (int row = 0; row < kPanelRows && end < lanes.n; ++row) {
        for (int lane = end; lane < lanes.n; ++lane) {
            y[row * lanes.n + lane] = 0;
        }
    }
}

template <class Real>
void multiply_lanes(const PackedMatrix<Real>& matrix, Lanes lanes, const Real* x, Real* y) {
    const Real* panel = matrix.panels;
    for (int row = 0; row < matrix.n_out; row += kPanelRows) {
        multiply_panel(matrix.n_in, panel, lanes, x, y + static_cast<std::ptrdiff_t>(row) * lanes.n);
        panel += static_cast<std::ptrdiff_t>(kPanelRows) * matrix.n_in;
    }
}

template <class Real>
void multiply(const PackedMatrix<Real>& matrix, int lanes, const Real* x, Real* y) {
    multiply_lanes(matrix, {lanes, lanes}, x, y);
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

template <class From, class To>
DPC_FUNCTION void convert(const From* from, std::ptrdiff_t n, To* to) {
    for (std::ptrdiff_t k = 0; k < n; ++k) {
        to[k] = static_cast<To>(from[k]);
    }
}

/// Panel by panel, so that the activation finds its sums in the first-level cache.
template <class Real>
void compute_layer(const PackedLayer<Real>& layer, Lanes lanes, const Real* x, Real* y, Real* slope, float* scratch) {
    const Activate<Real> activate_rows = activation_kernel<Real>(layer.activation);
    const PackedMatrix<Real>& weight = layer.weight;
    const Real* panel = weight.panels;
    const PackedMatrix<float>& single = layer.single;
    const std::ptrdiff_t n_single = static_cast<std::ptrdiff_t>(single.n_in) * lanes.n,
                         n_sums = static_cast<std::ptrdiff_t>(kPanelRows) * lanes.n;
    float* const sums = scratch + n_single;
    if (n_single > 0) {
        convert(x + static_cast<std::ptrdiff_t>(weight.n_in) * lanes.n, n_single, scratch);
    }
    for (int row = 0; row < weight.n_out; row += kPanelRows) {
        Real* const of_panel = y + static_cast<std::ptrdiff_t>(row) * lanes.n;
        multiply_panel(weight.n_in, panel, lanes, x, of_panel);
        if (n_single > 0) {
            multiply_panel(single.n_in, single.panels + static_cast<std::ptrdiff_t>(row) * single.n_in, lanes, scratch, sums);
            for (std::ptrdiff_t k = 0; k < n_sums; ++k) {
                of_panel[k] += static_cast<Real>(sums[k]);
            }
        }
        const int end = row + kPanelRows < weight.n_out ? row + kPanelRows : weight.n_out;
        activate_rows(layer, row, end, lanes.n, x, y, slope);
        panel += static_cast<std::ptrdiff_t>(kPanelRows) * weight.n_in;
    }
}

/// dE/dy times the slopes in their place, as the input of the transposed product; what skips the layer is added to its result.
template <class Real>
void reverse_layer(const PackedLayer<Real>& layer, Lanes lanes, const Real* reverse_y, Real* slope, Real* reverse_x,
                   float* scratch) {
    using P = Pack<Real>;
    const std::ptrdiff_t n = static_cast<std::ptrdiff_t>(layer.weight.n_out) * lanes.n;
    for (std::ptrdiff_t k = 0; k < n; k += P::width) {
        (P::load(slope + k) * P::load(reverse_y + k)).store(slope + k);
    }
    multiply_lanes(layer.reverse_weight, lanes, slope, reverse_x);
    if (layer.single.n_in > 0) {
        convert(slope, n, scratch);
        multiply_lanes(layer.reverse_single, lanes, scratch, scratch + n);
        convert(scratch + n, static_cast<std::ptrdiff_t>(layer.single.n_in) * lanes.n,
                reverse_x + static_cast<std::ptrdiff_t>(layer.weight.n_in) * lanes.n);
    }
    if (layer.skip == Skip::none) {
        return;
    }
    const std::ptrdiff_t n_in = static_cast<std::ptrdiff_t>(layer.weight.n_in) * lanes.n;
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
