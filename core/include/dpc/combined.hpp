// SPDX-License-Identifier: MIT
// What evaluators on any device make of a model of several parts (Model::parts).
#pragma once

#include <cstddef>
#include <vector>

#include "dpc/math/part_switch.hpp"
#include "dpc/neighbour_rule.hpp"

namespace dpc {

/// Parameters of the switch between two parts, and the arrays that they name; on a device those are copied.
struct SwitchTables {
    SwitchTables(const Model& model, Neighbours neighbours);

    /// Pointers to the arrays here.
    math::SwitchParameters parameters() const;

    math::SwitchParameters numbers{};  // without pointers
    std::vector<int> sel;              // (N)
    std::vector<char> is_counted;      // (N, N)
};

/// A pair table is evaluated in double whatever the precision: its energies span many orders of magnitude.
bool is_pair_table(const Model& part);

/// The part whose neighbours a caller's statistics are of: a net where there is one, the far one of a switch.
std::size_t measured_part(const Model& model);

/// E_near - E_far of a centre whose energies times w and 1 - w are given, 0 < w < 1.
DPC_FUNCTION double unweighted_difference(double w, double near, double far) { return near / w - far / (1 - w); }

}  // namespace dpc
