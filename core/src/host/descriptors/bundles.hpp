// SPDX-License-Identifier: MIT
// Memory of the kernels of bundles (host/kernels/bundles.hpp).
#pragma once

#include <algorithm>

#include "dpc/aligned_array.hpp"
#include "dpc/packed_model.hpp"
#include "host/kernels/bundles.hpp"

namespace dpc::host {

template <class Real>
class Bundles {
public:
    /// For any table of the set, and moments of 1 or 2 components.
    void reserve(const PackedSet<Real>& set, int components) {
        int most_intervals = 0;
        for (const PackedTable<Real>& table : set.tables) {
            most_intervals = std::max(most_intervals, static_cast<int>(table.grid.n_intervals));
        }
        constexpr std::size_t n_numbers = BundleScratch<Real>::kCopies * BundleScratch<Real>::kNumbers;
        scratch_.bundle_of_interval = of_intervals_.reserve(static_cast<std::size_t>(most_intervals + kContinuations));
        scratch_.interval = of_bundles_.reserve(kMostBundled + 1);
        scratch_.numbers = numbers_.reserve(kMostBundled * n_numbers * static_cast<std::size_t>(components));
    }
    const BundleScratch<Real>& scratch() const { return scratch_; }
    std::size_t bytes() const { return of_intervals_.bytes() + of_bundles_.bytes() + numbers_.bytes(); }

private:
    BundleScratch<Real> scratch_{};
    AlignedArray<std::int32_t> of_intervals_, of_bundles_;
    AlignedArray<Real> numbers_;
};

}  // namespace dpc::host
