// SPDX-License-Identifier: MIT
// What a caller may want to know of an evaluation beside its results: how many neighbours atoms have and how near these come, and
// where the time goes. Costs nothing where it is not asked for.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace dpc {

/// Neighbours inside the (largest) cut-off, whatever is kept of them, in one or several evaluations; N types.
struct NeighbourStatistics {
    int n_types = 0;
    std::vector<std::int64_t> n_centres;           // (N)
    std::vector<std::int64_t> n_neighbours, most;  // (N, N + 1) of a centre, by type; last: of all types together
    std::vector<double> closest;                   // (N, N) angstrom, pairs that the model excludes left out; infinity: none

    explicit NeighbourStatistics(int types = 0)
        : n_types(types),
          n_centres(static_cast<std::size_t>(types)),
          n_neighbours(static_cast<std::size_t>(types) * static_cast<std::size_t>(types + 1)),
          most(n_neighbours.size()),
          closest(static_cast<std::size_t>(types) * static_cast<std::size_t>(types), std::numeric_limits<double>::infinity()) {}

    /// Place of neighbours of type b around centres of type a in n_neighbours and most; b = N: all types.
    std::size_t place(int a, int b) const { return static_cast<std::size_t>(a * (n_types + 1) + b); }
    /// In closest.
    std::size_t pair(int a, int b) const { return static_cast<std::size_t>(a * n_types + b); }

    void add_centre(int a, int b, std::int64_t n) {
        n_neighbours[place(a, b)] += n;
        most[place(a, b)] = std::max(most[place(a, b)], n);
    }
    void add_pair(int a, int b, double distance) { closest[pair(a, b)] = std::min(closest[pair(a, b)], distance); }
};

inline void merge(NeighbourStatistics& into, const NeighbourStatistics& from) {
    for (std::size_t k = 0; k < from.n_centres.size(); ++k) {
        into.n_centres[k] += from.n_centres[k];
    }
    for (std::size_t k = 0; k < from.most.size(); ++k) {
        into.n_neighbours[k] += from.n_neighbours[k];
        into.most[k] = std::max(into.most[k], from.most[k]);
    }
    for (std::size_t k = 0; k < from.closest.size(); ++k) {
        into.closest[k] = std::min(into.closest[k], from.closest[k]);
    }
}

/// Seconds; of threads the mean.
struct StageTimes {
    double pairs = 0;        // which are inside the cut-off, and which are kept
    double descriptor = 0;   // environments and features
    double fitting_net = 0;  // and its gradient
    double forces = 0;       // from that gradient to forces and virials
    double part_switch = 0;  // between two parts of a model: its factors, and the forces of their slopes
};

inline void add_share(StageTimes& into, const StageTimes& from, double share) {
    for (double StageTimes::* stage :
         {&StageTimes::pairs, &StageTimes::descriptor, &StageTimes::fitting_net, &StageTimes::forces, &StageTimes::part_switch}) {
        into.*stage += from.*stage * share;
    }
}

/// Charges the time since the last call to a stage; without times it does nothing.
class StageWatch {
public:
    StageWatch() = default;
    explicit StageWatch(StageTimes* times) : times_(times) {}
    bool is_on() const { return times_ != nullptr; }
    void start() {
        if (is_on()) {
            last_ = Clock::now();
        }
    }
    void charge(double StageTimes::* stage) {
        if (is_on()) {
            const Clock::time_point now = Clock::now();
            times_->*stage += std::chrono::duration<double>(now - last_).count();
            last_ = now;
        }
    }

private:
    using Clock = std::chrono::steady_clock;
    StageTimes* times_ = nullptr;
    Clock::time_point last_;
};

/// Both are added to; null: not wanted.
struct Measures {
    NeighbourStatistics* statistics = nullptr;  // of the model's types
    StageTimes* times = nullptr;                // with it GPUs wait at the end of every stage
};

}  // namespace dpc
