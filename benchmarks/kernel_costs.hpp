// SPDX-License-Identifier: MIT
// Bytes and operations per atom that each kernel of the Kokkos evaluator cannot do without: every array that a step takes from or
// leaves to another one read and written once; coefficients, weights and positions of neighbours from caches. A multiply-add
// counts two operations, a division or a square root one; activations are not counted. And what that should take on an H200 by its data
// sheet and the machine code of the kernels: a prediction, for docs/kokkos.md and for what is measured one day.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <utility>

#include "dpc/kokkos/net_layout.hpp"
#include "dpc/packed_model.hpp"
#include "structures.hpp"

namespace dpc::bench {

// Of one pair, counted in core/include/dpc/math/environment.hpp and in the kernels.
constexpr double kVectorOperations = 11;       // difference, units, square
constexpr double kEnvironmentOperations = 42;  // switch 15, radial functions 18, vector 3, place in the table 6
constexpr double kReverseOperations = 41;      // dE/dd 17, virial 18, forces 6

// Of a warp for one pair, from the loops of the kernels for sm_90 (.ci/machine_code.py); gather_pairs: for one atom.
constexpr double kGatherInstructions = 1900, kEnvironmentInstructions = 14, kForceInstructions = 9;
template <class Real>
inline constexpr double moment_instructions = sizeof(Real) == sizeof(double) ? 15 : 12;
template <class Real>
inline constexpr double reverse_instructions = sizeof(Real) == sizeof(double) ? 30 : 22;
constexpr double kAtomicsOfPair = 3;      // force of the neighbour
constexpr double kAtomicsOfSegment = 12;  // of a centre and the neighbours of one type: its force, its virial
constexpr double kFusedStepInstructions = 20, kFusedTileInstructions = 17;  // of a warp in a step of a product: once, and a tile
constexpr double kFusedNeuronInstructions = 100;                            // of a thread for a neuron, forward and back
constexpr double kFactorsOfThread = 4;  // of a GPU: kFactorsAtOnce of descriptors/se_e2_a/products.hpp

struct Cost {
    double bytes = 0, operations = 0;
    double tables = 0,
           cached = 0;  // bytes that come from the first-level cache at best, those of weights too; from the second-level cache
    double instructions = 0, atomics = 0;
    bool is_product = false;  // of matrices
    double halves = 0;        // operations of matrix units of half precision

