// SPDX-License-Identifier: MIT
// se_e2_a (docs/theory.md sections 1 to 3): the features are products S_pq of moments of C, or of combinations of
// them, such as T = Vs C in the direct form.
#pragma once

#include "host/descriptors/pair_descriptor.hpp"

namespace dpc::host {

template <class Real, int COMPONENTS>
class SeE2A final : public PairDescriptor<Real, COMPONENTS> {
public:
    SeE2A(int index, const Kernels<Real>& kernels) : PairDescriptor<Real, COMPONENTS>(index, kernels) {}

    void reserve(const PackedSet<Real>& set, const BlockRoom& room) override;
    void compute(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* features) override;
    void reverse(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* reverse_features) override;
    std::size_t bytes() const override;

private:
    AlignedArray<Real> moments_, reverse_moments_;    // C (n_moments, COMPONENTS, lanes) and dE/dC
    AlignedArray<Real> expanded_, reverse_expanded_;  // direct form: T (M, COMPONENTS, lanes) and dE/dT
    AlignedArray<Real> pack_scratch_;                 // one pack of atoms of C and dE/dC
};

}  // namespace dpc::host
