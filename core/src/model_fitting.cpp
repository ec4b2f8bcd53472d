// SPDX-License-Identifier: MIT
// Sections fitting.a.*: what the first layer takes, and the layers (docs/theory.md sections 3 and 4).
#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "descriptor_kinds.hpp"
#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr std::int64_t kMostLayers = 256;
constexpr double kLargestCubic = 1;  // of gelu
constexpr std::int64_t kMostInputs = 1 << 24;
constexpr std::int64_t kMostNeurons = 1 << 16;
constexpr int kLastActivation = static_cast<int>(Activation::gelu_erf);
constexpr int kLastSkip = static_cast<int>(Skip::doubled);

void read_columns(SectionReader& sections, const std::string& name, const Model& model, int centre, FittingInput& input) {
    const Descriptor& descriptor = model.descriptors[static_cast<std::size_t>(input.descriptor)];
    const std::string group_name = descriptor.is_three_body() ? "pair of neighbour types " : "neighbour type ";
    const std::uint64_t n = sections.get(name, DType::i32, {SectionReader::kAny, 2}).shape[0];
    const std::int32_t* columns = sections.integers(name, {n, 2});
    std::set<std::pair<int, int>> seen;
    for (std::uint64_t p = 0; p < n; ++p) {
        const int group = columns[2 * p], channel = columns[2 * p + 1];
        const std::string which =
            "row " + std::to_string(p) + " is " + group_name + std::to_string(group) + ", channel " + std::to_string(channel);
        const bool is_empty = group == kEmptySlots && descriptor.padding != nullptr;
        const int table = group >= 0 && group < descriptor.n_groups() ? descriptor.table_of(centre, group) : -1;
        if (table < 0 && !is_empty) {
            model_error(name, which + ", but there is no table for that");
        }
        const int rank = is_empty ? 1 : model.tables[static_cast<std::size_t>(table)].rank;
        if (channel < 0 || channel >= rank) {
            model_error(name, which + ", expected a channel of 0 to " + std::to_string(rank - 1));
        }
        if (!seen.insert({group, channel}).second) {
            model_error(name, which + ", which occurs twice");
        }
        input.columns.push_back({group, channel});
    }
}

/// The staircase of products: each row ends no later than the one before it, or has at most its first product.
/// Returns how many products.
std::int64_t read_row_end(SectionReader& sections, const std::string& name, std::size_t n, std::vector<int>& out) {
    const int n_factors = static_cast<int>(n);
    const std::int32_t* row_end = sections.integers(name, {n});
    std::int64_t n_products = 0;
    for (int p = 0; p < n_factors; ++p) {
        if (row_end[p] < p || row_end[p] > n_factors) {
            model_error(name, "is " + std::to_string(row_end[p]) + " for row " + std::to_string(p) + ", expected " +
                                  std::to_string(p) + " to " + std::to_string(n_factors));
        }
        if (p > 0 && row_end[p] > row_end[p - 1] && row_end[p] > p + 1) {
            model_error(name, "increases to " + std::to_string(row_end[p]) + " at row " + std::to_string(p));
        }
        n_products += row_end[p] - p;
        out.push_back(row_end[p]);
    }
    if (n_products == 0) {
        model_error(name, "leaves no product");
    }
    return n_products;
}

/// The part of the staircase that an ordinary centre takes in one precision; empty where the file does not say.
std::vector<int> read_row_end_part(SectionReader& sections, const std::string& name, const FittingInput& input) {
    std::vector<int> part;
    if (!sections.has(name)) {
        return part;
    }
    read_row_end(sections, name, input.row_end.size(), part);
    for (std::size_t p = 0; p < part.size(); ++p) {
        if (part[p] > input.row_end[p]) {
            model_error(name, "is " + std::to_string(part[p]) + " for row " + std::to_string(p) + ", which ends at " +
                                  std::to_string(input.row_end[p]) + " in row_end");
        }
    }
    return part;
}

