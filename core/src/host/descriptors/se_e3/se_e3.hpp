// SPDX-License-Identifier: MIT
// se_e3 (docs/theory.md section 1): the features are the moments of C, the sums of phi(v_j . v_k) over the pairs of neighbours of two types
// divided by their slots, or D = Vs C (direct form). se_e3_tebd is this with slots for neighbours of any type and, where it has gates, a
// second component of every moment, the sum of sw_j sw_k phi.
#pragma once

#include "host/descriptors/block_descriptor.hpp"
#include "host/descriptors/bundles.hpp"

namespace dpc::host {

template <class Real>
class SeE3 final : public BlockDescriptor<Real> {
public:
    SeE3(int index, const Kernels<Real>& kernels) : index_(index), kernels_(kernels) {}

    void reserve(const PackedSet<Real>& set, const BlockRoom& room) override;
    void compute_environment(const PackedDescriptor<Real>& descriptor, const BlockPairs& pairs) override;
    void compute(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* features) override;
    void reverse(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* reverse_features) override;
    void reverse_environment(double* const gradient[3], double* virial) override {
        kernels_.pairs.reverse_environment[4](block_->n, pairs_, gradient, virial);
    }
    std::size_t bytes() const override;

private:
    struct Range {
        int begin, end;
    };

    // Atoms whose numbers go to and come from rows of C together: a cache line of these, which lie far apart.
    static constexpr int kGroup = kLaneMultiple<Real>;

    void compute_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* moments);
    void reverse_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* gradient);
    template <class Use>
    void for_each_list(const PackedTriple<Real>& triple, const BlockAtoms& atoms, const Use& use);
    template <class Use>
    void for_each_owner(const PackedTriple<Real>& triple, const BlockAtoms& atoms, const Use& use);
    void make_rows(const PackedTriple<Real>& triple, const BlockAtoms& atoms, const Owner& owner, Range first);
    BundleList<Real> make_list(const PackedTriple<Real>& triple, const BlockAtoms& atoms);
    void reverse_list(const PackedTriple<Real>& triple, const BlockAtoms& atoms, const BundleList<Real>& list);
    template <class Use>
    void for_each_row(const PackedTriple<Real>& triple, const Use& use) const;
    Range range(int b, int atom) const { return {block_->first(b, atom), block_->first(b, atom) + block_->count(b, atom)}; }
    /// Of a moment.
    int n_components() const { return is_gated_ ? 2 : 1; }
    NeighbourVectors<Real> vectors() const {
        return {{pairs_.environment[1], pairs_.environment[2], pairs_.environment[3]},
                {pairs_.reverse_environment[1], pairs_.reverse_environment[2], pairs_.reverse_environment[3]}};
    }

    const int index_;
    const Kernels<Real>& kernels_;
    const BlockPairs* block_ = nullptr;
    bool is_gated_ = false;     // the descriptor of the block
    PairArrays<Real> pairs_{};  // of 4 components; environment[0] is sw of a gated one, environment[1 .. 3] is v
    // A list of products: whose they are, and with which first neighbours.
    std::vector<Owner> owners_;
    std::vector<Range> firsts_;
    AlignedArray<ProductRow> rows_;  // of one owner
    int n_rows_ = 0;
    Bundles<Real> bundles_;
    Real *reverse_x_ = nullptr, *reverse_w_ = nullptr;  // dE/dx of the products and dE/dw
    AlignedArray<double> doubles_;
    AlignedArray<Real> reals_, reverse_;
    AlignedArray<Real> of_block_;  // (atoms, components, stride) sums over pairs of neighbours, or their gradient
    AlignedArray<Real> moments_;   // direct form: C (n_moments, components, lanes), then dE/dC
};

}  // namespace dpc::host
