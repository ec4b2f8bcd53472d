// SPDX-License-Identifier: MIT
// The meaning of the sections: one wrong array for each rule of docs/tables-format.md section 3, in an otherwise intact file,
// each refused with a message that names the section.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "dpc/errors.hpp"
#include "dpc/model.hpp"
#include "dpc/neighbour_rule.hpp"
#include "table_builder.hpp"

namespace {

using namespace dpc::test;
using Ints = std::vector<std::int32_t>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kDenormal = 1e-310;  // positive, but its reciprocal overflows

std::shared_ptr<const dpc::Model> load(const TableBuilder& file) {
    const Bytes bytes = file.bytes();
    return dpc::Model::from_bytes(bytes.data(), bytes.size());
}

std::string refusal(const TableBuilder& file) {
    try {
        load(file);
    } catch (const dpc::ModelError& error) {
        return error.what();
    }
    return "accepted";
}

struct Wrong {
    const char* name;
    const char* section;  // must be named in the refusal
    const char* message;  // must occur in it
    std::function<void(TableBuilder&)> change;
};

void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }

class WrongModel : public testing::TestWithParam<Wrong> {};

void expect_refused(TableBuilder file, const Wrong& wrong) {
    wrong.change(file);
    const std::string found = refusal(file);
    EXPECT_NE(found.find("section '" + std::string(wrong.section) + "': "), std::string::npos) << found;
    EXPECT_NE(found.find(wrong.message), std::string::npos) << found;
}

TEST_P(WrongModel, IsRefused) { expect_refused(small_model(), GetParam()); }

/// Rules for what the small model does not have.
class WrongRadialModel : public testing::TestWithParam<Wrong> {};
TEST_P(WrongRadialModel, IsRefused) { expect_refused(small_radial_model(), GetParam()); }

class WrongCombinedModel : public testing::TestWithParam<Wrong> {};
TEST_P(WrongCombinedModel, IsRefused) { expect_refused(small_combined_model(), GetParam()); }

class WrongModelOfTwo : public testing::TestWithParam<Wrong> {};
TEST_P(WrongModelOfTwo, IsRefused) { expect_refused(two_descriptors(), GetParam()); }

std::function<void(TableBuilder&)> element(const std::string& name, std::size_t index, double value) {
    return [=](TableBuilder& file) { file.element(name, index, value); };
}

std::function<void(TableBuilder&)> code(const std::string& name, std::size_t index, std::int32_t value) {
    return [=](TableBuilder& file) { file.element(name, index, value); };
}

std::function<void(TableBuilder&)> text(const std::string& name, const std::string& value) {
    return [=](TableBuilder& file) { file.text(name, value); };
}

std::function<void(TableBuilder&)> without(const std::string& name) {
    return [=](TableBuilder& file) { file.remove(name); };
}

const Wrong kCommon[] = {
    {"missing", "descriptor.0.sel", "is missing", without("descriptor.0.sel")},
    {"missing_table", "table.1.basis", "is missing", without("table.1.basis")},
    {"missing_layer", "fitting.0.2.bias", "is missing", without("fitting.0.2.bias")},
    {"dtype", "descriptor.0.sel", "has dtype f64, expected i32", [](TableBuilder& f) { f.f64("descriptor.0.sel", {2}, {4, 8}); }},
    {"rank", "descriptor.0.rcut", "has shape (1), expected ()", [](TableBuilder& f) { f.f64("descriptor.0.rcut", {1}, {6}); }},
    {"extent", "descriptor.0.mean", "has shape (3), expected (2)",
     [](TableBuilder& f) { f.f64("descriptor.0.mean", {3}, {0, 0, 0}); }},
    {"not_finite", "fitting.1.0.weight", "element 3 is not a finite number", element("fitting.1.0.weight", 3, kNan)},
    {"infinite", "model.energy_bias", "element 1 is not a finite number", element("model.energy_bias", 1, -kInfinity)},
    {"unknown_required", "descriptor.new", "is required by the file but unknown to this version",
     [](TableBuilder& f) { f.i32("descriptor.new", {}, {1}); }},
    {"fitting_of_masked_type", "fitting.1.inputs", "unknown to this version", code("model.energy_mask", 1, 0)},
    {"provenance_not_utf8", "provenance.json", "byte 2 is not UTF-8 text", text("provenance.json", "{}\xff")},
};

const Wrong kTypes[] = {
    {"no_name", "model.type_map", "the name of type 0 is empty", text("model.type_map", "")},
    {"empty_name", "model.type_map", "the name of type 1 is empty", text("model.type_map", "O\n")},
    {"blank_in_name", "model.type_map", "the name of type 0 has a blank", text("model.type_map", "O \nH")},
    {"control_character", "model.type_map", "the name of type 1 has a blank", text("model.type_map", "O\nH\r")},
    {"name_twice", "model.type_map", "names the type 'O' twice", text("model.type_map", "O\nO")},
    {"name_not_utf8", "model.type_map", "byte 2 is not UTF-8 text", text("model.type_map", "O\n\xC3")},
    {"name_surrogate", "model.type_map", "byte 2 is not UTF-8 text", text("model.type_map", "O\n\xED\xA0\x80")},
    {"name_overlong", "model.type_map", "byte 0 is not UTF-8 text", text("model.type_map", "\xE0\x80\x8F\nH")},
    {"too_many_types", "model.type_map", "is 1025, format 1 allows at most 1024",
     [](TableBuilder& f) {
         std::string names = "T0";
         for (int a = 1; a < 1025; ++a) {
             names += "\nT" + std::to_string(a);
         }
         f.text("model.type_map", names);
     }},
    {"mask", "model.energy_mask", "is 2 for type 1, expected 0 or 1", code("model.energy_mask", 1, 2)},
    {"mask_all_zero", "model.energy_mask", "nothing is left to evaluate",
     [](TableBuilder& f) { f.i32("model.energy_mask", {2}, {0, 0}); }},
    {"min_distance_zero", "model.min_distance", "is 0 for the types 0 and 0", element("model.min_distance", 0, 0.0)},
    {"min_distance_negative", "model.min_distance", "expected a positive number", element("model.min_distance", 3, -1.0)},
    {"close_distance_zero", "model.close_distance", "is 0 for the types 0 and 0",
     [](TableBuilder& file) { file.f64("model.close_distance", {2, 2}, {0.0, 0.5, 0.5, 1.0}); }},
    {"close_distance_asymmetric", "model.close_distance", "is not symmetric",
     [](TableBuilder& file) { file.f64("model.close_distance", {2, 2}, {2.0, 0.5, 0.6, 1.0}); }},
    {"close_distance_large", "model.close_distance", "is 1.5, larger than min_distance, 1.4",
     [](TableBuilder& file) { file.f64("model.close_distance", {2, 2}, {2.0, 0.5, 0.5, 1.5}); }},
    {"min_distance_asymmetric", "model.min_distance", "is not symmetric", element("model.min_distance", 1, 0.8)},
    {"check_frequency", "model.check_frequency", "is 0, expected at least 1", code("model.check_frequency", 0, 0)},
    {"neighbour_rule", "model.neighbour_rule", "is 5, expected 0 to 4", code("model.neighbour_rule", 0, 5)},
    {"neighbour_rule_negative", "model.neighbour_rule", "is -1, expected at least 0", code("model.neighbour_rule", 0, -1)},
    {"neighbour_rule_mixed", "descriptor.0.sel", "must be n_sel for every type, with padding: the rule is mixed",
     code("model.neighbour_rule", 0, 4)},
    {"frame_parameters_negative", "model.n_fparam", "is -1, expected at least 0", code("model.n_fparam", 0, -1)},
    {"atomic_parameters_negative", "model.n_aparam", "is -1, expected at least 0", code("model.n_aparam", 0, -1)},
};

