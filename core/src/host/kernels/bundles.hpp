// SPDX-License-Identifier: MIT
// Kernels with tables whose functions are summed as they are or times a number w, where many arguments of a centre lie in few
// intervals. Those in one interval are a bundle: their sum of phi is a polynomial's coefficients times sums of powers, and the
// gradient of all of them has the coefficients' products with dE/dmoments in common. So what runs over channels, runs once a
// bundle; an argument costs a few operations, however many channels there are.
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

/// Scratch memory of kMostBundled arguments.
template <class Real>
struct BundleScratch {
    /// Of the sums: neighbouring arguments, which often share a bundle, need not wait for each other.
    static constexpr int kCopies = 2;
    /// Of a bundle and component: sums of powers, or coefficients of gradients.
    static constexpr int kNumbers = 8;

    std::int32_t* bundle_of_interval;  // (n_intervals + kContinuations) of those that arguments lie in
    std::int32_t* interval;            // (kMostBundled + 1) of a bundle
    Real* numbers;                     // (kCopies, kMostBundled, components, kNumbers)
};

template <class Real>
struct BundleKernels {
    /// moments (components, stride): the sums of phi(x), and of w phi(x), over n arguments, at most kMostBundled.
    ByComponents<void (*)(const PackedTable<Real>& table, const Arguments<Real>& arguments, int n,
                          const BundleScratch<Real>& scratch, Real* moments)>
        compute_moments;
    /// reverse_x (n) and, of two components, reverse_w (n) from dE/dmoments (components, stride).
    ByComponents<void (*)(const PackedTable<Real>& table, const Arguments<Real>& arguments, int n,
                          const BundleScratch<Real>& scratch, const Real* moments, Real* reverse_x, Real* reverse_w)>
        reverse_moments;
};

}  // namespace dpc::host
