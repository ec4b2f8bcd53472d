// SPDX-License-Identifier: MIT
// See packed_model.hpp. Descriptors, centre types and the whole; tables are in packed_tables.cpp, fitting nets in packed_fitting.cpp.
#include "dpc/packed_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "packed_parts.hpp"
#include "table_grid.hpp"
#include "taken.hpp"

namespace dpc {
namespace {

constexpr double kRadialScale = 1.0 / 5.0;  // of se_e2_r, D = sum G/(5 n_sel)

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

/// Whether ordinary centres of type a take products in single precision: of a net that takes one descriptor and nothing else, where close
/// centres, whose small products may be large, take others.
template <class Real>
bool PackedModel<Real>::has_single(int a, Extent extent) const {
    const Fitting& fitting = model->fittings[static_cast<std::size_t>(a)];
    if (!std::is_same_v<Real, double> || how_ == Evaluated::by_kokkos || extent == Extent::all || fitting.inputs.size() > 1 ||
        model->n_aparam > 0 || fitting.layers.size() == 1) {
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
PackedModel<Real>::PackedModel(std::shared_ptr<const Model> source, Evaluated how) : model(std::move(source)), how_(how) {
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
