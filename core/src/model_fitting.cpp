// SPDX-License-Identifier: MIT
// The fitting.a.* sections of docs/tables-format.md: layers, and in the folded form what the first layer's inputs are.
#include <set>
#include <string>
#include <utility>

#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr std::uint64_t kMostLayers = 1000;
constexpr int kMostInputs = 1 << 28;  // n_in times lanes must fit an int

/// Rows of C and the staircase of products. Everything is bounded by what the file really holds.
void read_products(SectionReader& sections, const Model& model, int a, const std::string& name, Fitting& fitting) {
    const std::uint64_t n = sections.get(name + "columns", DType::i32, 2).shape[0];
    const std::int32_t* columns = sections.integers(name + "columns", {n, 2});
    const std::int32_t* row_end = sections.integers(name + "row_end", {n});
    if (n == 0 || n > static_cast<std::uint64_t>(kMostInputs)) {
        model_error(name + "columns", "holds no columns, or too many");
    }
    std::set<std::pair<int, int>> seen;
    std::int64_t products = 0;
    for (std::uint64_t p = 0; p < n; ++p) {
        const int b = columns[2 * p], channel = columns[2 * p + 1];
        if (b < 0 || b >= model.n_types() || model.pair(a, b).table < 0) {
            model_error(name + "columns", "row " + std::to_string(p) + " names neighbour type " + std::to_string(b) +
                                              ", which has no table");
        }
        const int rank = model.tables[static_cast<std::size_t>(model.pair(a, b).table)].rank;
        if (channel < 0 || channel >= rank || !seen.emplace(b, channel).second) {
            model_error(name + "columns", "row " + std::to_string(p) + " names channel " + std::to_string(channel) +
                                              ", which does not exist or was named before");
        }
        const auto row = static_cast<std::int64_t>(p);
        if (row_end[p] < row || row_end[p] > static_cast<std::int64_t>(n)) {
            model_error(name + "row_end", "row " + std::to_string(p) + " ends at " + std::to_string(row_end[p]));
        }
        products += row_end[p] - row;
        fitting.columns.push_back({b, channel});
        fitting.row_end.push_back(row_end[p]);
    }
    if (products < 1 || products > kMostInputs) {
        model_error(name + "row_end", "gives " + std::to_string(products) + " products");
    }
    fitting.n_products = static_cast<int>(products);
}

Skip read_skip(const std::string& name, int code, int n_in, int n_out) {
    if (code < 0 || code > 2) {
        model_error(name, "unknown skip code " + std::to_string(code));
    }
    const auto skip = static_cast<Skip>(code);
    if ((skip == Skip::identity && n_out != n_in) || (skip == Skip::doubled && n_out != 2 * static_cast<std::int64_t>(n_in))) {
        model_error(name, "a skip connection from width " + std::to_string(n_in) + " to " + std::to_string(n_out));
    }
    return skip;
}

Layer read_layer(SectionReader& sections, const std::string& name, const std::int32_t* codes, double parameter, int n_in) {
    Layer layer;
    layer.n_in = n_in;
    const std::uint64_t n_out = sections.get(name + "bias", DType::f64, 1).shape[0];
    if (n_out == 0 || n_out > static_cast<std::uint64_t>(kMostInputs)) {
        model_error(name + "bias", "a layer of width " + std::to_string(n_out));
    }
    layer.n_out = static_cast<int>(n_out);
    layer.bias = sections.doubles(name + "bias", {n_out});
    layer.weight = sections.doubles(name + "weight", {static_cast<std::uint64_t>(n_in), n_out});
    layer.idt = sections.has(name + "idt") ? sections.doubles(name + "idt", {n_out}) : nullptr;
    if (codes[0] < 0 || codes[0] > 8) {
        model_error(name + "weight", "unknown activation code " + std::to_string(codes[0]));
    }
    layer.activation = static_cast<Activation>(codes[0]);
    layer.activation_parameter = parameter;
    layer.skip = read_skip(name + "weight", codes[1], n_in, layer.n_out);
    return layer;
}

}  // namespace

Fitting read_fitting(SectionReader& sections, const Model& model, int a) {
    const std::string name = "fitting." + std::to_string(a) + ".";
    Fitting fitting;
    const int form = sections.integer(name + "form", 0);
    if (form > 1) {
        model_error(name + "form", std::to_string(form) + ", expected 0 (direct) or 1 (folded)");
    }
    fitting.folded = form == 1;
    int n_in = 0;
    if (fitting.folded) {
        read_products(sections, model, a, name, fitting);
        n_in = fitting.n_products;
    } else {
        const auto size = static_cast<std::int64_t>(model.width) * model.axis_neuron;
        if (size > kMostInputs) {
            model_error(name + "form", "the descriptor is too long");
        }
        n_in = static_cast<int>(size);
    }
    const std::uint64_t n_layers = sections.get(name + "layers", DType::i32, 2).shape[0];
    if (n_layers == 0 || n_layers > kMostLayers) {
        model_error(name + "layers", std::to_string(n_layers) + " layers");
    }
    const std::int32_t* codes = sections.integers(name + "layers", {n_layers, 2});
    const double* parameters = sections.doubles(name + "activation_parameter", {n_layers});
    for (std::uint64_t l = 0; l < n_layers; ++l) {
        fitting.layers.push_back(read_layer(sections, name + std::to_string(l) + ".", codes + 2 * l, parameters[l], n_in));
        n_in = fitting.layers.back().n_out;
    }
    const Layer& last = fitting.layers.back();
    if (last.n_out != 1 || last.activation != Activation::linear || last.skip != Skip::none || last.idt != nullptr) {
        model_error(name + "layers", "the last layer must be linear, plain, and one neuron wide");
    }
    if (fitting.folded && fitting.layers.front().skip != Skip::none) {
        model_error(name + "layers", "a folded first layer has no skip connection");
    }
    return fitting;
}

}  // namespace dpc
