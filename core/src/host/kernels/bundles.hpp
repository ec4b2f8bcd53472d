// SPDX-License-Identifier: MIT
// Kernels with tables whose functions are summed as they are or times a number w, where many arguments of an owner (a centre) lie in
// few intervals. Those of one owner in one interval are a bundle: their sum of phi is a polynomial's coefficients times sums of powers,
// and the gradient of all of them has the coefficients' products with dE/dmoments in common. So what runs over channels, runs once a
// bundle, and packs run over the arguments of a bundle: one costs a few operations, however many channels there are. More than half of all
// arguments lie in one interval, or two, which are told apart in packs as they come. The others of many owners are sorted by interval, so that
// coefficients come from the first-level cache for all owners but the first.
#pragma once

#include <cstdint>

#include "dpc/packed_layout.hpp"
#include "host/kernels/component.hpp"

namespace dpc::host {

/// The arguments begin .. end - 1 are of one owner, who has this row of the moments. Those before begin_weighted count once, the others
/// `weight` times.
struct Owner {
    int begin, begin_weighted, end, row;
};

/// Arguments that are in no frequent interval. tag: twice the place of their owner in the list, and 1 if they count `weight` times.
template <class Real>
struct OtherArguments {
    std::int32_t *argument, *tag;
    Real* distance;          // x of find_others, then what TripleKernels::locate makes of it
    std::int32_t* interval;  // by then
};

/// Of a bundle.
struct BundleKey {
    std::int32_t interval, tag;
};

/// Arguments one bundle behind the other, those of an interval together.
template <class Real>
struct BundledArguments {
    std::int32_t* argument;
    Real* distance;  // up to a pack more is read
    Real* w;
    BundleKey* key;       // of a bundle; one more is written
    std::int32_t* begin;  // place where a bundle begins; the number of arguments behind the last one
};

/// Arguments x of some owners and, where moments have two components, w of each; up to a pack more is read. Those that are in no frequent
/// interval are bundled.
template <class Real>
struct BundleList {
    const Owner* owners;
    int n_owners;
    Real *x, *w;
    Real weight;
    const FrequentIntervals<Real>* frequent;
    BundledArguments<Real> bundled;
    int n_bundles;
};

/// Scratch memory of as many arguments as a list has.
template <class Real>
struct BundleScratch {
    static constexpr int kTile = 48;     // bundles at a time
    static constexpr int kNumbers = 16;  // room for a bundle and component: sums of powers, or coefficients of gradients

    std::int32_t* of_interval;  // (n_intervals + kContinuations), 0 between calls
    std::int32_t* rank;         // of an argument in its interval
    std::int32_t* found;        // intervals; one more is written
    BundleKey* key;             // of an argument by place
    Real* reverse[2];           // dE/dx and dE/dw by place; a pack more is written
    // (kTile) keys, sums and counts of bundles.
    BundleKey* key_of_tile;
    Real* numbers;  // 2 kTile kNumbers: bundles in groups that are summed together
    Real* count;    // how often the arguments of a bundle count
};

template <class Real>
struct BundleKernels {
    /// Append those of an owner's arguments that are in no frequent interval to n others; returns how many there are now. Up to a pack
    /// more is written. number: the owner's.
    int (*find_others)(const FrequentIntervals<Real>& frequent, const Real* x, const Owner& owner, int number, int n,
                       const OtherArguments<Real>& others);
    /// n others in bundles; returns how many. w: of all arguments.
    ByComponents<int (*)(const OtherArguments<Real>& others, int n, const Real* w, const BundleScratch<Real>& scratch,
                         const BundledArguments<Real>& bundled)>
        bundle;
    /// moments (rows of owners, components, stride) += the sums of phi(x), and of w phi(x).
    ByComponents<void (*)(const PackedTable<Real>& table, const BundleList<Real>& list, const BundleScratch<Real>& scratch,
                          Real* moments)>
        compute_moments;
    /// reverse_x and, of two components, reverse_w of the arguments from dE/dmoments (rows of owners, components, stride). Up to a pack
    /// more is written.
    ByComponents<void (*)(const PackedTable<Real>& table, const BundleList<Real>& list, const BundleScratch<Real>& scratch,
                          const Real* moments, Real* reverse_x, Real* reverse_w)>
        reverse_moments;
};

}  // namespace dpc::host
