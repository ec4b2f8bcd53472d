// SPDX-License-Identifier: MIT
// A Structure repeated in three directions in the memory of an execution space, with images behind the real atoms and a full
// neighbour list, all made there: millions of atoms take seconds, and no list of that size crosses to the host.
#pragma once

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "structures.hpp"

namespace dpc::bench {

/// The atoms before there are images: atom i is atom i % n_cell of repetition i / n_cell.
template <class Memory>
struct Repeated {
    Kokkos::View<const double* [3], Kokkos::LayoutRight, Memory> cell;
    Kokkos::View<const int*, Memory> cell_types;
    int n_cell;
    int times[3];
    double box[3];  // of one cell

    KOKKOS_FUNCTION void position(int i, double (&at)[3]) const {
        const int atom = i % n_cell, copy = i / n_cell;
        const int place[3] = {copy / (times[1] * times[2]), copy / times[2] % times[1], copy % times[2]};
        for (int c = 0; c < 3; ++c) {
            at[c] = cell(atom, c) + box[c] * place[c];
        }
    }
};

/// The image of every atom at one shift, where it is near the box. Without x it only counts.
template <class Memory>
struct PlaceImages {
    Repeated<Memory> atoms;
    double shift[3], margin;
    int first;
    Kokkos::View<double* [3], Kokkos::LayoutRight, Memory> x;
    Kokkos::View<int*, Memory> types;

    KOKKOS_FUNCTION void operator()(int i, int& n, bool is_final) const {
        double at[3];
        atoms.position(i, at);
        bool near = true;
        for (int c = 0; c < 3; ++c) {
            at[c] += shift[c];
            near = near && at[c] > -margin && at[c] < atoms.box[c] * atoms.times[c] + margin;
        }
        if (near && is_final && x.data() != nullptr) {
            for (int c = 0; c < 3; ++c) {
                x(first + n, c) = at[c];
            }
            types(first + n) = atoms.cell_types(i % atoms.n_cell);
        }
        n += near ? 1 : 0;
    }
};

/// Cubes of half a cut-off: those with an atom's neighbours are at most two away.
template <class Memory>
struct Bins {
    double low, edge;
    int n[3];
    Kokkos::View<int*, Memory> begins;  // (bins + 1)
    Kokkos::View<int*, Memory> atoms;   // by bin

    KOKKOS_FUNCTION int along(double at, int c) const { return Kokkos::clamp(static_cast<int>((at - low) / edge), 0, n[c] - 1); }
    KOKKOS_FUNCTION int index(int a, int b, int d) const { return (a * n[1] + b) * n[2] + d; }
    int size() const { return n[0] * n[1] * n[2]; }
};

template <class Memory>
struct CountInBins {
    Kokkos::View<const double* [3], Kokkos::LayoutRight, Memory> x;
    Bins<Memory> bins;
    Kokkos::View<int*, Memory> filled;
    bool place;

    KOKKOS_FUNCTION void operator()(int i) const {
        const int bin = bins.index(bins.along(x(i, 0), 0), bins.along(x(i, 1), 1), bins.along(x(i, 2), 2));
        const int at = Kokkos::atomic_fetch_add(&filled(bin), 1);
        if (place) {
            bins.atoms(bins.begins(bin) + at) = i;
        }
    }
};

/// So that the order of neighbours does not depend on the order of threads.
template <class Memory>
struct SortBin {
    Bins<Memory> bins;
    KOKKOS_FUNCTION void operator()(int bin) const {
        const int begin = bins.begins(bin), end = bins.begins(bin + 1);
        for (int k = begin + 1; k < end; ++k) {
            const int atom = bins.atoms(k);
            int to = k;
            for (; to > begin && bins.atoms(to - 1) > atom; --to) {
                bins.atoms(to) = bins.atoms(to - 1);
            }
            bins.atoms(to) = atom;
        }
    }
};

/// Counts to prefix sums, in place; the last element becomes the total.
template <class View>
struct SumCounts {
    View counts;
    KOKKOS_FUNCTION void operator()(int k, typename View::non_const_value_type& sum, bool is_final) const {
        const auto count = counts(k);
        if (is_final) {
            counts(k) = sum;
        }
        sum += count;
    }
};

/// Neighbours of one atom: counted, or written.
template <class Memory>
struct ListNeighbours {
    Kokkos::View<const double* [3], Kokkos::LayoutRight, Memory> x;
    Bins<Memory> bins;
    double cutoff2;
    Kokkos::View<std::int64_t*, Memory> begins;
    Kokkos::View<int*, Memory> neighbours;  // empty: count
    std::int64_t step;                      // from one neighbour of an atom to the next
    Kokkos::View<int*, Memory> counts;

