// SPDX-License-Identifier: MIT
// See dpc/combined.hpp.
#include "dpc/combined.hpp"

#include <algorithm>

namespace dpc {

SwitchTables::SwitchTables(const Model& model, Neighbours neighbours) {
    const PartSwitch& between = model.part_switch;
    const Model& near = *model.parts[static_cast<std::size_t>(between.near)];
    const Descriptor& descriptor = near.descriptors.front();
    const NeighbourRule rule = rule_for(near, neighbours);
    const int n = model.n_types();
    sel = descriptor.sel;
    for (const TypePair& pair : descriptor.type_pairs) {
        is_counted.push_back(pair.kind == PairKind::ordinary ? 1 : 0);
    }
    numbers.rmin = between.rmin;
    numbers.rmax = between.rmax;
    numbers.alpha = between.alpha;
    numbers.least_sum = between.least_sum;
    numbers.rcut2 = descriptor.rcut * descriptor.rcut;
    numbers.keeps_of_all = counts_all_types(rule);
    numbers.keeps_of_each = rule == NeighbourRule::per_type || rule == NeighbourRule::total;
    numbers.n_slots = count_slots(descriptor);
    numbers.n_types = n;
}

math::SwitchParameters SwitchTables::parameters() const {
    math::SwitchParameters complete = numbers;
    complete.sel = sel.data();
    complete.is_counted = is_counted.data();
    return complete;
}

std::size_t measured_part(const Model& model) {
    if (model.part_switch.far >= 0) {
        return static_cast<std::size_t>(model.part_switch.far);
    }
    const auto net = std::find_if(model.parts.begin(), model.parts.end(), [](const auto& part) { return !is_pair_table(*part); });
    return net == model.parts.end() ? 0 : static_cast<std::size_t>(net - model.parts.begin());
}

bool is_pair_table(const Model& part) {
    return part.descriptors.size() == 1 && part.descriptors.front().kind == DescriptorKind::se_e2_r &&
           part.descriptors.front().argument == TableArgument::r;
}

}  // namespace dpc
