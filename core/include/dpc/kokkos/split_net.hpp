// SPDX-License-Identifier: MIT
// The hidden layers of a fitting net for matrix units: their weights as pairs of halves in the order in which the threads of a warp read
// them.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include "dpc/kokkos/halves.hpp"
#include "dpc/kokkos/net_layout.hpp"
#include "dpc/kokkos/pack.hpp"
#include "dpc/kokkos/warp.hpp"

namespace dpc::kokkos {

/// Weights W (n_out, n_in) of y = W x, of which rows and columns are divided by powers of two: so that the largest element of each
/// column is 2^11 or more and less than 2^12, and no row is small beside the others. x is multiplied by those of the columns, what
/// comes out by those of the rows. By step of kUnitDepth inputs, tile of kUnitColumns neurons and thread: what that thread holds of
/// the high halves (2 registers), then of the low ones. Tiles come in multiples of kNetWarps, and all padding is 0.
struct SplitMatrix {
    int n_in = 0, n_out = 0, n_steps = 0, n_tiles = 0;
    const std::uint32_t* fragments = nullptr;  // (n_steps, n_tiles, kUnitThreads, 4)
    const float* in_scales = nullptr;          // (n_in, up to whole kNetWarps tiles)
    const float* out_scales = nullptr;         // (n_tiles kUnitColumns)
};

struct SplitLayer {
    SplitMatrix weight, reverse_weight;
    bool has_skip = false;
    const float *bias = nullptr, *idt = nullptr;
};

struct SplitNet {
    int n_layers = 0;  // hidden ones; 0: this net is not taken
    SplitLayer layers[kMostNetLayers];
};

/// A SplitMatrix on the host.
struct HostSplitMatrix {
    SplitMatrix sizes;
    std::vector<std::uint32_t> fragments;
    std::vector<float> in_scales, out_scales;
    bool is_exact = true;      // as far as single precision asks: every row to 2^-20 of the sum of its absolute values
    bool keeps_inputs = true;  // so are the scaled inputs, where they are read once more: by a skip

    explicit HostSplitMatrix(const PackedMatrix<float>& matrix) {
        const auto tiles = [](int n, int size, int multiple) { return (n + size * multiple - 1) / (size * multiple) * multiple; };
        sizes.n_in = matrix.n_in;
        sizes.n_out = matrix.n_out;
        sizes.n_steps = tiles(matrix.n_in, kUnitDepth, 1);
        sizes.n_tiles = tiles(matrix.n_out, kUnitColumns, kNetWarps);
        const auto padded_in = static_cast<std::size_t>(tiles(matrix.n_in, kUnitColumns, kNetWarps) * kUnitColumns);
        in_scales.assign(padded_in, 1);
        out_scales.assign(static_cast<std::size_t>(sizes.n_tiles * kUnitColumns), 1);
        find_scales(matrix);
        place(matrix);
        check(matrix);
    }

private:
    float scaled(const PackedMatrix<float>& matrix, int row, int k) const {
        const bool is_there = row < matrix.n_out && k < matrix.n_in;
        return is_there
                   ? matrix.element(row, k) / out_scales[static_cast<std::size_t>(row)] / in_scales[static_cast<std::size_t>(k)]
                   : 0;
    }
    void find_scales(const PackedMatrix<float>& matrix) {
        std::vector<float> largest_in(in_scales.size()), largest_out(out_scales.size());
        const auto for_each = [&](std::vector<float>& largest, auto index) {
            for (int row = 0; row < matrix.n_out; ++row) {
                for (int k = 0; k < matrix.n_in; ++k) {
                    float& most = largest[static_cast<std::size_t>(index(row, k))];
                    most = std::max(most, std::abs(scaled(matrix, row, k)));
                }
            }
        };
        for_each(largest_out, [](int row, int) { return row; });
        std::transform(largest_out.begin(), largest_out.end(), out_scales.begin(), [](float most) { return scale_for(most, 1); });
        for_each(largest_in, [](int, int k) { return k; });
        float most_scale = 0, least_scale = INFINITY;
        for (const float most : largest_in) {
            most_scale = most > 0 ? std::max(most_scale, scale_for(most, 1)) : most_scale;
            least_scale = most > 0 ? std::min(least_scale, scale_for(most, 1)) : least_scale;
        }
        std::transform(largest_in.begin(), largest_in.end(), in_scales.begin(),
                       [&](float most) { return scale_for(most, most_scale > 0 ? most_scale : 1); });
        keeps_inputs = !(least_scale < most_scale * kLeastOfInputs);
    }
    static float scale_for(float largest, float of_none) { return largest == 0 ? of_none : inverse_of_power(scale_of(largest)); }
    static constexpr float kLeastOfInputs =
        1.0F / (1 << 12);  // what is lost of inputs that are so much smaller is 6e-8 of the largest

    /// Thread 4 g + q of a warp holds of a tile, at neuron g, the inputs 2 q, 2 q + 1 in its first register and 2 q + 8, 2 q + 9 in its second.
    void place(const PackedMatrix<float>& matrix) {
        for (int step = 0; step < sizes.n_steps; ++step) {
            for (int tile = 0; tile < sizes.n_tiles; ++tile) {
                for (int thread = 0; thread < kUnitThreads; ++thread) {
                    const int row = tile * kUnitColumns + thread / 4, k = step * kUnitDepth + 2 * (thread % 4);
                    const SplitPair first = split(scaled(matrix, row, k), scaled(matrix, row, k + 1));
                    const SplitPair second = split(scaled(matrix, row, k + 8), scaled(matrix, row, k + 9));
                    fragments.insert(fragments.end(), {first.high, second.high, first.low, second.low});
                }
            }
        }
    }
    void check(const PackedMatrix<float>& matrix) {
        constexpr double tolerance = 1.0 / (1 << 20);
        for (int row = 0; row < matrix.n_out; ++row) {
            double lost = 0, all = 0;
            for (int k = 0; k < matrix.n_in; ++k) {
                const float value = scaled(matrix, row, k);
                lost += std::abs(static_cast<double>(value) - static_cast<double>(split(value, 0).values().first));
                all += std::abs(static_cast<double>(value));
            }
            is_exact = is_exact && lost <= tolerance * all;  // not if one is infinite
        }
    }
};

/// A build whose kernels can do it: on a GPU, in mixed precision.
template <class ExecSpace, class Real>
constexpr bool can_fuse_net() {
    if constexpr (is_gpu<ExecSpace> && std::is_same_v<Real, float>) {
        return Warp<ExecSpace>::has_matrix_units;
    } else {
        return false;
    }
}

}  // namespace dpc::kokkos