/// The leading columns of the table of each group of neighbours that an ordinary centre takes in one precision; empty where the file
/// does not say.
std::vector<int> read_rank_part(SectionReader& sections, const std::string& name, const Model& model,
                                const Descriptor& descriptor, int centre) {
    const std::string group_name = descriptor.is_three_body() ? " for pair of neighbour types " : " for neighbour type ";
    std::vector<int> part;
    if (!sections.has(name)) {
        return part;
    }
    const int n_groups = descriptor.n_groups();
    const std::int32_t* ranks = sections.integers(name, {static_cast<std::uint64_t>(n_groups)});
    for (int group = 0; group < n_groups; ++group) {
        const std::string which = "is " + std::to_string(ranks[group]) + group_name + std::to_string(group);
        const int table = descriptor.table_of(centre, group);
        if (table < 0 && ranks[group] != 0) {
            model_error(name, which + ", which has no table, expected 0");
        }
        const int rank = table < 0 ? 0 : model.tables[static_cast<std::size_t>(table)].rank;
        if (table >= 0 && (ranks[group] < 1 || ranks[group] > rank)) {
            model_error(name, which + ", expected 1 to the rank " + std::to_string(rank));
        }
        part.push_back(ranks[group]);
    }
    return part;
}

/// The leading columns of the list that an ordinary centre takes in one precision; 0 where the file does not say.
int read_count_part(SectionReader& sections, const std::string& name, const FittingInput& input) {
    if (!sections.has(name)) {
        return 0;
    }
    const int count = sections.integer(name, 1);
    if (count > static_cast<int>(input.columns.size())) {
        model_error(name,
                    "is " + std::to_string(count) + ", expected 1 to the " + std::to_string(input.columns.size()) + " columns");
    }
    return count;
}

/// Which leading columns of the list ordinary centres take.
void read_counts(SectionReader& sections, const std::string& prefix, FittingInput& input) {
    input.n_double = read_count_part(sections, prefix + "n_double", input);
    input.n_mixed = read_count_part(sections, prefix + "n_mixed", input);
}

/// The products of moments or, where the file has a matrix for that, of combinations of them. Returns how many.
std::int64_t read_products(SectionReader& sections, const std::string& prefix, FittingInput& input) {
    std::uint64_t n_factors = input.columns.size();
    const std::string name = prefix + "combination";
    if (sections.has(name)) {
        const std::uint64_t n_columns = n_factors;
        n_factors = sections.get(name, DType::f64, {SectionReader::kAny, n_columns}).shape[0];
        require_at_most(name, static_cast<std::int64_t>(n_factors), kMostInputs);
        if (n_columns == 0) {
            model_error(name, "has no columns");
        }
        input.combination = sections.doubles(name, {n_factors, n_columns});
        read_counts(sections, prefix, input);
    }
    const std::int64_t n = read_row_end(sections, prefix + "row_end", n_factors, input.row_end);
    input.row_end_double = read_row_end_part(sections, prefix + "row_end_double", input);
    input.row_end_mixed = read_row_end_part(sections, prefix + "row_end_mixed", input);
    input.row_end_exact = read_row_end_part(sections, prefix + "row_end_exact", input);
    return n;
}

/// The form of a descriptor of that kind.
InputForm read_form(SectionReader& sections, const std::string& name, DescriptorKind kind) {
    constexpr const char* names[] = {"direct", "square", "rectangular", "linear"};
    constexpr int last = static_cast<int>(InputForm::linear);
    const int code = sections.integer(name, 0);
    if (code > last) {
        model_error(name, "is " + std::to_string(code) + ", expected 0 to " + std::to_string(last));
    }
    const auto form = static_cast<InputForm>(code);
    const std::string found = "is " + std::to_string(code) + " (" + names[code] + ")";
    if (form == InputForm::rectangular) {
        not_evaluated(name, found);
    }
    if (form != InputForm::direct && form != rules_of(kind).folded) {
        model_error(name, found + ", which a descriptor " + name_of(kind) + " does not have");
    }
    return form;
}