const Wrong kDescriptor[] = {
    {"kind", "descriptor.0.kind", "is 'se_e9', this version knows se_e2_a, se_e2_r", text("descriptor.0.kind", "se_e9")},
    {"rcut_negative", "descriptor.0.rcut", "is -6, expected a positive number", element("descriptor.0.rcut", 0, -6.0)},
    {"rcut_absurd", "descriptor.0.rcut", "of at most 10000", element("descriptor.0.rcut", 0, 1e5)},
    {"rcut_smth_negative", "descriptor.0.rcut_smth", "is -0.5, expected 0 <= rcut_smth < rcut = 6",
     element("descriptor.0.rcut_smth", 0, -0.5)},
    {"rcut_smth_is_rcut", "descriptor.0.rcut_smth", "is 6, expected", element("descriptor.0.rcut_smth", 0, 6.0)},
    {"rcut_range_denormal", "descriptor.0.rcut_smth", "expected 0 <= rcut_smth",
     [](TableBuilder& f) {
         f.element("descriptor.0.rcut", 0, kDenormal);
         f.element("descriptor.0.rcut_smth", 0, 0.0);
     }},
    {"env_protection", "descriptor.0.env_protection", "is -1, expected no negative",
     element("descriptor.0.env_protection", 0, -1.0)},
    {"sel_negative", "descriptor.0.sel", "has the value -1", code("descriptor.0.sel", 1, -1)},
    {"sel_all_zero", "descriptor.0.sel", "is 0 for every type", [](TableBuilder& f) { f.i32("descriptor.0.sel", {2}, {0, 0}); }},
    {"sel_sum", "descriptor.0.sel", "has the sum 2147483651, format 1 allows at most 16777216",
     code("descriptor.0.sel", 1, INT32_MAX)},
    {"n_sel", "descriptor.0.n_sel", "is 0, expected at least 1", code("descriptor.0.n_sel", 0, 0)},
    {"std_zero", "descriptor.0.std", "is 0 for type 0", element("descriptor.0.std", 1, 0.0)},
    {"std_denormal", "descriptor.0.std", "for type 1, expected a positive number with a finite reciprocal",
     element("descriptor.0.std", 2, kDenormal)},
    {"width_zero", "descriptor.0.width", "is 0, expected at least 1", code("descriptor.0.width", 0, 0)},
    {"width_huge", "descriptor.0.width", "format 1 allows at most 16384", code("descriptor.0.width", 0, INT32_MAX)},
    {"axis_neuron_zero", "descriptor.0.axis_neuron", "is 0, expected at least 1", code("descriptor.0.axis_neuron", 0, 0)},
    {"axis_neuron_large", "descriptor.0.axis_neuron", "is 5, expected 1 to the width 4", code("descriptor.0.axis_neuron", 0, 5)},
    {"no_descriptor", "descriptor.count", "is 0, expected at least 1", code("descriptor.count", 0, 0)},
    {"descriptor_missing", "descriptor.1.kind", "is missing", code("descriptor.count", 0, 2)},
    {"too_many_descriptors", "descriptor.count", "is 257, format 1 allows at most 256", code("descriptor.count", 0, 257)},
    {"pair_kind", "descriptor.0.pair_kind", "is 5 for centre type 1 and neighbour type 0, expected 0 to 4",
     code("descriptor.0.pair_kind", 2, 5)},
    {"no_pair_of_a_centre", "descriptor.0.pair_kind", "is 3 for all neighbours of centre type 1",
     [](TableBuilder& f) { f.i32("descriptor.0.pair_kind", {2, 2}, {0, 0, 3, 3}); }},
    {"pair_absent_with_table", "descriptor.0.pair_table", "exactly where pair_kind is 3", code("descriptor.0.pair_kind", 1, 3)},
    {"pair_present_without_sel", "descriptor.0.pair_kind", "but sel of that neighbour type is 0", code("descriptor.0.sel", 1, 0)},
    {"pair_table_negative", "descriptor.0.pair_table", "is -2", code("descriptor.0.pair_table", 1, -2)},
    {"pair_table_missing", "descriptor.0.pair_table", "is -1 for centre type 0 and neighbour type 1",
     code("descriptor.0.pair_table", 1, -1)},
    {"pair_table_gap", "descriptor.0.pair_table", "names table 2 but not all tables before it",
     [](TableBuilder& f) { f.i32("descriptor.0.pair_table", {2, 2}, {0, 2, 0, 2}); }},
    {"pair_table_huge", "descriptor.0.pair_table", "names table 2147483647", code("descriptor.0.pair_table", 1, INT32_MAX)},
};

