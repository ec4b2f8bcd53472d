// SPDX-License-Identifier: MIT
// How fused_net.hpp cuts the hidden layers of a fitting net, and which nets it takes. Without Kokkos, for what predicts its time.
#pragma once

#include "dpc/packed_model.hpp"

namespace dpc::kokkos {

/// A product of matrix units: (16, 16) times (16, 8). Rows are atoms, columns of the result neurons.
constexpr int kUnitRows = 16, kUnitDepth = 16, kUnitColumns = 8;
constexpr int kUnitThreads = 32;                                    // of a warp that does one
constexpr int kNetWarps = 4;                                        // of a team
constexpr int kWarpTiles = 8;                                       // tiles of kUnitColumns neurons that a warp sums up at once
constexpr int kNetColumns = kNetWarps * kWarpTiles * kUnitColumns;  // neurons of a layer at most, inputs and outputs at once
constexpr int kMostNetLayers = 4;                                   // hidden ones
constexpr int kNetAtoms = 32;                                       // of a team

/// Whether matrix units can do the hidden layers of a net, as far as its form says: what they lose of its weights HostSplitMatrix finds out.
inline bool has_fusible_form(const PackedFitting<float>& net) {
    const std::size_t n_hidden = net.layers.size() - 1;
    bool is_fusible = n_hidden >= 1 && n_hidden <= kMostNetLayers;
    for (std::size_t l = 0; l < n_hidden && is_fusible; ++l) {
        const PackedLayer<float>& layer = net.layers[l];
        const bool has_known_skip = layer.skip == Skip::none || (layer.skip == Skip::identity && l > 0);
        is_fusible = layer.activation == Activation::tanh && layer.weight.n_out <= kNetColumns && has_known_skip;
    }
    return is_fusible;
}

}  // namespace dpc::kokkos
