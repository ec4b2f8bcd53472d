// SPDX-License-Identifier: MIT
// How the kernels' bodies are spread over a device: two kinds of loops, over atoms (a group of threads for an atom and
// neighbour type) and over rows of (tile, row, lane) arrays. A lane is the place of an atom in a tile.
// GPU: one tile holds the whole chunk; a thread is a lane, so that neighbouring threads touch neighbouring numbers.
// Processor: small tiles, a fixed share of them for each worker (thread) in every step, so that what one step leaves in a core's
// cache the next one finds there, and a worker's sums are always of the same atoms.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>

#include "dpc/errors.hpp"
#include "dpc/kokkos/launches.hpp"
#include "dpc/kokkos/warp.hpp"

namespace dpc::kokkos {

/// How the atoms of a chunk lie in tiles: atom k is lane k % lanes of tile k / lanes.
struct Tiles {
    int n_atoms = 0;
    int lanes = 1;
    int n_tiles = 0;

    KOKKOS_FORCEINLINE_FUNCTION int first_of(int worker, int n_workers) const {
        return static_cast<int>(static_cast<long long>(n_tiles) * worker / n_workers);
    }
};

/// Threads of a GPU that work on one pair: they share its channels. A group has several pairs at once.
constexpr int kPairThreads = 4;

/// Threads of a GPU that work on one atom: a warp. Variables outside of for_each exist once per thread. What one thread wrote in
/// for_each, compact or once the others may read afterwards.
template <class Warp>
struct ThreadGroup {
    /// Channels of a table that one thread takes at a time, and how often.
    template <class Real>
    using Channels = Few<Real, 2>;
    static constexpr int most_packs = 3;

    KOKKOS_FORCEINLINE_FUNCTION static constexpr int size() { return Warp::size(); }
    KOKKOS_FORCEINLINE_FUNCTION static void barrier() { Warp::barrier(); }

    template <class Body>
    KOKKOS_FORCEINLINE_FUNCTION void for_each(int n, const Body& body) const {
        for (int k = Warp::thread(); k < n; k += size()) {
            body(k);
        }
        barrier();
    }
    /// place(k, at) for every k < n with keep(k), at = 0, 1, .. in the order of k. Returns how many.
    template <class Keep, class Place>
    KOKKOS_FORCEINLINE_FUNCTION int compact(int n, const Keep& keep, const Place& place) const {
        int total = 0;
        for (int first = 0; first < n; first += size()) {
            const int k = first + Warp::thread();
            const bool kept = k < n && keep(k);
            const Votes votes = Warp::vote(kept);
            if (kept) {
                place(k, total + votes.before);
            }
            total += votes.all;
        }
        barrier();
        return total;
    }
    /// Every element: the sum over the threads, in all of them.
    template <class T, int N>
    KOKKOS_FORCEINLINE_FUNCTION void sum(T (&values)[N]) const {
        add_others<N>(values, 1, size());
    }
    KOKKOS_FORCEINLINE_FUNCTION void smallest(double& value) const {
        for (int mask = 1; mask < size(); mask *= 2) {
            value = Kokkos::min(value, Warp::exchange(value, mask));
        }
    }
    template <class Body>
    KOKKOS_FORCEINLINE_FUNCTION void once(const Body& body) const {
        if (Warp::thread() == 0) {
            body();
        }
        barrier();
    }
    /// take(k, sum over the threads of values[k]) once for every k, by some thread. values are void then.
    template <class T, int N, class Take>
    KOKKOS_FORCEINLINE_FUNCTION void sum_each(T (&values)[N], const Take& take) const {
        share_sums<N>(values, 1, size(), 0, take);
    }