    Cost& operator+=(const Cost& other) {
        bytes += other.bytes;
        operations += other.operations;
        tables += other.tables;
        cached += other.cached;
        instructions += other.instructions;
        atomics += other.atomics;
        is_product = is_product || other.is_product;
        halves += other.halves;
        return *this;
    }
    Cost times(double n) const {
        return {n * bytes, n * operations, n * tables, n * cached, n * instructions, n * atomics, is_product, n * halves};
    }
};
using Costs = std::map<std::string, Cost>;  // by kernel label

/// Rates per second of an H200: 132 multiprocessors at 1.7 GHz.
struct H200 {
    static constexpr double memory = 4.8e12, second_level = 5.5e12, first_level = 132 * 64 * 1.7e9;
    static constexpr double instructions = 0.6 * 132 * 4 * 1.7e9, atomics = 60e9;
    template <class Real>
    static constexpr double operations = sizeof(Real) == sizeof(double) ? 34e12 : 67e12;
    static constexpr double products = 0.8 * 67e12;  // in double by its matrix units
    static constexpr double halves = 0.5 * 989e12;   // of what a warp starts by itself: 60 % of the data sheet at best
};

/// Seconds: the longest of what can go on at once. With the tables in the first-level cache, and in the second.
template <class Real>
std::pair<double, double> predicted(const Cost& cost) {
    const double arithmetic = cost.operations / (cost.is_product ? H200::products : H200::operations<Real>);
    const double others = std::max({cost.bytes / H200::memory, arithmetic, cost.instructions / H200::instructions,
                                    cost.atomics / H200::atomics, cost.cached / H200::second_level, cost.halves / H200::halves});
    return {std::max(others, (cost.tables + cost.cached) / H200::first_level),
            std::max(others, (cost.tables + cost.cached) / H200::second_level)};
}

/// Neighbours of the atoms of a structure, summed over all centres.
struct PairCounts {
    double listed = 0;
    std::vector<double> inside;  // (n_types, n_types) centre's type, neighbour's type
    std::vector<double> atoms;   // (n_types)
};

inline PairCounts count_pairs(const Structure& structure, int n_types, double rcut) {
    const auto n = static_cast<std::size_t>(n_types);
    PairCounts counts{0, std::vector<double>(n * n), std::vector<double>(n)};
    const NeighbourRows rows = structure.list();
    for (int i = 0; i < rows.n_centres; ++i) {
        const auto a = static_cast<std::size_t>(structure.types()[i]);
        counts.atoms[a] += 1;
        counts.listed += rows.count[i];
        for (int k = 0; k < rows.count[i]; ++k) {
            const int j = rows.rows[i][k];
            counts.inside[a * n + static_cast<std::size_t>(structure.types()[j])] += structure.distance(i, j) < rcut ? 1 : 0;
        }
    }
    return counts;
}

/// Of the steps that go over pairs; n pairs of one pair of types, around n_atoms.
template <class Real>
void add_pair_costs(const PackedTypePair<Real>& pair, double n, double n_atoms, Costs& costs) {
    constexpr double real = sizeof(Real), index = sizeof(int), wide = sizeof(double);
    const auto channels = static_cast<double>(
        std::count_if(pair.moment_of_channel.begin(), pair.moment_of_channel.end(), [](int moment) { return moment >= 0; }));
    const int order = pair.table->order;
    const double tables = channels * (order + 1) * real, reverse = 2 * channels * (order + (order - 1) + 4 + 4 + 1);
    const auto add = [&](const char* label, const Cost& cost) { costs[label] += cost.times(n); };
    add("dpc::gather_pairs", {3 * index + 4 * wide, kVectorOperations});  // candidate written and read, neighbour, d, r^2
    add("dpc::compute_pairs",
        {7 * wide + 5 * real + index,  // d, r^2, radial functions, R, distance, interval
         kEnvironmentOperations + 2 * channels * (order + 4), tables, 0, kEnvironmentInstructions + moment_instructions<Real>});
    add("dpc::reverse_pairs",
        {6 * wide + 9 * real + 2 * index,  // the same without r^2, dE/dR, neighbour
         reverse + kReverseOperations, tables, 0, reverse_instructions<Real> + kForceInstructions, kAtomicsOfPair});
    costs["dpc::reverse_pairs"].atomics += kAtomicsOfSegment * n_atoms;
    add("dpc::reverse_moments", {9 * real + index, reverse});  // processors
    add("dpc::reverse_environment", {6 * wide + 4 * real + index, kReverseOperations});
}

/// Of one product of fused_net.hpp: three of halves, of whole steps and tiles, its weights read by every team.
inline Cost fused_product_cost(const PackedMatrix<float>& matrix) {
    const auto whole = [](int n, int multiple) { return static_cast<double>((n + multiple - 1) / multiple * multiple); };
    const double in = whole(matrix.n_in, kokkos::kUnitDepth), out = whole(matrix.n_out, kokkos::kUnitColumns * kokkos::kNetWarps);
    const double tiles = out / (kokkos::kUnitColumns * kokkos::kNetWarps), steps = in / kokkos::kUnitDepth;
    Cost cost;
    cost.halves = 3 * 2 * in * out;
    cost.tables = in * out * 2 * sizeof(std::uint16_t) / kokkos::kNetAtoms;  // teams of a multiprocessor take the same steps
    cost.instructions = steps * (kFusedStepInstructions + tiles * kFusedTileInstructions) * kokkos::kNetWarps / kokkos::kNetAtoms;
    return cost;
}

/// Of the hidden layers and the energy as one kernel: an atom.
inline Cost fused_net_cost(const PackedFitting<float>& net) {
    Cost cost;
    cost.bytes = 2 * net.layers.front().weight.n_in * sizeof(float) + sizeof(double);  // features, their gradient, energy
    for (std::size_t l = 0; l + 1 < net.layers.size(); ++l) {
        const double neurons = net.layers[l].weight.n_out, slopes = neurons * sizeof(float);
        cost += fused_product_cost(net.layers[l].weight);
        cost += fused_product_cost(net.layers[l].reverse_weight);
        cost.bytes += 2 * slopes;
        cost.cached += slopes;  // read twice
        cost.instructions += neurons * kFusedNeuronInstructions / 32;
    }
    cost.cached += net.layers.front().weight.n_in * sizeof(float);  // the same
    return cost;
}

/// Of the net by products of the library: n atoms.
template <class Real>
void add_net_costs(const PackedFitting<Real>& net, double n, Costs& costs) {
    constexpr double real = sizeof(Real), wide = sizeof(double);
    const auto add = [&](const char* label, double bytes, double operations) {
        costs[label] += Cost{bytes, operations}.times(n);
    };
    const auto& layers = net.layers;
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const double in = layers[l].weight.n_in, out = layers[l].weight.n_out, skip = layers[l].skip != Skip::none ? 1 : 0;
        const bool is_last = l + 2 == layers.size();
        if (l + 1 == layers.size()) {
            add("dpc::sum_energy", in * real + wide, 2 * in);
            continue;
        }
        add("dpc::compute_layer", (in + out) * real, 2 * in * out);
        add("dpc::activate", (3 * out + skip * in) * real, 0);
        add("dpc::reverse_layer", (in + out) * real, 2 * in * out);
        const double skipped = skip * (is_last ? 0 : out), kept = l > 0 && layers[l - 1].skip != Skip::none ? in : 0;
        if (l > 0) {
            add("dpc::reverse_activate", (3 * in + skipped + kept) * real, in + skip * out);
        } else if (skip > 0) {
            add("dpc::reverse_skip", (2 * in + skipped) * real, out);
        }
    }
}

