// SPDX-License-Identifier: MIT
// See nearest_neighbours.hpp.
#include "nearest_neighbours.hpp"

#include <algorithm>

#include "dpc/math/slots.hpp"

namespace dpc::host {
namespace {

constexpr double kDropped = -1;  // in place of r^2

}  // namespace

void NearestNeighbours::reserve(const NeighbourBlocks& list) {
    if (rule_ == NeighbourRule::all) {
        return;
    }
    std::size_t most = 0;
    for (const Block& block : list.blocks) {
        for (int k = 0; k < block.n_atoms; ++k) {
            std::size_t listed = 0;
            for (int b = 0; b < model_.n_types(); ++b) {
                listed += static_cast<std::size_t>(list.listed(block, b, k).count);
            }
            most = std::max(most, listed);
        }
    }
    candidates_.reserve(most);
    kept_.resize(descriptor_.sel.size());
}

void NearestNeighbours::keep(const NeighbourBlocks& list, const Block& block, const double* factors, const double* x,
                             double length, BlockPairs& pairs, Overflow& overflow) {
    bool has_gaps = false;
    for (int k = 0; k < block.n_atoms; ++k) {
        const int centre = list.centres[static_cast<std::size_t>(block.first_centre + k)];
        const bool is_left_out = factors != nullptr && factors[centre] == 0;
        has_gaps = (!is_left_out && choose(list, block, k, x, length, pairs, overflow)) || has_gaps;
    }
    if (has_gaps) {
        close_gaps(block, pairs);
    }
}

/// Whether a centre has too many neighbours: of one type, or of all (in_total).
bool NearestNeighbours::overflows(const NeighbourBlocks& list, const Block& block, int atom, const BlockPairs& pairs,
                                  bool& in_total) const {
    bool of_type = false;
    int n_most = 0;  // neighbours of all types, and some that are listed only
    for (int b = 0; b < model_.n_types(); ++b) {
        const bool counted = math::is_counted(kind_of(block, b));
        const int n = counted ? pairs.counts[pairs.segment(b, atom)] : list.listed(block, b, atom).count;
        of_type = of_type || (counted && n > descriptor_.sel[static_cast<std::size_t>(b)]);
        n_most += n;
    }
    in_total = counts_all_types(rule_) && n_most > n_slots_;
    return of_type || in_total;
}

/// Mark the pairs of one centre that are dropped. Returns whether there are any in the arrays.
bool NearestNeighbours::choose(const NeighbourBlocks& list, const Block& block, int atom, const double* x, double length,
                               BlockPairs& pairs, Overflow& overflow) {
    bool in_total = false;
    if (!overflows(list, block, atom, pairs, in_total)) {
        return false;
    }
    candidates_.clear();
    for (int b = 0; b < model_.n_types(); ++b) {
        const std::size_t segment = pairs.segment(b, atom);
        if (kind_of(block, b) == PairKind::ordinary) {
            if (in_total || pairs.counts[segment] > descriptor_.sel[static_cast<std::size_t>(b)]) {
                collect_stored(list, pairs, segment, b);
            }
        } else if (in_total) {
            collect_listed(list, block, atom, b, x, length);
        } else if (math::is_counted(kind_of(block, b))) {
            pairs.counts[segment] = std::min(pairs.counts[segment], descriptor_.sel[static_cast<std::size_t>(b)]);
        }
    }
    const std::size_t most = in_total ? static_cast<std::size_t>(n_slots_) : candidates_.size();
    if (candidates_.size() > most) {
        report_uncounted(list, block, atom, overflow);
    }
    const bool has_gaps = drop_farthest(most, pairs);
    for (int b = 0; in_total && b < model_.n_types(); ++b) {
        if (kind_of(block, b) == PairKind::descriptor_excluded) {
            pairs.counts[pairs.segment(b, atom)] = kept_[static_cast<std::size_t>(b)];
        }
    }
    return has_gaps;
}

/// Mark all candidates but the nearest `most` and of these the nearest sel of each type, whose numbers are in kept_.
bool NearestNeighbours::drop_farthest(std::size_t most, BlockPairs& pairs) {
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return is_nearer(a.order, b.order); });
    std::fill(kept_.begin(), kept_.end(), 0);
    bool has_gaps = false;
    for (std::size_t place = 0; place < candidates_.size(); ++place) {
        const Candidate& candidate = candidates_[place];
        int& kept = kept_[static_cast<std::size_t>(candidate.type)];
        if (place < most && kept < descriptor_.sel[static_cast<std::size_t>(candidate.type)]) {
            ++kept;
        } else if (candidate.slot >= 0) {
            pairs.r2[candidate.slot] = kDropped;
            has_gaps = true;
        }
    }
    return has_gaps;
}

