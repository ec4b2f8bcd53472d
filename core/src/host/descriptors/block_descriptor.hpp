// SPDX-License-Identifier: MIT
// A kind of descriptor on the host: from the pairs of a block to the features that a fitting net takes, and from their gradient to
// that of the pair vectors. One object for each descriptor of the model and thread. Each kind has a folder; make_descriptor.cpp knows all.
#pragma once

#include <memory>

#include "host/block_pairs.hpp"

namespace dpc::host {

/// What a block has at most.
struct BlockRoom {
    std::size_t n_slots;  // pairs with their padding
    int n_neighbours;     // listed, of one centre
    int lanes;
};

template <class Real>
class BlockDescriptor {
public:
    virtual ~BlockDescriptor() = default;

    /// Make room, so that nothing below allocates. set: the one that has the most of everything.
    virtual void reserve(const PackedSet<Real>& set, const BlockRoom& room) = 0;
    /// Take the pairs of a block, which stay until reverse_environment.
    virtual void compute_environment(const PackedDescriptor<Real>& descriptor, const BlockPairs& pairs) = 0;
    /// features (n_features, lanes) of some atoms of the block. Up to kPanelRows - 1 features more may be overwritten.
    virtual void compute(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* features) = 0;
    /// After compute for the same atoms: reverse_features = dE/dfeatures.
    virtual void reverse(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* reverse_features) = 0;
    /// After reverse for all atoms: gradient (3, n_pairs) = dE/dd of every pair; virial (9) += -d (x) gradient.
    virtual void reverse_environment(double* const gradient[3], double* virial) = 0;
    virtual std::size_t bytes() const = 0;
};

/// Of descriptor `index` of a model.
template <class Real>
std::unique_ptr<BlockDescriptor<Real>> make_descriptor(const Model& model, int index, const Kernels<Real>& kernels);

}  // namespace dpc::host
