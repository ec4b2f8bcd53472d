// SPDX-License-Identifier: MIT
// See net.hpp.
#include "host/kernels/net.hpp"

#include <cstring>

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
template <class Real, math::NextPanel NEXT, int N>
void product_tile(int n_in, const Real* panel, int lanes, const Real* x, Real* y) {
    using P = Pack<Real>;
    P sum[kPanelRows][N];
    math::product_tile<NEXT>(n_in, panel, lanes, x, sum);
    math::for_each_count<kPanelRows>([&](auto row) __attribute__((always_inline)) {
        math::for_each_count<N>([&](auto v) __attribute__((always_inline)) {
            sum[decltype(row)::value][decltype(v)::value].store(y + decltype(row)::value * lanes + decltype(v)::value * P::width);
        });
    });
}

/// Packs of lanes of a tile: as many as the sums of kPanelRows rows leave registers for.
constexpr int kPacksAtOnce = DPC_PACK_BYTES == 64 ? 4 : simd::DPC_ISA::kRegisters == 32 ? 3 : DPC_PACK_BYTES == 32 ? 2 : 1;

/// Atoms that are multiplied by rows in packs, all elements of which are in use however few atoms there are. More take packs of atoms,
/// whose loads serve more multiply-adds: measured (docs/performance.md, "Rows in packs", "Seventeen atoms").
template <class Real>
constexpr int most_few() {
    constexpr int width = Pack<Real>::width, registers = simd::DPC_ISA::kRegisters;
    return width < 8 ? 6 : registers == 16 ? 12 : sizeof(Real) == sizeof(float) ? 24 : 20;
}
template <class Real>
constexpr int kMostFew = most_few<Real>();

/// Of these in one tile: the last ones, and those before them where there are more. 3 packs of rows x 8 atoms are 24 sums, whose 11 loads
/// serve 24 multiply-adds.
template <class Real>
constexpr int kLastFew = kMostFew<Real> < 12 ? kMostFew<Real> : 12;
constexpr int kFewAtOnce = 8;
static_assert(kFewAtOnce % kLaneMultiple<double> == 0);

/// Packs of rows at once, times M atoms: as many as leave registers for the weights.
template <int M>
constexpr int kRowPacks = simd::DPC_ISA::kRegisters == 16 ? 14 / (M + 1)
                          : M < 9                         ? 3
                                                          : 24 / M;

/// N packs of rows of a wide panel times M atoms; y gets n_rows of them at most, and zeros behind the atoms up to lane `end`. Inputs are
/// summed in phases, where one sum for each atom and pack would wait for its last multiply-add.
template <class Real, int M, int N>
void tile_of_few(int n_in, const Real* panel, int n_panel_rows, int lanes, const Real* x, int n_rows, int end, Real* y) {
    using P = Pack<Real>;
    constexpr int kMostSums = simd::DPC_ISA::kRegisters * 3 / 4;
    constexpr int kPhases = N * M < 4 ? 4 : N * M < 8 && 2 * N * M <= kMostSums ? 2 : 1;
    P sum[kPhases][N][M];
    for (auto& of_phase : sum) {
        for (auto& of_rows : of_phase) {
            for (P& of_atom : of_rows) {
                of_atom = P(0.0);
            }
        }
    }
    const auto add = [&](auto phase) __attribute__((always_inline)) {
        P rows[N];
        for (int v = 0; v < N; ++v) {
            rows[v] = P::load(panel + v * P::width);
            __builtin_prefetch(panel + static_cast<std::ptrdiff_t>(n_panel_rows) * n_in + v * P::width, 0, 2);
        }
        for (int m = 0; m < M; ++m) {
            const P of_atom(x[m]);
            for (int v = 0; v < N; ++v) {
                sum[decltype(phase)::value][v][m] += rows[v] * of_atom;
            }
        }
        panel += n_panel_rows;
        x += lanes;
    };
    int k = 0;
    for (; k + kPhases <= n_in; k += kPhases) {
        math::for_each_count<kPhases>(add);
    }
    for (; k < n_in; ++k) {
        add(math::Count<0>{});
    }
    constexpr int kAtomPacks = (M + P::width - 1) / P::width;
    for (int v = 0; v < N; ++v) {
        P total[kAtomPacks][P::width];  // (atom, row), then the other way round
        for (int m = 0; m < M; ++m) {
            P& of_atom = total[m / P::width][m % P::width];
            of_atom = sum[0][v][m];
            for (int phase = 1; phase < kPhases; ++phase) {
                of_atom += sum[phase][v][m];
            }
        }
        for (int m = M; m < kAtomPacks * P::width; ++m) {
            total[m / P::width][m % P::width] = P(0.0);
        }
        for (auto& of_atoms : total) {
            simd::DPC_ISA::transpose(of_atoms);
        }
        for (int row = 0; row < P::width && v * P::width + row < n_rows; ++row) {
            Real* to = y + static_cast<std::ptrdiff_t>(v * P::width + row) * lanes;
            for (int pack = 0, lane = 0; lane < end; ++pack, lane += P::width) {
                const P of_atoms = pack < kAtomPacks ? total[pack][row] : P(0.0);
                if (end - lane >= P::width) {
                    of_atoms.store(to + lane);
                } else {  // single precision in blocks of double
                    std::memcpy(to + lane, &of_atoms, sizeof of_atoms / 2);
                }
            }
        }
    }
}

