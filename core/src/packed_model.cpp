// SPDX-License-Identifier: MIT
// See packed_model.hpp.
#include "dpc/packed_model.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>

#include "dpc/errors.hpp"

namespace dpc {
namespace {

/// phi_k(x) of a table in double, by the same look-up as the kernels.
double channel_at(const Table& table, const math::Grid& grid, int channel, double x) {
    double distance = 0;
    const auto row = static_cast<std::size_t>(math::locate(grid, x, distance));
    const std::size_t row_size = static_cast<std::size_t>(table.order + 1) * static_cast<std::size_t>(table.stride);
    const double* first = table.coef + row * row_size + channel;
    const auto coefficient = [&](int power) { return first[power * table.stride]; };
    return table.order == 5 ? math::polynomial<5>(coefficient, distance) : math::polynomial<3>(coefficient, distance);
}

/// The distance at which R_0 reaches x_end: s(r) falls monotonically, so bisection finds it. 0 if it never does.
double distance_at(const math::EnvParameters& environment, double rcut, double x_end) {
    double low = 0, high = rcut;
    for (int step = 0; step < 200 && high - low > 0; ++step) {
        const double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high) {
            break;
        }
        (math::env_radial(environment, middle).x > x_end ? low : high) = middle;
    }
    return low;
}

/// Ends of the rows of products that an ordinary centre takes in this precision.
template <class Real>
const std::vector<int>& ordinary_row_end(const FittingInput& fitting) {
    const std::vector<int>& part = std::is_same_v<Real, double> ? fitting.row_end_double : fitting.row_end_mixed;
    return part.empty() ? fitting.row_end : part;
}

/// Columns of the table of neighbour type b that an ordinary centre of type a, in the direct form, takes in this precision. 0: no table.
template <class Real>
int ordinary_rank(const Model& model, int a, int b) {
    const FittingInput& fitting = model.fittings[static_cast<std::size_t>(a)].inputs.front();
    const std::vector<int>& part = std::is_same_v<Real, double> ? fitting.rank_double : fitting.rank_mixed;
    const int table = model.descriptors.front().pair(a, b).table;
    const int all = table < 0 ? 0 : model.tables[static_cast<std::size_t>(table)].rank;
    return part.empty() ? all : part[static_cast<std::size_t>(b)];
}

/// True where an ordinary centre of type a takes every column and product.
template <class Real>
bool ordinary_takes_all(const Model& model, int a) {
    const FittingInput& fitting = model.fittings[static_cast<std::size_t>(a)].inputs.front();
    if (fitting.form == InputForm::square) {
        return ordinary_row_end<Real>(fitting) == fitting.row_end;
    }
    for (int b = 0; b < model.n_types(); ++b) {
        const int table = model.descriptors.front().pair(a, b).table;
        if (table >= 0 && ordinary_rank<Real>(model, a, b) < model.tables[static_cast<std::size_t>(table)].rank) {
            return false;
        }
    }
    return true;
}

/// Rows of C up to the last one that is in a product.
int rows_in_products(const std::vector<int>& row_end) {
    int n_rows = 0;
    for (int p = 0; p < static_cast<int>(row_end.size()); ++p) {
        const int end = row_end[static_cast<std::size_t>(p)];
        n_rows = end > p ? std::max(n_rows, end) : n_rows;
    }
    return n_rows;
}

/// The evaluators of this version know one se_e2_a descriptor.
void require_evaluable(const Model& model) {
    const auto refuse = [](const std::string& what) { throw ModelError("this version does not evaluate " + what + "; install a newer version"); };
    if (model.descriptors.size() != 1) {
        refuse("a model of " + std::to_string(model.descriptors.size()) + " descriptors");
    }
    const Descriptor& descriptor = model.descriptors.front();
    if (descriptor.kind != DescriptorKind::se_e2_a) {
        refuse(std::string("the descriptor ") + name_of(descriptor.kind));
    }
}

}  // namespace

template <class Real>
const Real* PackedModel<Real>::keep(const double* values, std::size_t n) {
    if (values == nullptr) {
        return nullptr;
    }
    if constexpr (std::is_same_v<Real, double>) {
        return values;  // the Model's own memory, which lives as long as this
    } else {
        storage_.push_back(std::make_unique<AlignedArray<Real>>());
        Real* copy = storage_.back()->reserve(n);
        std::transform(values, values + n, copy, [](double value) { return static_cast<Real>(value); });
        return copy;
    }
}