/// What the first layer takes of one descriptor.
FittingInput read_input(SectionReader& sections, const std::string& prefix, const Model& model, int centre, int d) {
    const Descriptor& descriptor = model.descriptors[static_cast<std::size_t>(d)];
    FittingInput input;
    input.descriptor = d;
    input.form = read_form(sections, prefix + "form", descriptor.kind);
    std::int64_t n_in = descriptor.n_features();
    if (input.form == InputForm::direct) {
        input.rank_double = read_rank_part(sections, prefix + "rank_double", model, descriptor, centre);
        input.rank_mixed = read_rank_part(sections, prefix + "rank_mixed", model, descriptor, centre);
    } else {
        read_columns(sections, prefix + "columns", model, centre, input);
        n_in = static_cast<std::int64_t>(input.columns.size()) * descriptor.n_per_column();
    }
    if (input.form == InputForm::square) {
        n_in = read_products(sections, prefix, input);
    } else if (input.form == InputForm::linear) {
        read_counts(sections, prefix, input);
    }
    if (n_in < 1 || n_in > kMostInputs) {
        model_error(prefix + "form",
                    "gives " + std::to_string(n_in) + " inputs, format 1 allows 1 to " + std::to_string(kMostInputs));
    }
    input.n_inputs = static_cast<int>(n_in);
    return input;
}

/// What the first layer takes of each descriptor, in the order of concatenation. Returns how many numbers that is.
int read_inputs(SectionReader& sections, const std::string& prefix, const Model& model, int centre, Fitting& fitting) {
    const std::string name = prefix + "inputs";
    const std::uint64_t n = sections.get(name, DType::i32, {SectionReader::kAny}).shape[0];
    if (n == 0) {
        model_error(name, "is empty");
    }
    const std::int32_t* descriptors = sections.integers(name, {n});
    std::set<int> seen;
    std::int64_t n_in = 0;
    for (std::uint64_t k = 0; k < n; ++k) {
        const int d = descriptors[k];
        if (d < 0 || d >= static_cast<int>(model.descriptors.size())) {
            model_error(name, "names descriptor " + std::to_string(d) + ", expected 0 to " +
                                  std::to_string(model.descriptors.size() - 1));
        }
        if (!seen.insert(d).second) {
            model_error(name, "names descriptor " + std::to_string(d) + " twice");
        }
        fitting.inputs.push_back(read_input(sections, prefix + "input." + std::to_string(d) + ".", model, centre, d));
        n_in += fitting.inputs.back().n_inputs;
    }
    n_in += static_cast<std::int64_t>(model.n_fparam) + model.n_aparam;
    if (n_in > kMostInputs) {
        model_error(name, "gives " + std::to_string(n_in) + " inputs, format 1 allows at most " + std::to_string(kMostInputs));
    }
    return static_cast<int>(n_in);
}

/// Codes and the activation's parameter of layer l.
void read_codes(const std::string& prefix, std::uint64_t l, const std::int32_t* codes, double parameter, Layer& layer) {
    const std::string which = " for layer " + std::to_string(l);
    if (codes[0] < 0 || codes[0] > kLastActivation) {
        model_error(prefix + "layers", "the activation is " + std::to_string(codes[0]) + which + ", expected 0 to " +
                                           std::to_string(kLastActivation));
    }
    if (codes[1] < 0 || codes[1] > kLastSkip) {
        model_error(prefix + "layers",
                    "the skip is " + std::to_string(codes[1]) + which + ", expected 0 to " + std::to_string(kLastSkip));
    }
    layer.activation = static_cast<Activation>(codes[0]);
    layer.skip = static_cast<Skip>(codes[1]);
    if (layer.activation == Activation::gelu && !(parameter >= 0 && parameter <= kLargestCubic)) {
        model_error(prefix + "activation_parameter", "is " + number_text(parameter) + which + ", expected 0 to 1 for gelu (2)");
    }
    const bool has_parameter = layer.activation == Activation::gelu || layer.activation == Activation::silut;
    if (!has_parameter && parameter != 0) {
        model_error(prefix + "activation_parameter",
                    "is " + number_text(parameter) + which + ", expected 0: only gelu (2) and silut (8) have a parameter");
    }
    layer.activation_parameter = parameter;
}

