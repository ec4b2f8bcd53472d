// SPDX-License-Identifier: MIT
// Sections table.t.*: segments, ranks, coefficients and bases (docs/theory.md sections 2 and 3).
#include <algorithm>
#include <cmath>

#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr int kMostRows = 1 << 24, kMostSegments = 1 << 16;
/// Two ends of segments that should be one point are that close, by rounding only: a part of the larger end of the first.
constexpr double kJointTolerance = 1e-9;
/// Last steps by which the argument of an empty slot must stay below the end of the table, so that rounding cannot put it into
/// the linear continuation.
constexpr double kPaddingMargin = 0.5;
constexpr int kChannelMultiple = 8;

double joint_tolerance(double start, double end) { return kJointTolerance * std::max(std::abs(start), std::abs(end)); }

Table::Segment read_segment(const std::string& name, std::size_t k, const double* numbers) {
    const double start = numbers[0], step = numbers[1], count = numbers[2];
    const std::string which = "segment " + std::to_string(k);
    if (!(step > 0 && std::isfinite(1 / step))) {
        model_error(name, which + " has the step " + number_text(step) + ", expected a positive number with a finite 1/step");
    }
    if (!(count >= 1 && count <= kMostRows && count == std::floor(count))) {
        model_error(name, which + " has " + number_text(count) + " intervals, expected a whole number from 1 to " + std::to_string(kMostRows));
    }
    const Table::Segment segment{start, step, static_cast<int>(count)};
    if (!(start < segment.end() && std::isfinite(segment.end()))) {
        model_error(name, which + " from " + number_text(start) + " to " + number_text(segment.end()) + " does not increase, or is not finite");
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
    std::int64_t n_rows = 0;
    for (std::size_t k = 0; k < n_segments; ++k) {
        table.segments.push_back(read_segment(name, k, numbers + 3 * k));
        n_rows += table.segments.back().n_intervals;
    }
    for (std::size_t k = 0; k + 1 < n_segments; ++k) {
        const double start = table.segments[k].start, end = table.segments[k].end(), next = table.segments[k + 1].start;
        if (!(next > start && std::abs(next - end) <= joint_tolerance(start, end))) {
            model_error(name, "segment " + std::to_string(k) + " ends at " + number_text(end) + ", but the one after it starts at " +
                                  number_text(next));
        }
    }
    if (n_rows > kMostRows) {
        model_error(name, "has " + std::to_string(n_rows) + " intervals, format 1 allows at most " + std::to_string(kMostRows));
    }
    table.n_rows = static_cast<int>(n_rows);
}

void read_upper(SectionReader& sections, const std::string& name, Table& table) {
    table.upper = sections.number(name);
    const double lower = table.lower(), max = table.max();
    if (!(table.upper >= lower && table.upper <= max + joint_tolerance(lower, max))) {
        model_error(name, "is " + number_text(table.upper) + ", expected " + number_text(lower) + " to " + number_text(max) +
                              ", the ends of the table");
    }
}

void read_coefficients(SectionReader& sections, const std::string& name, Table& table) {
    const auto n_rows = static_cast<std::uint64_t>(table.n_rows), stride = static_cast<std::uint64_t>(table.stride);
    const std::uint64_t n_powers = sections.get(name, DType::f64, {n_rows, SectionReader::kAny, stride}).shape[1];
    if (n_powers != 4 && n_powers != 6) {
        model_error(name, "has " + std::to_string(n_powers) + " coefficients of a polynomial, expected 4 or 6: order 3 or 5");
    }
    table.order = static_cast<int>(n_powers) - 1;
    table.coef = sections.doubles(name, {n_rows, n_powers, stride});
    for (std::uint64_t row = 0; row < n_rows * n_powers; ++row) {
        const double* c = table.coef + row * stride;
        if (std::any_of(c + table.rank, c + table.stride, [](double value) { return value != 0; })) {
            model_error(name, "has a coefficient that is not 0 in a column beyond the rank " + std::to_string(table.rank));
        }
    }
}

Table read_table(SectionReader& sections, const std::string& prefix, int width) {
    Table table;
    read_segments(sections, prefix + "segments", table);
    read_upper(sections, prefix + "upper", table);
    table.rank = sections.integer(prefix + "rank", 1);
    if (table.rank > width) {
        model_error(prefix + "rank", "is " + std::to_string(table.rank) + ", expected 1 to the width " + std::to_string(width));
    }
    table.stride = (table.rank + kChannelMultiple - 1) / kChannelMultiple * kChannelMultiple;
    read_coefficients(sections, prefix + "coef", table);
    table.basis = sections.doubles(prefix + "basis", {static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(table.rank)});
    return table;
}

/// Tables 0 .. largest in pair_table, each used by some pair.
std::size_t count_tables(const Descriptor& descriptor) {
    std::set<int> used;
    for (const Pair& pair : descriptor.pairs) {
        if (pair.table >= 0) {
            used.insert(pair.table);
        }
    }
    const int largest = *used.rbegin();  // sel is not 0 for every type, so there is one
    if (static_cast<std::size_t>(largest) + 1 != used.size()) {
        model_error("descriptor.pair_table", "names table " + std::to_string(largest) + " but not all tables before it");
    }
    return used.size();
}

/// The argument of empty slots must lie in the trained range of every table that the centre type uses.
void check_padding(const Model& model, const Descriptor& descriptor) {
    for (std::size_t k = 0; k < descriptor.pairs.size(); ++k) {
        if (descriptor.pairs[k].table < 0) {
            continue;
        }
        const Table& table = model.tables[static_cast<std::size_t>(descriptor.pairs[k].table)];
        const std::size_t centre = k / model.type_map.size();
        const double x_pad = -descriptor.mean[centre] / descriptor.std_radial[centre];
        if (!(x_pad >= table.lower() && x_pad <= table.upper && x_pad <= table.max() - kPaddingMargin * table.segments.back().step)) {
            model_error("table." + std::to_string(descriptor.pairs[k].table) + ".segments",
                        "does not have the argument -mean/std = " + number_text(x_pad) + " of empty slots around centre type " +
                            std::to_string(centre) + " inside its trained range");
        }
    }
}

}  // namespace

void read_tables(SectionReader& sections, Model& model) {
    const std::size_t n_tables = count_tables(model.descriptors.front());
    for (std::size_t t = 0; t < n_tables; ++t) {
        model.tables.push_back(read_table(sections, "table." + std::to_string(t) + ".", model.descriptors.front().width));
    }
    check_padding(model, model.descriptors.front());
}

}  // namespace dpc
