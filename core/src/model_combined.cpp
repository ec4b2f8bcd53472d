// SPDX-License-Identifier: MIT
// Sections part.* and switch.*: a model of several, each a whole one (docs/tables-format.md section 3).
#include <algorithm>
#include <cmath>

#include "dpc/errors.hpp"
#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr std::int64_t kMostParts = 64;

/// Errors say which part they are about.
std::shared_ptr<const Model> read_part(const SectionReader& all, int k, const Model& whole) {
    auto part = std::make_shared<Model>();
    part->storage = whole.storage;
    part->n_bytes = whole.n_bytes;
    part->header_crc = whole.header_crc;
    SectionReader own(all, "part." + std::to_string(k) + ".");
    try {
        read_sections(own, *part);
        own.refuse_unknown();
    } catch (const ModelError& error) {
        throw ModelError("part " + std::to_string(k) + ": " + error.what());
    }
    return part;
}

/// A part has all parameters of the model, or none of them.
void check_parameters(const std::string& prefix, const Model& part, const Model& whole) {
    const auto check = [&](const std::string& name, int n, int n_of_whole) {
        if (n != 0 && n != n_of_whole) {
            model_error(prefix + name, "is " + std::to_string(n) + ", but " + std::to_string(n_of_whole) + " in another part");
        }
    };
    check("n_fparam", part.n_fparam, whole.n_fparam);
    check("n_aparam", part.n_aparam, whole.n_aparam);
    if (part.n_fparam > 0 && part.default_fparam != whole.default_fparam) {
        model_error(prefix + "default_fparam", "is not that of the parts before it");
    }
}

void take_common(Model& whole) {
    const Model& first = *whole.parts.front();
    whole.type_map = first.type_map;
    whole.check_frequency = first.check_frequency;
    whole.has_energy.assign(first.has_energy.size(), 0);
    whole.energy_bias.assign(first.has_energy.size(), 0.0);
    whole.min_distance = first.min_distance;
    for (const auto& part : whole.parts) {
        whole.descriptors.insert(whole.descriptors.end(), part->descriptors.begin(), part->descriptors.end());
        whole.tables.insert(whole.tables.end(), part->tables.begin(), part->tables.end());
        whole.n_aparam = std::max(whole.n_aparam, part->n_aparam);
        if (whole.n_fparam == 0 && part->n_fparam > 0) {
            whole.n_fparam = part->n_fparam;
            whole.default_fparam = part->default_fparam;
        }
        if (whole.neighbour_rule == NeighbourRule::all) {
            whole.neighbour_rule = part->neighbour_rule;
        }
    }
}

void check_common(const Model& whole) {
    for (std::size_t k = 0; k < whole.parts.size(); ++k) {
        const Model& part = *whole.parts[k];
        const std::string prefix = "part." + std::to_string(k) + ".model.";
        if (part.type_map != whole.type_map) {
            model_error(prefix + "type_map", "is not that of part 0");
        }
        if (part.check_frequency != whole.check_frequency) {
            model_error(prefix + "check_frequency", "is not that of part 0");
        }
        check_parameters(prefix, part, whole);
    }
}

int read_part_number(SectionReader& sections, const std::string& name, const Model& whole) {
    const int part = sections.integer(name, 0);
    if (part >= static_cast<int>(whole.parts.size())) {
        model_error(name, "is " + std::to_string(part) + ", there are " + std::to_string(whole.parts.size()) + " parts");
    }
    return part;
}

void read_switch(SectionReader& sections, Model& whole) {
    PartSwitch& between = whole.part_switch;
    between.near = read_part_number(sections, "switch.near", whole);
    between.far = read_part_number(sections, "switch.far", whole);
    const Model& near = *whole.parts[static_cast<std::size_t>(between.near)];
    if (between.near == between.far) {
        model_error("switch.far", "is the same part as switch.near");
    }
    if (near.descriptors.size() != 1 || near.descriptors.front().is_three_body()) {
        model_error("switch.near",
                    "is a part of other descriptors than one of two bodies, whose neighbours are those of the switch");
    }
    const double* range = sections.doubles("switch.range", {2});
    between.rmin = range[0];
    between.rmax = range[1];
    if (!(between.rmin >= 0 && between.rmin < between.rmax && std::isfinite(1 / (between.rmax - between.rmin)))) {
        model_error("switch.range", "is " + number_text(between.rmin) + " to " + number_text(between.rmax) +
                                        ", expected two distances that increase");
    }
    between.alpha = sections.number("switch.alpha");
    if (!(between.alpha > 0 && std::isfinite(1 / between.alpha))) {
        model_error("switch.alpha", "is " + number_text(between.alpha) + ", expected a positive number with a finite reciprocal");
    }
    between.least_sum = sections.number("switch.least_sum");
    if (!(between.least_sum >= 0)) {
        model_error("switch.least_sum", "is " + number_text(between.least_sum) + ", expected no negative number");
    }
}

}  // namespace

void read_parts(SectionReader& sections, Model& model) {
    const int count = sections.integer("part.count", 1);
    require_at_most("part.count", count, kMostParts);
    for (int k = 0; k < count; ++k) {
        model.parts.push_back(read_part(sections, k, model));
    }
    take_common(model);
    check_common(model);
    for (const auto& part : model.parts) {
        for (std::size_t a = 0; a < model.has_energy.size(); ++a) {
            model.has_energy[a] = static_cast<char>(model.has_energy[a] != 0 || part->has_energy[a] != 0);
        }
    }
    if (sections.has("switch.near")) {
        read_switch(sections, model);
    }
}

}  // namespace dpc
