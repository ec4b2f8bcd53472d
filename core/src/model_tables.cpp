// SPDX-License-Identifier: MIT
// Sections table.t.*: segments, ranks, coefficients and bases (docs/theory.md sections 2 and 3).
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "descriptor_kinds.hpp"
#include "dpc/math/counts.hpp"
#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr int kMostIntervals = 1 << 24, kMostSegments = 1 << 16, kMostOfHighOrder = 64;
constexpr double kWidestOfHighOrder = 1024;
/// Two ends of segments that should be one point are that close, by rounding only: a part of the larger end of the first.
constexpr double kJointTolerance = 1e-9;
/// Last steps by which the argument of an empty slot must stay below the end of the table, so that rounding cannot put it into
/// the linear continuation.
constexpr double kPaddingMargin = 0.5;

double joint_tolerance(double start, double end) { return kJointTolerance * std::max(std::abs(start), std::abs(end)); }

Table::Segment read_segment(const std::string& name, std::size_t k, const double* numbers) {
    const double start = numbers[0], step = numbers[1], count = numbers[2];
    const std::string which = "segment " + std::to_string(k);
    if (!(step > 0 && std::isfinite(1 / step))) {
        model_error(name, which + " has the step " + number_text(step) + ", expected a positive number with a finite 1/step");
    }
    if (!(count >= 1 && count <= kMostIntervals && count == std::floor(count))) {
        model_error(name, which + " has " + number_text(count) + " intervals, expected a whole number from 1 to " +
                              std::to_string(kMostIntervals));
    }
    const Table::Segment segment{start, step, static_cast<int>(count)};
    if (!(start < segment.end() && std::isfinite(segment.end()))) {
        model_error(name, which + " from " + number_text(start) + " to " + number_text(segment.end()) +
                              " does not increase, or is not finite");
    }
    return segment;
}

void read_segments(SectionReader& sections, const std::string& name, Table& table) {
    const std::uint64_t n_segments = sections.get(name, DType::f64, {SectionReader::kAny, 3}).shape[0];
    if (n_segments == 0) {
        model_error(name, "is empty");
    }
    require_at_most(name, static_cast<std::int64_t>(n_segments), kMostSegments);
    const double* numbers = sections.doubles(name, {n_segments, 3});
    std::int64_t n_intervals = 0;
    for (std::size_t k = 0; k < n_segments; ++k) {
        table.segments.push_back(read_segment(name, k, numbers + 3 * k));
        n_intervals += table.segments.back().n_intervals;
    }
    for (std::size_t k = 0; k + 1 < n_segments; ++k) {
        const double start = table.segments[k].start, end = table.segments[k].end(), next = table.segments[k + 1].start;
        if (!(next > start && std::abs(next - end) <= joint_tolerance(start, end))) {
            model_error(name, "segment " + std::to_string(k) + " ends at " + number_text(end) +
                                  ", but the one after it starts at " + number_text(next));
        }
    }
    if (n_intervals > kMostIntervals) {
        model_error(
            name, "has " + std::to_string(n_intervals) + " intervals, format 1 allows at most " + std::to_string(kMostIntervals));
    }
    table.n_intervals = static_cast<int>(n_intervals);
}

void read_upper(SectionReader& sections, const std::string& name, Table& table) {
    table.upper = sections.number(name);
    const double lower = table.lower(), max = table.max();
    if (!(table.upper >= lower && table.upper <= max + joint_tolerance(lower, max))) {
        model_error(name, "is " + number_text(table.upper) + ", expected " + number_text(lower) + " to " + number_text(max) +
                              ", the ends of the table");
    }
}

/// Of few intervals, which evaluators go through, and powers of half an interval that are numbers of single precision.
void check_high_order(const std::string& name, const Table& table) {
    for (const Table::Segment& segment : table.segments) {
        if (!(segment.step >= 1 / kWidestOfHighOrder && segment.step <= kWidestOfHighOrder)) {
            model_error(name, "has intervals of order 11 that are " + number_text(segment.step) +
                                  " wide, expected 1/1024 to 1024: powers of distances are numbers of single precision");
        }
    }
    if (table.n_intervals > kMostOfHighOrder) {
        model_error(name, "has " + std::to_string(table.n_intervals) +
                              " intervals of order 11, of which format 1 allows at most " + std::to_string(kMostOfHighOrder));
    }
}

