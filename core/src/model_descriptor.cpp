// SPDX-License-Identifier: MIT
// Sections descriptor.*: kinds, cutoffs, statistics, and what each pair of types does (docs/theory.md section 1).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "descriptor_kinds.hpp"
#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr double kMostRcut = 1e4;  // angstrom
constexpr std::int64_t kMostDescriptors = 256;
constexpr std::int64_t kMostWidth = 16384;
constexpr std::int64_t kMostSlots = 1 << 24;

DescriptorKind read_kind(SectionReader& sections, const std::string& name) {
    const std::string text = sections.text(name);
    std::string known;
    for (const KindRules& rules : kKinds) {
        if (text == rules.name) {
            return rules.kind;
        }
        known += (known.empty() ? "" : ", ") + std::string(rules.name);
    }
    model_error(name, "is '" + text + "', this version knows " + known + "; install a newer version");
}

void read_cutoff(SectionReader& sections, const std::string& prefix, Descriptor& descriptor) {
    const std::string rcut = prefix + "rcut", rcut_smth = prefix + "rcut_smth", protection = prefix + "env_protection";
    descriptor.rcut = sections.number(rcut);
    descriptor.rcut_smth = sections.number(rcut_smth);
    descriptor.env_protection = sections.number(protection);
    if (!(descriptor.rcut > 0 && descriptor.rcut <= kMostRcut)) {
        model_error(rcut,
                    "is " + number_text(descriptor.rcut) + ", expected a positive number of at most " + number_text(kMostRcut));
    }
    if (!(descriptor.rcut_smth >= 0 && descriptor.rcut_smth < descriptor.rcut &&
          std::isfinite(1 / (descriptor.rcut - descriptor.rcut_smth)))) {
        model_error(rcut_smth, "is " + number_text(descriptor.rcut_smth) +
                                   ", expected 0 <= rcut_smth < rcut = " + number_text(descriptor.rcut));
    }
    if (!(descriptor.env_protection >= 0)) {
        model_error(protection, "is " + number_text(descriptor.env_protection) + ", expected no negative number");
    }
}

void read_sel(SectionReader& sections, const std::string& prefix, std::size_t n, Descriptor& descriptor) {
    const std::string name = prefix + "sel";
    const std::int32_t* sel = sections.integers(name, {n});
    descriptor.sel.assign(sel, sel + n);
    const int least = *std::min_element(descriptor.sel.begin(), descriptor.sel.end());
    if (least < 0) {
        model_error(name, "has the value " + std::to_string(least) + ", expected no negative number");
    }
    if (*std::max_element(descriptor.sel.begin(), descriptor.sel.end()) == 0) {
        model_error(name, "is 0 for every type: no atom has neighbours");
    }
    const std::int64_t total = std::accumulate(descriptor.sel.begin(), descriptor.sel.end(), std::int64_t{0});
    if (total > kMostSlots) {
        model_error(name, "has the sum " + std::to_string(total) + ", format 1 allows at most " + std::to_string(kMostSlots));
    }
    if (!descriptor.is_three_body() || rules_of(descriptor.kind).has_gates) {
        descriptor.n_sel = sections.integer(prefix + "n_sel", 1);
    }
    if (rules_of(descriptor.kind).has_gates && !descriptor.shares_slots()) {
        model_error(name, "must be n_sel = " + std::to_string(descriptor.n_sel) + " for every type: the slots of " +
                              name_of(descriptor.kind) + " are for all types");
    }
}

/// Radial, and angular where the kind has angles; of three bodies angular alone, without a mean.
void read_statistics(SectionReader& sections, const std::string& prefix, Descriptor& descriptor) {
    const std::string name = prefix + "std";
    const std::size_t n = descriptor.sel.size(), n_columns = rules_of(descriptor.kind).n_std;
    descriptor.mean.assign(n, 0.0);
    if (!descriptor.is_three_body()) {
        const double* mean = sections.doubles(prefix + "mean", {n});
        descriptor.mean.assign(mean, mean + n);
    }
    const double* deviation = sections.doubles(name, {n, n_columns});
    for (std::size_t k = 0; k < n_columns * n; ++k) {
        if (!(deviation[k] > 0 && std::isfinite(1 / deviation[k]))) {
            model_error(name, "is " + number_text(deviation[k]) + " for type " + std::to_string(k / n_columns) +
                                  ", expected a positive number with a finite reciprocal");
        }
        const bool is_radial = k % n_columns == 0 && !descriptor.is_three_body();
        (is_radial ? descriptor.std_radial : descriptor.std_angular).push_back(deviation[k]);
    }
}

