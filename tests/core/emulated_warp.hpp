// SPDX-License-Identifier: MIT
// A warp of a GPU on one thread of a processor: a fibre for each of its threads, which runs until it exchanges something or waits at a
// barrier. What dpc/kokkos/warp.hpp promises holds and nothing more: all threads that have not returned must meet in the same call, and
// to ThreadSanitizer the barrier alone orders memory. A breach ends the program.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <utility>

namespace dpc::test {

class EmulatedWarp {
public:
    struct Settings {
        int size = 8;  // at most kMostThreads, a power of two; few are fast; DPC_EMULATED_WARP in the environment: another
        bool backward = false;    // the order in which threads run between two calls
        bool has_barrier = true;  // false: a planted bug, with DPC_PLANTED=barrier (layout) in the environment from the start
        bool has_layout = true;   // false: matrix units take rows g and g + 8 of a for each other: a planted bug
    };
    static constexpr int kMostThreads = 64;
    static constexpr int kMostWarps = 4;  // of a team, of 32 threads each
    static Settings& settings();
    /// Threads of the processor that ran warps at the same time, at most, since this was set to 0.
    static std::atomic<int>& most_at_once();

    static int size() { return settings().size; }
    static int thread();
    static void barrier();
    template <class T>
    static T exchange(T value, int mask) {
        static_assert(sizeof(T) <= sizeof(std::uint64_t), "of one register");
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof(T));
        bits = exchange_bits(bits, mask);
        std::memcpy(&value, &bits, sizeof(T));
        return value;
    }
    static void count_votes(bool yes, int& before, int& all);
    /// As in dpc/kokkos/warp.hpp. Products are exact; their sum with c is cut to 24 bits, the worst that units do.
    static void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);

    /// body() in every thread of a warp.
    template <class Body>
    static void run(const Body& body) {
        run_all([](const void* of) { (*static_cast<const Body*>(of))(); }, &body, size());
    }

    /// Of several warps, whose threads meet all together even where only those of a warp have to.
    struct Team {
        static int warp();
        static void barrier() { EmulatedWarp::barrier(); }
    };
    template <class Body>
    static void run_team(int n_warps, const Body& body) {
        run_all([](const void* of) { (*static_cast<const Body*>(of))(); }, &body, n_warps * size());
    }

private:
    static std::uint64_t exchange_bits(std::uint64_t bits, int mask);
    static void run_all(void (*call)(const void*), const void* body, int n_threads);
};

/// The graph of a driver: launches that run when it is launched. Kept: as dpc/kokkos/launches.hpp hands them over.
template <class ExecSpace, class Kept>
class EmulatedGraph {
public:
    static constexpr bool is_there = true;
    EmulatedGraph(const ExecSpace&, Kept launches) : launches_(std::move(launches)) {}
    void launch(const ExecSpace& space) const {
        for (const auto& each : launches_) {
            each->run(space);
        }
    }
    static bool can_capture() { return true; }

private:
    Kept launches_;
};

}  // namespace dpc::test
