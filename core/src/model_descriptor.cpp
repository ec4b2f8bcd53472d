// SPDX-License-Identifier: MIT
// Sections descriptor.*: cutoff, statistics, and what each pair of types does (docs/theory.md section 1).
#include <algorithm>
#include <cmath>
#include <utility>

#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr double kMostRcut = 1e4;  // angstrom
constexpr std::int64_t kMostWidth = 16384;

void read_cutoff(SectionReader& sections, Descriptor& descriptor) {
    descriptor.rcut = sections.number("descriptor.rcut");
    descriptor.rcut_smth = sections.number("descriptor.rcut_smth");
    descriptor.env_protection = sections.number("descriptor.env_protection");
    if (!(descriptor.rcut > 0 && descriptor.rcut <= kMostRcut)) {
        model_error("descriptor.rcut",
                    "is " + number_text(descriptor.rcut) + ", expected a positive number of at most " + number_text(kMostRcut));
    }
    if (!(descriptor.rcut_smth >= 0 && descriptor.rcut_smth < descriptor.rcut && std::isfinite(1 / (descriptor.rcut - descriptor.rcut_smth)))) {
        model_error("descriptor.rcut_smth",
                    "is " + number_text(descriptor.rcut_smth) + ", expected 0 <= rcut_smth < rcut = " + number_text(descriptor.rcut));
    }
    if (!(descriptor.env_protection >= 0)) {
        model_error("descriptor.env_protection", "is " + number_text(descriptor.env_protection) + ", expected no negative number");
    }
}

void read_sel(SectionReader& sections, std::size_t n, Descriptor& descriptor) {
    const std::int32_t* sel = sections.integers("descriptor.sel", {n});
    descriptor.sel.assign(sel, sel + n);
    const int least = *std::min_element(descriptor.sel.begin(), descriptor.sel.end());
    if (least < 0) {
        model_error("descriptor.sel", "has the value " + std::to_string(least) + ", expected no negative number");
    }
    if (*std::max_element(descriptor.sel.begin(), descriptor.sel.end()) == 0) {
        model_error("descriptor.sel", "is 0 for every type: no atom has neighbours");
    }
    descriptor.n_sel = sections.integer("descriptor.n_sel", 1);
}

void read_statistics(SectionReader& sections, Descriptor& descriptor) {
    const std::size_t n = descriptor.sel.size();
    const double* mean = sections.doubles("descriptor.mean", {n});
    const double* deviation = sections.doubles("descriptor.std", {n, 2});
    descriptor.mean.assign(mean, mean + n);
    for (std::size_t k = 0; k < 2 * n; ++k) {
        if (!(deviation[k] > 0 && std::isfinite(1 / deviation[k]))) {
            model_error("descriptor.std", "is " + number_text(deviation[k]) + " for type " + std::to_string(k / 2) +
                                              ", expected a positive number with a finite reciprocal");
        }
        (k % 2 == 0 ? descriptor.std_radial : descriptor.std_angular).push_back(deviation[k]);
    }
}

void read_widths(SectionReader& sections, Descriptor& descriptor) {
    descriptor.width = sections.integer("descriptor.width", 1);
    require_at_most("descriptor.width", descriptor.width, kMostWidth);
    descriptor.axis_neuron = sections.integer("descriptor.axis_neuron", 1);
    if (descriptor.axis_neuron > descriptor.width) {
        model_error("descriptor.axis_neuron",
                    "is " + std::to_string(descriptor.axis_neuron) + ", expected 1 to the width " + std::to_string(descriptor.width));
    }
}

/// Kind and table of the pair of centre type k / n and neighbour type k % n.
void read_pair(std::size_t k, int kind, int table, Descriptor& descriptor) {
    const std::size_t n = descriptor.sel.size();
    const std::string which = " for centre type " + std::to_string(k / n) + " and neighbour type " + std::to_string(k % n);
    constexpr int absent = static_cast<int>(PairKind::absent);
    if (kind < 0 || kind > absent) {
        model_error("descriptor.pair_kind", "is " + std::to_string(kind) + which + ", expected 0 to 3");
    }
    if ((kind == absent) != (descriptor.sel[k % n] == 0)) {
        model_error("descriptor.pair_kind", "is " + std::to_string(kind) + which + ", but sel of that neighbour type is " +
                                                std::to_string(descriptor.sel[k % n]) + ": expected 3 exactly where sel is 0");
    }
    if (table < -1 || (table == -1) != (kind == absent)) {
        model_error("descriptor.pair_table",
                    "is " + std::to_string(table) + which + ", expected a table, or -1 exactly where pair_kind is 3");
    }
    descriptor.pairs[k].kind = static_cast<PairKind>(kind);
    descriptor.pairs[k].table = table;
}

}  // namespace

void read_descriptor(SectionReader& sections, Model& model) {
    const std::string kind_name = sections.text("descriptor.kind");
    if (kind_name != name_of(DescriptorKind::se_e2_a)) {
        model_error("descriptor.kind", "is '" + kind_name + "', this version knows se_e2_a; install a newer version");
    }
    Descriptor descriptor;
    const std::size_t n = model.type_map.size();
    read_cutoff(sections, descriptor);
    read_sel(sections, n, descriptor);
    read_statistics(sections, descriptor);
    read_widths(sections, descriptor);
    const std::int32_t* kind = sections.integers("descriptor.pair_kind", {n, n});
    const std::int32_t* table = sections.integers("descriptor.pair_table", {n, n});
    descriptor.pairs.resize(n * n);
    for (std::size_t k = 0; k < n * n; ++k) {
        read_pair(k, kind[k], table[k], descriptor);
    }
    model.descriptors.push_back(std::move(descriptor));
}

}  // namespace dpc
