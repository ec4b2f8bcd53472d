// SPDX-License-Identifier: MIT
// See packed_model.hpp.
#include "dpc/packed_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "dpc/errors.hpp"
#include "dpc/math/counts.hpp"
#include "dpc/math/slots.hpp"
#include "table_grid.hpp"
#include "taken.hpp"

namespace dpc {
namespace {

constexpr const char* kBeyond = " beyond those of single precision: evaluate it in double precision";

/// A number of the model as evaluators have it.
template <class To>
To narrowed(double value) {
    const auto number = static_cast<To>(value);
    if (!std::isfinite(number)) {
        throw ModelError(std::string("the model has numbers") + kBeyond);
    }
    return number;
}

/// Of parameters that Real does not hold, or their sums.
template <class Real>
[[noreturn]] void throw_beyond(const std::string& what) {
    throw InputError("the model is given " + what +
                     (std::is_same_v<Real, float> ? kBeyond : " that are too large: their sums go beyond double precision"));
}

constexpr double kEndless = 1e300;
constexpr double kRadialScale = 1.0 / 5.0;  // of se_e2_r, D = sum G/(5 n_sel)

/// phi_k(x) of a table in double, by the same look-up as the kernels.
double channel_at(const Table& table, const math::Grid& grid, int channel, double x) {
    double distance = 0;
    const auto interval = static_cast<std::size_t>(math::locate(grid, x, distance));
    const std::size_t interval_size = static_cast<std::size_t>(table.order + 1) * static_cast<std::size_t>(table.rank);
    const double* first = table.coef + interval * interval_size + channel;
    const auto coefficient = [&](int power) { return first[power * table.rank]; };
    return math::with_order(table.order,
                            [&](auto order) { return math::polynomial<decltype(order)::value>(coefficient, distance); });
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

math::EnvParameters environment_of(const Descriptor& descriptor, int a) {
    const auto at = static_cast<std::size_t>(a);
    const double inverse_std_angular = descriptor.std_angular.empty() ? 0 : 1 / descriptor.std_angular[at];
    const double inverse_std_radial = descriptor.std_radial.empty() ? inverse_std_angular : 1 / descriptor.std_radial[at];
    return {descriptor.rcut_smth,      1 / (descriptor.rcut - descriptor.rcut_smth),
            descriptor.env_protection, descriptor.mean[at],
            inverse_std_radial,        inverse_std_angular};
}

double factorial(int n) { return n > 1 ? n * factorial(n - 1) : 1; }

/// N_lm = sqrt((l - m)!/(l + m)!), for m > 0 with 2 under the root, so that the squares of Y_lm add up to 1; (2m - 1)!! = (2m)!/(2^m m!).
math::Harmonics harmonics_of(const Descriptor& descriptor, int a) {
    math::Harmonics out{};
    out.protection = descriptor.env_protection;
    for (int degree = 2; degree <= descriptor.lmax(); ++degree) {
        const auto row = static_cast<std::size_t>(degree - 2), at = static_cast<std::size_t>(a);
        out.ratio = descriptor.std_angular[at] / descriptor.std_radial[at];
        for (int m = 0; m <= degree; ++m) {
            const double norm = std::sqrt((m > 0 ? 2 : 1) * factorial(degree - m) / factorial(degree + m));
            out.weight[row][m] = descriptor.degree_gains[row] * norm * std::ldexp(factorial(2 * m) / factorial(m), -m);
        }
    }
    return out;
}

/// Moments of C by channel of the table of a group of neighbours; null: centres of this type do not see it.
template <class Real>
std::vector<int>* moments_of_group(int group, PackedDescriptor<Real>& packed) {
    if (!is_three_body(packed.kind)) {
        return &packed.type_pairs[static_cast<std::size_t>(group)].moment_of_channel;
    }
    const int n = static_cast<int>(packed.type_pairs.size());
    for (PackedTriple<Real>& triple : packed.triples) {
        if (triple.b * n + triple.c == group) {
            return &triple.moment_of_channel;
        }
    }
    return nullptr;
}

/// The distance at which a table around a centre ends for neighbours of type b. Of three bodies: where the product of two vectors of
/// neighbours that are no closer stays in the table.
template <class Real>
double table_limit_of(const PackedDescriptor<Real>& descriptor, int b) {
    double x_end = 0;
    if (descriptor.argument == TableArgument::r) {
        return descriptor.rcut - descriptor.type_pairs[static_cast<std::size_t>(b)].table->grid.max;
    }
    if (!is_three_body(descriptor.kind)) {
        x_end = descriptor.type_pairs[static_cast<std::size_t>(b)].table->grid.max;
    } else {
        double shortest = kEndless;
        for (const PackedTriple<Real>& triple : descriptor.triples) {
            shortest = triple.b == b || triple.c == b ? std::min(shortest, triple.table->grid.max) : shortest;
        }
        x_end = std::sqrt(shortest);
    }
    return distance_at(descriptor.environment, descriptor.rcut, x_end);
}

/// square, linear: the moments of C by the list of columns.
template <class Real>
void pack_columns(const Taken<Real>& taken, PackedDescriptor<Real>& packed) {
    const FittingInput& input = taken.input();
    packed.n_moments = taken.n_columns();
    for (int p = 0; p < packed.n_moments; ++p) {
        const FittingInput::Column& column = input.columns[static_cast<std::size_t>(p)];
        if (column.group == kEmptySlots) {
            packed.padding_moment = p;
        } else if (std::vector<int>* moments = moments_of_group(column.group, packed)) {
            (*moments)[static_cast<std::size_t>(column.channel)] = p;
        }
    }
}

/// square: products of the factors that are in use; with single ones, those behind the others.
template <class Real>
void pack_products(const Taken<Real>& taken, bool has_single, PackedDescriptor<Real>& packed) {
    packed.n_factors = taken.n_factors();
    const auto end = [&](int p) { return taken.row_end()[static_cast<std::size_t>(p)]; };
    const auto middle = [&](int p) {
        return has_single ? std::min(end(p), taken.input().row_end_exact[static_cast<std::size_t>(p)]) : end(p);
    };
    for (int p = 0; p < packed.n_factors; ++p) {
        packed.add_products(p, p, middle(p));
    }
    const int n_exact = packed.n_features;
    for (int p = 0; p < packed.n_factors; ++p) {
        if (middle(p) < end(p)) {
            packed.add_products(p, middle(p), end(p));
        }
    }
    packed.n_single = packed.n_features - n_exact;
}

/// Which inputs of the first layer, in the order of the file, the features are. first: of the descriptor.
template <class Real>
void append_inputs(const FittingInput& input, const PackedDescriptor<Real>& packed, int first, std::vector<int>& inputs) {
    if (input.form != InputForm::square) {
        for (int feature = 0; feature < packed.n_features; ++feature) {
            inputs.push_back(first + feature);
        }
        return;
    }
    std::vector<int> first_of_factor;
    for (int p = 0; p < packed.n_factors; ++p) {
        first_of_factor.push_back(first);
        first += input.row_end[static_cast<std::size_t>(p)] - p;
    }
    for (std::size_t row = 0; row < packed.factor.size(); ++row) {
        const int p = packed.factor[row];
        for (int q = packed.begin[row]; q < packed.end[row]; ++q) {
            inputs.push_back(first_of_factor[static_cast<std::size_t>(p)] + q - p);
        }
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
        std::transform(values, values + n, copy, narrowed<Real>);
        return copy;
    }
}

template <class Real>
template <class Number, class Element>
PackedMatrix<Number> PackedModel<Real>::pack_matrix(int n_out, int n_in, const Element& element) {
    const auto in_panels = [&](int rows_of_panel, int multiple) {
        const int n_rows = (n_out + multiple - 1) / multiple * multiple;
        auto array = std::make_unique<AlignedArray<Number>>();
        Number* const panels = array->reserve(static_cast<std::size_t>(n_rows) * static_cast<std::size_t>(n_in));
        if constexpr (std::is_same_v<Number, Real>) {
            storage_.push_back(std::move(array));
        } else {
            single_storage_.push_back(std::move(array));
        }
        Number* to = panels;
        for (int first = 0; first < n_rows; first += rows_of_panel) {
            for (int column = 0; column < n_in; ++column) {
                for (int row = first; row < std::min(first + rows_of_panel, n_rows); ++row) {
                    *to++ = row < n_out ? narrowed<Number>(element(row, column)) : Number(0);
                }
            }
        }
        return panels;
    };
    const Number* panels = in_panels(kPanelRows, kPanelRows);
    return {n_out, n_in, panels, in_panels(kWideRows<Number>, kLaneMultiple<Number>)};
}

template <class Real>
std::vector<int> PackedModel<Real>::used_ranks(Extent extent) const {
    std::vector<int> ranks(model->tables.size(), 1);
    for (int a = 0; a < model->n_types(); ++a) {
        for (const FittingInput& input : model->fittings[static_cast<std::size_t>(a)].inputs) {
            const Taken<Real> taken(*model, a, input, extent);
            taken.for_each_table([&](int group, int rank) {
                int& most = ranks[static_cast<std::size_t>(taken.descriptor().table_of(a, group))];
                most = std::max(most, rank);
            });
        }
    }
    return ranks;
}

template <class Real>
void PackedModel<Real>::pack_table(std::size_t t, int rank, PackedSet<Real>& set) {
    constexpr int multiple = kLaneMultiple<Real>;
    const Table& table = model->tables[t];
    const int stride = (rank + multiple - 1) / multiple * multiple;
    set.most_stride = std::max(set.most_stride, stride);
    if (&set != close_.get() && close_ && close_->tables[t].stride == stride) {
        set.tables.push_back(close_->tables[t]);  // its other channels are in no moment of C
        set.tables.back().rank = rank;
        return;
    }
    const int n_powers = table.order + 1;
    const auto interval_size = static_cast<std::size_t>(n_powers * stride);
    storage_.push_back(std::make_unique<AlignedArray<Real>>());
    Real* coef = storage_.back()->reserve(interval_size * static_cast<std::size_t>(table.n_intervals + kContinuations));
    static_assert(multiple == math::kChannelGroup<Real>, "an interval has whole groups of channels");
    const auto of_channel = [&](int interval, int channel) {
        return coef + (static_cast<std::size_t>(interval) * interval_size) + math::place_of_channel<Real>(channel, n_powers);
    };
    for (int interval = 0; interval < table.n_intervals; ++interval) {
        for (int power = 0; power < n_powers; ++power) {
            const double* from = table.coef + (static_cast<std::ptrdiff_t>(interval) * n_powers + power) * table.rank;
            for (int channel = 0; channel < rank; ++channel) {
                of_channel(interval, channel)[power * multiple] = narrowed<Real>(from[channel]);
            }
        }
    }
    // Before the first knot: its value and slope.
    for (int channel = 0; channel < stride; channel += multiple) {
        std::copy_n(of_channel(0, channel), 2 * multiple, of_channel(table.n_intervals + 1, channel));
    }
    // Beyond max: value and slope at the end of the last interval.
    const double* last = table.coef + static_cast<std::ptrdiff_t>(table.n_intervals - 1) * n_powers * table.rank;
    const double width = table.segments.back().step;
    for (int channel = 0; channel < rank; ++channel) {
        const auto coefficient = [&](int power) { return last[power * table.rank + channel]; };
        double slope = 0;
        const double value = math::with_order(
            table.order, [&](auto order) { return math::polynomial<decltype(order)::value>(coefficient, width, slope); });
        Real* beyond = of_channel(table.n_intervals, channel);
        beyond[0] = narrowed<Real>(value);
        beyond[multiple] = narrowed<Real>(slope);
    }
    set.tables.push_back({grids_[t].grid(), table.order, rank, stride, coef});
}

template <class Real>
PackedTypePair<Real> PackedModel<Real>::pack_pair(const Descriptor& descriptor, int a, int b,
                                                  const math::EnvParameters& environment, const PackedSet<Real>& set) const {
    PackedTypePair<Real> packed;
    const TypePair& pair = descriptor.type_pair(a, b);
    packed.kind = pair.kind;
    packed.sel = descriptor.sel[static_cast<std::size_t>(b)];
    if (pair.table < 0 || descriptor.is_three_body()) {
        return packed;
    }
    const Table& table = model->tables[static_cast<std::size_t>(pair.table)];
    packed.table = &set.tables[static_cast<std::size_t>(pair.table)];
    packed.moment_of_channel.assign(static_cast<std::size_t>(packed.table->rank), -1);
    const bool has_vector = descriptor.kind == DescriptorKind::se_e2_a;
    if (descriptor.padding != nullptr) {  // counted for all types together
        packed.padding.assign(packed.moment_of_channel.size(), Real(0));
        packed.masked.assign(has_vector ? 0 : packed.moment_of_channel.size(), Real(0));
        return packed;
    }
    const double x_pad = -environment.mean * environment.inverse_std_radial;
    for (int channel = 0; channel < packed.table->rank; ++channel) {
        const auto phi = [&](double x) { return channel_at(table, packed.table->grid, channel, x); };
        packed.padding.push_back(narrowed<Real>(has_vector ? phi(x_pad) * x_pad : phi(x_pad)));
        if (!has_vector) {
            packed.masked.push_back(narrowed<Real>(phi(0)));
        }
    }
    return packed;
}

/// The groups whose neighbours, both, are ordinary.
template <class Real>
void PackedModel<Real>::pack_triples(PackedDescriptor<Real>& packed, const PackedSet<Real>& set) const {
    const Descriptor& descriptor = model->descriptors[static_cast<std::size_t>(packed.index)];
    const auto is_seen = [&](int b) { return packed.type_pairs[static_cast<std::size_t>(b)].kind == PairKind::ordinary; };
    for (int b = 0; b < model->n_types(); ++b) {
        for (int c = b; c < model->n_types(); ++c) {
            if (is_seen(b) && is_seen(c)) {
                const PackedTable<Real>* table = &set.tables[static_cast<std::size_t>(descriptor.type_pair(b, c).table)];
                const double divisor = static_cast<double>(descriptor.sel[static_cast<std::size_t>(b)]) *
                                       descriptor.sel[static_cast<std::size_t>(c)];
                const double times = descriptor.shares_slots() && b != c ? 2 : 1;  // both orders
                packed.triples.push_back(
                    {b, c, table, std::vector<int>(static_cast<std::size_t>(table->rank), -1), times / divisor});
            }
        }
    }
}

/// Whether ordinary centres of type a take products in single precision: of a net that takes one descriptor and nothing else, where close
/// centres, whose small products may be large, take others.
template <class Real>
bool PackedModel<Real>::has_single(int a, Extent extent) const {
    const Fitting& fitting = model->fittings[static_cast<std::size_t>(a)];
    if (!std::is_same_v<Real, double> || small_ == SmallProducts::among_others || extent == Extent::all ||
        fitting.inputs.size() > 1 || model->n_aparam > 0 || fitting.layers.size() == 1) {
        return false;
    }
    const FittingInput& input = fitting.inputs.front();
    const Layer& first = fitting.layers.front();
    const auto fits = [](double weight) { return std::abs(weight) <= static_cast<double>(std::numeric_limits<float>::max()); };
    return !input.row_end_exact.empty() && !input.row_end_double.empty() && input.row_end_double != input.row_end &&
           std::all_of(first.weight, first.weight + static_cast<std::ptrdiff_t>(first.n_in) * first.n_out, fits);
}

/// square, linear: moments, and their products or those of their combinations.
template <class Real>
void PackedModel<Real>::pack_listed(const FittingInput& input, int a, Extent extent, PackedDescriptor<Real>& packed) {
    const Taken<Real> taken(*model, a, input, extent);
    pack_columns(taken, packed);
    if (input.form == InputForm::linear) {
        packed.n_features = packed.n_rows();
        return;
    }
    pack_products(taken, has_single(a, extent), packed);
    if (input.combination != nullptr) {
        const auto element = [&](int p, int moment) {
            return input.combination[p * static_cast<std::ptrdiff_t>(input.columns.size()) + moment];
        };
        pack_basis(packed.n_factors, element, packed);
    }
}

/// A matrix that expands the moments to n_rows, and its transpose.
template <class Real>
template <class Element>
void PackedModel<Real>::pack_basis(int n_rows, const Element& element, PackedDescriptor<Real>& packed) {
    packed.basis = pack_matrix(n_rows, packed.n_rows(), element);
    packed.reverse_basis = pack_matrix(packed.n_rows(), n_rows, [&](int moment, int row) { return element(row, moment); });
}

/// T = Vs C, which is G summed: a row of Vs for each of the M numbers of an embedding net.
template <class Real>
void PackedModel<Real>::pack_direct(const FittingInput& input, int a, Extent extent, PackedDescriptor<Real>& packed) {
    struct Source {
        const Table* table;  // null: what an empty slot adds
        int channel;
        int group;
    };
    const Taken<Real> taken(*model, a, input, extent);
    const Descriptor& descriptor = taken.descriptor();
    std::vector<Source> moments;
    for (int group = 0; group < descriptor.n_groups(); ++group) {
        std::vector<int>* moment_of_channel = taken.rank(group) > 0 ? moments_of_group(group, packed) : nullptr;
        for (int channel = 0; moment_of_channel != nullptr && channel < taken.rank(group); ++channel) {
            (*moment_of_channel)[static_cast<std::size_t>(channel)] = static_cast<int>(moments.size());
            moments.push_back({&model->tables[static_cast<std::size_t>(descriptor.table_of(a, group))], channel, group});
        }
    }
    if (descriptor.has_padding(a)) {
        packed.padding_moment = static_cast<int>(moments.size());
        moments.push_back({nullptr, 0, kEmptySlots});
    }
    packed.n_moments = static_cast<int>(moments.size());
    const double* padding = descriptor.padding + static_cast<std::ptrdiff_t>(a) * descriptor.width;
    const double scale = descriptor.kind == DescriptorKind::se_e2_r ? kRadialScale : 1;
    const int per_moment = descriptor.n_per_column();
    const auto element = [&](int m, int row) {
        const Source& from = moments[static_cast<std::size_t>(row / per_moment)];
        if (from.table == nullptr) {
            return padding[m];
        }
        const double factor =
            row % per_moment == 0 ? scale : descriptor.gates[static_cast<std::ptrdiff_t>(from.group) * descriptor.width + m];
        return from.table->basis[static_cast<std::ptrdiff_t>(m) * from.table->rank + from.channel] * factor;
    };
    pack_basis(descriptor.width, element, packed);
    if (descriptor.kind == DescriptorKind::se_e2_a) {
        packed.n_factors = descriptor.width;
        for (int m = 0; m < descriptor.width; ++m) {
            packed.add_products(m, 0, descriptor.axis_neuron);
        }
    }
    packed.n_features = descriptor.n_features();
}

template <class Real>
PackedDescriptor<Real> PackedModel<Real>::pack_descriptor(int a, const FittingInput& input, Extent extent,
                                                          const PackedSet<Real>& set) const {
    const Taken<Real> taken(*model, a, input, extent);
    const Descriptor& descriptor = taken.descriptor();
    PackedDescriptor<Real> packed;
    packed.kind = descriptor.kind;
    packed.index = input.descriptor;
    packed.form = input.form;
    packed.rcut = descriptor.rcut;
    packed.n_sel = descriptor.n_sel;
    packed.environment = environment_of(descriptor, a);
    packed.n_components = descriptor.n_components();
    packed.harmonics = harmonics_of(descriptor, a);
    packed.argument = descriptor.argument;
    packed.shares_slots = descriptor.shares_slots();
    packed.is_gated = descriptor.gates != nullptr;
    packed.takes_all = taken.is_all();
    for (int b = 0; b < model->n_types(); ++b) {
        packed.type_pairs.push_back(pack_pair(descriptor, a, b, packed.environment, set));
    }
    if (descriptor.is_three_body()) {
        pack_triples(packed, set);
    }
    return packed;
}

template <class Real>
void PackedModel<Real>::add_limits(int a, PackedType<Real>& type) const {
    type.limits.resize(model->type_map.size());
    for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
        type.rcut = std::max(type.rcut, descriptor.rcut);
    }
    for (int b = 0; b < model->n_types(); ++b) {
        TypePairLimits& limits = type.limits[static_cast<std::size_t>(b)];
        for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
            const PackedTypePair<Real>& pair = descriptor.type_pairs[static_cast<std::size_t>(b)];
            limits.sel = type.descriptors.size() == 1 && !descriptor.shares_slots
                             ? pair.sel
                             : limits.sel;  // also where only too many of all types are counted
            if (!math::is_counted(pair.kind)) {
                continue;
            }
            limits.is_counted = true;
            limits.least_sel = std::min(limits.least_sel, pair.sel);
            // Where there are several descriptors, each finds its own among the pairs of all.
            limits.is_stored = limits.is_stored || pair.kind == PairKind::ordinary || type.descriptors.size() > 1;
            if (pair.kind == PairKind::ordinary) {
                limits.min_distance = model->of_types(model->min_distance, a, b);
                limits.close_distance = model->of_types(model->close_distance, a, b);
                limits.table_limit = std::max(limits.table_limit, table_limit_of(descriptor, b));
                const double checked = std::max(limits.min_distance, limits.table_limit);
                limits.checked_distance2 = checked * checked;
            }
        }
    }
}

/// inputs: rows of the weight in use, null: all; the last n_single of them in single precision.
template <class Real>
PackedLayer<Real> PackedModel<Real>::pack_layer(const Layer& layer, const std::vector<int>* inputs, int n_single) {
    const int n_in = (inputs != nullptr ? static_cast<int>(inputs->size()) : layer.n_in) - n_single;
    const auto weight = [&](int in, int out) {
        const std::ptrdiff_t row = inputs != nullptr ? (*inputs)[static_cast<std::size_t>(in)] : in;
        return layer.weight[row * layer.n_out + out];
    };
    const auto n_out = static_cast<std::size_t>(layer.n_out);
    PackedLayer<Real> packed;
    packed.weight = pack_matrix(layer.n_out, n_in, [&](int out, int in) { return weight(in, out); });
    packed.reverse_weight = pack_matrix(n_in, layer.n_out, weight);
    if (n_single > 0) {
        packed.single = pack_matrix<float>(layer.n_out, n_single, [&](int out, int in) { return weight(n_in + in, out); });
        packed.reverse_single =
            pack_matrix<float>(n_single, layer.n_out, [&](int in, int out) { return weight(n_in + in, out); });
    }
    packed.activation = layer.activation;
    packed.parameter = layer.activation_parameter;
    packed.skip = layer.skip;
    packed.bias = keep(layer.bias, n_out);
    packed.idt = keep(layer.idt, n_out);
    return packed;
}

/// inputs: rows of the first layer's weight in use, empty: all; the last n_single of them in single precision.
template <class Real>
void PackedModel<Real>::pack_layers(int a, const std::vector<int>& inputs, int n_single, PackedSet<Real>& set) {
    const auto at = static_cast<std::size_t>(a);
    PackedType<Real>& type = set.types[at];
    const PackedType<Real>* packed_before = close_ && &set != close_.get() ? &close_->types[at] : nullptr;
    std::vector<PackedLayer<Real>>& layers = type.fitting.layers;
    for (const Layer& layer : model->fittings[at].layers) {
        const std::size_t l = layers.size();
        const bool takes_part = l == 0 && !inputs.empty();
        const bool is_packed = packed_before != nullptr && (type.takes_all || !takes_part);
        layers.push_back(is_packed ? packed_before->fitting.layers[l]
                                   : pack_layer(layer, takes_part ? &inputs : nullptr, takes_part ? n_single : 0));
        if (l == 0 && !biases_.empty()) {
            layers.back().bias = biases_[at].data();
        }
        set.most_neurons = std::max(set.most_neurons, layer.n_out);
    }
    set.most_layers = std::max(set.most_layers, static_cast<int>(layers.size()));
}

template <class Real>
void PackedModel<Real>::pack_type(int a, Extent extent, PackedSet<Real>& set) {
    const auto at = static_cast<std::size_t>(a);
    PackedType<Real>& type = set.types[at];
    const Fitting& fitting = model->fittings[at];
    type.fitting.energy_bias = model->energy_bias[at];
    std::vector<int> inputs;
    int first_input = 0;  // of the descriptor, in the file
    for (const FittingInput& input : fitting.inputs) {
        type.descriptors.push_back(pack_descriptor(a, input, extent, set));
        PackedDescriptor<Real>& packed = type.descriptors.back();
        if (input.form == InputForm::direct) {
            pack_direct(input, a, extent, packed);
        } else {
            pack_listed(input, a, extent, packed);
        }
        append_inputs(input, packed, first_input, inputs);
        first_input += input.n_inputs;
        type.n_features += packed.n_features;
        type.takes_all = type.takes_all && packed.takes_all;
        set.most_moments = std::max({set.most_moments, packed.n_rows(), packed.basis.n_out});
    }
    add_limits(a, type);
    for (int k = 0; k < model->n_aparam; ++k) {
        inputs.push_back(first_input + model->n_fparam + k);
    }
    type.n_features += model->n_aparam;
    const bool all_direct =
        std::all_of(type.descriptors.begin(), type.descriptors.end(), [](const auto& d) { return d.is_direct(); });
    const int n_single = type.descriptors.back().n_single;
    pack_layers(a, all_direct && model->n_fparam == 0 ? std::vector<int>() : inputs, n_single, set);
    set.most_features = std::max(set.most_features, type.n_features);
    set.most_single = std::max(set.most_single, n_single);
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
        if (model->has_energy[static_cast<std::size_t>(a)]) {
            pack_type(a, extent, set);
        }
    }
}

