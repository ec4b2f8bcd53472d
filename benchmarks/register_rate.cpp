// SPDX-License-Identifier: MIT
// Multiply-adds that never leave the registers; compiled once per instruction set with the flags of the kernels (DPC_ISA).
#include "dpc/simd.hpp"

namespace dpc::bench::DPC_ISA {
namespace {

using simd::DPC_ISA::Pack;

// Enough independent sums to cover the latency of two pipelines, few enough for the registers.
constexpr int kSums = DPC_PACK_BYTES == 64 ? 24 : 12;

/// n rounds of kSums multiply-adds on packs; returns how many operations that is.
template <class Real>
double run(long n) {
    using P = Pack<Real>;
    P sum[kSums];
    for (int k = 0; k < kSums; ++k) {
        sum[k] = P(Real(1) / static_cast<Real>(k + 1));
    }
    P factor(0.999), term(0.001);
    for (long round = 0; round < n; ++round) {
#pragma GCC unroll 24
        for (int k = 0; k < kSums; ++k) {
            sum[k] = sum[k] * factor + term;
        }
    }
    volatile Real used = 0;
    for (const P& s : sum) {
        used = used + s.v[0];
    }
    return 2.0 * kSums * P::width * static_cast<double>(n);
}

}  // namespace

double run_double(long n) { return run<double>(n); }
double run_float(long n) { return run<float>(n); }

}  // namespace dpc::bench::DPC_ISA
