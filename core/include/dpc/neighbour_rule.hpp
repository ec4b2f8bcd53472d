// SPDX-License-Identifier: MIT
// What is done with more neighbours than sel: as the trained model does, or all are used (docs/theory.md section 1).
#pragma once

#include "dpc/model.hpp"

namespace dpc {

enum class Neighbours { trained, all };

/// The rule that an evaluator follows; of several parts that of the first that does not keep all. Throws ModelError for several descriptors with the rule `total`, which is of one.
NeighbourRule rule_for(const Model& model, Neighbours neighbours);

/// For the log: what happens to neighbours beyond sel.
const char* describe(NeighbourRule rule);

/// What a user whose atoms have more should know, and can do.
const char* advice_on(NeighbourRule rule);

/// Neighbours of all types together may be too many: rules `total`, `mixed` and `united`.
bool counts_all_types(NeighbourRule rule);

/// Of the rules `united` and `mixed`: what all descriptors together ask for, the largest cut-off and number of slots of each type (mixed:
/// as many as all types have together). Its pairs are ordinary where some descriptor counts them, absent where none has slots, else
/// excluded by the model.
Descriptor united(const Model& model);

/// All slots of a descriptor: the nearest so many neighbours of all types are kept by these rules.
int count_slots(const Descriptor& descriptor);
/// Of the list of all descriptors: where types share the slots of some, those of the descriptor that has the most.
int count_slots(const Model& model, NeighbourRule rule);

}  // namespace dpc
