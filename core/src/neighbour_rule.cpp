// SPDX-License-Identifier: MIT
// See neighbour_rule.hpp.
#include "dpc/neighbour_rule.hpp"

#include <numeric>
#include <string>

#include "dpc/errors.hpp"

namespace dpc {

NeighbourRule rule_for(const Model& model, Neighbours neighbours) {
    const NeighbourRule rule = neighbours == Neighbours::all ? NeighbourRule::all : model.neighbour_rule;
    if (model.descriptors.size() > 1 && rule != NeighbourRule::all) {
        throw ModelError("the model keeps the nearest neighbours for " + std::to_string(model.descriptors.size()) +
                         " descriptors together, which this version cannot: install a newer version, or set `neighbors all`");
    }
    return rule;
}

const char* describe(NeighbourRule rule) {
    switch (rule) {
        case NeighbourRule::per_type: return "the nearest sel of each type are kept, as in training";
        case NeighbourRule::mixed: return "the nearest sel of all types are kept, as in training";
        case NeighbourRule::total: return "the nearest of all types, then of each type, are kept, as in training";
        default: return "all are used";
    }
}

const char* advice_on(NeighbourRule rule) {
    return rule == NeighbourRule::all
               ? "All of them are used, smoothly; DeePMD-kit keeps the nearest only, so that its energies differ"
               : "The trained model keeps the nearest only, and so does this run: forces jump where atoms become or cease to be one "
                 "of them. `neighbors all` uses all of them, smoothly, with other energies than the trained model";
}

bool counts_all_types(NeighbourRule rule) { return rule == NeighbourRule::total || rule == NeighbourRule::mixed; }

int count_slots(const Descriptor& descriptor) {
    return descriptor.shares_slots() ? descriptor.n_sel : std::accumulate(descriptor.sel.begin(), descriptor.sel.end(), 0);
}

}  // namespace dpc