    KOKKOS_FORCEINLINE_FUNCTION static int n_pairs() { return size() / kPairThreads; }
    KOKKOS_FORCEINLINE_FUNCTION static int pair() { return Warp::thread() / kPairThreads; }
    KOKKOS_FORCEINLINE_FUNCTION static int part() { return Warp::thread() % kPairThreads; }
    /// sum_each over the pairs, for each part.
    template <class T, int N, class Take>
    KOKKOS_FORCEINLINE_FUNCTION void sum_over_pairs(T (&values)[N], const Take& take) const {
        share_sums<N>(values, kPairThreads, size(), 0, take);
    }
    /// sum_each over the parts, for each pair.
    template <class T, int N, class Take>
    KOKKOS_FORCEINLINE_FUNCTION void sum_over_parts(T (&values)[N], const Take& take) const {
        share_sums<N>(values, 1, kPairThreads, 0, take);
    }

private:
    /// The first N of values += those of the threads whose numbers differ in the bits from mask on, below end.
    template <int N, class T, int ALL>
    KOKKOS_FORCEINLINE_FUNCTION static void add_others(T (&values)[ALL], int mask, int end) {
        for (; mask < end; mask *= 2) {
            for (int k = 0; k < N; ++k) {
                values[k] += Warp::exchange(values[k], mask);
            }
        }
    }
    /// Two threads halve their values between them as long as there is a half: N = 2^p values take N - 1 exchanges instead of
    /// N log2(threads), and a few more for the bits that are left.
    template <int N, class T, int ALL, class Take>
    KOKKOS_FORCEINLINE_FUNCTION static void share_sums(T (&values)[ALL], int mask, int end, int first, const Take& take) {
        if constexpr (N % 2 == 0) {
            if (mask < end) {
                const bool is_upper = (Warp::thread() & mask) != 0;
                for (int k = 0; k < N / 2; ++k) {
                    const T lower = values[k], upper = values[k + N / 2];  // copies: of two places clang would choose the place
                    values[k] = (is_upper ? upper : lower) + Warp::exchange(is_upper ? lower : upper, mask);
                }
                share_sums<N / 2>(values, 2 * mask, end, is_upper ? first + N / 2 : first, take);
                return;
            }
        }
        add_others<N>(values, mask, end);
        if ((Warp::thread() & (end - mask)) == 0) {  // of threads with the same sums the first
            for (int k = 0; k < N; ++k) {
                take(first + k, values[k]);
            }
        }
    }
};

/// The same for one thread of a processor, which has packs instead.
struct SoleThread {
    template <class Real>
    using Channels = Pack<Real>;
    static constexpr int most_packs = kMostPacks;

    KOKKOS_FORCEINLINE_FUNCTION static constexpr int size() { return 1; }
    KOKKOS_FORCEINLINE_FUNCTION static void barrier() {}
    template <class Body>
    KOKKOS_FORCEINLINE_FUNCTION void for_each(int n, const Body& body) const {
        for (int k = 0; k < n; ++k) {
            body(k);
        }
    }
    /// place is called for every k, so that there is no branch to be guessed: slot `at` is overwritten until its k is kept.
    template <class Keep, class Place>
    KOKKOS_FORCEINLINE_FUNCTION int compact(int n, const Keep& keep, const Place& place) const {
        int at = 0;
        for (int k = 0; k < n; ++k) {
            const bool kept = keep(k);
            place(k, at);
            at += kept ? 1 : 0;
        }
        return at;
    }
    template <class T, int N>
    KOKKOS_FORCEINLINE_FUNCTION void sum(T (&)[N]) const {}
    KOKKOS_FORCEINLINE_FUNCTION void smallest(double&) const {}
    template <class Body>
    KOKKOS_FORCEINLINE_FUNCTION void once(const Body& body) const {
        body();
    }
    template <class T, int N, class Take>
    KOKKOS_FORCEINLINE_FUNCTION void sum_each(T (&values)[N], const Take& take) const {
        for (int k = 0; k < N; ++k) {
            take(k, values[k]);
        }
    }
};

/// Threads of this instance. As long as Kokkos has its deprecated code, OpenMP::concurrency is static and must be told the instance.
template <class ExecSpace>
auto concurrency_of(const ExecSpace& space, int) -> decltype(ExecSpace::concurrency(space)) {
    return ExecSpace::concurrency(space);
}
template <class ExecSpace>
int concurrency_of(const ExecSpace& space, long) {
    return space.concurrency();
}

/// Workers of an execution space: threads of a processor, 1 for a GPU.
template <class ExecSpace>
int count_workers(const ExecSpace& space) {
    return is_gpu<ExecSpace> ? 1 : concurrency_of(space, 0);
}

/// Teams that must fit a multiprocessor: 80 registers a thread; 128 or 168 for kernels that hold sums or weights of many channels.
constexpr int kFewestTeams = 6;
template <class Real>
inline constexpr int few_teams = sizeof(Real) == sizeof(float) ? 4 : 3;
/// The same of 16 and 25 components: all registers that there are.
template <class Real, int COMPONENTS>
inline constexpr int teams_of = COMPONENTS > 9 ? 2 : few_teams<Real>;

/// Processor: one worker's atoms.
template <class Body>
struct WorkerSegments {
    Body body;
    Tiles tiles;
    int n_segments, n_workers;