template <class Real>
template <class Element>
PackedMatrix<Real> PackedModel<Real>::pack_matrix(int n_out, int n_in, const Element& element) {
    const int n_panels = (n_out + kPanelRows - 1) / kPanelRows;
    storage_.push_back(std::make_unique<AlignedArray<Real>>());
    Real* panels = storage_.back()->reserve(static_cast<std::size_t>(n_panels * kPanelRows) * static_cast<std::size_t>(n_in));
    Real* to = panels;
    for (int first = 0; first < n_out; first += kPanelRows) {
        for (int column = 0; column < n_in; ++column) {
            for (int row = first; row < first + kPanelRows; ++row) {
                *to++ = row < n_out ? static_cast<Real>(element(row, column)) : Real(0);
            }
        }
    }
    return {n_out, n_in, panels};
}

template <class Real>
std::vector<int> PackedModel<Real>::used_ranks(Extent extent) const {
    std::vector<int> ranks(model->tables.size(), 1);
    for (int a = 0; a < model->n_types(); ++a) {
        if (!model->has_energy[static_cast<std::size_t>(a)]) {
            continue;
        }
        const FittingInput& fitting = model->fittings[static_cast<std::size_t>(a)].inputs.front();
        const auto use = [&](int b, int rank) {
            int& most = ranks[static_cast<std::size_t>(model->descriptors.front().pair(a, b).table)];
            most = std::max(most, rank);
        };
        const std::vector<int>& row_end = extent == Extent::all ? fitting.row_end : ordinary_row_end<Real>(fitting);
        for (int p = 0; p < rows_in_products(row_end); ++p) {
            const FittingInput::Column& column = fitting.columns[static_cast<std::size_t>(p)];
            use(column.neighbour_type, column.channel + 1);
        }
        for (int b = 0; b < model->n_types() && fitting.form == InputForm::direct; ++b) {
            const int table = model->descriptors.front().pair(a, b).table;
            if (table >= 0) {
                use(b, extent == Extent::all ? model->tables[static_cast<std::size_t>(table)].rank : ordinary_rank<Real>(*model, a, b));
            }
        }
    }
    return ranks;
}

template <class Real>
void PackedModel<Real>::pack_table(std::size_t t, int rank, PackedSet<Real>& set) {
    constexpr int multiple = 64 / sizeof(Real);
    const Table& table = model->tables[t];
    const int stride = (rank + multiple - 1) / multiple * multiple;
    set.most_stride = std::max(set.most_stride, stride);
    if (&set != close_.get() && close_ && close_->tables[t].stride == stride) {
        set.tables.push_back(close_->tables[t]);  // its other channels are in no row of C
        set.tables.back().rank = rank;
        return;
    }
    const int n_powers = table.order + 1;
    const auto row_size = static_cast<std::size_t>(n_powers * stride);
    storage_.push_back(std::make_unique<AlignedArray<Real>>());
    Real* coef = storage_.back()->reserve(row_size * static_cast<std::size_t>(table.n_rows + 1));
    for (int row = 0; row < table.n_rows; ++row) {
        for (int power = 0; power < n_powers; ++power) {
            const double* from = table.coef + (static_cast<std::ptrdiff_t>(row) * n_powers + power) * table.stride;
            std::transform(from, from + rank, coef + (static_cast<std::size_t>(row) * row_size) + power * stride,
                           [](double c) { return static_cast<Real>(c); });
        }
    }
    // Beyond max: value and slope at the end of the last interval.
    const double* last = table.coef + static_cast<std::ptrdiff_t>(table.n_rows - 1) * n_powers * table.stride;
    const double width = table.segments.back().step;
    Real* beyond = coef + static_cast<std::size_t>(table.n_rows) * row_size;
    for (int channel = 0; channel < rank; ++channel) {
        const auto coefficient = [&](int power) { return last[power * table.stride + channel]; };
        double slope = 0;
        const double value = table.order == 5 ? math::polynomial<5>(coefficient, width, slope)
                                              : math::polynomial<3>(coefficient, width, slope);
        beyond[channel] = static_cast<Real>(value);
        beyond[stride + channel] = static_cast<Real>(slope);
    }
    set.tables.push_back({grids_[t].grid(), table.order, rank, stride, coef});
}

