// SPDX-License-Identifier: MIT
// Sections -> Model: every rule of docs/tables-format.md section 3, each with its own message. The descriptor and the tables are
// read here, the fitting nets in model_fitting.cpp.
#include "dpc/model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "dpc/errors.hpp"
#include "model_parts.hpp"

namespace dpc {
namespace {

using Names = std::vector<std::string>;

Names read_type_map(SectionReader& sections) {
    const std::string name = "model.type_map";
    const std::string text = sections.text(name);
    Names names;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        names.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    Names sorted = names;
    std::sort(sorted.begin(), sorted.end());
    if (sorted.front().empty()) {
        model_error(name, "an empty element name");
    }
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
        model_error(name, "an element occurs twice");
    }
    return names;
}

std::vector<double> copy(const double* values, std::size_t n) { return {values, values + n}; }

void require_positive(const std::string& name, const double* values, std::size_t n) {
    for (std::size_t k = 0; k < n; ++k) {
        if (!(values[k] > 0)) {
            model_error(name, "element " + std::to_string(k) + " is not positive");
        }
    }
}

void read_general(SectionReader& sections, Model& model) {
    model.type_map = read_type_map(sections);
    const std::uint64_t n = model.type_map.size();
    model.energy_bias = copy(sections.doubles("model.energy_bias", {n}), n);
    const std::int32_t* mask = sections.integers("model.energy_mask", {n});
    for (std::uint64_t a = 0; a < n; ++a) {
        if (mask[a] != 0 && mask[a] != 1) {
            model_error("model.energy_mask", "holds " + std::to_string(mask[a]) + ", expected 0 or 1");
        }
        model.has_energy.push_back(static_cast<char>(mask[a]));
    }
    model.check_frequency = sections.integer("model.check_frequency", 1);
    if (sections.has("provenance.json")) {
        model.provenance = sections.text("provenance.json");
    }
}

void read_descriptor(SectionReader& sections, Model& model) {
    const std::uint64_t n = model.type_map.size();
    model.descriptor_kind = sections.text("descriptor.kind");
    if (model.descriptor_kind != "se_e2_a") {
        model_error("descriptor.kind", "\"" + model.descriptor_kind + "\" is not known to this program, which evaluates se_e2_a");
    }
    model.rcut = sections.number("descriptor.rcut");
    model.rcut_smth = sections.number("descriptor.rcut_smth");
    model.env_protection = sections.number("descriptor.env_protection");
    if (!(model.rcut_smth >= 0 && model.rcut_smth < model.rcut && std::isfinite(1 / (model.rcut - model.rcut_smth)))) {
        model_error("descriptor.rcut_smth", "must be at least 0 and less than rcut");
    }
    if (model.env_protection < 0) {
        model_error("descriptor.env_protection", "is negative");
    }
    const std::int32_t* sel = sections.integers("descriptor.sel", {n});
    model.sel.assign(sel, sel + n);
    if (*std::min_element(model.sel.begin(), model.sel.end()) < 0) {
        model_error("descriptor.sel", "is negative");
    }
    model.n_sel = sections.integer("descriptor.n_sel", 1);
    model.mean = copy(sections.doubles("descriptor.mean", {n}), n);
    const double* deviations = sections.doubles("descriptor.std", {n, 2});
    require_positive("descriptor.std", deviations, 2 * n);
    for (std::uint64_t a = 0; a < n; ++a) {
        model.std_radial.push_back(deviations[2 * a]);
        model.std_angular.push_back(deviations[2 * a + 1]);
    }
    model.width = sections.integer("descriptor.width", 1);
    model.axis_neuron = sections.integer("descriptor.axis_neuron", 1);
    if (model.axis_neuron > model.width) {
        model_error("descriptor.axis_neuron", "is larger than descriptor.width");
    }
}

/// Intervals of a uniform grid, refused where the step does not divide it or the count is absurd.
int intervals(const std::string& name, double begin, double end, double step) {
    const double count = (end - begin) / step;
    const double whole = std::round(count);
    if (!(count >= 0 && count < 1e8) || std::fabs(count - whole) > 1e-6 * std::max(1.0, whole)) {
        model_error(name, "a step does not divide its grid");
    }
    return static_cast<int>(whole);
}

Table read_table(SectionReader& sections, int index, int width) {
    const std::string name = "table." + std::to_string(index) + ".";
    const double* grid = sections.doubles(name + "grid", {5});
    Table table;
    table.lower = grid[0];
    table.upper = grid[1];
    table.max = grid[2];
    table.fine = grid[3];
    table.coarse = grid[4];
    if (!(table.fine > 0 && table.coarse > 0 && table.lower < table.upper && table.upper <= table.max)) {
        model_error(name + "grid", "must have positive steps and lower < upper <= max");
    }
    table.n_fine = intervals(name + "grid", table.lower, table.upper, table.fine);
    table.n_rows = table.n_fine + intervals(name + "grid", table.upper, table.max, table.coarse);
    table.rank = sections.integer(name + "rank", 1);
    if (table.n_fine < 1 || table.rank > width) {
        model_error(name + "rank", "is larger than descriptor.width, or the fine grid is empty");
    }
    table.stride = (table.rank + 7) / 8 * 8;
    const Section& coef = sections.get(name + "coef", DType::f64, 3);
    table.order = coef.shape[1] == 4 ? 3 : 5;
    table.coef = sections.doubles(name + "coef", {static_cast<std::uint64_t>(table.n_rows), table.order == 3 ? 4U : 6U,
                                                  static_cast<std::uint64_t>(table.stride)});
    table.basis = sections.doubles(name + "basis", {static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(table.rank)});
    return table;
}

void read_pairs(SectionReader& sections, Model& model) {
    const std::uint64_t n = model.type_map.size();
    const std::int32_t* kinds = sections.integers("descriptor.pair_kind", {n, n});
    const std::int32_t* tables = sections.integers("descriptor.pair_table", {n, n});
    const double* distances = sections.doubles("model.min_distance", {n, n});
    require_positive("model.min_distance", distances, n * n);
    int n_tables = 0;
    for (std::uint64_t k = 0; k < n * n; ++k) {
        if (kinds[k] < 0 || kinds[k] > 3) {
            model_error("descriptor.pair_kind", "holds " + std::to_string(kinds[k]) + ", expected 0 to 3");
        }
        const auto kind = static_cast<PairKind>(kinds[k]);
        if ((kind == PairKind::absent) != (tables[k] == -1) || tables[k] < -1) {
            model_error("descriptor.pair_table", "holds " + std::to_string(tables[k]) + " for a pair of kind " + std::to_string(kinds[k]));
        }
        if ((kind == PairKind::absent) != (model.sel[k % n] == 0)) {
            model_error("descriptor.pair_kind", "must be 3 exactly where sel of the neighbour's type is 0");
        }
        if (distances[k] != distances[k % n * n + k / n]) {
            model_error("model.min_distance", "is not symmetric");
        }
        n_tables = std::max(n_tables, tables[k] < std::numeric_limits<int>::max() ? tables[k] + 1 : tables[k]);
        model.pairs.push_back({kind, tables[k], distances[k]});
    }
    for (int t = 0; t < n_tables; ++t) {
        model.tables.push_back(read_table(sections, t, model.width));
    }
}

struct Free {
    void operator()(void* p) const { std::free(p); }
};

/// A copy on a cache line boundary, so that the arrays of the file are aligned in memory as they are in the file.
std::shared_ptr<unsigned char> aligned_copy(const void* data, std::size_t n_bytes) {
    std::shared_ptr<unsigned char> copy(static_cast<unsigned char*>(std::aligned_alloc(64, (n_bytes + 64) / 64 * 64)), Free());
    if (!copy) {
        throw std::bad_alloc();
    }
    if (n_bytes > 0) {
        std::memcpy(copy.get(), data, n_bytes);
    }
    return copy;
}

}  // namespace

std::shared_ptr<const Model> Model::from_bytes(const void* data, std::size_t n_bytes) {
    const std::shared_ptr<unsigned char> bytes = aligned_copy(data, n_bytes);
    const TableFile file(bytes.get(), n_bytes);
    SectionReader sections(file);
    auto model = std::make_shared<Model>();
    model->storage = bytes;
    read_general(sections, *model);
    read_descriptor(sections, *model);
    read_pairs(sections, *model);
    for (int a = 0; a < model->n_types(); ++a) {
        model->fittings.push_back(model->has_energy[static_cast<std::size_t>(a)] ? read_fitting(sections, *model, a) : Fitting{});
    }
    sections.refuse_unknown();
    return model;
}

}  // namespace dpc
