// SPDX-License-Identifier: MIT
// See se_e2_r.hpp.
#include "se_e2_r.hpp"

namespace dpc::host {

template <class Real>
void SeE2R<Real>::reserve(const PackedSet<Real>& set, const BlockRoom& room) {
    this->reserve_pairs(set, room.n_slots);
    if (set.expands(this->index_)) {
        moments_.reserve(static_cast<std::size_t>(panel_rows(set.most_moments)) * static_cast<std::size_t>(room.lanes));
    }
}

template <class Real>
void SeE2R<Real>::compute(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* features) {
    if (!descriptor.expands()) {
        this->compute_moments(descriptor, atoms, features);
        return;
    }
    this->compute_moments(descriptor, atoms, moments_.data());
    this->kernels_.net.multiply(descriptor.basis, atoms.lanes, moments_.data(), features);
}

template <class Real>
void SeE2R<Real>::reverse(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* reverse_features) {
    if (!descriptor.expands()) {
        this->reverse_moments(descriptor, atoms, reverse_features);
        return;
    }
    this->kernels_.net.multiply(descriptor.reverse_basis, atoms.lanes, reverse_features, moments_.data());
    this->reverse_moments(descriptor, atoms, moments_.data());
}

template <class Real>
std::size_t SeE2R<Real>::bytes() const {
    return sizeof(*this) + this->bytes_of_pairs() + moments_.bytes();
}

template class SeE2R<double>;
template class SeE2R<float>;

}  // namespace dpc::host
