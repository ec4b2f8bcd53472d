// SPDX-License-Identifier: MIT
// What the tests of the kernels share: one fixture that is run for every instruction set of this build (those that the machine
// lacks are skipped, by name) in both precisions, reproducible numbers, arrays with guards, comparison with a long double.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "dpc/aligned_array.hpp"
#include "dpc/errors.hpp"
#include "environment_word.hpp"
#include "host/kernels/kernels.hpp"

namespace dpc::test {

using host::Kernels;

class EveryInstructionSet : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        const EnvironmentWord chosen("DPC_ISA", GetParam());
        try {
            in_double_ = &host::select_kernels<double>();
            in_float_ = &host::select_kernels<float>();
        } catch (const InputError& error) {
            GTEST_SKIP() << error.what();
        }
        ASSERT_STREQ(in_double_->name, GetParam());
        ASSERT_STREQ(in_float_->name, GetParam());
    }

    /// check(kernels) in double and in float.
    template <class Check>
    void in_both_precisions(const Check& check) {
        {
            SCOPED_TRACE("double");
            check(*in_double_);
        }
        SCOPED_TRACE("float");
        check(*in_float_);
    }
    const Kernels<double>& in_double() const { return *in_double_; }
    const Kernels<float>& in_float() const { return *in_float_; }

private:
    const Kernels<double>* in_double_ = nullptr;
    const Kernels<float>* in_float_ = nullptr;
};

inline std::string instruction_set_name(const testing::TestParamInfo<const char*>& info) { return info.param; }

#if defined(__x86_64__)
#define DPC_TEST_EVERY_INSTRUCTION_SET(suite)                                                                 \
    INSTANTIATE_TEST_SUITE_P(Each, suite, testing::Values("portable", "x86_64_v2", "x86_64_v3", "x86_64_v4"), \
                             dpc::test::instruction_set_name)
#else
#define DPC_TEST_EVERY_INSTRUCTION_SET(suite) \
    INSTANTIATE_TEST_SUITE_P(Each, suite, testing::Values("portable"), dpc::test::instruction_set_name)
#endif

/// Half the distance between 1 and its neighbour, doubled: what one operation of Real may lose.
template <class Real>
constexpr long double rounding() {
    return static_cast<long double>(std::numeric_limits<Real>::epsilon());
}

/// Numbers in (low, high), the same in every run.
class Numbers {
public:
    explicit Numbers(std::uint64_t seed) : state_(seed) {}
    double next(double low, double high) {
        state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
        return low + (high - low) * static_cast<double>(state_ >> 11U) / 9007199254740992.0;
    }
    template <class Real>
    void fill(std::vector<Real>& values, double low, double high) {
        for (Real& value : values) {
            value = static_cast<Real>(next(low, high));
        }
    }

private:
    std::uint64_t state_;
};

template <class>
struct ValueOf;
template <class Real>
struct ValueOf<Kernels<Real>> {
    using type = Real;
};
/// The precision of kernels.
template <class KernelsOfOne>
using RealOf = typename ValueOf<std::decay_t<KernelsOfOne>>::type;

/// n elements on a cache line with a guard behind them: a kernel that writes further than it may is seen.
template <class Real>
class Guarded {
public:
    explicit Guarded(std::size_t n) : n_(n) {
        Real* all = memory_.reserve(n + kGuard);
        std::fill(all, all + n + kGuard, Real(kMark));
    }
    Guarded(const std::vector<Real>& values) : Guarded(values.size()) { std::copy(values.begin(), values.end(), data()); }
    Real* data() { return memory_.data(); }
    Real& operator[](std::size_t k) { return memory_.data()[k]; }
    std::size_t size() const { return n_; }
    bool intact() const {
        for (std::size_t k = n_; k < n_ + kGuard; ++k) {
            if (memory_.data()[k] != Real(kMark)) {
                return false;
            }
        }
        return true;
    }
    static constexpr int kMark = -77777;  // also what an element holds that nobody wrote

private:
    static constexpr std::size_t kGuard = 64;
    std::size_t n_;
    AlignedArray<Real> memory_;
};

/// |found - expected| <= tolerance; the message says by how much.
inline testing::AssertionResult is_near(long double found, long double expected, long double tolerance) {
    const long double difference = std::abs(found - expected);
    if (difference <= tolerance) {
        return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << static_cast<double>(found) << " is not " << static_cast<double>(expected) << ": off by "
                                       << static_cast<double>(difference) << ", allowed " << static_cast<double>(tolerance);
}

/// Pairs as the kernels take them, in memory of their own.
template <class Real>
struct PairStore {
    explicit PairStore(int n) : n_slots(static_cast<std::size_t>(n) + host::kPairPadding) {
        neighbour.assign(n_slots, 0);
        interval.assign(n_slots, 0);
        pairs.neighbour = neighbour.data();
        pairs.interval = interval.data();
        for (double** array :
             {&pairs.d[0], &pairs.d[1], &pairs.d[2], &pairs.r2, &pairs.dx_over_r, &pairs.h, &pairs.dh_over_r, &pairs.x}) {
            doubles.emplace_back(n_slots, 1.0);
            *array = doubles.back().data();
        }
        reals.assign((2 * kMostComponents + 1) * n_slots, Real(0));
        pairs.distance = reals.data();
        for (std::size_t c = 0; c < 4; ++c) {  // the others lie behind these
            pairs.environment[c] = pairs.distance + (1 + c) * n_slots;
            pairs.reverse_environment[c] = pairs.environment[c] + kMostComponents * n_slots;
        }
    }
    /// Component c of an environment with as many as there can be.
    Real* component(Real* const (&arrays)[4], int c) const { return arrays[0] + static_cast<std::size_t>(c) * n_slots; }
    PairStore(const PairStore&) = delete;
    PairStore& operator=(const PairStore&) = delete;

    static constexpr std::size_t kMostComponents = 25;
    std::size_t n_slots;
    std::vector<int> neighbour;
    std::vector<std::int32_t> interval;
    std::vector<std::vector<double>> doubles;
    std::vector<Real> reals;
    host::PairArrays<Real> pairs{};
};

}  // namespace dpc::test
