// SPDX-License-Identifier: MIT
// Bytes to Model: the structure is table_file.cpp's business; the meaning of the sections is that of read_types here and of
// model_descriptor.cpp, model_tables.cpp and model_fitting.cpp. After them an evaluator checks
// nothing about the model again but whether it can keep the neighbours that the rule names (neighbour_rule.hpp).
#include "dpc/model.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "descriptor_kinds.hpp"
#include "dpc/errors.hpp"
#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr std::int64_t kMostTypes = 1024;

struct Free {
    void operator()(void* p) const { std::free(p); }
};

/// A copy on a cache line boundary, so that the arrays of the file are aligned in memory as they are in the file, and so that
/// what was validated is what will be used.
std::shared_ptr<unsigned char> aligned_copy(const void* data, std::size_t n_bytes) {
    std::shared_ptr<unsigned char> copy(
        static_cast<unsigned char*>(std::aligned_alloc(64, std::max<std::size_t>((n_bytes + 63) / 64, 1) * 64)), Free());
    if (!copy) {
        throw std::bad_alloc();
    }
    if (n_bytes > 0) {
        std::memcpy(copy.get(), data, n_bytes);
    }
    return copy;
}

void read_type_map(SectionReader& sections, Model& model) {
    const std::string name = "model.type_map";
    std::vector<std::string>& names = model.type_map;
    names.emplace_back();
    for (const char c : sections.text(name)) {
        if (c == '\n') {
            names.emplace_back();
        } else if (static_cast<unsigned char>(c) <= ' ' || c == 0x7F) {
            model_error(name, "the name of type " + std::to_string(names.size() - 1) + " has a blank or control character");
        } else {
            names.back() += c;
        }
    }
    require_at_most(name, static_cast<std::int64_t>(names.size()), kMostTypes);
    std::set<std::string> seen;
    for (std::size_t a = 0; a < names.size(); ++a) {
        if (names[a].empty()) {
            model_error(name, "the name of type " + std::to_string(a) + " is empty");
        }
        if (!seen.insert(names[a]).second) {
            model_error(name, "names the type '" + names[a] + "' twice");
        }
    }
}

void read_energy_mask(SectionReader& sections, Model& model) {
    const std::string name = "model.energy_mask";
    const std::int32_t* mask = sections.integers(name, {model.type_map.size()});
    for (std::size_t a = 0; a < model.type_map.size(); ++a) {
        if (mask[a] != 0 && mask[a] != 1) {
            model_error(name, "is " + std::to_string(mask[a]) + " for type " + std::to_string(a) + ", expected 0 or 1");
        }
        model.has_energy.push_back(static_cast<char>(mask[a]));
    }
    if (std::count(model.has_energy.begin(), model.has_energy.end(), 1) == 0) {
        model_error(name, "is 0 for every type: nothing is left to evaluate");
    }
}

/// (n, n), of pairs of types.
std::vector<double> read_distances(SectionReader& sections, const std::string& name, std::size_t n) {
    const double* distance = sections.doubles(name, {n, n});
    for (std::size_t k = 0; k < n * n; ++k) {
        const std::size_t a = k / n, b = k % n;
        const std::string which = " for the types " + std::to_string(a) + " and " + std::to_string(b);
        if (!(distance[k] > 0)) {
            model_error(name, "is " + number_text(distance[k]) + which + ", expected a positive number");
        }
        if (distance[k] != distance[b * n + a]) {
            model_error(name, "is not symmetric" + which);
        }
    }
    return {distance, distance + n * n};
}

void read_close_distance(SectionReader& sections, Model& model) {
    const std::string name = "model.close_distance";
    model.close_distance = model.min_distance;
    if (sections.has(name)) {
        model.close_distance = read_distances(sections, name, model.type_map.size());
    }
    for (std::size_t k = 0; k < model.close_distance.size(); ++k) {
        if (model.close_distance[k] > model.min_distance[k]) {
            model_error(name, "is " + number_text(model.close_distance[k]) + ", larger than min_distance, " +
                                  number_text(model.min_distance[k]));
        }
    }
}

