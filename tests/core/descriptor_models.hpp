// SPDX-License-Identifier: MIT
// Models of other descriptors and of several, made of the smooth model of smooth_model.hpp: what the tests of descriptors evaluate.
#pragma once

#include <memory>
#include <vector>

#include "close_models.hpp"
#include "dpc/model.hpp"
#include "smooth_model.hpp"

namespace dpc::test {

/// Pair kinds of OO, OH, HO, HH.
using PairKinds = std::vector<PairKind>;

inline std::shared_ptr<Model> load_smooth() {
    const Bytes bytes = nested_model().bytes();
    auto model = std::make_shared<Model>(*Model::from_bytes(bytes.data(), bytes.size()));
    for (double& distance : model->close_distance) {  // some centres are close to a neighbour, but not close
        distance *= 0.95;
    }
    return model;
}

inline void set_kinds(const PairKinds& kinds, Descriptor& descriptor) {
    for (std::size_t k = 0; k < kinds.size(); ++k) {
        descriptor.type_pairs[k].kind = kinds[k];
    }
}

/// A first layer for the inputs that the net has now; its weights live as long as the program.
inline void fit_first_layer(Fitting& fitting) {
    static const std::vector<double> weights = numbers(4096);
    Layer& first = fitting.layers.front();
    first.n_in = 0;
    for (const FittingInput& input : fitting.inputs) {
        first.n_in += input.n_inputs;
    }
    first.weight = weights.data();
}

inline FittingInput linear_input(int descriptor) {
    FittingInput input;
    input.descriptor = descriptor;
    input.form = InputForm::linear;
    input.columns = {{0, 0}, {1, 2}, {0, 1}, {1, 0}};
    input.n_double = 3;
    input.n_mixed = 2;
    input.n_inputs = 4;
    return input;
}

inline FittingInput direct_input(int descriptor, int n_features) {
    FittingInput input;
    input.descriptor = descriptor;
    input.rank_double = {1, 3};
    input.rank_mixed = {2, 1};
    input.n_inputs = n_features;
    return input;
}

inline Descriptor radial(Descriptor from, const PairKinds& kinds) {
    from.kind = DescriptorKind::se_e2_r;
    from.axis_neuron = 0;
    from.std_angular.clear();
    set_kinds(kinds, from);
    return from;
}

/// One descriptor se_e2_a.
inline std::shared_ptr<const Model> angular_model(const PairKinds& kinds) {
    const std::shared_ptr<Model> model = load_smooth();
    set_kinds(kinds, model->descriptors.front());
    return model;
}

/// With components of degree 2 and more: of the smooth model, with exclusions; of combined moments below.
inline std::shared_ptr<const Model> angular_model(const PairKinds& kinds, const std::vector<double>& degree_gains) {
    const auto model = std::make_shared<Model>(*angular_model(kinds));
    model->descriptors.front().degree_gains = degree_gains;
    model->descriptors.front().env_protection = 0.05;
    return model;
}

/// One descriptor se_e2_r: O has a linear net, H a direct one.
inline std::shared_ptr<const Model> radial_model(const PairKinds& kinds) {
    const std::shared_ptr<Model> model = load_smooth();
    model->descriptors.front() = radial(model->descriptors.front(), kinds);
    model->fittings[0].inputs = {linear_input(0)};
    model->fittings[1].inputs = {direct_input(0, 4)};
    fit_first_layer(model->fittings[0]);
    fit_first_layer(model->fittings[1]);
    return model;
}

/// se_e2_a as it is; se_e2_r with a smaller cut-off; se_e2_a with the largest, which O does not take. H takes them in another order.
inline std::shared_ptr<const Model> mixed_model() {
    const std::shared_ptr<Model> model = load_smooth();
    const Descriptor angular = model->descriptors.front();  // H-H excluded
    Descriptor small =
        radial(angular, {PairKind::descriptor_excluded, PairKind::ordinary, PairKind::ordinary, PairKind::ordinary});
    small.rcut = 4.5;
    small.rcut_smth = 1.0;
    small.sel = {3, 5};
    small.n_sel = 8;
    small.env_protection = 0.1;
    Descriptor large = angular;
    large.rcut = 6.5;
    set_kinds({PairKind::ordinary, PairKind::ordinary, PairKind::section_excluded, PairKind::model_excluded}, large);
    model->descriptors = {angular, small, large};
    Fitting& of_o = model->fittings[0];
    of_o.inputs.push_back(linear_input(1));
    fit_first_layer(of_o);
    Fitting& of_h = model->fittings[1];
    of_h.inputs = {direct_input(2, 8), direct_input(1, 4), direct_input(0, 8)};
    fit_first_layer(of_h);
    return model;
}

struct DescriptorCase {
    const char* name;
    std::shared_ptr<const Model> model;
};

/// With tables that do not jump at their knots, on one of which the argument of empty slots lies.
inline std::shared_ptr<const Model> load_smooth(TableBuilder file, bool has_third_table) {
    add_smooth_table(file, "table.0.", 2, 6);
    add_smooth_table(file, "table.1.", 3, 4);
    if (has_third_table) {
        add_smooth_table(file, "table.2.", 1, 6);
    }
    const Bytes bytes = file.bytes();
    return Model::from_bytes(bytes.data(), bytes.size());
}

/// Tables over products from `first` on, of 2, 3 and 1 channels.
inline void add_product_tables(TableBuilder& file, int first, const std::vector<std::uint64_t>& ranks, const Segments& segments,
                               std::uint64_t n_powers) {
    for (std::size_t k = 0; k < ranks.size(); ++k) {
        const std::string prefix = "table." + std::to_string(static_cast<std::size_t>(first) + k) + ".";
        const Segments& own = k == 1 && segments == kProducts ? kManyProducts : segments;
        add_smooth_table(file, prefix, ranks[k], n_powers, own);
    }
}

inline std::shared_ptr<const Model> triple_model(const std::vector<std::int32_t>& kinds, const Segments& segments = kProducts,
                                                 std::uint64_t n_powers = 6) {
    TableBuilder file = small_triple_model();
    file.i32("descriptor.0.pair_kind", {2, 2}, kinds);
    add_product_tables(file, 0, {2, 3, 1}, segments, n_powers);
    const Bytes bytes = file.bytes();
    return Model::from_bytes(bytes.data(), bytes.size());
}

inline std::shared_ptr<const Model> two_and_three_bodies_model(const Segments& segments = kProducts, std::uint64_t n_powers = 6) {
    TableBuilder file = two_and_three_bodies();
    add_smooth_table(file, "table.0.", 2, 6);
    add_smooth_table(file, "table.1.", 3, 4);
    add_product_tables(file, 2, {2, 2, 2}, segments, n_powers);
    const Bytes bytes = file.bytes();
    return Model::from_bytes(bytes.data(), bytes.size());
}

inline std::shared_ptr<const Model> combined_model(const std::vector<double>& degree_gains) {
    TableBuilder file = small_combined_model();
    file.f64("descriptor.0.degree_gains", {degree_gains.size()}, degree_gains);
    return load_smooth(file, false);
}

inline std::vector<DescriptorCase> descriptor_cases() {
    constexpr PairKind ordinary = PairKind::ordinary, slots = PairKind::descriptor_excluded, section = PairKind::section_excluded,
                       vanished = PairKind::model_excluded;
    return {{"se_e2_a", angular_model({ordinary, ordinary, ordinary, ordinary})},
            {"se_e2_a with exclusions", angular_model({section, ordinary, vanished, slots})},
            {"se_e2_a, lmax 2", angular_model({ordinary, ordinary, ordinary, ordinary}, {0.7})},
            {"se_e2_a, lmax 4, with exclusions", angular_model({section, ordinary, vanished, slots}, {-0.4, 0.8, 0.6})},
            {"se_e2_a, lmax 3, combined moments", combined_model({0.6, -0.9})},
            {"se_e2_r", radial_model({ordinary, ordinary, ordinary, ordinary})},
            {"se_e2_r excluded by slots", radial_model({slots, ordinary, ordinary, slots})},
            {"se_e2_r excluded by section and by the model", radial_model({section, ordinary, vanished, section})},
            {"several", mixed_model()},
            {"combined moments", load_smooth(small_combined_model(), false)},
            {"file of se_e2_r", load_smooth(small_radial_model(), false)},
            {"file of two descriptors", load_smooth(two_descriptors(), true)},
            {"se_e3", triple_model({0, 0, 0, 0})},
            {"se_e3 with exclusions", triple_model({0, 0, 1, 0})},
            {"se_e3, tables of one interval", triple_model({0, 0, 0, 0}, {{-6.0, 12.0, 1}})},
            {"se_e3, H without any pair", triple_model({0, 0, 1, 1})},
            {"se_e3, few wide intervals", triple_model({0, 0, 0, 0}, kWideProducts, 12)},
            {"se_e3, one wide interval", triple_model({0, 0, 1, 0}, {{-6.0, 12.0, 1}}, 12)},
            {"se_e2_a and se_e3", two_and_three_bodies_model()},
            {"se_e2_a and se_e3, few wide intervals", two_and_three_bodies_model(kWideProducts, 12)}};
}

}  // namespace dpc::test
