// SPDX-License-Identifier: MIT
// Kernels with tables whose functions are summed as they are or times a number w, where many arguments of a centre lie in few
// intervals. Those in one interval are a bundle and are put side by side: their sum of phi is a polynomial's coefficients times
// sums of powers, and the gradient of all of them has the coefficients' products with dE/dmoments in common. So what runs over
// channels, runs once a bundle, and packs run over the arguments of a bundle: one costs a few operations, however many channels
// there are.
#pragma once

#include <cstdint>

#include "dpc/packed_layout.hpp"
#include "host/kernels/component.hpp"

namespace dpc::host {

constexpr int kMostBundled = 1024;  // arguments at a time

/// Where arguments lie in a table, and w of each, where the moments have two components.
template <class Real>
struct Arguments {
    const std::int32_t* interval;
    const Real* distance;  // x - left knot
    const Real* w;
};

/// The same, one bundle behind the other.
template <class Real>
struct BundledArguments {
    std::int32_t* place;  // of an argument in distance and w
    Real* distance;       // up to a pack more is read
    Real* w;
    std::int32_t* interval;  // of a bundle; one more is written
    std::int32_t* begin;     // place where a bundle begins; the number of arguments behind the last one
};

/// A list of bundles; the first n_single of them count once, the others `weight` times.
template <class Real>
struct BundleList {
    BundledArguments<Real> arguments;
    int n_bundles, n_single;
    Real weight;
};

/// Scratch memory of kMostBundled arguments.
template <class Real>
struct BundleScratch {
    /// Room for a bundle and component: sums of powers, or coefficients of gradients.
    static constexpr int kNumbers = 8;

    std::int32_t* of_interval;  // (n_intervals + kContinuations), 0 between calls
    Real* numbers;              // kMostBundled x components x kNumbers: bundles in groups that are summed together
    Real* reverse[2];           // (kMostBundled and a pack) dE/dx and dE/dw by place
};

template <class Real>
struct BundleKernels {
    /// Put arguments begin .. end - 1 of at most kMostBundled into bundles behind the n_bundles that are there, which hold those
    /// before `begin`; returns how many there are now.
    ByComponents<int (*)(const Arguments<Real>& arguments, int begin, int end, int n_bundles, const BundleScratch<Real>& scratch,
                         const BundledArguments<Real>& bundled)>
        bundle;
    /// moments (components, stride) += the sums of phi(x), and of w phi(x).
    ByComponents<void (*)(const PackedTable<Real>& table, const BundleList<Real>& list, const BundleScratch<Real>& scratch,
                          Real* moments)>
        compute_moments;
    /// reverse_x and, of two components, reverse_w of the arguments, in the order in which they were given, from dE/dmoments
    /// (components, stride).
    ByComponents<void (*)(const PackedTable<Real>& table, const BundleList<Real>& list, const BundleScratch<Real>& scratch,
                          const Real* moments, Real* reverse_x, Real* reverse_w)>
        reverse_moments;
};

}  // namespace dpc::host
