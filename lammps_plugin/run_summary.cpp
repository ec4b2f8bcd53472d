// SPDX-License-Identifier: GPL-2.0-only
// Sums over ranks and the words of the summary; see run_summary.hpp.
#include "run_summary.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "dpc/combined.hpp"
#include "dpc/neighbour_rule.hpp"
#include "text.hpp"

namespace dpcompressed {
namespace {

constexpr std::size_t kMostLines = 20;  // of a kind; of more pairs of types the worst

static_assert(sizeof(std::int64_t) == sizeof(long long), "LAMMPS' stubs of MPI have no MPI_INT64_T");

template <class Number>
void reduce(std::vector<Number>& numbers, MPI_Datatype type, MPI_Op op, MPI_Comm world) {
    std::vector<Number> mine = numbers;
    MPI_Allreduce(mine.data(), numbers.data(), static_cast<int>(mine.size()), type, op, world);
}

dpc::NeighbourStatistics over_ranks(dpc::NeighbourStatistics all, MPI_Comm world) {
    reduce(all.n_centres, MPI_LONG_LONG, MPI_SUM, world);
    reduce(all.n_neighbours, MPI_LONG_LONG, MPI_SUM, world);
    reduce(all.most, MPI_LONG_LONG, MPI_MAX, world);
    reduce(all.closest, MPI_DOUBLE, MPI_MIN, world);
    return all;
}

/// A line and how near its pair of types is to a limit: the larger, the nearer.
struct Line {
    double nearness;
    std::string words;
};

std::string worst_of(std::vector<Line> lines, const char* what) {
    const bool is_cut = lines.size() > kMostLines;
    if (is_cut) {
        std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.nearness > b.nearness; });
    }
    std::string all;
    for (std::size_t k = 0; k < std::min(lines.size(), kMostLines); k++) {
        all += "  " + lines[k].words + '\n';
    }
    return is_cut ? text(all, "  ", what, " of ", lines.size() - kMostLines, " more pairs of types: farther from their limits\n")
                  : all;
}

/// Slots for neighbours of type b (all types: b = N); 0: not known, as several descriptors have cut-offs of their own.
int slots(const dpc::Model& model, int b) {
    const dpc::Descriptor& descriptor = model.descriptors.front();
    const bool is_for_all = b == model.n_types();
    if (model.descriptors.size() > 1 || descriptor.shares_slots() != is_for_all) {
        return 0;
    }
    return is_for_all ? dpc::count_slots(descriptor) : descriptor.sel[static_cast<std::size_t>(b)];
}

std::string neighbour_lines(const dpc::NeighbourStatistics& all, const dpc::Model& model) {
    const int n = model.n_types();
    std::vector<Line> lines;
    for (int a = 0; a < n; a++) {
        for (int b = 0; b <= n; b++) {
            const std::int64_t most = all.most[all.place(a, b)];
            const bool is_said = b < n ? most > 0 : slots(model, n) > 0 && all.n_centres[static_cast<std::size_t>(a)] > 0;
            if (!is_said) {
                continue;
            }
            const double mean = static_cast<double>(all.n_neighbours[all.place(a, b)]) /
                                static_cast<double>(all.n_centres[static_cast<std::size_t>(a)]);
            const int sel = slots(model, b);
            lines.push_back({static_cast<double>(most) / std::max(sel, 1),
                             text("neighbours ", model.type_map[static_cast<std::size_t>(a)], '-',
                                  b < n ? model.type_map[static_cast<std::size_t>(b)] : "all", ": mean ", mean, ", most ", most,
                                  sel > 0 ? text(", sel ", sel) : "")});
        }
    }
    return worst_of(lines, "neighbours");
}

std::string closest_lines(const dpc::NeighbourStatistics& all, const dpc::Model& model) {
    std::vector<Line> lines;
    for (int a = 0; a < model.n_types(); a++) {
        for (int b = a; b < model.n_types(); b++) {
            const double closest = std::min(all.closest[all.pair(a, b)], all.closest[all.pair(b, a)]);
            if (std::isinf(closest)) {
                continue;
            }
            const double known = model.of_types(model.min_distance, a, b);
            lines.push_back({known / closest, text("closest ", model.type_map[static_cast<std::size_t>(a)], '-',
                                                   model.type_map[static_cast<std::size_t>(b)], ": ", closest, " angstrom",
                                                   known > 0 ? text(", training data ", known) : "")});
        }
    }
    return worst_of(lines, "closest");
}

}  // namespace

dpc::Measures RunSummary::measures(bool counts) {
    n_evaluations_++;
    n_counted_ += counts ? 1 : 0;
    has_times_ = has_times_ || takes_times_;
    return {counts ? &statistics_ : nullptr, takes_times_ ? &stages_ : nullptr};
}

std::string RunSummary::lines(MPI_Comm world, const dpc::Model& model, const dpc::Overflow::Pair& closest) const {
    dpc::NeighbourStatistics all = over_ranks(statistics_, world);
    if (closest.i >= 0) {
        all.add_pair(closest.type_i, closest.type_j, closest.distance);
    }
    const dpc::Model& counted = model.parts.empty() ? model : *model.parts[dpc::measured_part(model)];
    return neighbour_lines(all, counted) + closest_lines(all, counted);
}

std::string RunSummary::times(MPI_Comm world) const {
    if (!has_times_) {
        return "";
    }
    std::vector<double> sum = {list_,          stages_.pairs,       stages_.descriptor, stages_.fitting_net,
                               stages_.forces, stages_.part_switch, deviation_};
    std::vector<double> most = sum;
    reduce(sum, MPI_DOUBLE, MPI_SUM, world);
    reduce(most, MPI_DOUBLE, MPI_MAX, world);
    int n_ranks = 1;
    MPI_Comm_size(world, &n_ranks);
    constexpr const char* names[] = {"neighbour list", "pairs",           "descriptor",     "fitting net",
                                     "forces",         "switch of parts", "model deviation"};
    std::string all;
    for (std::size_t k = 0; k < sum.size(); k++) {
        if (most[k] > 0) {
            all += text("  time of ", names[k], ": ", sum[k] / n_ranks, " s", n_ranks > 1 ? text(", slowest rank ", most[k]) : "",
                        '\n');
        }
    }
    return all;
}

}  // namespace dpcompressed