/// Arrays of layer l, which takes n_in numbers.
void read_weights(SectionReader& sections, const std::string& prefix, std::uint64_t l, int n_in, Layer& layer) {
    const std::string name = prefix + std::to_string(l) + ".";
    const auto inputs = static_cast<std::uint64_t>(n_in);
    const std::uint64_t outputs = sections.get(name + "weight", DType::f64, {inputs, SectionReader::kAny}).shape[1];
    if (outputs == 0) {
        model_error(name + "weight", "has no outputs");
    }
    require_at_most(name + "weight", static_cast<std::int64_t>(outputs), kMostNeurons);
    layer.n_in = n_in;
    layer.n_out = static_cast<int>(outputs);
    layer.weight = sections.doubles(name + "weight", {inputs, outputs});
    layer.bias = sections.doubles(name + "bias", {outputs});
    layer.idt = sections.has(name + "idt") ? sections.doubles(name + "idt", {outputs}) : nullptr;
    const bool fits = layer.skip == Skip::none || (layer.skip == Skip::identity && layer.n_out == n_in) ||
                      (layer.skip == Skip::doubled && layer.n_out == 2 * n_in);
    if (!fits) {
        model_error(prefix + "layers", "the skip of layer " + std::to_string(l) + " does not go with " + std::to_string(n_in) +
                                           " inputs and " + std::to_string(layer.n_out) + " outputs");
    }
}

void check_ends(const std::string& prefix, const Model& model, const Fitting& fitting) {
    const bool is_direct = std::all_of(fitting.inputs.begin(), fitting.inputs.end(),
                                       [](const FittingInput& input) { return input.form == InputForm::direct; });
    if (!is_direct && fitting.layers.front().skip != Skip::none) {
        model_error(prefix + "layers", "the first layer has a skip, which its folded input does not allow");
    }
    if (model.n_fparam + model.n_aparam > 0 && fitting.layers.front().skip != Skip::none) {
        model_error(prefix + "layers", "the first layer has a skip, which frame and atomic parameters do not allow");
    }
    const Layer& last = fitting.layers.back();
    const std::string l = std::to_string(fitting.layers.size() - 1);
    if (last.activation != Activation::linear || last.skip != Skip::none) {
        model_error(prefix + "layers", "the last layer " + l + " has an activation or a skip, expected 0, 0");
    }
    if (last.n_out != 1) {
        model_error(prefix + l + ".weight", "the last layer has " + std::to_string(last.n_out) + " outputs, expected one energy");
    }
    if (last.idt != nullptr) {
        model_error(prefix + l + ".idt", "the last layer must have none");
    }
}

Fitting read_fitting(SectionReader& sections, const Model& model, int centre) {
    const std::string prefix = "fitting." + std::to_string(centre) + ".";
    Fitting fitting;
    int n_in = read_inputs(sections, prefix, model, centre, fitting);
    const std::uint64_t n_layers = sections.get(prefix + "layers", DType::i32, {SectionReader::kAny, 2}).shape[0];
    if (n_layers == 0) {
        model_error(prefix + "layers", "is empty");
    }
    require_at_most(prefix + "layers", static_cast<std::int64_t>(n_layers), kMostLayers);
    const std::int32_t* codes = sections.integers(prefix + "layers", {n_layers, 2});
    const double* parameter = sections.doubles(prefix + "activation_parameter", {n_layers});
    for (std::uint64_t l = 0; l < n_layers; ++l) {
        Layer layer;
        read_codes(prefix, l, codes + 2 * l, parameter[l], layer);
        read_weights(sections, prefix, l, n_in, layer);
        n_in = layer.n_out;
        fitting.layers.push_back(layer);
    }
    check_ends(prefix, model, fitting);
    return fitting;
}

/// A descriptor that no net takes would be evaluated for nothing.
void require_all_used(const Model& model) {
    std::set<int> used;
    for (const Fitting& fitting : model.fittings) {
        for (const FittingInput& input : fitting.inputs) {
            used.insert(input.descriptor);
        }
    }
    for (int d = 0; d < static_cast<int>(model.descriptors.size()); ++d) {
        if (used.count(d) == 0) {
            model_error("descriptor." + std::to_string(d) + ".kind", "is in the inputs of no fitting net");
        }
    }
}

}  // namespace

void read_fittings(SectionReader& sections, Model& model) {
    for (int a = 0; a < model.n_types(); ++a) {
        model.fittings.push_back(model.has_energy[static_cast<std::size_t>(a)] != 0 ? read_fitting(sections, model, a)
                                                                                    : Fitting{});
    }
    require_all_used(model);
}

}  // namespace dpc