/// Order, rank and coefficients.
void read_coefficients(SectionReader& sections, const std::string& name, int width, Table& table) {
    const auto n_intervals = static_cast<std::uint64_t>(table.n_intervals);
    const std::vector<std::uint64_t>& shape =
        sections.get(name, DType::f64, {n_intervals, SectionReader::kAny, SectionReader::kAny}).shape;
    const std::uint64_t n_powers = shape[1], rank = shape[2];
    const bool may_be_high = table.argument == TableArgument::product, is_high = n_powers == math::kHighOrder + 1;
    if (n_powers != 4 && n_powers != 6 && !(is_high && may_be_high)) {
        model_error(name, "has " + std::to_string(n_powers) + " coefficients of a polynomial, expected " +
                              (may_be_high ? "4, 6 or 12: order 3, 5 or 11" : "4 or 6: order 3 or 5"));
    }
    if (is_high) {
        check_high_order(name, table);
    }
    if (rank < 1 || rank > static_cast<std::uint64_t>(width)) {
        model_error(name, "has " + std::to_string(rank) + " functions, expected 1 to the width " + std::to_string(width));
    }
    table.order = static_cast<int>(n_powers) - 1;
    table.rank = static_cast<int>(rank);
    table.coef = sections.doubles(name, shape);
}

/// What x is.
TableArgument read_argument(SectionReader& sections, const std::string& name) {
    constexpr int last = static_cast<int>(TableArgument::product);
    const int argument = sections.integer(name, 0);
    if (argument > last) {
        model_error(name, "is " + std::to_string(argument) + ", expected 0 to " + std::to_string(last));
    }
    return static_cast<TableArgument>(argument);
}

Table read_table(SectionReader& sections, const std::string& prefix, int width) {
    Table table;
    table.argument = read_argument(sections, prefix + "argument");
    read_segments(sections, prefix + "segments", table);
    read_upper(sections, prefix + "upper", table);
    read_coefficients(sections, prefix + "coef", width, table);
    table.basis = sections.doubles(prefix + "basis", {static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(table.rank)});
    return table;
}

/// Width of the functions of each table: tables 0 .. largest in any pair_table, each used by some pair, all of whose descriptors
/// have the same width.
std::vector<int> table_widths(const Model& model) {
    std::map<int, int> widths;
    std::string has_largest;
    for (std::size_t d = 0; d < model.descriptors.size(); ++d) {
        const int width = model.descriptors[d].width;
        const std::string name = "descriptor." + std::to_string(d) + ".pair_table";
        for (const TypePair& pair : model.descriptors[d].type_pairs) {
            if (pair.table < 0) {
                continue;
            }
            has_largest = widths.empty() || pair.table > widths.rbegin()->first ? name : has_largest;
            const int known = widths.emplace(pair.table, width).first->second;
            if (known != width) {
                model_error(name, "names table " + std::to_string(pair.table) +
                                      ", which a descriptor before it has for functions of width " + std::to_string(known) +
                                      ", not " + std::to_string(width));
            }
        }
    }
    const int largest = widths.rbegin()->first;  // sel is not 0 for every type, so there is one
    if (static_cast<std::size_t>(largest) + 1 != widths.size()) {
        model_error(has_largest, "names table " + std::to_string(largest) + " but not all tables before it");
    }
    std::vector<int> out;
    for (const auto& [table, width] : widths) {
        out.push_back(width);
    }
    return out;
}

/// An argument at which a table is looked up whatever the neighbours must lie in its trained range.
void require_inside(const Model& model, int t, double x, const std::string& what) {
    const Table& table = model.tables[static_cast<std::size_t>(t)];
    if (!(x >= table.lower() && x <= table.upper && x <= table.max() - kPaddingMargin * table.segments.back().step)) {
        model_error("table." + std::to_string(t) + ".segments",
                    "does not have the argument " + what + " inside its trained range");
    }
}

