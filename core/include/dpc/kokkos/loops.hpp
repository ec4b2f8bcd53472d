// SPDX-License-Identifier: MIT
// How the kernels' bodies are spread over a device: two kinds of loops, over atoms (a group of threads for an atom and
// neighbour type) and over rows of (tile, row, lane) arrays. A lane is the place of an atom in a tile.
// GPU: one tile holds the whole chunk; a thread is a lane, so that neighbouring threads touch neighbouring numbers.
// Processor: small tiles, a fixed share of them for each worker (thread) in every step, so that what one step leaves in a core's
// cache the next one finds there, and a worker's sums are always of the same atoms.
#pragma once

#include <string>

#include "dpc/kokkos/pack.hpp"

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

/// Threads of a GPU that work on one atom: a warp, or a part of one. Variables outside of for_each exist once per thread.
template <class Member>
struct ThreadGroup {
    const Member& member;
    int n_threads;

    KOKKOS_FORCEINLINE_FUNCTION int size() const { return n_threads; }
    template <class Body>
    KOKKOS_FORCEINLINE_FUNCTION void for_each(int n, const Body& body) const {
        Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, n), body);
    }
    /// place(k, at) for every k < n with keep(k), at = 0, 1, .. in the order of k. Returns how many.
    template <class Keep, class Place>
    KOKKOS_FORCEINLINE_FUNCTION int compact(int n, const Keep& keep, const Place& place) const {
        int total = 0;
        Kokkos::parallel_scan(
            Kokkos::ThreadVectorRange(member, n),
            [&](int k, int& at, bool is_final) {
                const bool kept = keep(k);
                if (is_final && kept) {
                    place(k, at);
                }
                at += kept ? 1 : 0;
            },
            total);
        for_each(n_threads, [](int) {});  // what one thread wrote the others may read from here on
        return total;
    }
    /// Every element: the sum over the threads, in all of them.
    template <class T, int N>
    KOKKOS_FORCEINLINE_FUNCTION void sum(T (&values)[N]) const;
    KOKKOS_FORCEINLINE_FUNCTION void smallest(double& value) const {
        double of_all = value;
        Kokkos::parallel_reduce(
            Kokkos::ThreadVectorRange(member, n_threads), [&](int, double& partial) { partial = Kokkos::min(partial, value); },
            Kokkos::Min<double>(of_all));
        value = of_all;
    }
    template <class Body>
    KOKKOS_FORCEINLINE_FUNCTION void once(const Body& body) const {
        Kokkos::single(Kokkos::PerThread(member), body);
    }
};

template <class T, int N>
struct Numbers {
    T v[N];
    KOKKOS_FORCEINLINE_FUNCTION Numbers() {
        for (T& number : v) {
            number = T(0);
        }
    }
    KOKKOS_FORCEINLINE_FUNCTION Numbers& operator+=(const Numbers& other) {
        for (int k = 0; k < N; ++k) {
            v[k] += other.v[k];
        }
        return *this;
    }
};

}  // namespace dpc::kokkos

template <class T, int N>
struct Kokkos::reduction_identity<dpc::kokkos::Numbers<T, N>> {
    KOKKOS_FORCEINLINE_FUNCTION static dpc::kokkos::Numbers<T, N> sum() { return {}; }
};

namespace dpc::kokkos {

template <class Member>
template <class T, int N>
KOKKOS_FORCEINLINE_FUNCTION void ThreadGroup<Member>::sum(T (&values)[N]) const {
    Numbers<T, N> total;
    Kokkos::parallel_reduce(
        Kokkos::ThreadVectorRange(member, n_threads),
        [&](int, Numbers<T, N>& partial) {
            for (int k = 0; k < N; ++k) {
                partial.v[k] += values[k];
            }
        },
        Kokkos::Sum<Numbers<T, N>>(total));
    for (int k = 0; k < N; ++k) {
        values[k] = total.v[k];
    }
}

/// The same for one thread of a processor, which has packs instead.
struct SoleThread {
    KOKKOS_FORCEINLINE_FUNCTION int size() const { return 1; }
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

/// Teams that must fit a multiprocessor: 80 registers a thread, which is what the largest kernels need.
constexpr int kFewestTeams = 6;

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
struct GroupSegments {
    Body body;
    int n_atoms, n_segments, group_threads;

    template <class Member>
    KOKKOS_FUNCTION void operator()(const Member& member) const {
        const int k = member.league_rank() * member.team_size() + member.team_rank();
        if (k < n_segments * n_atoms) {
            body(ThreadGroup<Member>{member, group_threads}, 0, k / n_atoms, k % n_atoms);
        }
    }
};

/// body(group, worker, segment, atom) for all segments of all atoms, group_threads threads of a GPU for each.
template <int FEWEST_TEAMS = kFewestTeams, class ExecSpace, class Body>
void for_each_segment(const std::string& label, const ExecSpace& space, const Tiles& tiles, int n_segments, int group_threads,
                      const Body& body) {
    if constexpr (is_gpu<ExecSpace>) {
        using Policy = Kokkos::TeamPolicy<ExecSpace, Kokkos::LaunchBounds<kTeamThreads, FEWEST_TEAMS>>;
        const int team = kTeamThreads / group_threads;
        const int league = (n_segments * tiles.n_atoms + team - 1) / team;
        Kokkos::parallel_for(label, Policy(space, league, team, group_threads),
                             GroupSegments<Body>{body, tiles.n_atoms, n_segments, group_threads});
    } else {
        using Policy = Kokkos::RangePolicy<ExecSpace, Kokkos::Schedule<Kokkos::Static>>;
        const int n_workers = count_workers(space);
        Kokkos::parallel_for(label, Policy(space, 0, n_workers).set_chunk_size(1),
                             WorkerSegments<Body>{body, tiles, n_segments, n_workers});
    }
}

/// Lanes of a GPU that stay together: what they read of other rows is then in the second-level cache for all rows.
constexpr int kLaneRun = 256;

template <class ExecSpace, int GROUP, class Body>
struct RowLoop {
    Body body;
    Tiles tiles;
    int n_rows, n_workers;

    KOKKOS_FUNCTION void operator()(int index) const {
        if constexpr (is_gpu<ExecSpace>) {
            const int in_run = index % kLaneRun, rest = index / kLaneRun;
            const int lane = rest / n_rows * kLaneRun + in_run;
            if (lane < tiles.lanes) {
                body(0, rest % n_rows, lane);
            }
        } else {
            const int begin = tiles.first_of(index, n_workers), end = tiles.first_of(index + 1, n_workers);
            if constexpr (GROUP > 1) {  // weights of a row serve all tiles
                for (int row = 0; row < n_rows; ++row) {
                    for_each_lane(row, begin, end);
                }
            } else {
                for_each_row(begin, end);
            }
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
void for_each_row(const std::string& label, const ExecSpace& space, const Tiles& tiles, int n_rows, const Body& body) {
    const int n_workers = count_workers(space);
    const RowLoop<ExecSpace, GROUP, Body> loop{body, tiles, n_rows, n_workers};
    const int n = is_gpu<ExecSpace> ? (tiles.lanes + kLaneRun - 1) / kLaneRun * kLaneRun * n_rows : n_workers;
    using Policy = Kokkos::RangePolicy<ExecSpace, Kokkos::Schedule<Kokkos::Static>>;
    Policy policy(space, 0, n);
    Kokkos::parallel_for(label, is_gpu<ExecSpace> ? policy : policy.set_chunk_size(1), loop);
}

}  // namespace dpc::kokkos