    KOKKOS_FUNCTION void operator()(int worker) const {
        const int begin = tiles.first_of(worker, n_workers) * tiles.lanes;
        const int end = Kokkos::min(tiles.first_of(worker + 1, n_workers) * tiles.lanes, tiles.n_atoms);
        for (int segment = 0; segment < n_segments; ++segment) {
            for (int atom = begin; atom < end; ++atom) {
                body(SoleThread{}, worker, segment, atom);
            }
        }
    }
};

/// GPU: some groups.
template <class Body>
struct SegmentsPart {
    Body body;
    int n_atoms, n;  // n: segments of all atoms
};
template <class Body, class Warp>
struct GroupSegments {
    Together<SegmentsPart<Body>> chunks;

    KOKKOS_FORCEINLINE_FUNCTION void call(int k) const {
        const SegmentsPart<Body>& part = chunks.part_of(k);
        part.body(ThreadGroup<Warp>{}, 0, k / part.n_atoms, k % part.n_atoms);
    }
    template <class Member, class = std::enable_if_t<!std::is_integral_v<Member>>>
    KOKKOS_FUNCTION void operator()(const Member& member) const {
        const int k = member.league_rank() * (kTeamThreads / Warp::size()) + member.team_rank();
        if (k < n) {
            call(k);
        }
    }
#if defined(DPC_KOKKOS_LIKE_GPU)
    void operator()(int k) const {
        Warp::run([&] { call(k); });
    }
#endif
    int n = chunks.n();
};

/// Kokkos launches a kernel of more than 512 bytes from constant memory, and the host waits for the one before it, unless it is told
/// that this one is light. Arguments of a kernel have 4 kB.
constexpr std::size_t kMostFunctorBytes = 3584;
template <class Functor, class Policy>
auto light(const Policy& policy) {
    static_assert(sizeof(Functor) <= kMostFunctorBytes, "too large for a kernel's arguments");
    return Kokkos::Experimental::require(policy, Kokkos::Experimental::WorkItemProperty::HintLightWeight);
}

template <int FEWEST_TEAMS, class ExecSpace, class Body>
struct SegmentsLaunch {
    std::string label;
    Together<SegmentsPart<Body>> chunks;

    bool join(const SegmentsLaunch& other) { return label == other.label && chunks.join(other.chunks); }
    void run(const ExecSpace& space) const {
        using Groups = GroupSegments<Body, Warp<ExecSpace>>;
        const Groups groups{chunks};
#if defined(DPC_KOKKOS_LIKE_GPU)
        Kokkos::parallel_for(label, Kokkos::RangePolicy<ExecSpace>(space, 0, groups.n), groups);
#else
        using Policy =
            Kokkos::TeamPolicy<ExecSpace, Kokkos::LaunchBounds<kTeamThreads, Warp<ExecSpace>::fewest_teams(FEWEST_TEAMS)>>;
        const int group = Warp<ExecSpace>::size(), team = kTeamThreads / group;
        Kokkos::parallel_for(label, light<Groups>(Policy(space, (groups.n + team - 1) / team, team, group)), groups);
#endif
    }
};

/// body(group, worker, segment, atom) for all segments of all atoms.
template <int FEWEST_TEAMS = kFewestTeams, class ExecSpace, class Body>
void for_each_segment(const std::string& label, Launches<ExecSpace>& launches, const Tiles& tiles, int n_segments,
                      const Body& body) {
    if constexpr (is_gpu<ExecSpace>) {
        launches.add(SegmentsLaunch<FEWEST_TEAMS, ExecSpace, Body>{
            label, Together<SegmentsPart<Body>>(SegmentsPart<Body>{body, tiles.n_atoms, n_segments * tiles.n_atoms})});
    } else {
        using Policy = Kokkos::RangePolicy<ExecSpace, Kokkos::Schedule<Kokkos::Static>>;
        const int n_workers = count_workers(launches.space());
        Kokkos::parallel_for(label, Policy(launches.space(), 0, n_workers).set_chunk_size(1),
                             WorkerSegments<Body>{body, tiles, n_segments, n_workers});
    }
}

/// Lanes of a GPU that stay together: what they read of other rows is then in the second-level cache for all rows.
constexpr int kLaneRun = 256;

/// GPU: lanes of rows, run by run.
template <class Body>
struct RowsPart {
    Body body;
    int lanes, n_rows, n;
};
template <class Body>
struct LaneLoop {
    Together<RowsPart<Body>> chunks;