template <class Real>
PackedPair<Real> PackedModel<Real>::pack_pair(int a, int b, const PackedSet<Real>& set) const {
    PackedPair<Real> packed;
    const Pair& pair = model->descriptors.front().pair(a, b);
    packed.kind = pair.kind;
    packed.min_distance = model->closest(a, b);
    if (pair.table < 0) {
        return packed;
    }
    const Table& table = model->tables[static_cast<std::size_t>(pair.table)];
    const math::EnvParameters& environment = set.types[static_cast<std::size_t>(a)].environment;
    const double x_pad = -environment.mean * environment.inverse_std_radial;
    packed.table = &set.tables[static_cast<std::size_t>(pair.table)];
    packed.row_of_channel.assign(static_cast<std::size_t>(packed.table->rank), -1);
    for (int channel = 0; channel < packed.table->rank; ++channel) {
        packed.padding.push_back(static_cast<Real>(channel_at(table, packed.table->grid, channel, x_pad) * x_pad));
    }
    packed.table_limit = distance_at(environment, model->descriptors.front().rcut, table.max());
    const double checked = std::max(packed.min_distance, packed.table_limit);
    packed.checked_distance2 = checked * checked;
    return packed;
}

template <class Real>
std::vector<int> PackedModel<Real>::pack_folded(const FittingInput& fitting, Extent extent, PackedType<Real>& type) const {
    const std::vector<int>& row_end = extent == Extent::all ? fitting.row_end : ordinary_row_end<Real>(fitting);
    std::vector<int> inputs;
    int first_input = 0;  // of row p, in the file
    type.folded = true;
    type.n_rows = rows_in_products(row_end);
    for (int p = 0; p < type.n_rows; ++p) {
        const FittingInput::Column& column = fitting.columns[static_cast<std::size_t>(p)];
        type.pairs[static_cast<std::size_t>(column.neighbour_type)].row_of_channel[static_cast<std::size_t>(column.channel)] = p;
        type.begin.push_back(p);
        type.end.push_back(row_end[static_cast<std::size_t>(p)]);
        for (int q = p; q < type.end.back(); ++q) {
            inputs.push_back(first_input + q - p);
        }
        first_input += fitting.row_end[static_cast<std::size_t>(p)] - p;
    }
    type.n_products = static_cast<int>(inputs.size());
    return inputs;
}

template <class Real>
void PackedModel<Real>::pack_direct(int a, Extent extent, PackedType<Real>& type) {
    struct Source {
        const Table* table;
        int channel;
    };
    std::vector<Source> rows;
    for (int b = 0; b < model->n_types(); ++b) {
        const Pair& pair = model->descriptors.front().pair(a, b);
        if (pair.table < 0) {
            continue;
        }
        const Table& table = model->tables[static_cast<std::size_t>(pair.table)];
        const int rank = extent == Extent::all ? table.rank : ordinary_rank<Real>(*model, a, b);
        for (int channel = 0; channel < rank; ++channel) {
            type.pairs[static_cast<std::size_t>(b)].row_of_channel[static_cast<std::size_t>(channel)] = static_cast<int>(rows.size());
            rows.push_back({&table, channel});
        }
    }
    type.n_rows = static_cast<int>(rows.size());
    const auto element = [&](int m, int row) {
        const Source& from = rows[static_cast<std::size_t>(row)];
        return from.table->basis[static_cast<std::ptrdiff_t>(m) * from.table->rank + from.channel];
    };
    type.basis = pack_matrix(model->descriptors.front().width, type.n_rows, element);
    type.reverse_basis = pack_matrix(type.n_rows, model->descriptors.front().width, [&](int row, int m) { return element(m, row); });
    type.begin.assign(static_cast<std::size_t>(model->descriptors.front().width), 0);
    type.end.assign(static_cast<std::size_t>(model->descriptors.front().width), model->descriptors.front().axis_neuron);
    type.n_products = model->descriptors.front().width * model->descriptors.front().axis_neuron;
}

/// inputs: rows of the weight in use, null: all.
template <class Real>
PackedLayer<Real> PackedModel<Real>::pack_layer(const Layer& layer, const std::vector<int>* inputs) {
    const int n_in = inputs != nullptr ? static_cast<int>(inputs->size()) : layer.n_in;
    const auto weight = [&](int in, int out) {
        const std::ptrdiff_t row = inputs != nullptr ? (*inputs)[static_cast<std::size_t>(in)] : in;
        return layer.weight[row * layer.n_out + out];
    };
    const auto n_out = static_cast<std::size_t>(layer.n_out);
    return {pack_matrix(layer.n_out, n_in, [&](int out, int in) { return weight(in, out); }), pack_matrix(n_in, layer.n_out, weight),
            layer.activation, layer.activation_parameter, layer.skip, keep(layer.bias, n_out), keep(layer.idt, n_out)};
}

