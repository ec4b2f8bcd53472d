// SPDX-License-Identifier: MIT
// se_e2_r (docs/theory.md section 1): the features are the moments of C, the sums of phi(x), or D = Vs C/5 (direct form).
#pragma once

#include "host/descriptors/pair_descriptor.hpp"

namespace dpc::host {

template <class Real>
class SeE2R final : public PairDescriptor<Real, 1> {
public:
    SeE2R(int index, const Kernels<Real>& kernels) : PairDescriptor<Real, 1>(index, kernels) {}

    void reserve(const PackedSet<Real>& set, const BlockRoom& room) override;
    void compute(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* features) override;
    void reverse(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* reverse_features) override;
    std::size_t bytes() const override;

private:
    AlignedArray<Real> moments_;  // direct form: C (n_moments, lanes), then dE/dC
};

}  // namespace dpc::host
