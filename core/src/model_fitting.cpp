// SPDX-License-Identifier: MIT
// Sections fitting.a.*: what the first layer takes, and the layers (docs/theory.md sections 3 and 4).
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr std::int64_t kMostLayers = 256;
constexpr std::int64_t kMostInputs = 1 << 24;
constexpr std::int64_t kMostNeurons = 1 << 16;
constexpr int kLastActivation = static_cast<int>(Activation::silut);
constexpr int kLastSkip = static_cast<int>(Skip::doubled);

void read_columns(SectionReader& sections, const std::string& name, const Model& model, int centre, FittingInput& input) {
    const std::uint64_t n = sections.get(name, DType::i32, {SectionReader::kAny, 2}).shape[0];
    const std::int32_t* columns = sections.integers(name, {n, 2});
    std::set<std::pair<int, int>> seen;
    for (std::uint64_t p = 0; p < n; ++p) {
        const int b = columns[2 * p], channel = columns[2 * p + 1];
        const std::string which =
            "row " + std::to_string(p) + " is neighbour type " + std::to_string(b) + ", channel " + std::to_string(channel);
        const int table = b >= 0 && b < model.n_types() ? model.descriptors[static_cast<std::size_t>(input.descriptor)].pair(centre, b).table : -1;
        if (table < 0) {
            model_error(name, which + ", but there is no table for that type");
        }
        const int rank = model.tables[static_cast<std::size_t>(table)].rank;
        if (channel < 0 || channel >= rank) {
            model_error(name, which + ", expected a channel of 0 to " + std::to_string(rank - 1));
        }
        if (!seen.insert({b, channel}).second) {
            model_error(name, which + ", which occurs twice");
        }
        input.columns.push_back({b, channel});
    }
}

/// The staircase of products: each row ends no later than the one before it, or has at most its first product.
/// Returns how many products.
std::int64_t read_row_end(SectionReader& sections, const std::string& name, std::size_t n_columns, std::vector<int>& out) {
    const int n_rows = static_cast<int>(n_columns);
    const std::int32_t* row_end = sections.integers(name, {n_columns});
    std::int64_t n_products = 0;
    for (int p = 0; p < n_rows; ++p) {
        if (row_end[p] < p || row_end[p] > n_rows) {
            model_error(name, "is " + std::to_string(row_end[p]) + " for row " + std::to_string(p) + ", expected " +
                                  std::to_string(p) + " to " + std::to_string(n_rows));
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
    read_row_end(sections, name, input.columns.size(), part);
    for (std::size_t p = 0; p < part.size(); ++p) {
        if (part[p] > input.row_end[p]) {
            model_error(name, "is " + std::to_string(part[p]) + " for row " + std::to_string(p) + ", which ends at " +
                                  std::to_string(input.row_end[p]) + " in row_end");
        }
    }
    return part;
}

/// The leading columns of each neighbour type's table that an ordinary centre takes in one precision; empty where the file does not say.
std::vector<int> read_rank_part(SectionReader& sections, const std::string& name, const Model& model, const Descriptor& descriptor,
                                int centre) {
    std::vector<int> part;
    if (!sections.has(name)) {
        return part;
    }
    const std::int32_t* ranks = sections.integers(name, {model.type_map.size()});
    for (int b = 0; b < model.n_types(); ++b) {
        const std::string which = "is " + std::to_string(ranks[b]) + " for neighbour type " + std::to_string(b);
        const int table = descriptor.pair(centre, b).table;
        if (table < 0 && ranks[b] != 0) {
            model_error(name, which + ", which has no table, expected 0");
        }
        const int rank = table < 0 ? 0 : model.tables[static_cast<std::size_t>(table)].rank;
        if (table >= 0 && (ranks[b] < 1 || ranks[b] > rank)) {
            model_error(name, which + ", expected 1 to the rank " + std::to_string(rank));
        }
        part.push_back(ranks[b]);
    }
    return part;
}

/// The form, and how many inputs it makes.
void read_form(SectionReader& sections, const std::string& prefix, const Model& model, int centre, FittingInput& input) {
    const int form = sections.integer(prefix + "form", 0);
    if (form > 1) {
        model_error(prefix + "form", "is " + std::to_string(form) + ", expected 0 (direct) or 1 (folded)");
    }
    const Descriptor& descriptor = model.descriptors[static_cast<std::size_t>(input.descriptor)];
    input.form = form == 1 ? InputForm::square : InputForm::direct;
    std::int64_t n_in = descriptor.n_features();
    if (input.form == InputForm::square) {
        read_columns(sections, prefix + "columns", model, centre, input);
        n_in = read_row_end(sections, prefix + "row_end", input.columns.size(), input.row_end);
        input.row_end_double = read_row_end_part(sections, prefix + "row_end_double", input);
        input.row_end_mixed = read_row_end_part(sections, prefix + "row_end_mixed", input);
    } else {
        input.rank_double = read_rank_part(sections, prefix + "rank_double", model, descriptor, centre);
        input.rank_mixed = read_rank_part(sections, prefix + "rank_mixed", model, descriptor, centre);
    }
    if (n_in > kMostInputs) {
        model_error(prefix + "form",
                    "gives " + std::to_string(n_in) + " inputs, format 1 allows at most " + std::to_string(kMostInputs));
    }
    input.n_inputs = static_cast<int>(n_in);
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
    if (layer.activation != Activation::silut && parameter != 0) {
        model_error(prefix + "activation_parameter",
                    "is " + number_text(parameter) + which + ", expected 0: only silut (8) has a parameter");
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

void check_ends(const std::string& prefix, const Fitting& fitting) {
    if (fitting.inputs.front().form != InputForm::direct && fitting.layers.front().skip != Skip::none) {
        model_error(prefix + "layers", "the first layer has a skip, which its folded input does not allow");
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
    fitting.inputs.emplace_back();
    read_form(sections, prefix, model, centre, fitting.inputs.front());
    int n_in = fitting.inputs.front().n_inputs;
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
    check_ends(prefix, fitting);
    return fitting;
}

}  // namespace

void read_fittings(SectionReader& sections, Model& model) {
    for (int a = 0; a < model.n_types(); ++a) {
        model.fittings.push_back(model.has_energy[static_cast<std::size_t>(a)] != 0 ? read_fitting(sections, model, a)
                                                                                    : Fitting{});
    }
}

}  // namespace dpc