void read_widths(SectionReader& sections, const std::string& prefix, Descriptor& descriptor) {
    descriptor.width = sections.integer(prefix + "width", 1);
    require_at_most(prefix + "width", descriptor.width, kMostWidth);
    if (!rules_of(descriptor.kind).has_axis) {
        return;
    }
    descriptor.axis_neuron = sections.integer(prefix + "axis_neuron", 1);
    if (descriptor.axis_neuron > descriptor.width) {
        model_error(prefix + "axis_neuron", "is " + std::to_string(descriptor.axis_neuron) + ", expected 1 to the width " +
                                                std::to_string(descriptor.width));
    }
}

/// What pair k = a n + b has: its kind is that of centre type a and neighbour type b, and so is its table but of three bodies, where both
/// are neighbour types.
void read_pair(const std::string& prefix, std::size_t k, int kind, int table, Descriptor& descriptor) {
    const std::string kind_name = prefix + "pair_kind";
    const std::size_t n = descriptor.sel.size();
    const std::string which = " for centre type " + std::to_string(k / n) + " and neighbour type " + std::to_string(k % n);
    constexpr int absent = static_cast<int>(PairKind::absent), last = static_cast<int>(PairKind::section_excluded);
    if (kind < 0 || kind > last) {
        model_error(kind_name, "is " + std::to_string(kind) + which + ", expected 0 to " + std::to_string(last));
    }
    if (kind != absent && descriptor.sel[k % n] == 0) {
        model_error(kind_name, "is " + std::to_string(kind) + which + ", but sel of that neighbour type is " + "0: expected 3");
    }
    if (!descriptor.is_three_body() && (table < -1 || (table == -1) != (kind == absent))) {
        model_error(prefix + "pair_table",
                    "is " + std::to_string(table) + which + ", expected a table, or -1 exactly where pair_kind is 3");
    }
    descriptor.type_pairs[k].kind = static_cast<PairKind>(kind);
    descriptor.type_pairs[k].table = table;
}

/// Whether some centre type sees neighbours of both types.
bool is_seen(const Descriptor& descriptor, int b, int c) {
    for (int a = 0; a < static_cast<int>(descriptor.sel.size()); ++a) {
        if (descriptor.type_pair(a, b).kind == PairKind::ordinary && descriptor.type_pair(a, c).kind == PairKind::ordinary) {
            return true;
        }
    }
    return false;
}

/// Of three bodies rows and columns are types of neighbours, in any order.
void check_tables_of_neighbours(const std::string& name, const Descriptor& descriptor) {
    const int n = static_cast<int>(descriptor.sel.size());
    bool has_any = false;
    for (int b = 0; b < n; ++b) {
        for (int c = 0; c < n; ++c) {
            const int table = descriptor.type_pair(b, c).table;
            const std::string which =
                "is " + std::to_string(table) + " for neighbour types " + std::to_string(b) + " and " + std::to_string(c);
            has_any = has_any || table >= 0;
            if (table < -1 || (table >= 0) != is_seen(descriptor, b, c)) {
                model_error(name, which + ", expected a table where a centre type sees neighbours of both, -1 elsewhere");
            }
            if (table != descriptor.type_pair(c, b).table) {
                model_error(name, which + ", but " + std::to_string(descriptor.type_pair(c, b).table) + " the other way round");
            }
        }
    }
    if (!has_any) {
        model_error(name, "has no table: no centre type has neighbours");
    }
}

/// Of empty slots that are counted for all types together.
void read_padding(SectionReader& sections, const std::string& prefix, Descriptor& descriptor) {
    const std::string name = prefix + "padding";
    if (!sections.has(name)) {
        return;
    }
    if (!rules_of(descriptor.kind).has_padding) {
        model_error(name, std::string("is there, which a descriptor ") + name_of(descriptor.kind) + " does not have");
    }
    descriptor.padding = sections.doubles(name, {descriptor.sel.size(), static_cast<std::uint64_t>(descriptor.width)});
    const double* end = descriptor.padding + static_cast<std::ptrdiff_t>(descriptor.sel.size()) * descriptor.width;
    if (!rules_of(descriptor.kind).has_axis && std::any_of(descriptor.padding, end, [](double value) { return value != 0; })) {
        model_error(name, std::string("is not 0 everywhere, as that of a descriptor ") + name_of(descriptor.kind) + " must be");
    }
    const std::int64_t total = std::accumulate(descriptor.sel.begin(), descriptor.sel.end(), std::int64_t{0});
    if (!descriptor.shares_slots() && total != descriptor.n_sel) {
        model_error(name, "is there, but sel is neither n_sel = " + std::to_string(descriptor.n_sel) +
                              " for every type nor adds up to it");
    }
    for (const TypePair& pair : descriptor.type_pairs) {
        if (pair.kind == PairKind::section_excluded) {
            model_error(name, "is there, but a pair of types is excluded by section");
        }
    }
}