const Wrong kTables[] = {
    {"argument", "table.0.argument", "is 3, expected 0 to 2", code("table.0.argument", 0, 3)},
    {"argument_negative", "table.0.argument", "is -1, expected at least 0", code("table.0.argument", 0, -1)},
    {"argument_r", "table.1.argument", "is 1, but 0 in table 0 of the same descriptor", code("table.1.argument", 0, 1)},
    {"argument_product", "table.1.argument", "is 2, which a descriptor se_e2_a does not have", code("table.1.argument", 0, 2)},
    {"no_segment", "table.0.segments", "is empty", [](TableBuilder& f) { f.f64("table.0.segments", {0, 3}, {}); }},
    {"segment_shape", "table.0.segments", "has shape (2, 2), expected (any, 3)",
     [](TableBuilder& f) { f.f64("table.0.segments", {2, 2}, {-1.0, 0.1, 10.0, 0.0}); }},
    {"too_many_segments", "table.0.segments", "is 65537, format 1 allows at most 65536",
     [](TableBuilder& f) { f.f64("table.0.segments", {65537, 3}, std::vector<double>(3 * 65537, 1.0)); }},
    {"step_negative", "table.1.segments", "segment 0 has the step -0.1, expected a positive number",
     element("table.1.segments", 1, -0.1)},
    {"step_denormal", "table.1.segments", "segment 1 has the step", element("table.1.segments", 4, kDenormal)},
    {"half_an_interval", "table.0.segments", "segment 0 has 9.5 intervals, expected a whole number",
     element("table.0.segments", 2, 9.5)},
    {"no_interval", "table.0.segments", "segment 1 has 0 intervals", element("table.0.segments", 5, 0.0)},
    {"intervals_negative", "table.0.segments", "segment 1 has -2 intervals", element("table.0.segments", 5, -2.0)},
    {"intervals_huge", "table.0.segments", "segment 1 has 1e+300 intervals, expected a whole number from 1 to 16777216",
     element("table.0.segments", 5, 1e300)},
    {"too_many_rows", "table.0.segments", "has 16777226 intervals, format 1 allows at most 16777216",
     element("table.0.segments", 5, 16777216.0)},
    {"segment_overflows", "table.0.segments", "does not increase, or is not finite", element("table.0.segments", 4, 1e308)},
    {"segment_without_length", "table.0.segments", "does not increase",
     [](TableBuilder& f) { f.f64("table.0.segments", {1, 3}, {1e9, 1e-9, 1.0}); }},
    {"gap", "table.0.segments", "segment 0 ends at 0, but the one after it starts at 1e-08",
     element("table.0.segments", 3, 1e-8)},
    {"overlap", "table.0.segments", "segment 0 ends at 0, but the one after it starts at -1e-08",
     element("table.0.segments", 3, -1e-8)},
    {"segments_the_wrong_way", "table.0.segments", "segment 0 ends at 1, but the one after it starts at -1",
     [](TableBuilder& f) { f.f64("table.0.segments", {2, 3}, {0.0, 0.5, 2.0, -1.0, 0.1, 10.0}); }},
    {"segment_not_finite", "table.0.segments", "element 3 is not a finite number", element("table.0.segments", 3, INFINITY)},
    {"upper_below", "table.0.upper", "is -1.5, expected -1 to 1, the ends of the table", element("table.0.upper", 0, -1.5)},
    {"upper_above", "table.0.upper", "is 1.5, expected -1 to 1", element("table.0.upper", 0, 1.5)},
    {"no_function", "table.0.coef", "has 0 functions, expected 1 to the width 4",
     [](TableBuilder& f) { f.f64("table.0.coef", {12, 6, 0}, {}); }},
    {"rank_above_width", "table.0.coef", "has 5 functions, expected 1 to the width 4",
     [](TableBuilder& f) { f.f64("table.0.coef", {12, 6, 5}, numbers(12 * 6 * 5)); }},
    {"coef_rows", "table.1.coef", "has shape (12, 4, 3), expected (13, any, any)", element("table.1.segments", 5, 3.0)},
    {"coef_not_finite", "table.1.coef", "element 143 is not a finite number", element("table.1.coef", 12 * 4 * 3 - 1, kNan)},
    {"order", "table.1.coef", "has 5 coefficients of a polynomial",
     [](TableBuilder& f) { f.f64("table.1.coef", {12, 5, 3}, numbers(12 * 5 * 3)); }},
    {"high_order_of_pairs", "table.1.coef", "has 12 coefficients of a polynomial, expected 4 or 6: order 3 or 5",
     [](TableBuilder& f) { f.f64("table.1.coef", {12, 12, 3}, numbers(12 * 12 * 3)); }},
    {"basis_shape", "table.1.basis", "has shape (4, 2), expected (4, 3)",
     [](TableBuilder& f) { f.f64("table.1.basis", {4, 2}, numbers(8)); }},
    {"empty_slot_below_table", "table.0.segments", "argument -mean/std = -4 at the cut-off around centre type 0",
     element("descriptor.0.mean", 0, 0.5)},
    {"empty_slot_above_trained_range", "table.0.segments", "argument -mean/std = 0.4 at the cut-off around centre type 0",
     element("descriptor.0.mean", 0, -0.05)},
    {"empty_slot_at_end", "table.0.segments", "argument -mean/std = 0 at the cut-off around centre type 0",
     [](TableBuilder& f) {
         f.f64("descriptor.0.mean", {2}, {-0.0, 0.04});
         f.f64("table.0.segments", {1, 3}, {-1.0, 0.1, 10.0});
         f.f64("table.0.coef", {10, 4, 2}, std::vector<double>(10 * 4 * 2, 0.0));
     }},
};

