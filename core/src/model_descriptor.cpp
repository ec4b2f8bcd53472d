// SPDX-License-Identifier: MIT
// Sections descriptor.*: cutoff, statistics, and what each pair of types does (docs/theory.md section 1).
#include <algorithm>
#include <cmath>

#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr double kMostRcut = 1e4;  // angstrom
constexpr std::int64_t kMostWidth = 16384;

void read_cutoff(SectionReader& sections, Model& model) {
    model.rcut = sections.number("descriptor.rcut");
    model.rcut_smth = sections.number("descriptor.rcut_smth");
    model.env_protection = sections.number("descriptor.env_protection");
    if (!(model.rcut > 0 && model.rcut <= kMostRcut)) {
        model_error("descriptor.rcut",
                    "is " + number_text(model.rcut) + ", expected a positive number of at most " + number_text(kMostRcut));
    }
    if (!(model.rcut_smth >= 0 && model.rcut_smth < model.rcut && std::isfinite(1 / (model.rcut - model.rcut_smth)))) {
        model_error("descriptor.rcut_smth",
                    "is " + number_text(model.rcut_smth) + ", expected 0 <= rcut_smth < rcut = " + number_text(model.rcut));
    }
    if (!(model.env_protection >= 0)) {
        model_error("descriptor.env_protection", "is " + number_text(model.env_protection) + ", expected no negative number");
    }
}

void read_sel(SectionReader& sections, Model& model) {
    const std::size_t n = model.type_map.size();
    const std::int32_t* sel = sections.integers("descriptor.sel", {n});
    model.sel.assign(sel, sel + n);
    const int least = *std::min_element(model.sel.begin(), model.sel.end());
    if (least < 0) {
        model_error("descriptor.sel", "has the value " + std::to_string(least) + ", expected no negative number");
    }
    if (*std::max_element(model.sel.begin(), model.sel.end()) == 0) {
        model_error("descriptor.sel", "is 0 for every type: no atom has neighbours");
    }
    model.n_sel = sections.integer("descriptor.n_sel", 1);
}

void read_statistics(SectionReader& sections, Model& model) {
    const std::size_t n = model.type_map.size();
    const double* mean = sections.doubles("descriptor.mean", {n});
    const double* deviation = sections.doubles("descriptor.std", {n, 2});
    model.mean.assign(mean, mean + n);
    for (std::size_t k = 0; k < 2 * n; ++k) {
        if (!(deviation[k] > 0 && std::isfinite(1 / deviation[k]))) {
            model_error("descriptor.std", "is " + number_text(deviation[k]) + " for type " + std::to_string(k / 2) +
                                              ", expected a positive number with a finite reciprocal");
        }
        (k % 2 == 0 ? model.std_radial : model.std_angular).push_back(deviation[k]);
    }
}

void read_widths(SectionReader& sections, Model& model) {
    model.width = sections.integer("descriptor.width", 1);
    require_at_most("descriptor.width", model.width, kMostWidth);
    model.axis_neuron = sections.integer("descriptor.axis_neuron", 1);
    if (model.axis_neuron > model.width) {
        model_error("descriptor.axis_neuron",
                    "is " + std::to_string(model.axis_neuron) + ", expected 1 to the width " + std::to_string(model.width));
    }
}

/// Kind and table of the pair of centre type k / n and neighbour type k % n.
void read_pair(std::size_t k, int kind, int table, Model& model) {
    const std::size_t n = model.type_map.size();
    const std::string which = " for centre type " + std::to_string(k / n) + " and neighbour type " + std::to_string(k % n);
    constexpr int absent = static_cast<int>(PairKind::absent);
    if (kind < 0 || kind > absent) {
        model_error("descriptor.pair_kind", "is " + std::to_string(kind) + which + ", expected 0 to 3");
    }
    if ((kind == absent) != (model.sel[k % n] == 0)) {
        model_error("descriptor.pair_kind", "is " + std::to_string(kind) + which + ", but sel of that neighbour type is " +
                                                std::to_string(model.sel[k % n]) + ": expected 3 exactly where sel is 0");
    }
    if (table < -1 || (table == -1) != (kind == absent)) {
        model_error("descriptor.pair_table",
                    "is " + std::to_string(table) + which + ", expected a table, or -1 exactly where pair_kind is 3");
    }
    model.pairs[k].kind = static_cast<PairKind>(kind);
    model.pairs[k].table = table;
}

}  // namespace

void read_descriptor(SectionReader& sections, Model& model) {
    model.descriptor_kind = sections.text("descriptor.kind");
    if (model.descriptor_kind != "se_e2_a") {
        model_error("descriptor.kind", "is '" + model.descriptor_kind + "', this version knows se_e2_a; install a newer version");
    }
    read_cutoff(sections, model);
    read_sel(sections, model);
    read_statistics(sections, model);
    read_widths(sections, model);
    const std::size_t n = model.type_map.size();
    const std::int32_t* kind = sections.integers("descriptor.pair_kind", {n, n});
    const std::int32_t* table = sections.integers("descriptor.pair_table", {n, n});
    for (std::size_t k = 0; k < n * n; ++k) {
        read_pair(k, kind[k], table[k], model);
    }
}

}  // namespace dpc
