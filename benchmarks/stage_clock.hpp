// SPDX-License-Identifier: MIT
// Times the steps of the evaluator from outside: a table of kernels that calls the real ones and reads the clock around each. What
// happens between two kernels is charged to the step that prepares the second. Nothing in the product knows of this.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <type_traits>

#include "host/kernels.hpp"

namespace dpc::bench {

enum Stage {
    gather_pairs, compute_environment, locate, compute_moments, compute_products, multiply, compute_layer,
    reverse_layer, reverse_products, reverse_moments, reverse_environment,
    bookkeeping, copy_rows, last_layer, copy_weights, add_forces,  // between the kernels
    n_stages
};

constexpr const char* kStageNames[n_stages] = {
    "gather_pairs", "compute_environment", "locate", "compute_moments", "compute_products", "multiply (direct form)", "compute_layer",
    "reverse_layer", "reverse_products", "reverse_moments", "reverse_environment",
    "bookkeeping of pairs", "moments to rows of C", "last layer", "dE/dC to weights", "sums of forces"};

/// What runs before each kernel, up to the previous one.
constexpr Stage kBefore[n_stages] = {
    bookkeeping, bookkeeping, bookkeeping, copy_rows, copy_rows, copy_rows, compute_layer,
    last_layer, copy_weights, copy_weights, add_forces,
    bookkeeping, copy_rows, last_layer, copy_weights, add_forces};

/// Seconds by stage of one block of atoms.
class StageClock {
public:
    using Seconds = std::array<double, n_stages>;

    void start() {
        seconds_.fill(0);
        last_ = Clock::now();
    }
    void enter(Stage stage) { charge(kBefore[stage]); }
    void leave(Stage stage) { charge(stage); }
    const Seconds& finish() {
        charge(add_forces);
        return seconds_;
    }

    /// What reading the clock adds to an interval.
    static double own_seconds() {
        double best = 1;
        for (int repeat = 0; repeat < 1000; ++repeat) {
            const Clock::time_point before = Clock::now();
            for (int k = 0; k < 16; ++k) {
                Clock::now();
            }
            best = std::min(best, std::chrono::duration<double>(Clock::now() - before).count() / 17);
        }
        return best;
    }

private:
    using Clock = std::chrono::steady_clock;

    void charge(Stage stage) {
        const Clock::time_point now = Clock::now();
        seconds_[stage] += std::max(0.0, std::chrono::duration<double>(now - last_).count() - own_);
        last_ = now;
    }

    double own_ = own_seconds();
    Seconds seconds_{};
    Clock::time_point last_;
};

/// The real kernels and the clock that the timed ones report to; one measurement at a time.
template <class Real>
struct Timed {
    static inline const host::Kernels<Real>* real = nullptr;
    static inline StageClock* clock = nullptr;
};

/// Kernel number MEMBER of the table, with the clock around it.
template <class Real, Stage STAGE, auto MEMBER, class Function = std::remove_reference_t<decltype(Timed<Real>::real->*MEMBER)>>
struct TimedKernel;

template <class Real, Stage STAGE, auto MEMBER, class Result, class... Arguments>
struct TimedKernel<Real, STAGE, MEMBER, Result (*const)(Arguments...)> {
    static Result call(Arguments... arguments) {
        StageClock& clock = *Timed<Real>::clock;
        clock.enter(STAGE);
        if constexpr (std::is_void_v<Result>) {
            (Timed<Real>::real->*MEMBER)(arguments...);
            clock.leave(STAGE);
        } else {
            const Result result = (Timed<Real>::real->*MEMBER)(arguments...);
            clock.leave(STAGE);
            return result;
        }
    }
};

/// The same of a kernel of Kernels::moments<COMPONENTS>().
template <class Real, int COMPONENTS, Stage STAGE, auto MEMBER, class Function>
struct TimedMoments;

template <class Real, int COMPONENTS, Stage STAGE, auto MEMBER, class... Arguments>
struct TimedMoments<Real, COMPONENTS, STAGE, MEMBER, void (*)(Arguments...)> {
    static void call(Arguments... arguments) {
        StageClock& clock = *Timed<Real>::clock;
        clock.enter(STAGE);
        (Timed<Real>::real->template moments<COMPONENTS>().*MEMBER)(arguments...);
        clock.leave(STAGE);
    }
};

template <class Real, int COMPONENTS>
host::MomentKernels<Real, COMPONENTS> timed_moments() {
    using M = host::MomentKernels<Real, COMPONENTS>;
    return {TimedMoments<Real, COMPONENTS, compute_environment, &M::compute_environment, decltype(M::compute_environment)>::call,
            TimedMoments<Real, COMPONENTS, compute_moments, &M::compute_moments, decltype(M::compute_moments)>::call,
            TimedMoments<Real, COMPONENTS, reverse_moments, &M::reverse_moments, decltype(M::reverse_moments)>::call,
            TimedMoments<Real, COMPONENTS, reverse_environment, &M::reverse_environment, decltype(M::reverse_environment)>::call};
}

template <class Real>
host::Kernels<Real> timed_kernels() {
    using K = host::Kernels<Real>;
    return {Timed<Real>::real->name,
            TimedKernel<Real, gather_pairs, &K::gather_pairs>::call,
            TimedKernel<Real, locate, &K::locate>::call,
            timed_moments<Real, 4>(),
            timed_moments<Real, 1>(),
            TimedKernel<Real, compute_products, &K::compute_products>::call,
            TimedKernel<Real, reverse_products, &K::reverse_products>::call,
            TimedKernel<Real, multiply, &K::multiply>::call,
            TimedKernel<Real, compute_layer, &K::compute_layer>::call,
            TimedKernel<Real, reverse_layer, &K::reverse_layer>::call};
}

}  // namespace dpc::bench
