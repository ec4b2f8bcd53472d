// SPDX-License-Identifier: MIT
// See se_e2_a.hpp.
#include "se_e2_a.hpp"

namespace dpc::host {

template <class Real, int COMPONENTS>
void SeE2A<Real, COMPONENTS>::reserve(const PackedSet<Real>& set, const BlockRoom& room) {
    this->reserve_pairs(set, room.n_slots);
    const auto factors = static_cast<std::size_t>(panel_rows(set.most_moments));
    const std::size_t n = COMPONENTS * factors * static_cast<std::size_t>(room.lanes);
    moments_.reserve(n);
    reverse_moments_.reserve(n);
    if (set.expands(this->index_)) {
        expanded_.reserve(n);
        reverse_expanded_.reserve(n);
    }
    pack_scratch_.reserve(2 * COMPONENTS * factors * kLaneMultiple<Real>);
}

template <class Real, int COMPONENTS>
void SeE2A<Real, COMPONENTS>::compute(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* features) {
    this->compute_moments(descriptor, atoms, moments_.data());
    const Real* factors = moments_.data();
    if (descriptor.expands()) {
        this->kernels_.net.multiply(descriptor.basis, COMPONENTS * atoms.lanes, moments_.data(), expanded_.data());
        factors = expanded_.data();
    }
    this->kernels_.products.compute[COMPONENTS](descriptor.products(), atoms.lanes, factors, pack_scratch_.data(), features);
}

template <class Real, int COMPONENTS>
void SeE2A<Real, COMPONENTS>::reverse(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms,
                                      const Real* reverse_features) {
    const bool expands = descriptor.expands();
    const Real* factors = expands ? expanded_.data() : moments_.data();
    Real* reverse_factors = expands ? reverse_expanded_.data() : reverse_moments_.data();
    this->kernels_.products.reverse[COMPONENTS](descriptor.products(), atoms.lanes, factors, reverse_features,
                                                pack_scratch_.data(), reverse_factors);
    if (expands) {
        this->kernels_.net.multiply(descriptor.reverse_basis, COMPONENTS * atoms.lanes, reverse_expanded_.data(),
                                    reverse_moments_.data());
    }
    this->reverse_moments(descriptor, atoms, reverse_moments_.data());
}

template <class Real, int COMPONENTS>
std::size_t SeE2A<Real, COMPONENTS>::bytes() const {
    return sizeof(*this) + this->bytes_of_pairs() + moments_.bytes() + reverse_moments_.bytes() + expanded_.bytes() +
           reverse_expanded_.bytes() + pack_scratch_.bytes();
}

template class SeE2A<double, 4>;
template class SeE2A<float, 4>;
template class SeE2A<double, 9>;
template class SeE2A<float, 9>;
template class SeE2A<double, 16>;
template class SeE2A<float, 16>;
template class SeE2A<double, 25>;
template class SeE2A<float, 25>;

}  // namespace dpc::host