    KOKKOS_FUNCTION void operator()(int i) const {
        const bool write = neighbours.data() != nullptr;
        std::int64_t at = write ? begins(i) : 0;
        const int home[3] = {bins.along(x(i, 0), 0), bins.along(x(i, 1), 1), bins.along(x(i, 2), 2)};
        for (int a = Kokkos::max(0, home[0] - 2); a <= Kokkos::min(bins.n[0] - 1, home[0] + 2); ++a) {
            for (int b = Kokkos::max(0, home[1] - 2); b <= Kokkos::min(bins.n[1] - 1, home[1] + 2); ++b) {
                const int first = bins.index(a, b, Kokkos::max(0, home[2] - 2)),
                          last = bins.index(a, b, Kokkos::min(bins.n[2] - 1, home[2] + 2));
                for (int k = bins.begins(first); k < bins.begins(last + 1); ++k) {
                    const int j = bins.atoms(k);
                    const double d[3] = {x(j, 0) - x(i, 0), x(j, 1) - x(i, 1), x(j, 2) - x(i, 2)};
                    if (j != i && d[0] * d[0] + d[1] * d[1] + d[2] * d[2] < cutoff2) {
                        if (write) {
                            neighbours(at) = j;
                        }
                        at += write ? step : 1;
                    }
                }
            }
        }
        if (!write) {
            begins(i) = at;
            counts(i) = static_cast<int>(at);
        }
    }
};

template <class View>
struct LargestCount {
    View counts;
    KOKKOS_FUNCTION void operator()(int i, int& most) const { most = Kokkos::max(most, counts(i)); }
};

template <class View>
struct PlaceSideBySide {
    View begins;
    KOKKOS_FUNCTION void operator()(int i) const { begins(i) = i; }
};

template <class ExecSpace>
class DeviceStructure {
public:
    using Memory = typename ExecSpace::memory_space;
    using Positions = Kokkos::View<const double* [3], Kokkos::LayoutRight, Memory>;
    using Types = Kokkos::View<const int*, Memory>;

    /// One neighbour of an atom is `step` numbers behind the other.
    struct List {
        int n_centres = 0;
        std::int64_t step = 1;
        Kokkos::View<const std::int64_t*, Memory> begins;
        Kokkos::View<const int*, Memory> counts, neighbours;
        KOKKOS_FUNCTION int centre(int c) const { return c; }
        KOKKOS_FUNCTION int count(int i) const { return counts(i); }
        KOKKOS_FUNCTION int neighbour(int i, int k) const { return neighbours(begins(i) + k * step); }
        KOKKOS_FUNCTION long long tag(int i) const { return i; }
    };

    /// At least n_atoms atoms, in whole cells. left: the first neighbours of all atoms lie side by side, then the second ones, as in
    /// LAMMPS on a GPU; otherwise those of an atom.
    DeviceStructure(const ExecSpace& space, const Structure& cell, int n_atoms, double cutoff, bool left = false)
        : space_(space) {
        repeat(cell, n_atoms);
        add_images(cutoff);
        list_neighbours(cutoff, left);
    }

    int n_atoms() const { return list_.n_centres; }
    int n_all() const { return static_cast<int>(types_.size()); }
    const Positions& positions() const { return x_; }
    const Types& types() const { return types_; }
    const List& list() const { return list_; }
    std::size_t list_bytes() const {
        return (list_.neighbours.size() + list_.counts.size()) * sizeof(int) + list_.begins.size() * sizeof(std::int64_t);
    }

private:
    using Range = Kokkos::RangePolicy<ExecSpace>;

    /// The cube of repetitions is widened direction by direction until it holds enough atoms.
    void repeat(const Structure& cell, int n_atoms) {
        const auto n = static_cast<std::size_t>(cell.n_atoms());
        atoms_.n_cell = cell.n_atoms();
        std::fill_n(atoms_.times, 3, 1);
        std::copy_n(cell.box(), 3, atoms_.box);
        while (static_cast<double>(atoms_.times[0]) * atoms_.times[1] * atoms_.times[2] * atoms_.n_cell < n_atoms) {
            const auto edge = [&](int c) { return atoms_.times[c] * atoms_.box[c]; };
            ++atoms_.times[edge(0) <= edge(1) && edge(0) <= edge(2) ? 0 : edge(1) <= edge(2) ? 1 : 2];
        }
        list_.n_centres = atoms_.times[0] * atoms_.times[1] * atoms_.times[2] * atoms_.n_cell;
        using HostCell = Kokkos::View<const double* [3], Kokkos::LayoutRight, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>;
        using HostTypes = Kokkos::View<const int*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>;
        const Kokkos::View<double* [3], Kokkos::LayoutRight, Memory> x("bench::cell", n);
        const Kokkos::View<int*, Memory> types("bench::cell_types", n);
        Kokkos::deep_copy(x, HostCell(cell.positions(), n));
        Kokkos::deep_copy(types, HostTypes(cell.types(), n));
        atoms_.cell = x;
        atoms_.cell_types = types;
    }