/// Arguments of neighbours at the cut-off, which are those of empty slots, and of excluded neighbours where these are looked up.
void check_constant_arguments(const Model& model, const Descriptor& descriptor) {
    if (descriptor.argument != TableArgument::x) {
        return;
    }
    for (std::size_t k = 0; k < descriptor.type_pairs.size(); ++k) {
        const TypePair& pair = descriptor.type_pairs[k];
        if (pair.table < 0) {
            continue;
        }
        const std::size_t centre = k / model.type_map.size();
        const double x_pad = -descriptor.mean[centre] / descriptor.std_radial[centre];
        require_inside(model, pair.table, x_pad,
                       "-mean/std = " + number_text(x_pad) + " at the cut-off around centre type " + std::to_string(centre));
        const bool excluded = pair.kind == PairKind::descriptor_excluded || pair.kind == PairKind::section_excluded;
        if (rules_of(descriptor.kind).looks_excluded_up && excluded) {
            require_inside(model, pair.table, 0, "0 of excluded neighbours around centre type " + std::to_string(centre));
        }
    }
}

/// Of a table over the distance: it begins at the cut-off and ends before r = 0; what empty slots add stands beside it.
void check_over_r(const Descriptor& descriptor, const std::string& prefix, const Table& table, int t) {
    if (descriptor.padding == nullptr) {
        model_error(prefix + "padding", "is missing, but table " + std::to_string(t) + " is over the distance");
    }
    if (!(table.lower() <= 0 && table.max() < descriptor.rcut)) {
        model_error("table." + std::to_string(t) + ".segments",
                    "runs from " + number_text(table.lower()) + " to " + number_text(table.max()) +
                        ", expected 0 to less than rcut = " + number_text(descriptor.rcut));
    }
}

/// Of a table over products: as much on both sides of 0, for distances tell of both ends.
void check_over_products(const Table& table, int t) {
    if (!(table.upper >= 0 && std::abs(table.lower() + table.max()) <= joint_tolerance(table.lower(), table.max()))) {
        model_error("table." + std::to_string(t) + ".segments",
                    "go from " + number_text(table.lower()) + " to " + number_text(table.max()) +
                        ", expected as far on both sides of 0, and upper not below it");
    }
}

bool has_argument(const Descriptor& descriptor, TableArgument argument) {
    if (descriptor.is_three_body() || argument == TableArgument::product) {
        return descriptor.is_three_body() && argument == TableArgument::product;
    }
    return argument == TableArgument::x || rules_of(descriptor.kind).has_padding;
}

/// One argument for all tables of a descriptor.
void set_argument(const Model& model, const std::string& prefix, Descriptor& descriptor) {
    std::set<int> numbers;
    for (const TypePair& pair : descriptor.type_pairs) {
        if (pair.table >= 0) {
            numbers.insert(pair.table);
        }
    }
    const int first = *numbers.begin();  // sel is not 0 for every type, so there is one
    descriptor.argument = model.tables[static_cast<std::size_t>(first)].argument;
    for (const int t : numbers) {
        const Table& table = model.tables[static_cast<std::size_t>(t)];
        const std::string name = "table." + std::to_string(t) + ".argument",
                          is = "is " + std::to_string(static_cast<int>(table.argument));
        if (!has_argument(descriptor, table.argument)) {
            model_error(name, is + ", which a descriptor " + name_of(descriptor.kind) + " does not have");
        }
        if (table.argument != descriptor.argument) {
            model_error(name, is + ", but " + std::to_string(static_cast<int>(descriptor.argument)) + " in table " +
                                  std::to_string(first) + " of the same descriptor");
        }
        if (table.argument == TableArgument::r) {
            check_over_r(descriptor, prefix, table, t);
        } else if (table.argument == TableArgument::product) {
            check_over_products(table, t);
        }
    }
}

}  // namespace

void read_tables(SectionReader& sections, Model& model) {
    for (const int width : table_widths(model)) {
        model.tables.push_back(read_table(sections, "table." + std::to_string(model.tables.size()) + ".", width));
    }
    for (std::size_t d = 0; d < model.descriptors.size(); ++d) {
        set_argument(model, "descriptor." + std::to_string(d) + ".", model.descriptors[d]);
        check_constant_arguments(model, model.descriptors[d]);
    }
}

}  // namespace dpc