/// Of the steps that go over the moments, products and neurons of n atoms of one type.
template <class Real>
void add_atom_costs(const PackedType<Real>& type, double n, bool fuses_nets, Costs& costs) {
    constexpr double real = sizeof(Real), wide = sizeof(double);
    const auto add = [&](const char* label, double bytes, double operations, double cached = 0) {
        costs[label] += Cost{bytes, operations, 0, cached}.times(n);
    };
    const PackedDescriptor<Real>& descriptor = type.descriptors.front();
    const double moments = 4.0 * descriptor.n_moments, factors = 4.0 * descriptor.n_factors, products = descriptor.n_features;
    add("dpc::compute_pairs", moments * real, 0);
    add("dpc::reverse_pairs", moments * real, 0);
    add("dpc::reverse_moments", moments * real, 0);
    if (descriptor.expands()) {
        add("dpc::expand_moments", (moments + factors) * real, 2 * factors * descriptor.n_moments);
        add("dpc::reverse_expand_moments", (moments + factors) * real, 2 * factors * descriptor.n_moments);
    }
    const double others = 4 * products / kFactorsOfThread;  // numbers of factors that a thread reads for its own
    add("dpc::compute_products", (factors + products) * real, 2 * 4 * products, (products + others) * real);
    add("dpc::reverse_products", (2 * factors + products) * real, 2 * 8 * products, 2 * (products + others) * real);
    if constexpr (std::is_same_v<Real, float>) {
        if (fuses_nets && kokkos::has_fusible_form(type.fitting)) {
            costs["dpc::fused_net"] += fused_net_cost(type.fitting).times(n);
        } else {
            add_net_costs(type.fitting, n, costs);
        }
    } else {
        add_net_costs(type.fitting, n, costs);
    }
    for (const char* label : {"dpc::reverse_pairs", "dpc::reverse_environment"}) {
        add(label, (2 * 3 + 2 * 9) * wide, 0);  // force and virial read and written
    }
    add("dpc::collect_chunks", 9 * wide, 9);
    add("dpc::sum_energies", wide, 1);
    add("dpc::find_not_finite", 3 * wide, 0);
}

/// Per atom of the structure. fuses_nets: in mixed precision those that kokkos/fused_net.hpp takes.
template <class Real>
Costs kernel_costs(const PackedModel<Real>& packed, const PairCounts& counts, bool fuses_nets = false) {
    Costs costs;
    const std::size_t n_types = packed.ordinary.types.size();
    double n_atoms = 0;
    for (std::size_t a = 0; a < n_types; ++a) {
        n_atoms += counts.atoms[a];
        if (packed.ordinary.types[a].descriptors.empty()) {
            continue;  // without energy
        }
        if (counts.atoms[a] > 0) {
            add_atom_costs(packed.ordinary.types[a], counts.atoms[a], fuses_nets, costs);
        }
        for (std::size_t b = 0; b < n_types; ++b) {
            const PackedTypePair<Real>& pair = packed.ordinary.types[a].descriptors.front().type_pairs[b];
            if (pair.kind == PairKind::ordinary && pair.table != nullptr) {
                add_pair_costs(pair, counts.inside[a * n_types + b], counts.atoms[a], costs);
            }
        }
    }
    costs["dpc::gather_pairs"].bytes += counts.listed * sizeof(int) + n_atoms * 3 * sizeof(double);
    costs["dpc::gather_pairs"].operations += kVectorOperations * counts.listed;
    costs["dpc::gather_pairs"].instructions += kGatherInstructions * n_atoms;
    for (auto& [label, cost] : costs) {
        cost = cost.times(1 / n_atoms);
        cost.is_product = label == "dpc::compute_layer" || label == "dpc::reverse_layer";
    }
    return costs;
}

}  // namespace dpc::bench