template <class Real>
PackedModel<Real>::PackedModel(std::shared_ptr<const Model> source, SmallProducts small)
    : model(std::move(source)), small_(small) {
    for (const Table& table : model->tables) {
        grids_.emplace_back(table);
    }
    bool takes_all = true;
    for (int a = 0; a < model->n_types(); ++a) {
        for (const FittingInput& input : model->fittings[static_cast<std::size_t>(a)].inputs) {
            takes_all = takes_all && Taken<Real>(*model, a, input, Extent::ordinary).is_all();
        }
    }
    if (model->n_parameters() > 0) {
        for (const Fitting& fitting : model->fittings) {
            biases_.emplace_back();
            biases_.back().reserve(fitting.layers.empty() ? 0 : static_cast<std::size_t>(fitting.layers.front().n_out));
        }
    }
    if (!takes_all) {  // first: the other one takes from it what is the same
        close_ = std::make_unique<PackedSet<Real>>();
        pack_set(Extent::all, *close_);
    }
    pack_set(Extent::ordinary, ordinary);
}

template <class Real>
PackedModel<Real>::~PackedModel() = default;

template <class Real>
void PackedModel<Real>::set_parameters(const Span& fparam, const Span& aparam) {
    const auto most = 0.5 * static_cast<double>(std::numeric_limits<Real>::max());  // differences are taken, too
    const auto is_beyond = [most](double value) { return !(std::abs(value) <= most); };
    if (std::any_of(aparam.values, aparam.values + aparam.n, is_beyond)) {
        throw_beyond<Real>("atomic parameters");
    }
    for (std::size_t a = 0; a < biases_.size(); ++a) {
        if (model->fittings[a].layers.empty()) {
            continue;
        }
        const Layer& layer = model->fittings[a].layers.front();
        const double* row = model->parameter_weights(static_cast<int>(a));
        std::vector<double> bias(layer.bias, layer.bias + layer.n_out);
        for (int k = 0; k < model->n_parameters(); ++k, row += layer.n_out) {
            const double value = k < model->n_fparam ? fparam.values[k] : aparam.n > 0 ? aparam.values[k - model->n_fparam] : 0;
            for (int neuron = 0; neuron < layer.n_out; ++neuron) {
                bias[static_cast<std::size_t>(neuron)] += row[neuron] * value;
            }
        }
        if (std::any_of(bias.begin(), bias.end(), is_beyond)) {
            throw_beyond<Real>("parameters");
        }
        std::transform(bias.begin(), bias.end(), biases_[a].data(), [](double sum) { return static_cast<Real>(sum); });
    }
}