/// How the lanes in use are cut: packs, and a few atoms behind them or alone. Shorter packs than those of 512 bits are cheaper: there the
/// atoms behind fill the last tile, unless all tiles are full.
template <class Real>
struct LanePieces {
    int n_packs, n_few;

    DPC_FUNCTION LanePieces(const PackedMatrix<Real>& matrix, int used) {
        constexpr int width = Pack<Real>::width, most_behind = width < 8 ? width / 4 : width / 2;
        const int rest = used % width;
        const bool are_few = used <= kMostFew<Real>,
                   are_behind = rest <= most_behind && (DPC_PACK_BYTES == 64 || used / width % kPacksAtOnce == 0);
        n_few = matrix.wide_panels == nullptr ? 0 : are_few ? used : are_behind ? rest : 0;
        n_packs = (used - n_few + width - 1) / width;
    }
    DPC_FUNCTION int in_packs() const { return n_packs * Pack<Real>::width; }
};

/// All rows times the few atoms; zeros in the lanes behind them. A panel stays in the second-level cache over the tiles. A tile writes
/// zeros behind its atoms, which the next one overwrites: it begins at a whole pack, or at half of one in single precision.
template <class Real>
void multiply_few(const PackedMatrix<Real>& matrix, const LanePieces<Real>& pieces, int lanes, const Real* x, Real* y) {
    constexpr int width = Pack<Real>::width, multiple = kLaneMultiple<Real>;
    const int n_rows = (matrix.n_out + kPanelRows - 1) / kPanelRows * kPanelRows,
              n_wide = (matrix.n_out + multiple - 1) / multiple * multiple, end = lanes - pieces.in_packs();
    x += pieces.in_packs();
    y += pieces.in_packs();
    for (int first = 0; first < n_wide; first += kWideRows<Real>) {
        const int n_panel_rows = n_wide - first < kWideRows<Real> ? n_wide - first : kWideRows<Real>;
        const Real* panel = matrix.wide_panels + static_cast<std::ptrdiff_t>(first) * matrix.n_in;
        for (int atom = 0, n_atoms = 0; atom < pieces.n_few; atom += n_atoms) {
            const int left = pieces.n_few - atom;
            n_atoms = left > kLastFew<Real> ? kFewAtOnce : left;
            math::with_count<kLastFew<Real>>(n_atoms, [&](auto atoms) {
                constexpr int M = decltype(atoms)::value;
                math::in_passes<kRowPacks<M>>(n_panel_rows / width, [&](auto packs, int pack) {
                    const int row = first + pack * width;
                    tile_of_few<Real, M, decltype(packs)::value>(matrix.n_in, panel + pack * width, n_panel_rows, lanes, x + atom,
                                                                 n_rows - row, end - atom,
                                                                 y + static_cast<std::ptrdiff_t>(row) * lanes + atom);
                });
            });
        }
    }
    for (int row = n_wide; row < n_rows; ++row) {
        for (int lane = 0; lane < end; ++lane) {
            y[static_cast<std::ptrdiff_t>(row) * lanes + lane] = 0;
        }
    }
}