    KOKKOS_FUNCTION void operator()(int index) const {
        const RowsPart<Body>& part = chunks.part_of(index);
        const int in_run = index % kLaneRun, rest = index / kLaneRun;
        const int lane = rest / part.n_rows * kLaneRun + in_run;
        if (lane < part.lanes) {
            part.body(0, rest % part.n_rows, lane);
        }
    }
};

template <class ExecSpace, class Body>
struct RowsLaunch {
    std::string label;
    LaneLoop<Body> loop;

    bool join(const RowsLaunch& other) { return label == other.label && loop.chunks.join(other.loop.chunks); }
    void run(const ExecSpace& space) const {
        using Policy = Kokkos::RangePolicy<ExecSpace, Kokkos::Schedule<Kokkos::Static>>;
        Kokkos::parallel_for(label, light<LaneLoop<Body>>(Policy(space, 0, loop.chunks.n())), loop);
    }
};

/// Processor: a worker's tiles.
template <int GROUP, class Body>
struct TileLoop {
    Body body;
    Tiles tiles;
    int n_rows, n_workers;

    KOKKOS_FUNCTION void operator()(int worker) const {
        const int begin = tiles.first_of(worker, n_workers), end = tiles.first_of(worker + 1, n_workers);
        if constexpr (GROUP > 1) {  // weights of a row serve all tiles
            for (int row = 0; row < n_rows; ++row) {
                for_each_lane(row, begin, end);
            }
        } else {
            for_each_row(begin, end);
        }
    }

    KOKKOS_FORCEINLINE_FUNCTION void for_each_lane(int row, int begin, int end) const {
        for (int tile = begin; tile < end; ++tile) {
            for (int lane = 0; lane < tiles.lanes; lane += GROUP) {
                body(tile, row, lane);
            }
        }
    }
    KOKKOS_FORCEINLINE_FUNCTION void for_each_row(int begin, int end) const {
        for (int tile = begin; tile < end; ++tile) {
            for (int lane = 0; lane < tiles.lanes; lane += Body::width) {
                for (int row = 0; row < n_rows; ++row) {
                    body(tile, row, lane);
                }
            }
        }
    }
};

/// body(tile, row, lane) for every row and every lane, Body::width of them (or GROUP, then row by row) at once.
template <int GROUP = 1, class ExecSpace, class Body>
void for_each_row(const std::string& label, Launches<ExecSpace>& launches, const Tiles& tiles, int n_rows, const Body& body) {
    if constexpr (is_gpu<ExecSpace>) {
        const int n_lanes = (tiles.lanes + kLaneRun - 1) / kLaneRun * kLaneRun;
        if (n_lanes > std::numeric_limits<int>::max() / std::max(1, n_rows)) {
            throw InputError(
                label + " has " + std::to_string(n_rows) + " rows of " + std::to_string(tiles.lanes) +
                " numbers, more than an index of a kernel can count: with less memory fewer atoms are evaluated at a time (in LAMMPS "
                "`memory`, in MB)");
        }
        launches.add(RowsLaunch<ExecSpace, Body>{
            label, {Together<RowsPart<Body>>(RowsPart<Body>{body, tiles.lanes, n_rows, n_lanes * n_rows})}});
    } else {
        using Policy = Kokkos::RangePolicy<ExecSpace, Kokkos::Schedule<Kokkos::Static>>;
        const int n_workers = count_workers(launches.space());
        Kokkos::parallel_for(label, Policy(launches.space(), 0, n_workers).set_chunk_size(1),
                             TileLoop<GROUP, Body>{body, tiles, n_rows, n_workers});
    }
}

}  // namespace dpc::kokkos