template <class Real>
void PackedModel<Real>::pack_type(int a, Extent extent, PackedSet<Real>& set) {
    const auto at = static_cast<std::size_t>(a);
    PackedType<Real>& type = set.types[at];
    const PackedType<Real>* packed_before = close_ && extent != Extent::all ? &close_->types[at] : nullptr;
    type.energy_bias = model->energy_bias[at];
    type.takes_all = extent == Extent::all || ordinary_takes_all<Real>(*model, a);
    for (int b = 0; b < model->n_types(); ++b) {
        type.pairs.push_back(pack_pair(a, b, set));
    }
    const Fitting& fitting = model->fittings[at];
    const bool folded = fitting.inputs.front().form == InputForm::square;
    std::vector<int> inputs;
    if (folded) {
        inputs = pack_folded(fitting.inputs.front(), extent, type);
    } else {
        pack_direct(a, extent, type);
    }
    for (const Layer& layer : fitting.layers) {
        const std::size_t l = type.layers.size();
        const bool takes_products = folded && l == 0;
        const bool is_packed = packed_before != nullptr && (type.takes_all || !takes_products);
        type.layers.push_back(is_packed ? packed_before->layers[l] : pack_layer(layer, takes_products ? &inputs : nullptr));
        set.most_neurons = std::max(set.most_neurons, layer.n_out);
    }
    set.most_layers = std::max(set.most_layers, static_cast<int>(type.layers.size()));
    set.most_rows = std::max({set.most_rows, type.n_rows, type.n_product_rows()});
    set.most_products = std::max(set.most_products, type.n_products);
}

template <class Real>
void PackedModel<Real>::pack_set(Extent extent, PackedSet<Real>& set) {
    set.tables.reserve(model->tables.size());
    const std::vector<int> ranks = used_ranks(extent);
    for (std::size_t t = 0; t < ranks.size(); ++t) {
        pack_table(t, ranks[t], set);
    }
    set.types.resize(model->type_map.size());
    for (int a = 0; a < model->n_types(); ++a) {
        const auto at = static_cast<std::size_t>(a);
        set.types[at].environment = {model->descriptors.front().rcut_smth, 1 / (model->descriptors.front().rcut - model->descriptors.front().rcut_smth), model->descriptors.front().env_protection, model->descriptors.front().mean[at],
                                     1 / model->descriptors.front().std_radial[at], 1 / model->descriptors.front().std_angular[at]};
        if (model->has_energy[at]) {
            pack_type(a, extent, set);
        }
    }
}

template <class Real>
PackedModel<Real>::PackedModel(std::shared_ptr<const Model> source) : model(std::move(source)) {
    require_evaluable(*model);
    for (const Table& table : model->tables) {
        grids_.emplace_back(table);
    }
    bool takes_all = true;
    for (int a = 0; a < model->n_types(); ++a) {
        takes_all = takes_all && (!model->has_energy[static_cast<std::size_t>(a)] || ordinary_takes_all<Real>(*model, a));
    }
    if (!takes_all) {  // first: the other one takes from it what is the same
        close_ = std::make_unique<PackedSet<Real>>();
        pack_set(Extent::all, *close_);
    }
    pack_set(Extent::ordinary, ordinary);
}

template <class Real>
std::size_t PackedSet<Real>::bytes() const {
    std::size_t total = bytes_of(tables) + bytes_of(types);
    for (const PackedType<Real>& type : types) {
        total += bytes_of(type.pairs) + bytes_of(type.begin) + bytes_of(type.end) + bytes_of(type.layers);
        for (const PackedPair<Real>& pair : type.pairs) {
            total += bytes_of(pair.row_of_channel) + bytes_of(pair.padding);
        }
    }
    return total;
}

template <class Real>
std::size_t PackedModel<Real>::bytes() const {
    std::size_t total = ordinary.bytes() + (close_ ? sizeof(*close_) + close_->bytes() : 0) + bytes_of(grids_) + bytes_of(storage_);
    for (const TableGrid& grid : grids_) {
        total += grid.bytes();
    }
    for (const auto& array : storage_) {
        total += sizeof(*array) + array->bytes();
    }
    return total;
}

template struct PackedSet<double>;
template struct PackedSet<float>;
template struct PackedModel<double>;
template struct PackedModel<float>;

}  // namespace dpc
