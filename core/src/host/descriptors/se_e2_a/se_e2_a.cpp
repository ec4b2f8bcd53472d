// SPDX-License-Identifier: MIT
// See se_e2_a.hpp.
#include "se_e2_a.hpp"

namespace dpc::host {

template <class Real>
void SeE2A<Real>::reserve(const PackedSet<Real>& set, std::size_t n_slots, int lanes) {
    this->reserve_pairs(set, n_slots);
    const auto rows = static_cast<std::size_t>(panel_rows(set.most_rows));
    const std::size_t n = 4 * rows * static_cast<std::size_t>(lanes);
    rows_.reserve(n);
    reverse_rows_.reserve(n);
    if (set.has_direct(this->index_)) {
        expanded_.reserve(n);
        reverse_expanded_.reserve(n);
    }
    lane_scratch_.reserve(8 * rows * kLaneMultiple);
}

template <class Real>
void SeE2A<Real>::compute(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* features) {
    this->compute_rows(descriptor, atoms, rows_.data());
    const Real* factors = rows_.data();
    if (descriptor.is_direct()) {
        this->kernels_.net.multiply(descriptor.basis, 4 * atoms.lanes, rows_.data(), expanded_.data());
        factors = expanded_.data();
    }
    this->kernels_.products.compute(descriptor.products(), atoms.lanes, factors, lane_scratch_.data(), features);
}

template <class Real>
void SeE2A<Real>::reverse(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* reverse_features) {
    const bool is_direct = descriptor.is_direct();
    const Real* factors = is_direct ? expanded_.data() : rows_.data();
    Real* reverse_factors = is_direct ? reverse_expanded_.data() : reverse_rows_.data();
    this->kernels_.products.reverse(descriptor.products(), atoms.lanes, factors, reverse_features, lane_scratch_.data(), reverse_factors);
    if (is_direct) {
        this->kernels_.net.multiply(descriptor.reverse_basis, 4 * atoms.lanes, reverse_expanded_.data(), reverse_rows_.data());
    }
    this->reverse_rows(descriptor, atoms, reverse_rows_.data());
}

template <class Real>
std::size_t SeE2A<Real>::bytes() const {
    return sizeof(*this) + this->bytes_of_pairs() + rows_.bytes() + reverse_rows_.bytes() + expanded_.bytes() + reverse_expanded_.bytes() +
           lane_scratch_.bytes();
}

template class SeE2A<double>;
template class SeE2A<float>;

}  // namespace dpc::host
