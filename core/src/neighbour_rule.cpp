// SPDX-License-Identifier: MIT
// See neighbour_rule.hpp.
#include "dpc/neighbour_rule.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "dpc/errors.hpp"
#include "dpc/math/slots.hpp"

namespace dpc {

NeighbourRule rule_for(const Model& model, Neighbours neighbours) {
    for (const auto& part : model.parts) {
        const NeighbourRule of_part = rule_for(*part, neighbours);
        if (of_part != NeighbourRule::all) {
            return of_part;
        }
    }
    if (!model.parts.empty()) {
        return NeighbourRule::all;
    }
    const NeighbourRule rule = neighbours == Neighbours::all ? NeighbourRule::all : model.neighbour_rule;
    if (model.descriptors.size() > 1 && rule == NeighbourRule::total) {
        throw ModelError("the model keeps the nearest neighbours of all types for each of " +
                         std::to_string(model.descriptors.size()) +
                         " descriptors by itself, which this version cannot: install a newer version, or set `neighbors all`");
    }
    return model.descriptors.size() == 1 && rule == NeighbourRule::united ? NeighbourRule::total : rule;
}

Descriptor united(const Model& model) {
    const auto n = static_cast<std::size_t>(model.n_types());
    Descriptor all;
    all.rcut = model.rcut();
    all.sel.assign(n, 0);
    all.type_pairs.assign(n * n, {PairKind::absent, -1});
    for (const Descriptor& descriptor : model.descriptors) {
        for (std::size_t b = 0; b < n; ++b) {
            all.sel[b] = model.neighbour_rule == NeighbourRule::mixed ? count_slots(model, NeighbourRule::mixed)
                                                                      : std::max(all.sel[b], descriptor.sel[b]);
        }
        for (std::size_t k = 0; k < n * n; ++k) {
            const PairKind kind = descriptor.type_pairs[k].kind;
            PairKind& of_all = all.type_pairs[k].kind;
            if (math::is_counted(kind)) {
                of_all = PairKind::ordinary;
            } else if (kind != PairKind::absent && of_all == PairKind::absent) {
                of_all = PairKind::model_excluded;
            }
        }
    }
    return all;
}

const char* describe(NeighbourRule rule) {
    switch (rule) {
        case NeighbourRule::per_type: return "the nearest sel of each type are kept, as in training";
        case NeighbourRule::mixed: return "the nearest sel of all types are kept, as in training";
        case NeighbourRule::total: return "the nearest of all types, then of each type, are kept, as in training";
        case NeighbourRule::united:
            return "the nearest of all types are kept for all descriptors together, then of each type for each, as in training";
        default: return "all are used";
    }
}

const char* advice_on(NeighbourRule rule) {
    return rule == NeighbourRule::all
               ? "All of them are used, smoothly; DeePMD-kit keeps the nearest only, so that its energies differ"
               : "The trained model keeps the nearest only, and so does this run: forces jump where atoms become or cease to be one "
                 "of them. `neighbors all` uses all of them, smoothly, with other energies than the trained model";
}

bool counts_all_types(NeighbourRule rule) {
    return rule == NeighbourRule::total || rule == NeighbourRule::mixed || rule == NeighbourRule::united;
}

int count_slots(const Descriptor& descriptor) {
    return descriptor.shares_slots() ? descriptor.n_sel : std::accumulate(descriptor.sel.begin(), descriptor.sel.end(), 0);
}

int count_slots(const Model& model, NeighbourRule rule) {
    if (rule == NeighbourRule::united) {
        return count_slots(united(model));
    }
    int most = 0;
    for (const Descriptor& descriptor : model.descriptors) {
        most = std::max(most, count_slots(descriptor));
    }
    return most;
}

}  // namespace dpc
