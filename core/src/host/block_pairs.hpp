// SPDX-License-Identifier: MIT
// The pairs of a block of centres: what gather_pairs leaves and every descriptor starts from.
#pragma once

#include <cstddef>

#include "dpc/aligned_array.hpp"
#include "dpc/packed_model.hpp"
#include "host/kernels/kernels.hpp"
#include "place_arrays.hpp"

namespace dpc::host {

/// Pairs inside a cut-off, by neighbour type, then atom of the block. Behind the last one are kPairPadding that a kernel may touch.
struct BlockPairs {
    int n_types = 0, n_atoms = 0;
    int n = 0;                 // in the arrays
    int* neighbour = nullptr;  // atom index
    double* d[3] = {};         // r_j - r_i, angstrom
    double* r2 = nullptr;      // |d|^2
    int* counts = nullptr;     // (n_types, n_atoms): neighbours, also where their pairs are not in the arrays
    int* firsts = nullptr;     // (n_types, n_atoms): first pair

    std::size_t segment(int b, int atom) const { return static_cast<std::size_t>(b * n_atoms + atom); }
    int count(int b, int atom) const { return counts[segment(b, atom)]; }
    int first(int b, int atom) const { return firsts[segment(b, atom)]; }
    /// Pairs of neighbour type b, where they are in the arrays.
    int begin(int b) const { return first(b, 0); }
    int end(int b) const { return first(b, n_atoms - 1) + count(b, n_atoms - 1); }
};

/// Their memory.
class PairStore {
public:
    /// n_slots: pairs with their padding.
    void reserve(int n_types, std::size_t n_atoms, std::size_t n_slots) {
        pairs.n_types = n_types;
        place(doubles_, n_slots, {&pairs.d[0], &pairs.d[1], &pairs.d[2], &pairs.r2});
        place(neighbours_, n_slots, {&pairs.neighbour});
        place(segments_, static_cast<std::size_t>(n_types) * n_atoms, {&pairs.counts, &pairs.firsts});
    }
    /// The padding, which contributes nothing: pairs at the cut-off.
    void pad(double rcut2) {
        for (int k = pairs.n; k < pairs.n + kPairPadding; ++k) {
            pairs.d[0][k] = pairs.d[1][k] = pairs.d[2][k] = 0;
            pairs.r2[k] = rcut2;
        }
    }
    std::size_t bytes() const { return doubles_.bytes() + neighbours_.bytes() + segments_.bytes(); }

    BlockPairs pairs;

private:
    AlignedArray<double> doubles_;
    AlignedArray<int> neighbours_, segments_;
};

/// Atoms of a block that are evaluated together: lane m is atom atoms[m].
struct BlockAtoms {
    const int* atoms = nullptr;
    int n = 0;
    int lanes = 0;  // n, padded
};

}  // namespace dpc::host
