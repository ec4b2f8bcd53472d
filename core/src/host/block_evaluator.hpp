// SPDX-License-Identifier: MIT
// One thread's evaluation of blocks of atoms of one type: the steps of docs/theory.md section 4 in order, forward then reverse. The
// pairs are gathered once; each descriptor makes its features of them, the fitting net takes all features. Pairs and forces are those of
// the whole block; what lies between is done for the ordinary centres and, with more columns and products, for the close ones of a
// block that has any.
#pragma once

#include "descriptors/block_descriptor.hpp"
#include "dpc/evaluator.hpp"
#include "dpc/packed_model.hpp"
#include "fitting_net.hpp"
#include "host/kernels/kernels.hpp"
#include "nearest_neighbours.hpp"
#include "neighbour_blocks.hpp"

namespace dpc::host {

/// Where a block adds its results: the caller's arrays or a thread's own. Caller's units.
struct Sums {
    double* forces = nullptr;
    double* atom_energy = nullptr;
    double* atom_virial = nullptr;
    double* fparam_gradient = nullptr;
    Totals totals;
    Overflow overflow;
    int coincident[2] = {-1, -1};               // atom indices of a pair at distance 0: the results are void
    NeighbourStatistics* statistics = nullptr;  // null: not wanted
    StageWatch watch;
};

template <class Real>
class BlockEvaluator {
public:
    BlockEvaluator(const PackedModel<Real>& model, const Kernels<Real>& kernels, NeighbourRule rule = NeighbourRule::all);

    /// Make room for every block of the list, so that evaluate allocates nothing.
    void reserve(const NeighbourBlocks& list);
    /// factors: (n_all) of the energies of centres, 0: left out; null: all are 1.
    void evaluate(const NeighbourBlocks& list, const Block& block, const Inputs& inputs, const double* factors, Sums& sums);
    std::size_t bytes() const;

private:
    using Type = PackedType<Real>;

    const Type& ordinary_type(const Block& block) const { return model_.ordinary.types[static_cast<std::size_t>(block.type)]; }
    BlockDescriptor<Real>& code_of(const PackedDescriptor<Real>& descriptor) {
        return *descriptors_[static_cast<std::size_t>(descriptor.index)];
    }
    double factor_of(int centre) const { return factors_ == nullptr ? 1 : factors_[centre]; }
    const double* place_factors(const NeighbourBlocks& list, const Block& block);
    void multiply_gradient(const double* factors, int n_features);
    void gather(const NeighbourBlocks& list, const Block& block, const double* x, double length, Sums& sums);
    void keep_nearest(const NeighbourBlocks& list, const Block& block, const double* x, double length, Overflow& close,
                      Sums& sums);
    void keep_own(const NeighbourBlocks& list, const Block& block, const double* x, double length, Sums& sums);
    void check_distances(const Block& block, int centre, int b, int atom, double closest2, Overflow& found, Sums& sums);
    /// The gathered pairs, or of a type with several descriptors those of them that are this one's.
    const BlockPairs& pairs_of(const PackedDescriptor<Real>& descriptor, const Type& type) const {
        return type.descriptors.size() == 1 ? gathered_.pairs : narrowed_[static_cast<std::size_t>(descriptor.index)].pairs;
    }
    void narrow(const Type& type);
    void narrow_to(const PackedDescriptor<Real>& descriptor, BlockPairs& own) const;
    void count_crowds(const NeighbourBlocks& list, const Block& block, Sums& sums);
    void measure(const Block& block, NeighbourStatistics& statistics) const;
    void mark_close(const Block& block, int atom);
    void evaluate_close(const NeighbourBlocks& list, const Block& block, const Inputs& inputs, Sums& sums);
    void evaluate_atoms(const Type& type, const NeighbourBlocks& list, const Block& block, const Inputs& inputs, Sums& sums);
    void place_parameters(const NeighbourBlocks& list, const Block& block, const Span& aparam, Real* features) const;
    void add_fparam_gradient(const Type& type, const Block& block, const double* factors, const Units& units,
                             double* gradient) const;
    void count_overflow(const Block& block, int centre, int b, int begin, int n, double closest2, Overflow& all,
                        Sums& sums) const;
    void count_crowd(const Block& block, int centre, int b, int n, Sums& sums) const;
    bool count_shared_crowds(const PackedDescriptor<Real>& descriptor, const BlockPairs& pairs, const NeighbourBlocks& list,
                             const Block& block, Sums& sums) const;
    bool may_overflow_shared(const NeighbourBlocks& list, const Block& block) const;
    void compute_energy(const Type& type, const NeighbourBlocks& list, const Block& block, const Units& units, Sums& sums);
    void add_forces(const PackedDescriptor<Real>& descriptor, const BlockPairs& pairs, const NeighbourBlocks& list,
                    const Block& block, const Units& units, Sums& sums);

    const PackedModel<Real>& model_;
    const Kernels<Real>& kernels_;
    const double* factors_ = nullptr;             // of the present call
    NearestNeighbours nearest_;                   // of the only descriptor, or where the rule is united of all together
    std::vector<NearestNeighbours> own_nearest_;  // by descriptor, where there are several and not all are kept
    std::vector<char> is_crowded_;                // by descriptor: some centre of the block has more neighbours than its slots
    std::vector<std::unique_ptr<BlockDescriptor<Real>>> descriptors_;  // as in Model::descriptors
    BlockAtoms atoms_;                                                 // of the block, those that are evaluated at present
    std::vector<int> all_atoms_;                                       // 0, 1, 2, ..
    std::vector<char> is_close_;                                       // (atom), void unless any_close_
    std::vector<int> chosen_atoms_;                                    // ordinary or close ones of a block that has close ones
    bool any_close_ = false;
    PairStore gathered_;               // inside the largest cut-off
    std::vector<PairStore> narrowed_;  // by descriptor: its own, where a block has several descriptors
    AlignedArray<double> gradients_;
    double* gradient_[3] = {};     // dE/dd of every pair of one descriptor
    AlignedArray<Real> features_;  // (n_features, lanes), then their gradient
    AlignedArray<double> energy_;  // (lanes)
    NetScratch<Real> net_;
};

}  // namespace dpc::host