/// One panel times the packs of atoms; without few behind them zeros in the lanes that are left. The panel, some hundred weights a row,
/// stays in the first-level cache over the tiles.
template <class Real>
DPC_FUNCTION void multiply_panel(int n_in, const Real* panel, const LanePieces<Real>& pieces, int lanes, const Real* x, Real* y) {
    constexpr int width = Pack<Real>::width;
    math::in_passes<kPacksAtOnce>(pieces.n_packs, [&](auto count, int first) {
        using math::NextPanel;
        constexpr int N = decltype(count)::value;
        const auto tile = first == 0 ? product_tile<Real, NextPanel::fetched, N> : product_tile<Real, NextPanel::left_alone, N>;
        tile(n_in, panel, lanes, x + first * width, y + first * width);
    });
    for (int row = 0; row < kPanelRows && pieces.n_few == 0; ++row) {
        for (int lane = pieces.in_packs(); lane < lanes; ++lane) {
            y[row * lanes + lane] = 0;
        }
    }
}

template <class Real>
void multiply_lanes(const PackedMatrix<Real>& matrix, Lanes lanes, const Real* x, Real* y) {
    const LanePieces<Real> pieces(matrix, lanes.used);
    if (pieces.n_few > 0) {
        multiply_few(matrix, pieces, lanes.n, x, y);
    }
    const Real* panel = matrix.panels;
    for (int row = 0; row < matrix.n_out && pieces.n_packs > 0; row += kPanelRows) {
        multiply_panel(matrix.n_in, panel, pieces, lanes.n, x, y + static_cast<std::ptrdiff_t>(row) * lanes.n);
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

/// Panel by panel, so that the activation finds its sums in the first-level cache; those of few atoms are made before, which all fit.
template <class Real>
void compute_layer(const PackedLayer<Real>& layer, Lanes lanes, const Real* x, Real* y, Real* slope, float* scratch) {
    const Activate<Real> activate_rows = activation_kernel<Real>(layer.activation);
    const PackedMatrix<Real>& weight = layer.weight;
    const PackedMatrix<float>& single = layer.single;
    const LanePieces<Real> pieces(weight, lanes.used);
    const LanePieces<float> of_single(single, lanes.used);
    const std::ptrdiff_t n_single = static_cast<std::ptrdiff_t>(single.n_in) * lanes.n,
                         n_sums = static_cast<std::ptrdiff_t>(kPanelRows) * lanes.n;
    if (pieces.n_few > 0) {
        multiply_few(weight, pieces, lanes.n, x, y);
    }
    float* sums = scratch + n_single;
    if (n_single > 0) {
        convert(x + static_cast<std::ptrdiff_t>(weight.n_in) * lanes.n, n_single, scratch);
        if (of_single.n_few > 0) {
            multiply_few(single, of_single, lanes.n, scratch, sums);
        }
    }
    for (int row = 0; row < weight.n_out; row += kPanelRows) {
        Real* const of_panel = y + static_cast<std::ptrdiff_t>(row) * lanes.n;
        if (pieces.n_packs > 0) {
            multiply_panel(weight.n_in, weight.panels + static_cast<std::ptrdiff_t>(row) * weight.n_in, pieces, lanes.n, x,
                           of_panel);
        }
        if (n_single > 0) {
            multiply_panel(single.n_in, single.panels + static_cast<std::ptrdiff_t>(row) * single.n_in, of_single, lanes.n,
                           scratch, sums);
            for (std::ptrdiff_t k = 0; k < n_sums; ++k) {
                of_panel[k] += static_cast<Real>(sums[k]);
            }
            sums += of_single.n_few > 0 ? n_sums : 0;  // those of all rows are there
        }
        const int end = row + kPanelRows < weight.n_out ? row + kPanelRows : weight.n_out;
        activate_rows(layer, row, end, lanes.n, x, y, slope);
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
