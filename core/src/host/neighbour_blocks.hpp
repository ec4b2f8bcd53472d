// SPDX-License-Identifier: MIT
// A full neighbour list regrouped for the evaluator, once per rebuild: centres in blocks of one type, the listed neighbours of a
// block ordered by their type, then by centre. Pairs that can neither contribute nor take another one's place are left out here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dpc/evaluator.hpp"
#include "listed.hpp"

namespace dpc::host {

struct Block {
    int type = 0;          // of the centres
    int first_centre = 0;  // into NeighbourBlocks::centres
    int n_atoms = 0;
    std::size_t first_segment = 0;  // segment of (neighbour type b, atom k): first_segment + b * n_atoms + k
};

/// What decides how a list is grouped beside the list: equal ones make the same of it.
struct Grouping {
    int n_types = 0, n_threads = 0;
    NeighbourRule rule = NeighbourRule::all;
    std::vector<char> has_energy;  // (n_types) of the centre
    std::vector<char> is_listed;   // (n_types, n_types) neighbours that may matter in a step, even if only by their number

    Grouping() = default;
    Grouping(const Model& model, int n_threads, NeighbourRule rule);
    bool lists(int a, int b) const { return is_listed[static_cast<std::size_t>(a * n_types + b)] != 0; }
    friend bool operator==(const Grouping& a, const Grouping& b) {
        return a.n_types == b.n_types && a.n_threads == b.n_threads && a.rule == b.rule && a.has_energy == b.has_energy &&
               a.is_listed == b.is_listed;
    }
};

struct NeighbourBlocks {
    Grouping grouping;
    std::vector<int> centres;  // atom indices, by block
    std::vector<Block> blocks;
    const int* const* rows = nullptr;    // the caller's, by atom index, read in place; null: the copy in segments
    const int* row_counts = nullptr;     // by atom index
    std::vector<std::size_t> segments;   // begin of each segment in neighbours; one more at the end
    std::vector<int> neighbours;         // atom indices
    const std::int64_t* tags = nullptr;  // by atom index, the caller's or the copy; null: the index
    std::vector<std::int64_t> copied_tags;
    std::vector<int> thread_blocks;  // blocks of thread t: thread_blocks[t] .. thread_blocks[t + 1] - 1
    std::size_t most_listed = 0;     // listed neighbours of one block, at most
    int most_of_centre = 0;          // of one centre
    int n_all = 0;

    /// Throws InputError for an index or a type out of range.
    void build(const Grouping& how, int n_all, const int* types, const NeighbourRows& given, int block_atoms);
    Listed listed(const Block& block, int b, int atom) const {
        if (rows != nullptr) {
            const int i = centres[static_cast<std::size_t>(block.first_centre + atom)];
            return {rows[i], row_counts[i]};
        }
        const std::size_t segment = block.first_segment + static_cast<std::size_t>(b * block.n_atoms + atom);
        return {neighbours.data() + segments[segment], static_cast<int>(segments[segment + 1] - segments[segment])};
    }
    std::int64_t tag(int atom) const { return tags == nullptr ? atom : tags[atom]; }
    std::size_t bytes() const;

private:
    void group(const Grouping& how, const int* types, const NeighbourRows& given, std::size_t n_segments);
};

}  // namespace dpc::host
