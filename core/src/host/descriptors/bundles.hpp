// SPDX-License-Identifier: MIT
// Memory of the kernels of bundles (host/kernels/bundles.hpp): their scratch arrays, and the lists of a block, kept from the way forth
// for the way back as far as they fit.
#pragma once

#include <algorithm>
#include <vector>

#include "dpc/aligned_array.hpp"
#include "dpc/packed_model.hpp"
#include "host/block_pairs.hpp"
#include "host/kernels/bundles.hpp"
#include "host/place_arrays.hpp"

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
        constexpr std::size_t most = kMostBundled, n_places = kMostKept + kMostBundled + kPairPadding;
        scratch_.of_interval = of_intervals_.reserve(static_cast<std::size_t>(most_intervals + kContinuations));
        scratch_.numbers = numbers_.reserve(most * BundleScratch<Real>::kNumbers * static_cast<std::size_t>(components));
        place(reverse_, most + kPairPadding, {&scratch_.reverse[0], &scratch_.reverse[1]});
        place(integers_, n_places + kMostLists, {&room_.place, &room_.interval, &room_.begin});
        room_.distance = distances_.reserve(n_places);
        room_.w = components == 2 ? weights_.reserve(n_places) : nullptr;
        kept_.reserve(kMostLists);
    }

    const BundleScratch<Real>& scratch() const { return scratch_; }

    /// Before the lists of some atoms are made.
    void forget() {
        kept_.clear();
        n_arguments_ = n_bundles_ = next_ = 0;
    }
    /// Where to make a list.
    BundledArguments<Real> room() const { return at(n_arguments_, n_bundles_); }
    /// A list of n arguments was made there: it stays if nothing before it had to go.
    void keep(const BundleList<Real>& list, int n) {
        if (n_arguments_ + n <= kMostKept && kept_.size() < kMostLists) {
            kept_.push_back({n_arguments_, n_bundles_, list.n_bundles, list.n_single, list.weight});
            n_arguments_ += n;
            n_bundles_ += list.n_bundles + 1;
        } else {
            n_arguments_ = kMostKept;  // nor do those that come
        }
    }
    /// On the way back, in the same order: the next list. False: to be made again.
    bool take_kept(BundleList<Real>& list) {
        if (next_ == kept_.size()) {
            return false;
        }
        const Kept& kept = kept_[next_++];
        list = {at(kept.first_argument, kept.first_bundle), kept.n_bundles, kept.n_single, kept.weight};
        return true;
    }
    std::size_t bytes() const {
        return of_intervals_.bytes() + integers_.bytes() + numbers_.bytes() + reverse_.bytes() + distances_.bytes() +
               weights_.bytes() + bytes_of(kept_);
    }

private:
    // What still lies in a second-level cache beside tables: 0.8 MB in double precision, 1.3 with gates.
    static constexpr int kMostKept = 65536;
    static constexpr std::size_t kMostLists = 4096;

    struct Kept {
        int first_argument, first_bundle, n_bundles, n_single;
        Real weight;
    };

    BundledArguments<Real> at(int argument, int bundle) const {
        return {room_.place + argument, room_.distance + argument, room_.w == nullptr ? nullptr : room_.w + argument,
                room_.interval + bundle, room_.begin + bundle};
    }

    BundleScratch<Real> scratch_{};
    BundledArguments<Real> room_{};  // of all that is kept, and one list more
    std::vector<Kept> kept_;
    std::size_t next_ = 0;
    int n_arguments_ = 0, n_bundles_ = 0;  // kept
    AlignedArray<std::int32_t> of_intervals_, integers_;
    AlignedArray<Real> numbers_, reverse_, distances_, weights_;
};

}  // namespace dpc::host