const Wrong kFitting[] = {
    {"no_inputs", "fitting.0.inputs", "is empty", [](TableBuilder& f) { f.i32("fitting.0.inputs", {0}, {}); }},
    {"input_of_no_descriptor", "fitting.0.inputs", "names descriptor 1, expected 0 to 0", code("fitting.0.inputs", 0, 1)},
    {"input_negative", "fitting.0.inputs", "names descriptor -1", code("fitting.0.inputs", 0, -1)},
    {"input_twice", "fitting.0.inputs", "names descriptor 0 twice",
     [](TableBuilder& f) { f.i32("fitting.0.inputs", {2}, {0, 0}); }},
    {"form", "fitting.0.input.0.form", "is 4, expected 0 to 3", code("fitting.0.input.0.form", 0, 4)},
    {"form_negative", "fitting.0.input.0.form", "is -1, expected at least 0", code("fitting.0.input.0.form", 0, -1)},
    {"form_rectangular", "fitting.0.input.0.form",
     "is 2 (rectangular), which this version does not evaluate; install a newer version", code("fitting.0.input.0.form", 0, 2)},
    {"form_linear", "fitting.0.input.0.form", "is 3 (linear), which a descriptor se_e2_a does not have",
     code("fitting.0.input.0.form", 0, 3)},
    {"column_type", "fitting.0.input.0.columns", "row 1 is neighbour type 2, channel 0, but there is no table",
     code("fitting.0.input.0.columns", 2, 2)},
    {"column_type_negative", "fitting.0.input.0.columns", "row 1 is neighbour type -1, channel 0, but there is no table",
     code("fitting.0.input.0.columns", 2, -1)},
    {"column_channel", "fitting.0.input.0.columns", "row 0 is neighbour type 0, channel 2, expected a channel of 0 to 1",
     code("fitting.0.input.0.columns", 1, 2)},
    {"column_twice", "fitting.0.input.0.columns", "row 2 is neighbour type 0, channel 0, which occurs twice",
     code("fitting.0.input.0.columns", 5, 0)},
    {"row_end_before_row", "fitting.0.input.0.row_end", "is 2 for row 3, expected 3 to 4",
     code("fitting.0.input.0.row_end", 3, 2)},
    {"row_end_beyond", "fitting.0.input.0.row_end", "is 5 for row 0, expected 0 to 4", code("fitting.0.input.0.row_end", 0, 5)},
    {"row_end_increases", "fitting.0.input.0.row_end", "increases to 4 at row 1",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end", {4}, {3, 4, 3, 3}); }},
    {"no_product", "fitting.0.input.0.row_end", "leaves no product",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end", {4}, {0, 1, 2, 3}); }},
    {"no_columns", "fitting.0.input.0.row_end", "leaves no product",
     [](TableBuilder& f) {
         f.i32("fitting.0.input.0.columns", {0, 2}, {});
         f.i32("fitting.0.input.0.row_end", {0}, {});
     }},
    {"mixed_dtype", "fitting.0.input.0.row_end_mixed", "has dtype f64, expected i32",
     [](TableBuilder& f) { f.f64("fitting.0.input.0.row_end_mixed", {4}, {3, 2, 2, 3}); }},
    {"mixed_shorter", "fitting.0.input.0.row_end_mixed", "has shape (3), expected (4)",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_mixed", {3}, {3, 2, 2}); }},
    {"mixed_longer", "fitting.0.input.0.row_end_mixed", "has shape (5), expected (4)",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_mixed", {5}, {3, 2, 2, 3, 4}); }},
    {"mixed_before_row", "fitting.0.input.0.row_end_mixed", "is 0 for row 1, expected 1 to 4",
     code("fitting.0.input.0.row_end_mixed", 1, 0)},
    {"mixed_beyond", "fitting.0.input.0.row_end_mixed", "is 5 for row 0, expected 0 to 4",
     code("fitting.0.input.0.row_end_mixed", 0, 5)},
    {"mixed_beyond_row_end", "fitting.0.input.0.row_end_mixed", "is 4 for row 3, which ends at 3 in row_end",
     code("fitting.0.input.0.row_end_mixed", 3, 4)},
    {"mixed_increases", "fitting.0.input.0.row_end_mixed", "increases to 3 at row 1",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_mixed", {4}, {2, 3, 3, 3}); }},
    {"mixed_no_product", "fitting.0.input.0.row_end_mixed", "leaves no product",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_mixed", {4}, {0, 1, 2, 3}); }},
    {"mixed_of_a_direct_net", "fitting.1.input.0.row_end_mixed", "unknown to this version",
     [](TableBuilder& f) { f.i32("fitting.1.input.0.row_end_mixed", {1}, {1}); }},
    {"double_dtype", "fitting.0.input.0.row_end_double", "has dtype f64, expected i32",
     [](TableBuilder& f) { f.f64("fitting.0.input.0.row_end_double", {4}, {4, 3, 3, 3}); }},
    {"double_shorter", "fitting.0.input.0.row_end_double", "has shape (3), expected (4)",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_double", {3}, {4, 3, 3}); }},
    {"double_before_row", "fitting.0.input.0.row_end_double", "is 0 for row 1, expected 1 to 4",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_double", {4}, {4, 0, 3, 3}); }},
    {"double_beyond_row_end", "fitting.0.input.0.row_end_double", "is 4 for row 3, which ends at 3 in row_end",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_double", {4}, {4, 3, 3, 4}); }},
    {"double_increases", "fitting.0.input.0.row_end_double", "increases to 3 at row 1",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_double", {4}, {2, 3, 3, 3}); }},
    {"double_no_product", "fitting.0.input.0.row_end_double", "leaves no product",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_double", {4}, {0, 1, 2, 3}); }},
    {"double_of_a_direct_net", "fitting.1.input.0.row_end_double", "unknown to this version",
     [](TableBuilder& f) { f.i32("fitting.1.input.0.row_end_double", {1}, {1}); }},
    {"exact_before_row", "fitting.0.input.0.row_end_exact", "is 0 for row 1, expected 1 to 4",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_exact", {4}, {4, 0, 3, 3}); }},
    {"exact_beyond_row_end", "fitting.0.input.0.row_end_exact", "is 4 for row 3, which ends at 3 in row_end",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_exact", {4}, {4, 3, 3, 4}); }},
    {"exact_of_a_direct_net", "fitting.1.input.0.row_end_exact", "unknown to this version",
     [](TableBuilder& f) { f.i32("fitting.1.input.0.row_end_exact", {1}, {1}); }},
    {"rank_dtype", "fitting.1.input.0.rank_double", "has dtype f64, expected i32",
     [](TableBuilder& f) { f.f64("fitting.1.input.0.rank_double", {2}, {1, 1}); }},
    {"rank_shorter", "fitting.1.input.0.rank_mixed", "has shape (1), expected (2)",
     [](TableBuilder& f) { f.i32("fitting.1.input.0.rank_mixed", {1}, {1}); }},
    {"rank_of_no_column", "fitting.1.input.0.rank_double", "is 0 for neighbour type 1, expected 1 to the rank 3",
     [](TableBuilder& f) { f.i32("fitting.1.input.0.rank_double", {2}, {1, 0}); }},
    {"rank_beyond_table", "fitting.1.input.0.rank_mixed", "is 3 for neighbour type 0, expected 1 to the rank 2",
     [](TableBuilder& f) { f.i32("fitting.1.input.0.rank_mixed", {2}, {3, 3}); }},
    {"rank_of_a_folded_net", "fitting.0.input.0.rank_double", "unknown to this version",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.rank_double", {2}, {1, 1}); }},
    {"no_layers", "fitting.1.layers", "is empty", [](TableBuilder& f) { f.i32("fitting.1.layers", {0, 2}, {}); }},
    {"too_many_layers", "fitting.1.layers", "is 257, format 1 allows at most 256",
     [](TableBuilder& f) { f.i32("fitting.1.layers", {257, 2}, Ints(514, 0)); }},
    {"activation", "fitting.0.layers", "the activation is 10 for layer 1, expected 0 to 9", code("fitting.0.layers", 2, 10)},
    {"activation_negative", "fitting.0.layers", "the activation is -1 for layer 0", code("fitting.0.layers", 0, -1)},
    {"skip", "fitting.0.layers", "the skip is 3 for layer 2, expected 0 to 2", code("fitting.0.layers", 5, 3)},
    {"parameter_of_tanh", "fitting.0.activation_parameter", "is 1 for layer 0, expected 0",
     element("fitting.0.activation_parameter", 0, 1.0)},
    {"identity_skip_widths", "fitting.0.layers", "the skip of layer 2 does not go with 3 inputs and 6 outputs",
     code("fitting.0.layers", 5, 1)},
    {"doubled_skip_widths", "fitting.0.layers", "the skip of layer 1 does not go with 3 inputs and 3 outputs",
     code("fitting.0.layers", 3, 2)},
    {"folded_inputs", "fitting.0.0.weight", "has shape (7, 3), expected (8, any)", code("fitting.0.input.0.row_end", 3, 4)},
    {"direct_inputs", "fitting.1.0.weight", "has shape (8, 5), expected (4, any)", code("descriptor.0.axis_neuron", 0, 1)},
    {"layers_do_not_follow", "fitting.1.1.weight", "has shape (4, 1), expected (5, any)",
     [](TableBuilder& f) { add_layer(f, "fitting.1.1.", 4, 1); }},
    {"no_outputs", "fitting.1.0.weight", "has no outputs", [](TableBuilder& f) { add_layer(f, "fitting.1.0.", 8, 0); }},
    {"too_many_outputs", "fitting.1.0.weight", "is 65537, format 1 allows at most 65536",
     [](TableBuilder& f) { add_layer(f, "fitting.1.0.", 8, 65537); }},
    {"bias_shape", "fitting.1.0.bias", "has shape (4), expected (5)",
     [](TableBuilder& f) { f.f64("fitting.1.0.bias", {4}, numbers(4)); }},
    {"idt_shape", "fitting.0.1.idt", "has shape (2), expected (3)",
     [](TableBuilder& f) { f.f64("fitting.0.1.idt", {2}, numbers(2)); }},
    {"skip_of_folded_layer", "fitting.0.layers", "the first layer has a skip",
     [](TableBuilder& f) {
         add_layer(f, "fitting.0.0.", 7, 7);
         add_layer(f, "fitting.0.1.", 7, 3);
         f.i32("fitting.0.layers", {4, 2}, {1, 1, 8, 0, 2, 2, 0, 0});
     }},
    {"last_activation", "fitting.1.layers", "the last layer 1 has an activation or a skip", code("fitting.1.layers", 2, 1)},
    {"last_outputs", "fitting.1.1.weight", "the last layer has 2 outputs, expected one energy",
     [](TableBuilder& f) { add_layer(f, "fitting.1.1.", 5, 2); }},
    {"last_idt", "fitting.1.1.idt", "the last layer must have none",
     [](TableBuilder& f) { f.f64("fitting.1.1.idt", {1}, {1.0}); }},
};

const Wrong kRadial[] = {
    {"axis_neuron", "descriptor.0.axis_neuron", "unknown to this version",
     [](TableBuilder& f) { f.i32("descriptor.0.axis_neuron", {}, {2}); }},
    {"std_columns", "descriptor.0.std", "has shape (2, 2), expected (2, 1)",
     [](TableBuilder& f) { f.f64("descriptor.0.std", {2, 2}, {0.1, 0.1, 0.1, 0.1}); }},
    {"std_zero", "descriptor.0.std", "is 0 for type 1", element("descriptor.0.std", 1, 0.0)},
    {"form_square", "fitting.0.input.0.form", "is 1 (square), which a descriptor se_e2_r does not have",
     code("fitting.0.input.0.form", 0, 1)},
    {"no_columns", "fitting.0.input.0.form", "gives 0 inputs",
     [](TableBuilder& f) {
         f.i32("fitting.0.input.0.columns", {0, 2}, {});
         f.remove("fitting.0.input.0.n_mixed");
     }},
    {"column_channel", "fitting.0.input.0.columns", "expected a channel of 0 to 1", code("fitting.0.input.0.columns", 1, 2)},
    {"n_mixed_zero", "fitting.0.input.0.n_mixed", "is 0, expected at least 1", code("fitting.0.input.0.n_mixed", 0, 0)},
    {"n_mixed_large", "fitting.0.input.0.n_mixed", "is 5, expected 1 to the 4 columns", code("fitting.0.input.0.n_mixed", 0, 5)},
    {"n_double_large", "fitting.0.input.0.n_double", "is 5, expected 1 to the 4 columns",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.n_double", {}, {5}); }},
    {"n_double_of_direct", "fitting.1.input.0.n_double", "unknown to this version",
     [](TableBuilder& f) { f.i32("fitting.1.input.0.n_double", {}, {1}); }},
    {"row_end_of_linear", "fitting.0.input.0.row_end", "unknown to this version",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end", {4}, {4, 3, 3, 3}); }},
    {"inputs", "fitting.0.0.weight", "has shape (4, 3), expected (3, any)",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.columns", {3, 2}, {0, 0, 1, 0, 0, 1}); }},
    {"direct_inputs", "fitting.1.0.weight", "has shape (8, 5), expected (4, any)",
     [](TableBuilder& f) { add_layer(f, "fitting.1.0.", 8, 5); }},
    {"skip_of_linear", "fitting.0.layers", "the first layer has a skip",
     [](TableBuilder& f) {
         f.i32("fitting.0.input.0.columns", {3, 2}, {0, 0, 1, 0, 0, 1});
         add_layer(f, "fitting.0.0.", 3, 3);
         f.element("fitting.0.layers", 1, std::int32_t{1});
     }},
    {"zero_of_excluded_neighbours", "table.1.segments",
     "does not have the argument 0 of excluded neighbours around centre type 0", element("table.1.upper", 0, -0.01)},
};

const Wrong kCombined[] = {
    {"dtype", "fitting.0.input.0.combination", "has dtype i32, expected f64",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.combination", {5, 4}, Ints(20, 0)); }},
    {"columns", "fitting.0.input.0.combination", "has shape (5, 3), expected (any, 4)",
     [](TableBuilder& f) { f.f64("fitting.0.input.0.combination", {5, 3}, numbers(15)); }},
    {"rows", "fitting.0.input.0.row_end", "has shape (5), expected (4)",
     [](TableBuilder& f) { f.f64("fitting.0.input.0.combination", {4, 4}, numbers(16)); }},
    {"no_rows", "fitting.0.input.0.row_end", "leaves no product",
     [](TableBuilder& f) {
         f.f64("fitting.0.input.0.combination", {0, 4}, {});
         f.i32("fitting.0.input.0.row_end", {0}, {});
     }},
    {"no_columns", "fitting.0.input.0.combination", "has no columns",
     [](TableBuilder& f) {
         f.f64("fitting.0.input.0.combination", {5, 0}, {});
         f.i32("fitting.0.input.0.columns", {0, 2}, {});
     }},
    {"not_finite", "fitting.0.input.0.combination", "element 19 is not a finite number",
     element("fitting.0.input.0.combination", 19, kNan)},
    {"part", "fitting.0.input.0.row_end_double", "has shape (4), expected (5)",
     [](TableBuilder& f) { f.i32("fitting.0.input.0.row_end_double", {4}, {4, 3, 3, 3}); }},
    {"n_double", "fitting.0.input.0.n_double", "is 5, expected 1 to the 4 columns", code("fitting.0.input.0.n_double", 0, 5)},
    {"n_mixed", "fitting.0.input.0.n_mixed", "is 0, expected at least 1", code("fitting.0.input.0.n_mixed", 0, 0)},
    {"of_a_direct_net", "fitting.1.input.0.combination", "unknown to this version",
     [](TableBuilder& f) { f.f64("fitting.1.input.0.combination", {1, 1}, {1.0}); }},
    {"counts_without_it", "fitting.0.input.0.n_double", "unknown to this version",
     [](TableBuilder& f) {
         f.remove("fitting.0.input.0.combination");
         f.remove("fitting.0.input.0.n_mixed");
         for (const char* name : {"row_end", "row_end_double", "row_end_mixed"}) {
             f.i32(std::string("fitting.0.input.0.") + name, {4}, {4, 3, 3, 3});
         }
         add_layer(f, "fitting.0.0.", 7, 3);
     }},
};

const Wrong kTwo[] = {
    {"second", "descriptor.1.rcut", "is -4, expected a positive number", element("descriptor.1.rcut", 0, -4.0)},
    {"widths_of_a_shared_table", "descriptor.1.pair_table",
     "names table 0, which a descriptor before it has for functions of width 4, not 5", code("descriptor.1.width", 0, 5)},
    {"table_gap", "descriptor.1.pair_table", "names table 3 but not all tables before it",
     [](TableBuilder& f) { f.i32("descriptor.1.pair_table", {2, 2}, {0, 1, 3, 1}); }},
    {"descriptor_of_no_net", "descriptor.1.kind", "is in the inputs of no fitting net",
     [](TableBuilder& f) {
         f.i32("fitting.0.inputs", {1}, {0});
         f.i32("fitting.1.inputs", {1}, {0});
         f.remove_all("fitting.0.input.1.");
         f.remove_all("fitting.1.input.1.");
         add_layer(f, "fitting.0.0.", 7, 3);
         add_layer(f, "fitting.1.0.", 8, 5);
     }},
    {"input_of_neither", "fitting.0.inputs", "names descriptor 2, expected 0 to 1", code("fitting.0.inputs", 1, 2)},
    {"input_not_used", "fitting.0.input.1.form", "unknown to this version",
     [](TableBuilder& f) {
         f.i32("fitting.0.inputs", {1}, {0});
         add_layer(f, "fitting.0.0.", 7, 3);
     }},
    {"columns_of_the_other", "fitting.0.input.1.columns", "row 0 is neighbour type 1, channel 0, but there is no table",
     [](TableBuilder& f) {
         f.i32("descriptor.1.sel", {2}, {4, 0});
         f.i32("descriptor.1.pair_kind", {2, 2}, {0, 3, 0, 3});
         f.i32("descriptor.1.pair_table", {2, 2}, {2, -1, 2, -1});
     }},
    {"inputs_of_both", "fitting.0.0.weight", "has shape (9, 3), expected (8, any)",
     [](TableBuilder& f) { f.i32("fitting.0.input.1.columns", {1, 2}, {1, 0}); }},
};

std::string name_of(const testing::TestParamInfo<Wrong>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Common, WrongModel, testing::ValuesIn(kCommon), name_of);
INSTANTIATE_TEST_SUITE_P(Types, WrongModel, testing::ValuesIn(kTypes), name_of);
INSTANTIATE_TEST_SUITE_P(Descriptor, WrongModel, testing::ValuesIn(kDescriptor), name_of);
INSTANTIATE_TEST_SUITE_P(Tables, WrongModel, testing::ValuesIn(kTables), name_of);
INSTANTIATE_TEST_SUITE_P(Fitting, WrongModel, testing::ValuesIn(kFitting), name_of);
INSTANTIATE_TEST_SUITE_P(Radial, WrongRadialModel, testing::ValuesIn(kRadial), name_of);
INSTANTIATE_TEST_SUITE_P(Combined, WrongCombinedModel, testing::ValuesIn(kCombined), name_of);
INSTANTIATE_TEST_SUITE_P(Two, WrongModelOfTwo, testing::ValuesIn(kTwo), name_of);

TEST(Model, HoldsWhatTheFileSays) {
    const auto model = load(small_model());
    EXPECT_EQ(model->type_map, (std::vector<std::string>{"O", "H"}));
    EXPECT_EQ(model->energy_bias, (std::vector<double>{-5.0, -3.0}));
    EXPECT_EQ(model->descriptors[0].rcut, 6.0);
    EXPECT_EQ(model->descriptors[0].sel, (std::vector<int>{4, 8}));
    EXPECT_EQ(model->descriptors[0].std_angular, (std::vector<double>{0.0625, 0.05}));
    EXPECT_EQ(model->descriptors[0].type_pair(0, 1).table, 1);
    EXPECT_EQ(model->of_types(model->min_distance, 0, 1), 0.9);
    EXPECT_EQ(model->descriptors[0].type_pair(1, 1).kind, dpc::PairKind::descriptor_excluded);
    EXPECT_EQ(model->provenance, "{\"source\": \"none\"}");

    ASSERT_EQ(model->tables.size(), 2U);
    const dpc::Table& table = model->tables[1];
    ASSERT_EQ(table.segments.size(), 2U);
    EXPECT_EQ(table.segments[0].n_intervals, 10);
    EXPECT_EQ(table.n_intervals, 12);
    EXPECT_EQ(table.order, 3);
    EXPECT_EQ(table.rank, 3);
    EXPECT_EQ(table.coef[3 * 4 * 5 + 2], numbers(3 * 4 * 5 + 3).back());  // row 5, lowest power, channel 2
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(table.coef) % 64, 0U);

    const dpc::Fitting& folded = model->fittings[0];
    const dpc::FittingInput& square = folded.inputs[0];
    EXPECT_EQ(square.form, dpc::InputForm::square);
    EXPECT_EQ(square.n_inputs, 7);
    EXPECT_EQ(square.row_end_mixed, (std::vector<int>{3, 2, 2, 3}));
    EXPECT_EQ(square.columns[3].group, 1);
    EXPECT_EQ(square.columns[3].channel, 2);
    EXPECT_EQ(folded.layers[1].activation, dpc::Activation::silut);
    EXPECT_EQ(folded.layers[1].activation_parameter, 3.0);
    EXPECT_EQ(folded.layers[1].skip, dpc::Skip::identity);
    EXPECT_EQ(folded.layers[1].idt[2], numbers(3)[2]);
    EXPECT_EQ(folded.layers[0].idt, nullptr);
    EXPECT_EQ(model->fittings[1].inputs[0].form, dpc::InputForm::direct);
    EXPECT_EQ(model->fittings[1].layers[0].n_in, 8);
}

TEST(Model, HoldsARadialDescriptor) {
    const auto model = load(small_radial_model());
    const dpc::Descriptor& descriptor = model->descriptors[0];
    EXPECT_EQ(descriptor.kind, dpc::DescriptorKind::se_e2_r);
    EXPECT_EQ(descriptor.std_radial, (std::vector<double>{0.125, 0.1}));
    EXPECT_TRUE(descriptor.std_angular.empty());
    EXPECT_EQ(descriptor.n_features(), 4);
    EXPECT_EQ(descriptor.type_pair(1, 1).kind, dpc::PairKind::section_excluded);
    const dpc::FittingInput& linear = model->fittings[0].inputs[0];
    EXPECT_EQ(linear.form, dpc::InputForm::linear);
    EXPECT_EQ(linear.n_inputs, 4);
    EXPECT_EQ(linear.n_mixed, 2);
    EXPECT_EQ(linear.n_double, 0);
    EXPECT_EQ(linear.columns[1].group, 1);
    EXPECT_EQ(model->fittings[1].inputs[0].n_inputs, 4);
}

TEST(Model, HoldsACombination) {
    const auto model = load(small_combined_model());
    const dpc::FittingInput& square = model->fittings[0].inputs[0];
    EXPECT_EQ(square.combination[4 * 4 + 3], numbers(20).back());
    EXPECT_EQ(square.n_inputs, 11);
    EXPECT_EQ(square.n_double, 3);
    EXPECT_EQ(square.n_mixed, 2);
    EXPECT_EQ(load(small_model())->fittings[0].inputs[0].combination, nullptr);
}

TEST(Model, HoldsTwoDescriptors) {
    const auto model = load(two_descriptors());
    ASSERT_EQ(model->descriptors.size(), 2U);
    EXPECT_EQ(model->rcut(), 6.0);
    EXPECT_EQ(model->descriptors[1].type_pair(1, 1).table, 2);
    EXPECT_EQ(model->tables.size(), 3U);
    ASSERT_EQ(model->fittings[1].inputs.size(), 2U);
    EXPECT_EQ(model->fittings[1].inputs[0].descriptor, 1);
    EXPECT_EQ(model->fittings[1].inputs[1].descriptor, 0);
    EXPECT_EQ(model->fittings[0].layers[0].n_in, 9);
}

TEST(Model, HoldsTheNeighbourRule) {
    TableBuilder file = small_model();
    EXPECT_EQ(load(file)->neighbour_rule, dpc::NeighbourRule::all);
    file.i32("model.neighbour_rule", {}, {2});
    EXPECT_EQ(load(file)->neighbour_rule, dpc::NeighbourRule::total);
}

/// Of a later minor version, the message has both versions whatever is not understood: a kind, a form, a code, a section.
TEST(Model, LaterVersionIsNamed) {
    const std::function<void(TableBuilder&)> changes[] = {
        text("descriptor.0.kind", "se_e9"), code("fitting.0.input.0.form", 0, 7), code("descriptor.0.pair_kind", 0, 9),
        [](TableBuilder& f) { f.i32("descriptor.0.padding", {2, 3}, Ints(6, 1)); }};
    for (const auto& change : changes) {
        TableBuilder file = small_model();
        change(file);
        Bytes bytes = file.bytes();
        put<std::uint16_t>(bytes, kMinor, 3);
        repair(bytes);
        try {
            dpc::Model::from_bytes(bytes.data(), bytes.size());
            ADD_FAILURE() << "accepted";
        } catch (const dpc::ModelError& error) {
            const std::string message = error.what();
            EXPECT_NE(message.find("section '"), std::string::npos) << message;
            EXPECT_NE(message.find("the file has format 1.3, this program reads format 1.0: install a newer version"),
                      std::string::npos)
                << message;
        }
    }
}

TEST(Model, LaterVersionThatUsesNothingNewIsRead) {
    Bytes bytes = small_model().bytes();
    put<std::uint16_t>(bytes, kMinor, 3);
    repair(bytes);
    EXPECT_EQ(dpc::Model::from_bytes(bytes.data(), bytes.size())->n_types(), 2);
}

/// What the readers know and the evaluators do not is not evaluated as something else.
TEST(NeighbourRule, IsRefusedByName) {
    const auto refused = [](const TableBuilder& file, dpc::Neighbours neighbours) -> std::string {
        try {
            dpc::rule_for(*load(file), neighbours);
        } catch (const dpc::ModelError& error) {
            return error.what();
        }
        return "accepted";
    };
    TableBuilder nearest = two_descriptors();
    nearest.i32("model.neighbour_rule", {}, {2});
    EXPECT_NE(refused(nearest, dpc::Neighbours::trained).find("for each of 2 descriptors by itself"), std::string::npos);
    EXPECT_EQ(refused(nearest, dpc::Neighbours::all), "accepted");
    for (const int rule : {1, 3}) {
        nearest.i32("model.neighbour_rule", {}, {rule});
        EXPECT_EQ(refused(nearest, dpc::Neighbours::trained), "accepted");
    }
    EXPECT_EQ(refused(two_descriptors(), dpc::Neighbours::trained), "accepted");
}

TEST(Model, KeepsItsOwnBytes) {
    Bytes bytes = small_model().bytes();
    const auto model = dpc::Model::from_bytes(bytes.data(), bytes.size());
    const double before = model->tables[0].coef[0];
    std::fill(bytes.begin(), bytes.end(), static_cast<unsigned char>(0xEE));
    EXPECT_EQ(model->tables[0].coef[0], before);
}

TEST(Model, BytesNeedNoAlignment) {
    const Bytes bytes = small_model().bytes();
    Bytes shifted(1, 0);
    shifted.insert(shifted.end(), bytes.begin(), bytes.end());
    EXPECT_EQ(dpc::Model::from_bytes(shifted.data() + 1, bytes.size())->rcut(), 6.0);
}

TEST(Model, UnknownOptionalSectionIsIgnored) {
    TableBuilder file = small_model();
    file.text("remark.of_version_2", "anything", 0);
    EXPECT_EQ(refusal(file), "accepted");
}

TEST(Model, ProvenanceIsOptional) {
    TableBuilder file = small_model();
    file.remove("provenance.json");
    EXPECT_EQ(load(file)->provenance, "");
}

TEST(Model, ProductsOfMixedPrecisionAreOptional) {
    TableBuilder file = small_model();
    file.remove("fitting.0.input.0.row_end_mixed");
    EXPECT_TRUE(load(file)->fittings[0].inputs[0].row_end_mixed.empty());
}

TEST(Model, HoldsWhatOrdinaryCentresTake) {
    TableBuilder file = small_model();
    EXPECT_TRUE(load(file)->fittings[0].inputs[0].row_end_double.empty());
    EXPECT_TRUE(load(file)->fittings[1].inputs[0].rank_double.empty());
    EXPECT_TRUE(load(file)->fittings[1].inputs[0].rank_mixed.empty());
    file.i32("fitting.0.input.0.row_end_double", {4}, {4, 1, 2, 3});  // not within row_end_mixed, nor the other way round
    file.i32("fitting.1.input.0.rank_double", {2}, {2, 3});
    file.i32("fitting.1.input.0.rank_mixed", {2}, {1, 2});
    EXPECT_TRUE(load(file)->fittings[0].inputs[0].row_end_exact.empty());
    file.i32("fitting.0.input.0.row_end_exact", {4}, {2, 1, 2, 3});
    const auto model = load(file);
    EXPECT_EQ(model->fittings[0].inputs[0].row_end_exact, (std::vector<int>{2, 1, 2, 3}));
    EXPECT_EQ(model->fittings[0].inputs[0].row_end_double, (std::vector<int>{4, 1, 2, 3}));
    EXPECT_EQ(model->fittings[1].inputs[0].rank_double, (std::vector<int>{2, 3}));
    EXPECT_EQ(model->fittings[1].inputs[0].rank_mixed, (std::vector<int>{1, 2}));
}

TEST(Model, RanksOfATypeWithoutTableAreZero) {
    TableBuilder file = small_model();
    file.i32("descriptor.0.sel", {2}, {4, 0});
    file.i32("descriptor.0.n_sel", {}, {4});
    file.i32("descriptor.0.pair_kind", {2, 2}, {0, 3, 0, 3});
    file.i32("descriptor.0.pair_table", {2, 2}, {0, -1, 0, -1});
    file.remove_all("table.1.");
    file.i32("fitting.0.input.0.columns", {2, 2}, {0, 0, 0, 1});
    file.i32("fitting.0.input.0.row_end", {2}, {2, 2});
    file.remove("fitting.0.input.0.row_end_mixed");
    add_layer(file, "fitting.0.0.", 3, 3);
    file.i32("fitting.1.input.0.rank_double", {2}, {1, 0});
    EXPECT_EQ(load(file)->fittings[1].inputs[0].rank_double, (std::vector<int>{1, 0}));
    file.i32("fitting.1.input.0.rank_double", {2}, {1, 1});
    EXPECT_NE(refusal(file).find("fitting.1.input.0.rank_double': is 1 for neighbour type 1, which has no table, expected 0"),
              std::string::npos);
}

TEST(Model, TypeWithoutEnergyHasNoFittingNet) {
    TableBuilder file = small_model();
    file.i32("model.energy_mask", {2}, {1, 0});
    file.remove_all("fitting.1.");
    const auto model = load(file);
    EXPECT_EQ(model->has_energy, (std::vector<char>{1, 0}));
    EXPECT_TRUE(model->fittings[1].layers.empty());
}

TEST(Model, StaircaseMayEndInSingleProducts) {
    TableBuilder file = small_model();
    file.i32("fitting.0.input.0.row_end", {4}, {4, 1, 3, 4});  // 4 + 0 + 1 + 1 products
    file.i32("fitting.0.input.0.row_end_mixed", {4}, {2, 1, 3, 3});
    add_layer(file, "fitting.0.0.", 6, 3);
    EXPECT_EQ(load(file)->fittings[0].inputs[0].n_inputs, 6);
}

TEST(Model, TableMayEndAtUpper) {
    TableBuilder file = small_model();
    file.f64("table.1.segments", {1, 3}, {-1.0, 0.1, 10.0});
    file.f64("table.1.coef", {10, 4, 3}, std::vector<double>(10 * 4 * 3, 0.0));
    EXPECT_EQ(load(file)->tables[1].n_intervals, 10);
}

/// Ends that differ by rounding are one point: 3 * 0.1 is not 0.3.
TEST(Model, TableMayHaveManySegments) {
    TableBuilder file = small_model();
    file.f64("table.1.segments", {4, 3}, {-1.0, 0.5, 2.0, 0.0, 0.1, 3.0, 0.3, 0.4, 1.0, 0.7, 0.05, 6.0});
    file.f64("table.1.upper", {}, {1.0});
    const auto model = load(file);
    EXPECT_EQ(model->tables[1].n_intervals, 12);
    EXPECT_EQ(model->tables[1].segments.size(), 4U);
    EXPECT_EQ(model->tables[1].lower(), -1.0);
    EXPECT_NEAR(model->tables[1].max(), 1.0, 1e-15);
}

}  // namespace