NeighbourRule read_neighbour_rule(SectionReader& sections) {
    const std::string name = "model.neighbour_rule";
    constexpr int last = static_cast<int>(NeighbourRule::mixed);
    const int rule = sections.integer(name, 0);
    if (rule > last) {
        model_error(name, "is " + std::to_string(rule) + ", expected 0 to " + std::to_string(last));
    }
    return static_cast<NeighbourRule>(rule);
}

void read_parameters(SectionReader& sections, Model& model) {
    model.n_fparam = sections.integer("model.n_fparam", 0);
    model.n_aparam = sections.integer("model.n_aparam", 0);
    const std::string name = "model.default_fparam";
    if (sections.has(name)) {
        const double* values = sections.doubles(name, {static_cast<std::uint64_t>(model.n_fparam)});
        model.default_fparam.assign(values, values + model.n_fparam);
        if (model.n_fparam == 0) {
            model_error(name, "is there, but the model has no frame parameters");
        }
    }
}

}  // namespace

void read_types(SectionReader& sections, Model& model) {
    read_type_map(sections, model);
    const std::size_t n = model.type_map.size();
    const double* bias = sections.doubles("model.energy_bias", {n});
    model.energy_bias.assign(bias, bias + n);
    read_energy_mask(sections, model);
    model.min_distance = read_distances(sections, "model.min_distance", n);
    read_close_distance(sections, model);
    model.check_frequency = sections.integer("model.check_frequency", 1);
    model.neighbour_rule = read_neighbour_rule(sections);
    read_parameters(sections, model);
}

void read_sections(SectionReader& sections, Model& model) {
    read_types(sections, model);
    read_descriptors(sections, model);
    read_tables(sections, model);
    read_fittings(sections, model);
}

namespace {

void read_all(SectionReader& sections, Model& model) {
    if (sections.has("part.count")) {
        read_parts(sections, model);
    } else {
        read_sections(sections, model);
    }
    if (sections.has("provenance.json")) {
        model.provenance = sections.text("provenance.json");
    }
    sections.refuse_unknown();
}

std::string newer_text(int minor) {
    return "; the file has format 1." + std::to_string(minor) + ", this program reads format 1." +
           std::to_string(TableFile::kMinor) + ": install a newer version, or make the file again with this one";
}

}  // namespace

const double* Model::parameter_weights(int a) const {
    const Layer& first = fittings[static_cast<std::size_t>(a)].layers.front();
    return first.weight + static_cast<std::ptrdiff_t>(first.n_in - n_parameters()) * first.n_out;
}

double Model::rcut() const {
    double largest = 0;
    for (const Descriptor& descriptor : descriptors) {
        largest = std::max(largest, descriptor.rcut);
    }
    return largest;
}

bool Descriptor::shares_slots() const {
    return (padding != nullptr || rules_of(kind).has_gates) &&
           std::all_of(sel.begin(), sel.end(), [this](int slots) { return slots == n_sel; });
}

bool Descriptor::has_padding(int a) const {
    return padding != nullptr &&
           std::any_of(padding + static_cast<std::ptrdiff_t>(a) * width, padding + static_cast<std::ptrdiff_t>(a + 1) * width,
                       [](double value) { return value != 0; });
}

const char* name_of(DescriptorKind kind) { return rules_of(kind).name; }

std::shared_ptr<const Model> Model::from_bytes(const void* data, std::size_t n_bytes) {
    const std::shared_ptr<unsigned char> bytes = aligned_copy(data, n_bytes);
    const TableFile file(bytes.get(), n_bytes);
    SectionReader sections(file);
    auto model = std::make_shared<Model>();
    model->storage = bytes;
    model->n_bytes = n_bytes;
    model->header_crc = file.header_crc();
    try {
        read_all(sections, *model);
    } catch (const ModelError& error) {
        if (file.minor_version() > TableFile::kMinor) {  // whatever is wrong, the likely cause
            throw ModelError(error.what() + newer_text(file.minor_version()));
        }
        throw;
    }
    return model;
}

}  // namespace dpc
