// SPDX-License-Identifier: MIT
// NeighbourStatistics of a step on a device, from what gather_pairs has noted of each centre.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "dpc/kokkos/centres.hpp"
#include "dpc/kokkos/chunk.hpp"
#include "dpc/measures.hpp"

namespace dpc::kokkos {

/// Over the atoms of a chunk.
struct MeasureNeighbours {
    Chunk chunk;
    const int* n_inside;  // (n_types, atoms)
    long long *n_neighbours, *most;
    double* closest2;

    KOKKOS_FUNCTION void operator()(int k) const {
        int of_all_types = 0;
        for (int b = 0; b < chunk.n_types; ++b) {
            const int n = chunk.limits[b].is_counted ? n_inside[chunk.segment(b, k)] : 0;
            of_all_types += n;
            add_centre(b, n);
            if (n > 0 && chunk.limits[b].checked_distance2 > 0) {
                Kokkos::atomic_min(closest2 + chunk.type * chunk.n_types + b, chunk.closest2[chunk.segment(b, k)]);
            }
        }
        add_centre(chunk.n_types, of_all_types);
    }

    KOKKOS_FUNCTION void add_centre(int b, long long n) const {
        const int place = chunk.type * (chunk.n_types + 1) + b;
        Kokkos::atomic_add(n_neighbours + place, n);
        Kokkos::atomic_max(most + place, n);
    }
};

template <class ExecSpace>
class DeviceStatistics {
public:
    void start(const ExecSpace& space, int n_types) {
        found_ = NeighbourStatistics(n_types);
        grow(counts_, space, "dpc::neighbour_counts", 2 * found_.most.size());
        grow(closest2_, space, "dpc::closest", found_.closest.size());
        Kokkos::deep_copy(space, counts_, 0LL);
        Kokkos::deep_copy(space, closest2_, std::numeric_limits<double>::infinity());
    }

    /// After gather_pairs. has_several: descriptors, so that what is noted of a centre is of one of them; its pairs are all inside the
    /// largest cut-off then.
    void measure(const ExecSpace& space, const Chunk& chunk, bool has_several) {
        found_.n_centres[static_cast<std::size_t>(chunk.type)] += chunk.tiles.n_atoms;
        Kokkos::parallel_for("dpc::measure_neighbours", Kokkos::RangePolicy<ExecSpace>(space, 0, chunk.tiles.n_atoms),
                             MeasureNeighbours{chunk, has_several ? chunk.counts : chunk.within, counts_.data(),
                                               counts_.data() + found_.most.size(), closest2_.data()});
    }

    void add_to(const ExecSpace& space, NeighbourStatistics& to) {
        const std::size_t n = found_.most.size();
        const auto counts = copied(space, counts_, 2 * n);
        const auto closest2 = copied(space, closest2_, found_.closest.size());
        space.fence("dpc: neighbour statistics");
        for (std::size_t k = 0; k < n; ++k) {
            found_.n_neighbours[k] = counts[k];
            found_.most[k] = counts[n + k];
        }
        for (std::size_t k = 0; k < closest2.size(); ++k) {
            found_.closest[k] = std::sqrt(closest2[k]);
        }
        merge(to, found_);
    }

    std::size_t bytes() const { return counts_.size() * sizeof(long long) + closest2_.size() * sizeof(double); }

private:
    template <class View>
    static std::vector<typename View::value_type> copied(const ExecSpace& space, const View& from, std::size_t n) {
        using Value = typename View::value_type;
        std::vector<Value> to(n);
        Kokkos::deep_copy(space, Kokkos::View<Value*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>(to.data(), n),
                          Kokkos::subview(from, std::make_pair(std::size_t(0), n)));
        return to;
    }

    NeighbourStatistics found_;
    Kokkos::View<long long*, typename ExecSpace::memory_space> counts_;  // n_neighbours, then most
    Kokkos::View<double*, typename ExecSpace::memory_space> closest2_;
};

}  // namespace dpc::kokkos
