// SPDX-License-Identifier: MIT
// Where a centre has more neighbours than sel: those that the model keeps. The rare case after the pairs of a block were gathered;
// a centre that does not overflow is not looked at.
#pragma once

#include <utility>
#include <vector>

#include "block_pairs.hpp"
#include "dpc/aligned_array.hpp"
#include "dpc/evaluator.hpp"
#include "dpc/math/neighbour_slots.hpp"
#include "neighbour_blocks.hpp"

namespace dpc::host {

class NearestNeighbours {
public:
    /// rule: all, per_type, total or mixed. n_slots: for neighbours of all types.
    NearestNeighbours(const Model& model, Descriptor descriptor, NeighbourRule rule, int n_slots)
        : model_(model), descriptor_(std::move(descriptor)), rule_(rule), n_slots_(n_slots) {}

    /// Room for every centre of the list, so that keep allocates nothing.
    void reserve(const NeighbourBlocks& list);
    /// Whether n neighbours of type b are a reason to call keep.
    bool may_overflow(int b, int n) const {
        return rule_ != NeighbourRule::all && n > descriptor_.sel[static_cast<std::size_t>(b)];
    }
    /// The same for neighbours of all types together, also those that no step counts, where these share the slots.
    bool may_overflow_shared(int n) const { return rule_ == NeighbourRule::mixed && n > n_slots_; }
    bool is_shared() const { return rule_ == NeighbourRule::mixed; }
    /// Leave the neighbours that the rule keeps of each centre. factors: as BlockEvaluator::evaluate has them; x, length: as gather_pairs
    /// had them. overflow gets the centres that have too many neighbours of all types together only.
    void keep(const NeighbourBlocks& list, const Block& block, const double* factors, const double* x, double length,
              BlockPairs& pairs, Overflow& overflow);
    std::size_t bytes() const { return bytes_of(candidates_) + bytes_of(kept_); }

private:
    struct Candidate {
        math::NeighbourOrder order;
        int type, slot;  // slot -1: not in the arrays
    };

    PairKind kind_of(const Block& block, int b) const { return descriptor_.type_pair(block.type, b).kind; }
    bool choose(const NeighbourBlocks& list, const Block& block, int atom, const double* x, double length, BlockPairs& pairs,
                Overflow& overflow);
    bool overflows(const NeighbourBlocks& list, const Block& block, int atom, const BlockPairs& pairs, bool& in_total) const;
    void collect_stored(const NeighbourBlocks& list, const BlockPairs& pairs, std::size_t segment, int b);
    void collect_listed(const NeighbourBlocks& list, const Block& block, int atom, int b, const double* x, double length);
    void report_uncounted(const NeighbourBlocks& list, const Block& block, int atom, Overflow& overflow) const;
    bool drop_farthest(std::size_t most, BlockPairs& pairs);
    void close_gaps(const Block& block, BlockPairs& pairs) const;

    const Model& model_;
    const Descriptor descriptor_;
    NeighbourRule rule_;
    int n_slots_;
    std::vector<Candidate> candidates_;  // of one centre
    std::vector<int> kept_;              // by neighbour type
};

}  // namespace dpc::host
