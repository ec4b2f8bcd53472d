// SPDX-License-Identifier: MIT
// Times Kokkos kernels by their labels through Kokkos' own hooks, with a fence before and after each. What happens between two
// kernels (launches, copies, calls of a library that Kokkos does not see) is a figure of its own. One clock at a time.
#pragma once

#include <Kokkos_Core.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace dpc::bench {

class KernelClock {
public:
    struct Sum {
        double seconds = 0;
        long calls = 0;
    };
    using Sums = std::map<std::string, Sum>;
    static constexpr const char* kBetween = "between kernels";

    /// Seconds by label of everything that happens in call().
    template <class Call>
    static Sums measure(const Call& call) {
        namespace hooks = Kokkos::Tools::Experimental;
        const hooks::EventSet before = hooks::get_callbacks();
        sums_.clear();
        depth_ = 0;
        hooks::set_begin_parallel_for_callback(begin);
        hooks::set_begin_parallel_reduce_callback(begin);
        hooks::set_begin_parallel_scan_callback(begin);
        hooks::set_end_parallel_for_callback(end);
        hooks::set_end_parallel_reduce_callback(end);
        hooks::set_end_parallel_scan_callback(end);
        hooks::set_push_region_callback(begin_region);
        hooks::set_pop_region_callback(leave);
        Kokkos::fence();
        last_ = Clock::now();
        call();
        charge(kBetween);
        hooks::set_callbacks(before);
        return sums_;
    }

private:
    using Clock = std::chrono::steady_clock;

    /// A library's call stands in a region of the step's name; kernels inside of one belong to it.
    static void begin_region(const char* label) {
        if (depth_++ == 0) {
            charge(kBetween);
            label_ = label;
        }
    }
    static void leave() {
        if (--depth_ == 0) {
            charge(label_);
        }
    }
    static void begin(const char* label, std::uint32_t, std::uint64_t* id) {
        *id = 0;
        begin_region(label);
    }
    static void end(std::uint64_t) { leave(); }

    static void charge(const std::string& label) {
        Kokkos::fence("bench: end of a kernel");
        const Clock::time_point now = Clock::now();
        Sum& sum = sums_[label];
        sum.seconds += std::chrono::duration<double>(now - last_).count();
        ++sum.calls;
        last_ = Clock::now();
    }

    static inline Sums sums_;
    static inline int depth_ = 0;
    static inline std::string label_;
    static inline Clock::time_point last_;
};

}  // namespace dpc::bench