template <class Real>
bool PackedSet<Real>::expands(int index) const {
    return std::any_of(types.begin(), types.end(), [index](const PackedType<Real>& type) {
        return std::any_of(type.descriptors.begin(), type.descriptors.end(),
                           [index](const PackedDescriptor<Real>& d) { return d.index == index && d.expands(); });
    });
}

template <class Real>
bool PackedSet<Real>::looks_up_distance(int index) const {
    return std::any_of(types.begin(), types.end(), [index](const PackedType<Real>& type) {
        return std::any_of(type.descriptors.begin(), type.descriptors.end(), [index](const PackedDescriptor<Real>& d) {
            return d.index == index && d.argument == TableArgument::r;
        });
    });
}

template <class Real>
bool PackedSet<Real>::is_gated(int index) const {
    return std::any_of(types.begin(), types.end(), [index](const PackedType<Real>& type) {
        return std::any_of(type.descriptors.begin(), type.descriptors.end(),
                           [index](const PackedDescriptor<Real>& d) { return d.index == index && d.is_gated; });
    });
}

template <class Real>
std::size_t PackedSet<Real>::bytes() const {
    std::size_t total = bytes_of(tables) + bytes_of(types);
    for (const PackedType<Real>& type : types) {
        total += bytes_of(type.descriptors) + bytes_of(type.limits) + bytes_of(type.fitting.layers);
        for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
            total += bytes_of(descriptor.type_pairs) + bytes_of(descriptor.triples) + bytes_of(descriptor.factor) +
                     bytes_of(descriptor.begin) + bytes_of(descriptor.end);
            for (const PackedTriple<Real>& triple : descriptor.triples) {
                total += bytes_of(triple.moment_of_channel);
            }
            for (const PackedTypePair<Real>& pair : descriptor.type_pairs) {
                total += bytes_of(pair.moment_of_channel) + bytes_of(pair.padding) + bytes_of(pair.masked);
            }
        }
    }
    return total;
}

template <class Real>
std::size_t PackedModel<Real>::bytes() const {
    std::size_t total =
        ordinary.bytes() + (close_ ? sizeof(*close_) + close_->bytes() : 0) + bytes_of(grids_) + bytes_of(storage_);
    for (const TableGrid& grid : grids_) {
        total += grid.bytes();
    }
    for (const auto& array : storage_) {
        total += sizeof(*array) + array->bytes();
    }
    total += bytes_of(single_storage_);
    for (const auto& array : single_storage_) {
        total += sizeof(*array) + array->bytes();
    }
    for (const AlignedArray<Real>& bias : biases_) {
        total += sizeof(bias) + bias.bytes();
    }
    return total;
}

template struct PackedSet<double>;
template struct PackedSet<float>;
template struct PackedModel<double>;
template struct PackedModel<float>;

}  // namespace dpc
