// SPDX-License-Identifier: MIT
// Times the steps of the evaluator from outside: a table of kernels that calls the real ones and reads the clock around each. What
// happens between two kernels is charged to the step that prepares the second. Nothing in the product knows of this.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <type_traits>

#include "dpc/math/counts.hpp"
#include "host/kernels/kernels.hpp"

namespace dpc::bench {

// clang-format off
enum Stage {
    gather_pairs, compute_environment, locate, compute_moments, compute_products, multiply, compute_layer,
    reverse_layer, reverse_products, reverse_moments, reverse_environment,
    locate_triples, reverse_triples,
    bookkeeping, copy_moments, last_layer, copy_weights, add_forces,  // between the kernels
    n_stages
};

constexpr const char* kStageNames[n_stages] = {
    "gather_pairs", "compute_environment", "locate", "compute_moments", "compute_products", "multiply (direct form)", "compute_layer",
    "reverse_layer", "reverse_products", "reverse_moments", "reverse_environment",
    "neighbours' products", "their gradient",
    "bookkeeping of pairs", "moments to rows of C", "last layer", "dE/dC to weights", "sums of forces"};

/// What runs before each kernel, up to the previous one.
constexpr Stage kBefore[n_stages] = {
    bookkeeping, bookkeeping, bookkeeping, copy_moments, copy_moments, copy_moments, compute_layer,
    last_layer, copy_weights, copy_weights, add_forces,
    copy_moments, copy_weights,
    bookkeeping, copy_moments, last_layer, copy_weights, add_forces};
// clang-format on

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

/// A function of the real kernels, Get{}(kernels), with the clock around it.
template <class Real, Stage STAGE, class Get, class Function>
struct TimedKernel;

template <class Real, Stage STAGE, class Get, class Result, class... Arguments>
struct TimedKernel<Real, STAGE, Get, Result (*)(Arguments...)> {
    static Result call(Arguments... arguments) {
        StageClock& clock = *Timed<Real>::clock;
        clock.enter(STAGE);
        const auto function = Get{}(*Timed<Real>::real);
        if constexpr (std::is_void_v<Result>) {
            function(arguments...);
            clock.leave(STAGE);
        } else {
            const Result result = function(arguments...);
            clock.leave(STAGE);
            return result;
        }
    }
};

/// FUNCTION of the table COMPONENT of the kernels.
template <auto COMPONENT, auto FUNCTION>
struct Member {
    template <class Kernels>
    auto operator()(const Kernels& kernels) const {
        return (kernels.*COMPONENT).*FUNCTION;
    }
};

/// The same of a function that there is by the number of components.
template <auto COMPONENT, auto FUNCTION, int COMPONENTS>
struct MemberOf {
    template <class Kernels>
    auto operator()(const Kernels& kernels) const {
        return ((kernels.*COMPONENT).*FUNCTION)[COMPONENTS];
    }
};

/// Put the clock around a function of `kernels`.
template <class Real, Stage STAGE, auto COMPONENT, auto FUNCTION>
void time(host::Kernels<Real>& kernels) {
    auto& function = (kernels.*COMPONENT).*FUNCTION;
    using Function = std::remove_reference_t<decltype(function)>;
    if constexpr (std::is_pointer_v<Function>) {
        function = TimedKernel<Real, STAGE, Member<COMPONENT, FUNCTION>, Function>::call;
    } else {
        const auto wrap = [](auto& of_components, auto components) {
            using Get = MemberOf<COMPONENT, FUNCTION, decltype(components)::value>;
            if (of_components != nullptr) {
                of_components = TimedKernel<Real, STAGE, Get, std::decay_t<decltype(of_components)>>::call;
            }
        };
        wrap(function.four, math::Count<4>{});
        wrap(function.one, math::Count<1>{});
        wrap(function.two, math::Count<2>{});
        wrap(function.nine, math::Count<9>{});
        wrap(function.sixteen, math::Count<16>{});
        wrap(function.twenty_five, math::Count<25>{});
    }
}

template <class Real>
host::Kernels<Real> timed_kernels() {
    using K = host::Kernels<Real>;
    using Pairs = host::PairKernels<Real>;
    using Table = host::TableKernels<Real>;
    using Bundles = host::BundleKernels<Real>;
    using Triples = host::TripleKernels<Real>;
    using Products = host::ProductKernels<Real>;
    using Net = host::NetKernels<Real>;
    K kernels = *Timed<Real>::real;
    time<Real, gather_pairs, &K::pairs, &Pairs::gather>(kernels);
    time<Real, gather_pairs, &K::pairs, &Pairs::narrow>(kernels);
    time<Real, compute_environment, &K::pairs, &Pairs::compute_environment>(kernels);
    time<Real, reverse_environment, &K::pairs, &Pairs::reverse_environment>(kernels);
    time<Real, locate, &K::table, &Table::locate>(kernels);
    time<Real, compute_moments, &K::table, &Table::compute_moments>(kernels);
    time<Real, reverse_moments, &K::table, &Table::reverse_moments>(kernels);
    time<Real, locate_triples, &K::bundles, &Bundles::find_others>(kernels);
    time<Real, locate_triples, &K::bundles, &Bundles::bundle>(kernels);
    time<Real, compute_moments, &K::bundles, &Bundles::compute_moments>(kernels);
    time<Real, reverse_moments, &K::bundles, &Bundles::reverse_moments>(kernels);
    time<Real, reverse_moments, &K::table, &Table::reverse_moments_over_r>(kernels);
    time<Real, compute_environment, &K::pairs, &Pairs::follow_distance>(kernels);
    time<Real, compute_environment, &K::pairs, &Pairs::compute_harmonics>(kernels);
    time<Real, reverse_environment, &K::pairs, &Pairs::reverse_harmonics>(kernels);
    time<Real, locate_triples, &K::triples, &Triples::locate>(kernels);
    time<Real, locate_triples, &K::triples, &Triples::multiply>(kernels);
    time<Real, locate_triples, &K::triples, &Triples::square>(kernels);
    time<Real, reverse_triples, &K::triples, &Triples::reverse>(kernels);
    time<Real, reverse_triples, &K::triples, &Triples::reverse_squares>(kernels);
    time<Real, compute_products, &K::products, &Products::compute>(kernels);
    time<Real, reverse_products, &K::products, &Products::reverse>(kernels);
    time<Real, multiply, &K::net, &Net::multiply>(kernels);
    time<Real, compute_layer, &K::net, &Net::compute_layer>(kernels);
    time<Real, reverse_layer, &K::net, &Net::reverse_layer>(kernels);
    return kernels;
}

}  // namespace dpc::bench
