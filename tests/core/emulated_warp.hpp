// SPDX-License-Identifier: MIT
// A warp of a GPU on one thread of a processor: a fibre for each of its threads, which runs until it exchanges something or waits at a
// barrier. What dpc/kokkos/warp.hpp promises holds and nothing more: all threads that have not returned must meet in the same call, and
// to ThreadSanitizer the barrier alone orders memory. A breach ends the program.
#pragma once

#include <cstdint>
#include <cstring>

namespace dpc::test {

class EmulatedWarp {
public:
    struct Settings {
        int size = 8;             // at most kMostThreads, a power of two; few are fast
        bool backward = false;    // the order in which threads run between two calls
        bool has_barrier = true;  // false: a planted bug, with DPC_PLANTED=barrier in the environment from the start
    };
    static constexpr int kMostThreads = 64;
    static Settings& settings();

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

    /// body() in every thread of a warp.
    template <class Body>
    static void run(const Body& body) {
        run_all([](const void* of) { (*static_cast<const Body*>(of))(); }, &body);
    }

private:
    static std::uint64_t exchange_bits(std::uint64_t bits, int mask);
    static void run_all(void (*call)(const void*), const void* body);
};

}  // namespace dpc::test
