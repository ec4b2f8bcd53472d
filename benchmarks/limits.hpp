// SPDX-License-Identifier: MIT
// What one core can do, measured: multiply-adds in registers, our product kernel in the second-level cache, memory streams. All by
// the CPU time of the thread, best of many, so that other programs on the machine disturb little.
#pragma once

#include <algorithm>
#include <ctime>

#include "host/kernels/kernels.hpp"

namespace dpc::bench {

/// CPU seconds of this thread.
inline double thread_seconds() {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// CPU seconds of one call: best of `repeats` rounds of so many calls that a round takes a few milliseconds.
template <class Call>
double best_seconds(int repeats, const Call& call) {
    constexpr double round_seconds = 2e-3;
    double start = thread_seconds();
    call();
    const int n = std::max(1, static_cast<int>(round_seconds / std::max(1e-9, thread_seconds() - start)));
    double best = 1e30;
    for (int repeat = 0; repeat < repeats; ++repeat) {
        start = thread_seconds();
        for (int k = 0; k < n; ++k) {
            call();
        }
        best = std::min(best, (thread_seconds() - start) / n);
    }
    return best;
}

/// Multiply-adds (two operations each) per second on registers, with the instruction set of these kernels.
template <class Real>
double register_rate(const host::Kernels<Real>& kernels, int repeats);

/// Operations per second of kernels.net.multiply on an (n_out, n_in) matrix and so many lanes.
template <class Real>
double product_rate(const host::Kernels<Real>& kernels, int n_out, int n_in, int lanes, int repeats);

/// Bytes per second of a = b + s c on arrays far larger than the caches (two reads, one write).
double stream_rate(int repeats);

}  // namespace dpc::bench
