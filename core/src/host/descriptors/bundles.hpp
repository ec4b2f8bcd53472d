// SPDX-License-Identifier: MIT
// Memory of the kernels of bundles (host/kernels/bundles.hpp): their scratch arrays, and the lists of a block, kept from the way forth
// for the way back as far as they fit.
#pragma once

#include <algorithm>
#include <vector>

#include "dpc/aligned_array.hpp"
#include "dpc/packed_model.hpp"
#include "host/descriptors/block_descriptor.hpp"
#include "host/kernels/bundles.hpp"
#include "host/place_arrays.hpp"

namespace dpc::host {

template <class Real>
class Bundles {
public:
    /// For any table of the set, and moments of 1 or 2 components.
    void reserve(const PackedSet<Real>& set, int components, const BlockRoom& room) {
        int most_intervals = 0;
        for (const PackedTable<Real>& table : set.tables) {
            most_intervals = std::max(most_intervals, static_cast<int>(table.grid.n_intervals));
        }
        most_ = std::max(kMostArguments, room.n_neighbours);  // at least the products of one neighbour
        const auto n = static_cast<std::size_t>(most_), n_packed = n + kPairPadding;
        const auto n_kept = static_cast<std::size_t>(kMostKept) + n_packed;
        scratch_.of_interval = of_intervals_.reserve(static_cast<std::size_t>(most_intervals + kContinuations));
        place(integers_, n_packed, {&scratch_.rank, &scratch_.found, &others_.argument, &others_.tag, &others_.interval});
        place(reals_, n_packed, {&scratch_.reverse[0], &others_.distance});
        constexpr std::size_t tile = BundleScratch<Real>::kTile;
        scratch_.count = counts_.reserve(tile);
        scratch_.numbers = numbers_.reserve(2 * tile * BundleScratch<Real>::kNumbers);
        scratch_.key = keys_.reserve(n_packed + tile);
        scratch_.key_of_tile = scratch_.key + n_packed;
        place(kept_integers_, n_kept + kMostLists, {&kept_.argument, &kept_.begin});
        kept_.key = kept_keys_.reserve(n_kept + kMostLists);
        place(kept_reals_, n_kept, {&x_, &kept_.distance});
        if (components == 2) {
            place(kept_weights_, n_kept, {&w_, &kept_.w});
            scratch_.reverse[1] = reverse_weights_.reserve(n_packed);
        }
        owners_.reserve(kMostKeptOwners + static_cast<std::size_t>(room.lanes));
        lists_.reserve(kMostLists);
    }

    const BundleScratch<Real>& scratch() const { return scratch_; }
    const OtherArguments<Real>& others() const { return others_; }
    /// Arguments of a list.
    int most() const { return most_; }

    /// Before the lists of some atoms are made.
    void forget() {
        lists_.clear();
        n_owners_ = 0;
        n_arguments_ = n_bundled_ = n_bundles_ = 0;
        next_ = 0;
    }
    /// Where to make a list of these owners.
    BundleList<Real> room(const std::vector<Owner>& owners, const FrequentIntervals<Real>& frequent, Real weight) {
        const auto at = [](auto* array, int k) { return array == nullptr ? nullptr : array + k; };
        Owner* const mine = std::copy(owners.begin(), owners.end(), owners_.data() + n_owners_) - owners.size();
        const BundledArguments<Real> bundled = {kept_.argument + n_bundled_, kept_.distance + n_bundled_, at(kept_.w, n_bundled_),
                                                kept_.key + n_bundles_, kept_.begin + n_bundles_};
        return {mine, static_cast<int>(owners.size()), x_ + n_arguments_, at(w_, n_arguments_), weight, &frequent, bundled, 0};
    }
    /// A list was made there: it stays if nothing before it had to go.
    void keep(const BundleList<Real>& list) {
        const auto n_owners = static_cast<std::size_t>(list.n_owners);
        const int n = list.owners[list.n_owners - 1].end;
        if (n_arguments_ + n <= kMostKept && n_owners_ + n_owners <= kMostKeptOwners && lists_.size() < kMostLists) {
            lists_.push_back(list);
            n_owners_ += n_owners;
            n_arguments_ += n;
            n_bundled_ += list.bundled.begin[list.n_bundles];
            n_bundles_ += list.n_bundles + 1;
        } else {
            n_arguments_ = kMostKept;  // nor do those that come
        }
    }
    /// On the way back, in the same order: the next list, or null: to be made again.
    const BundleList<Real>* take_kept() { return next_ == lists_.size() ? nullptr : &lists_[next_++]; }
    std::size_t bytes() const {
        return of_intervals_.bytes() + integers_.bytes() + reals_.bytes() + counts_.bytes() + numbers_.bytes() + keys_.bytes() +
               reverse_weights_.bytes() + kept_integers_.bytes() + kept_keys_.bytes() + kept_reals_.bytes() +
               kept_weights_.bytes() + owners_.bytes() + bytes_of(lists_);
    }

private:
    // Of a list: what it takes lies in a second-level cache beside the table. Of all that are kept: 0.5 MB in double precision, 1.0 with
    // gates, and up to 1.6 and 2.1 more where none are in frequent intervals.
    static constexpr int kMostArguments = 16384, kMostKept = 65536;
    static constexpr std::size_t kMostLists = 1024, kMostKeptOwners = 8192;

    int most_ = 0;
    BundleScratch<Real> scratch_{};
    OtherArguments<Real> others_{};
    Real *x_ = nullptr, *w_ = nullptr;  // of all that is kept, and one list more
    BundledArguments<Real> kept_{};
    std::vector<BundleList<Real>> lists_;
    std::size_t next_ = 0, n_owners_ = 0;
    int n_arguments_ = 0, n_bundled_ = 0, n_bundles_ = 0;  // kept
    AlignedArray<std::int32_t> of_intervals_, integers_, kept_integers_;
    AlignedArray<BundleKey> keys_, kept_keys_;
    AlignedArray<Owner> owners_;
    AlignedArray<Real> reals_, counts_, numbers_, reverse_weights_, kept_reals_, kept_weights_;
};

}  // namespace dpc::host