void NearestNeighbours::collect_stored(const NeighbourBlocks& list, const BlockPairs& pairs, std::size_t segment, int b) {
    for (int slot = pairs.firsts[segment]; slot < pairs.firsts[segment] + pairs.counts[segment]; ++slot) {
        const long long tag = list.tag(pairs.neighbour[slot]);
        candidates_.push_back(
            {math::order_of(pairs.r2[slot], tag, pairs.d[0][slot], pairs.d[1][slot], pairs.d[2][slot]), b, slot});
    }
}

/// Of pairs that have no slots.
void NearestNeighbours::collect_listed(const NeighbourBlocks& list, const Block& block, int atom, int b, const double* x,
                                       double length) {
    const double* from = x + 3 * static_cast<std::ptrdiff_t>(list.centres[static_cast<std::size_t>(block.first_centre + atom)]);
    const Listed listed = list.listed(block, b, atom);
    for (int n = 0; n < listed.count; ++n) {
        const double* to = x + 3 * static_cast<std::ptrdiff_t>(listed.neighbour[n]);
        const double d[3] = {(to[0] - from[0]) * length, (to[1] - from[1]) * length, (to[2] - from[2]) * length};
        const double r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
        if (r2 < descriptor_.rcut * descriptor_.rcut) {
            candidates_.push_back({math::order_of(r2, list.tag(listed.neighbour[n]), d[0], d[1], d[2]), b, -1});
        }
    }
}

/// Too many neighbours in total, of types that no step counts.
void NearestNeighbours::report_uncounted(const NeighbourBlocks& list, const Block& block, int atom, Overflow& overflow) const {
    const int centre = list.centres[static_cast<std::size_t>(block.first_centre + atom)];
    if (rule_ == NeighbourRule::mixed) {
        const auto counted = std::count_if(candidates_.begin(), candidates_.end(),
                                           [&](const Candidate& c) { return math::is_counted(kind_of(block, c.type)); });
        if (counted <= n_slots_) {
            Overflow found;
            found.n_over_sel = 1;
            found.crowd = {centre, block.type, kEveryType, static_cast<int>(candidates_.size()), n_slots_};
            merge(overflow, found);
        }
        return;
    }
    for (int b = 0; b < model_.n_types(); ++b) {
        const auto n = static_cast<int>(
            std::count_if(candidates_.begin(), candidates_.end(), [b](const Candidate& c) { return c.type == b; }));
        const int sel = descriptor_.sel[static_cast<std::size_t>(b)];
        if (!math::is_counted(kind_of(block, b)) && n > sel) {
            Overflow found;
            found.n_over_sel = 1;
            found.crowd = {centre, block.type, b, n, sel};
            merge(overflow, found);
        }
    }
}

/// Move the pairs that are left together.
void NearestNeighbours::close_gaps(const Block& block, BlockPairs& pairs) const {
    int to = 0;
    for (int b = 0; b < model_.n_types(); ++b) {
        for (int k = 0; k < block.n_atoms; ++k) {
            const std::size_t segment = pairs.segment(b, k);
            const int begin = pairs.firsts[segment];
            pairs.firsts[segment] = to;
            if (kind_of(block, b) != PairKind::ordinary) {
                continue;
            }
            for (int from = begin; from < begin + pairs.counts[segment]; ++from) {
                pairs.neighbour[to] = pairs.neighbour[from];
                for (double* component : pairs.d) {
                    component[to] = component[from];
                }
                pairs.r2[to] = pairs.r2[from];
                to += pairs.r2[from] == kDropped ? 0 : 1;
            }
            pairs.counts[segment] = to - pairs.firsts[segment];
        }
    }
    pairs.n = to;
}

}  // namespace dpc::host
