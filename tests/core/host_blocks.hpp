// SPDX-License-Identifier: MIT
// The host's evaluator of blocks by itself, without an engine and its threads.
#pragma once

#include <vector>

#include "host/block_evaluator.hpp"

namespace dpc::test {

/// All blocks of a list at positions x, into the arrays of `results`.
template <class Real, class Results>
host::Sums evaluate_blocks(host::BlockEvaluator<Real>& evaluator, const host::NeighbourBlocks& list, const std::vector<double>& x,
                           Results& results) {
    host::Sums sums;
    sums.forces = results.forces.data();
    sums.atom_energy = results.atom_energy.data();
    sums.atom_virial = results.atom_virial.data();
    for (const host::Block& block : list.blocks) {
        evaluator.evaluate(list, block, {x.data()}, nullptr, sums);
    }
    return sums;
}

}  // namespace dpc::test