/// Of two neighbour types, in any order.
void read_gates(SectionReader& sections, const std::string& prefix, Descriptor& descriptor) {
    const std::string name = prefix + "gates";
    if (!sections.has(name)) {
        return;
    }
    if (!rules_of(descriptor.kind).has_gates) {
        model_error(name, std::string("is there, which a descriptor ") + name_of(descriptor.kind) + " does not have");
    }
    const std::size_t n = descriptor.sel.size(), width = static_cast<std::size_t>(descriptor.width);
    descriptor.gates = sections.doubles(name, {n, n, width});
    for (std::size_t b = 0; b < n; ++b) {
        for (std::size_t c = 0; c < b; ++c) {
            const double *mine = descriptor.gates + (b * n + c) * width, *other = descriptor.gates + (c * n + b) * width;
            if (!std::equal(mine, mine + width, other)) {
                model_error(name, "differs for neighbour types " + std::to_string(c) + " and " + std::to_string(b) +
                                      " the other way round");
            }
        }
    }
}

/// Of components of degree 2 to lmax.
void read_degree_gains(SectionReader& sections, const std::string& prefix, Descriptor& descriptor) {
    const std::string name = prefix + "degree_gains";
    if (!sections.has(name)) {
        return;
    }
    const int most = rules_of(descriptor.kind).most_lmax - 1;
    if (most == 0) {
        model_error(name, std::string("is there, which a descriptor ") + name_of(descriptor.kind) + " does not have");
    }
    const std::uint64_t n = sections.get(name, DType::f64, {SectionReader::kAny}).shape.front();
    if (n < 1 || n > static_cast<std::uint64_t>(most)) {
        model_error(name, "has " + std::to_string(n) + " numbers, expected 1 to " + std::to_string(most) + ": of degrees 2 to " +
                              std::to_string(most + 1));
    }
    const double* gains = sections.doubles(name, {n});
    descriptor.degree_gains.assign(gains, gains + n);
}

Descriptor read_descriptor(SectionReader& sections, const std::string& prefix, std::size_t n) {
    Descriptor descriptor;
    descriptor.kind = read_kind(sections, prefix + "kind");
    read_cutoff(sections, prefix, descriptor);
    read_sel(sections, prefix, n, descriptor);
    read_statistics(sections, prefix, descriptor);
    read_widths(sections, prefix, descriptor);
    const std::int32_t* kind = sections.integers(prefix + "pair_kind", {n, n});
    const std::int32_t* table = sections.integers(prefix + "pair_table", {n, n});
    descriptor.type_pairs.resize(n * n);
    for (std::size_t a = 0; a < n; ++a) {
        if (std::all_of(kind + a * n, kind + (a + 1) * n,
                        [](std::int32_t k) { return k == static_cast<int>(PairKind::absent); })) {
            model_error(prefix + "pair_kind", "is 3 for all neighbours of centre type " + std::to_string(a));
        }
    }
    for (std::size_t k = 0; k < n * n; ++k) {
        read_pair(prefix, k, kind[k], table[k], descriptor);
    }
    if (descriptor.is_three_body()) {
        check_tables_of_neighbours(prefix + "pair_table", descriptor);
    }
    read_padding(sections, prefix, descriptor);
    read_gates(sections, prefix, descriptor);
    read_degree_gains(sections, prefix, descriptor);
    return descriptor;
}

}  // namespace

void read_descriptors(SectionReader& sections, Model& model) {
    const int count = sections.integer("descriptor.count", 1);
    require_at_most("descriptor.count", count, kMostDescriptors);
    for (int d = 0; d < count; ++d) {
        const std::string prefix = "descriptor." + std::to_string(d) + ".";
        model.descriptors.push_back(read_descriptor(sections, prefix, model.type_map.size()));
    }
    const bool is_shared = std::any_of(model.descriptors.begin(), model.descriptors.end(),
                                       [](const Descriptor& descriptor) { return descriptor.shares_slots(); });
    if (model.neighbour_rule == NeighbourRule::mixed && !is_shared) {
        model_error("descriptor.0.sel", "must be n_sel for every type, with padding: the rule is mixed");
    }
}

}  // namespace dpc
