// SPDX-License-Identifier: MIT
// One thread's evaluation of blocks of atoms of one type: the steps of docs/theory.md section 4 in order, forward then reverse. Pairs
// and forces are those of the whole block; what lies between is done for the ordinary centres and, with more columns and products,
// for the close ones of a block that has any.
#pragma once

#include "dpc/evaluator.hpp"
#include "dpc/packed_model.hpp"
#include "fitting_net.hpp"
#include "kernels.hpp"
#include "nearest_neighbours.hpp"
#include "neighbour_blocks.hpp"

namespace dpc::host {

/// Where a block adds its results: the caller's arrays or a thread's own. Caller's units.
struct Sums {
    double* forces = nullptr;
    double* atom_energy = nullptr;
    double* atom_virial = nullptr;
    Totals totals;
    Overflow overflow;
    int coincident[2] = {-1, -1};  // atom indices of a pair at distance 0: the results are void
};

template <class Real>
class BlockEvaluator {
public:
    BlockEvaluator(const PackedModel<Real>& model, const Kernels<Real>& kernels, NeighbourRule rule = NeighbourRule::all)
        : model_(model), kernels_(kernels), nearest_(*model.model, model.model->descriptors.front(), rule) {}

    /// Make room for every block of the list, so that evaluate allocates nothing.
    void reserve(const NeighbourBlocks& list);
    void evaluate(const NeighbourBlocks& list, const Block& block, const double* x, const Units& units, Sums& sums);
    std::size_t bytes() const;

private:
    using Type = PackedType<Real>;

    void compute_environment(const NeighbourBlocks& list, const Block& block, const double* x, double length, Sums& sums);
    void gather(const NeighbourBlocks& list, const Block& block, const double* x, double length, Sums& sums);
    void keep_nearest(const NeighbourBlocks& list, const Block& block, const double* x, double length, Overflow& close, Sums& sums);
    void check_distances(const Block& block, int centre, int b, int atom, double closest2, Overflow& found, Sums& sums);
    void mark_close(const Block& block, int atom);
    void evaluate_close(const NeighbourBlocks& list, const Block& block, const Units& units, Sums& sums);
    void evaluate_atoms(const Type& type, const NeighbourBlocks& list, const Block& block, const Units& units, Sums& sums);
    void count_overflow(const Block& block, int centre, int b, int begin, int n, double closest2, Overflow& all, Sums& sums) const;
    void count_crowd(const Block& block, int centre, int b, int n, Sums& sums) const;
    void compute_rows(const Type& type, const Block& block);
    void compute_energy(const Type& type, const NeighbourBlocks& list, const Block& block, const Units& units, Sums& sums);
    void reverse_rows(const Type& type);
    void reverse_moments(const Type& type, const Block& block);
    void add_forces(const NeighbourBlocks& list, const Block& block, const Units& units, Sums& sums);
    int& count(int b, const Block& block, int atom) { return counts_[static_cast<std::size_t>(b * block.n_atoms + atom)]; }

    const PackedModel<Real>& model_;
    const Kernels<Real>& kernels_;
    NearestNeighbours nearest_;
    const int* atoms_ = nullptr;  // of the block, those that are evaluated at present: lane m is atom atoms_[m]
    int n_atoms_ = 0;
    int lanes_ = 0;          // n_atoms_, padded
    std::vector<int> all_atoms_;         // 0, 1, 2, ..
    std::vector<char> is_close_;         // (atom), void unless any_close_
    std::vector<int> chosen_atoms_;      // ordinary or close ones of a block that has close ones
    bool any_close_ = false;
    int n_pairs_ = 0;        // pairs of the present block inside rcut
    std::vector<int> counts_;  // n_b of (neighbour type, atom)
    std::vector<int> firsts_;  // first pair of (neighbour type, atom)
    PairArrays<Real> pairs_{};
    AlignedArray<double> pair_doubles_;
    AlignedArray<Real> pair_reals_;
    AlignedArray<int> pair_integers_;
    double* gradient_[3] = {};  // dE/dd of every pair
    AlignedArray<Real> moments_;        // (4, stride) of one atom and neighbour type
    AlignedArray<Real> rows_;           // C (n_rows, 4, lanes)
    AlignedArray<Real> reverse_rows_;   // dE/dC
    AlignedArray<Real> expanded_, reverse_expanded_;  // direct form: T (M, 4, lanes) and dE/dT
    AlignedArray<Real> products_;       // S or D (n_products, lanes), then its gradient
    AlignedArray<Real> lane_scratch_;           // one pack of atoms of C and dE/dC
    AlignedArray<double> energy_;       // (lanes)
    NetScratch<Real> net_;
};

}  // namespace dpc::host
