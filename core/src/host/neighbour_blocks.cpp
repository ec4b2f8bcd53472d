// SPDX-License-Identifier: MIT
// See neighbour_blocks.hpp. Two passes over the caller's list: count, then fill; blocks are independent of each other. One where it
// is read in place.
#include "neighbour_blocks.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <string>

#include "dpc/aligned_array.hpp"
#include "dpc/errors.hpp"
#include "dpc/math/slots.hpp"
#include "dpc/neighbour_rule.hpp"
#include "dpc/packed_layout.hpp"
#include "dpc/team.hpp"

namespace dpc::host {
namespace {

int type_of(int n_types, int n_all, const int* types, int atom) {
    if (atom < 0 || atom >= n_all) {
        throw InputError("atom index " + std::to_string(atom) + " in the neighbour list, but there are " + std::to_string(n_all) +
                         " atoms");
    }
    if (types[atom] >= n_types) {
        throw InputError("atom type " + std::to_string(types[atom]) + ", but the model has " + std::to_string(n_types) +
                             " types, numbered from 0",
                         atom);
    }
    return types[atom];
}

std::vector<std::vector<int>> centres_by_type(const Grouping& how, int n_all, const int* types, const NeighbourRows& rows) {
    std::vector<std::vector<int>> by_type(how.has_energy.size());
    for (int k = 0; k < rows.n_centres; ++k) {
        const int atom = rows.centre[k];
        const int type = type_of(how.n_types, n_all, types, atom);
        if (type >= 0 && how.has_energy[static_cast<std::size_t>(type)]) {
            by_type[static_cast<std::size_t>(type)].push_back(atom);
        }
    }
    return by_type;
}

/// work(block) for all blocks, each on one of the threads. What the first block that fails throws is thrown.
template <class Work>
void for_each_block(const std::vector<Block>& blocks, int n_threads, const Work& work) {
    const int n = static_cast<int>(blocks.size());
    int failed = n;
    std::exception_ptr error;
#pragma omp parallel for num_threads(team_size(n_threads)) schedule(static)
    for (int k = 0; k < n; ++k) {
        try {
            work(blocks[static_cast<std::size_t>(k)]);
        } catch (...) {
#pragma omp critical(dpc_block_failed)
            if (k < failed) {
                failed = k;
                error = std::current_exception();
            }
        }
    }
    if (error) {
        std::rethrow_exception(error);
    }
}

// Atoms that are padded to whole packs together: a block has a multiple of them, but for the last one. The smaller groups share
// atoms among threads more evenly.
constexpr int kGroup = kLaneMultiple<float>, kSmallGroup = kLaneMultiple<double>;

// What the fitting net of a centre costs, in listed neighbours, when threads share the blocks: roughly, of a full-size net.
constexpr std::size_t kFittingCost = 200;

/// The first of n atoms in block k of n_blocks.
int begin_of_block(int n, int group, int n_blocks, int k) {
    const long long n_groups = (n + group - 1) / group;
    if (n_groups < n_blocks) {
        return static_cast<int>(static_cast<long long>(n) * k / n_blocks);
    }
    return std::min(n, group * static_cast<int>(n_groups * k / n_blocks));
}

/// Whether the neighbours of a centre are, as the caller has them, all that matter, of the one type that there is.
bool is_grouped(const Grouping& how, int n_all, const int* types, const NeighbourRows& rows, int i) {
    for (int n = 0; n < rows.count[i]; ++n) {
        const int j = rows.rows[i][n];
        if ((j & rows.index_mask) != j || type_of(how.n_types, n_all, types, j) != 0) {
            return false;
        }
    }
    return true;
}

}  // namespace

Grouping::Grouping(const Model& model, int threads, NeighbourRule neighbour_rule)
    : n_types(model.n_types()), n_threads(threads), rule(neighbour_rule), has_energy(model.has_energy) {
    for (int a = 0; a < n_types; ++a) {
        for (int b = 0; b < n_types; ++b) {
            is_listed.push_back(
                counts_all_types(rule) ||
                std::any_of(model.descriptors.begin(), model.descriptors.end(),
                            [&](const Descriptor& descriptor) { return math::is_counted(descriptor.type_pair(a, b).kind); }));
        }
    }
}

void NeighbourBlocks::build(const Grouping& how, int n_atoms, const int* types, const NeighbourRows& given, int block_atoms) {
    grouping = {};  // should this fail, nobody shares the list or evaluates it
    thread_blocks.clear();
    n_all = n_atoms;
    const int n_threads = how.n_threads, n_types = how.n_types;
    const bool has_tags = how.rule != NeighbourRule::all && given.tag != nullptr, copies_tags = has_tags && !given.stays;
    copied_tags.assign(given.tag, given.tag + (copies_tags ? n_all : 0));
    tags = has_tags ? (copies_tags ? copied_tags.data() : given.tag) : nullptr;
    centres.clear();
    blocks.clear();
    std::size_t n_segments = 0;
    for (const std::vector<int>& atoms : centres_by_type(how, n_all, types, given)) {
        const int n = static_cast<int>(atoms.size());
        // As many blocks as make full ones, but never fewer than threads, and all of nearly the same size.
        const int full = (n + block_atoms - 1) / block_atoms,
                  for_threads = std::min(n_threads, (n + kSmallGroup - 1) / kSmallGroup);
        const int n_blocks = std::max(full, for_threads), group = full >= for_threads ? kGroup : kSmallGroup;
        for (int k = 0; k < n_blocks; ++k) {
            const int begin = begin_of_block(n, group, n_blocks, k), end = begin_of_block(n, group, n_blocks, k + 1);
            blocks.push_back({types[atoms[0]], static_cast<int>(centres.size()), end - begin, n_segments});
            n_segments += static_cast<std::size_t>(end - begin) * static_cast<std::size_t>(n_types);
            centres.insert(centres.end(), atoms.begin() + begin, atoms.begin() + end);
        }
    }

    std::atomic<bool> in_place{given.stays && n_types == 1 && how.lists(0, 0)};
    if (in_place) {
        for_each_block(blocks, n_threads, [&](const Block& block) {
            for (int k = 0; k < block.n_atoms && in_place; ++k) {
                const int i = centres[static_cast<std::size_t>(block.first_centre + k)];
                if (!is_grouped(how, n_all, types, given, i)) {
                    in_place = false;
                }
            }
        });
    }
    rows = in_place ? given.rows : nullptr;
    row_counts = in_place ? given.count : nullptr;
    group(how, types, given, in_place ? 0 : n_segments);

    most_listed = 0;
    most_of_centre = 0;
    std::vector<std::size_t> cost(blocks.size() + 1, 0);  // listed neighbours and a share for the fitting net, cumulative
    for (std::size_t k = 0; k < blocks.size(); ++k) {
        std::size_t n_listed = 0;
        for (int atom = 0; atom < blocks[k].n_atoms; ++atom) {
            int of_centre = 0;
            for (int b = 0; b < n_types; ++b) {
                of_centre += listed(blocks[k], b, atom).count;
            }
            most_of_centre = std::max(most_of_centre, of_centre);
            n_listed += static_cast<std::size_t>(of_centre);
        }
        most_listed = std::max(most_listed, n_listed);
        cost[k + 1] = cost[k] + n_listed + kFittingCost * static_cast<std::size_t>(blocks[k].n_atoms);
    }
    thread_blocks.assign(static_cast<std::size_t>(n_threads) + 1, 0);
    for (int t = 1; t <= n_threads; ++t) {
        const std::size_t share = cost.back() / static_cast<std::size_t>(n_threads) * static_cast<std::size_t>(t);
        const auto at = std::lower_bound(cost.begin(), cost.end(), t == n_threads ? cost.back() : share);
        thread_blocks[static_cast<std::size_t>(t)] =
            t == n_threads ? static_cast<int>(blocks.size()) : static_cast<int>(at - cost.begin());
    }
    grouping = how;
}

/// Copy the rows, by block, neighbour type and centre; nothing where there are no segments.
void NeighbourBlocks::group(const Grouping& how, const int* types, const NeighbourRows& given, std::size_t n_segments) {
    segments.assign(n_segments > 0 ? n_segments + 1 : 1, 0);
    if (n_segments == 0) {
        std::vector<int>().swap(neighbours);
        return;
    }
    const auto for_each_pair = [&](auto&& visit) {
        for_each_block(blocks, how.n_threads, [&](const Block& block) {
            for (int k = 0; k < block.n_atoms; ++k) {
                const int i = centres[static_cast<std::size_t>(block.first_centre + k)];
                for (int n = 0; n < given.count[i]; ++n) {
                    const int j = given.rows[i][n] & given.index_mask;
                    const int b = type_of(how.n_types, n_all, types, j);
                    if (b >= 0 && how.lists(block.type, b)) {
                        visit(block.first_segment + static_cast<std::size_t>(b * block.n_atoms + k), j);
                    }
                }
            }
        });
    };
    for_each_pair([&](std::size_t segment, int) { ++segments[segment + 1]; });
    for (std::size_t s = 0; s < n_segments; ++s) {
        segments[s + 1] += segments[s];
    }
    neighbours.resize(segments[n_segments]);
    std::vector<std::size_t> cursor(segments.begin(), segments.end() - 1);
    for_each_pair([&](std::size_t segment, int j) { neighbours[cursor[segment]++] = j; });
}

std::size_t NeighbourBlocks::bytes() const {
    return bytes_of(centres) + bytes_of(blocks) + bytes_of(segments) + bytes_of(neighbours) + bytes_of(copied_tags) +
           bytes_of(thread_blocks);
}

}  // namespace dpc::host
