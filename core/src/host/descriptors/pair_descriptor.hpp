// SPDX-License-Identifier: MIT
// What descriptors have in common whose embedding net depends on one pair: the way from pairs to the moments of C and back, C = (1/n_sel)
// sum over the slots of phi(x) (x) R, where COMPONENTS is 4 or, with those of higher degree, 9, 16 or 25, or of phi(x), where it is 1. A
// kind makes its features of these moments.
#pragma once

#include "host/descriptors/block_descriptor.hpp"

namespace dpc::host {

template <class Real, int COMPONENTS>
class PairDescriptor : public BlockDescriptor<Real> {
public:
    void compute_environment(const PackedDescriptor<Real>& descriptor, const BlockPairs& pairs) final;
    void reverse_environment(double* const gradient[3], double* virial) final {
        if constexpr (COMPONENTS > 4) {
            const bool over_distance = descriptor_->argument == TableArgument::r;
            kernels_.pairs.reverse_harmonics[COMPONENTS](descriptor_->harmonics, over_distance, block_->n, arrays_);
        }
        kernels_.pairs.reverse_environment[kOfEnvironment](block_->n, arrays_, gradient, virial);
    }

protected:
    /// Of descriptor `index` of a model.
    PairDescriptor(int index, const Kernels<Real>& kernels) : index_(index), kernels_(kernels) {}

    void reserve_pairs(const PackedSet<Real>& set, std::size_t n_slots);
    /// moments (n_moments, COMPONENTS, lanes), C.
    void compute_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* moments);
    /// dE/dR of every pair of these atoms from dE/dC.
    void reverse_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* gradient);
    std::size_t bytes_of_pairs() const {
        return doubles_.bytes() + reals_.bytes() + slopes_.bytes() + intervals_.bytes() + type_moments_.bytes();
    }

    const int index_;
    const Kernels<Real>& kernels_;

private:
    static constexpr int kOfEnvironment = COMPONENTS > 4 ? 4 : COMPONENTS;  // components, without those of higher degree

    int count_all(int atom) const;
    void store(const PackedTypePair<Real>& pair, int n, Real inverse_n_sel, int lanes, Real* moments) const;

    const BlockPairs* block_ = nullptr;
    const PackedDescriptor<Real>* descriptor_ = nullptr;  // of the pairs
    PairArrays<Real> arrays_{};
    AlignedArray<double> doubles_;
    AlignedArray<Real> reals_, slopes_;
    AlignedArray<std::int32_t> intervals_;
    AlignedArray<Real> type_moments_;  // (COMPONENTS, stride) of one atom and neighbour type
};

}  // namespace dpc::host