    /// All images within the cut-off of the box, and a margin for molecules that stick out; the atoms themselves come first.
    void add_images(double cutoff) {
        PlaceImages<Memory> images{atoms_, {0, 0, 0}, cutoff + kMargin, 0, {}, {}};
        const int n_all = for_each_shift(images);
        images.x =
            decltype(images.x)(Kokkos::view_alloc(Kokkos::WithoutInitializing, "bench::x"), static_cast<std::size_t>(n_all));
        images.types = decltype(images.types)(Kokkos::view_alloc(Kokkos::WithoutInitializing, "bench::types"),
                                              static_cast<std::size_t>(n_all));
        for_each_shift(images);
        x_ = images.x;
        types_ = images.types;
    }

    /// Returns how many atoms there are with their images.
    int for_each_shift(PlaceImages<Memory> images) {
        int most[3], n_all = 0;
        for (int c = 0; c < 3; ++c) {
            most[c] = static_cast<int>(std::ceil(images.margin / (atoms_.box[c] * atoms_.times[c])));
        }
        const int n_shifts[3] = {2 * most[0] + 1, 2 * most[1] + 1, 2 * most[2] + 1};
        for (int k = -1; k < n_shifts[0] * n_shifts[1] * n_shifts[2]; ++k) {
            const bool own = k < 0;
            const int shift[3] = {k / (n_shifts[1] * n_shifts[2]) - most[0], k / n_shifts[2] % n_shifts[1] - most[1],
                                  k % n_shifts[2] - most[2]};
            if (!own && shift[0] == 0 && shift[1] == 0 && shift[2] == 0) {
                continue;  // done first
            }
            for (int c = 0; c < 3; ++c) {
                images.shift[c] = own ? 0.0 : shift[c] * atoms_.box[c] * atoms_.times[c];
            }
            images.first = n_all;
            int found = 0;
            Kokkos::parallel_scan("bench::images", Range(space_, 0, n_atoms()), images, found);
            space_.fence();
            n_all += found;
        }
        return n_all;
    }

    Bins<Memory> make_bins(double cutoff) {
        Bins<Memory> bins{-cutoff - kMargin, cutoff / 2, {}, {}, {}};
        for (int c = 0; c < 3; ++c) {
            bins.n[c] = static_cast<int>((atoms_.box[c] * atoms_.times[c] - 2 * bins.low) / bins.edge) + 1;
        }
        const auto n_bins = static_cast<std::size_t>(bins.size());
        bins.begins = decltype(bins.begins)("bench::bins", n_bins + 1);
        Kokkos::parallel_for("bench::bins", Range(space_, 0, n_all()), CountInBins<Memory>{x_, bins, bins.begins, false});
        Kokkos::parallel_scan("bench::bins", Range(space_, 0, bins.size() + 1), SumCounts<decltype(bins.begins)>{bins.begins});
        bins.atoms = decltype(bins.atoms)(Kokkos::view_alloc(Kokkos::WithoutInitializing, "bench::binned"),
                                          static_cast<std::size_t>(n_all()));
        const Kokkos::View<int*, Memory> filled("bench::filled", n_bins);
        Kokkos::parallel_for("bench::bins", Range(space_, 0, n_all()), CountInBins<Memory>{x_, bins, filled, true});
        Kokkos::parallel_for("bench::bins", Range(space_, 0, bins.size()), SortBin<Memory>{bins});
        return bins;
    }

    void list_neighbours(double cutoff, bool left) {
        const auto n = static_cast<std::size_t>(n_atoms());
        ListNeighbours<Memory> list{x_, make_bins(cutoff), cutoff * cutoff, {}, {}, 1, {}};
        list.counts = decltype(list.counts)("bench::counts", n);
        list.begins = decltype(list.begins)("bench::begins", n + 1);
        Kokkos::parallel_for("bench::count_neighbours", Range(space_, 0, n_atoms()), list);
        std::int64_t total = 0;
        if (left) {
            int most = 0;
            Kokkos::parallel_reduce("bench::most_neighbours", Range(space_, 0, n_atoms()),
                                    LargestCount<decltype(list.counts)>{list.counts}, Kokkos::Max<int>(most));
            Kokkos::parallel_for("bench::begins", Range(space_, 0, n_atoms()),
                                 PlaceSideBySide<decltype(list.begins)>{list.begins});
            list.step = n_atoms();
            total = list.step * most;
        } else {
            Kokkos::parallel_scan("bench::begins", Range(space_, 0, n_atoms() + 1), SumCounts<decltype(list.begins)>{list.begins},
                                  total);
        }
        space_.fence();
        list.neighbours = decltype(list.neighbours)(Kokkos::view_alloc(Kokkos::WithoutInitializing, "bench::neighbours"),
                                                    static_cast<std::size_t>(total));
        Kokkos::parallel_for("bench::list_neighbours", Range(space_, 0, n_atoms()), list);
        space_.fence();
        list_.step = list.step;
        list_.begins = list.begins;
        list_.counts = list.counts;
        list_.neighbours = list.neighbours;
    }

    static constexpr double kMargin = 2;  // angstrom

    ExecSpace space_;
    Repeated<Memory> atoms_{};
    Positions x_;
    Types types_;
    List list_;
};

}  // namespace dpc::bench
