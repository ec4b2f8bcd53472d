// SPDX-License-Identifier: MIT
// Sections table.t.*: grids, ranks, coefficients and bases (docs/theory.md sections 2 and 3).
#include <algorithm>
#include <cmath>

#include "model_parts.hpp"

namespace dpc {
namespace {

constexpr double kMostRows = 1 << 24;
/// A grid ends within this part of a step of its last knot: rounding of the steps, nothing else.
constexpr double kStepTolerance = 1e-6;
/// Fine steps by which the argument of an empty slot must stay below the end of the table, so that rounding cannot put it into
/// the linear continuation.
constexpr double kPaddingMargin = 0.5;
constexpr int kChannelMultiple = 8;

/// Number of intervals from begin to end, a whole number up to rounding.
int count_intervals(const std::string& name, const std::string& which, double begin, double end, double step) {
    const double exact = (end - begin) / step;
    if (!(exact <= kMostRows)) {
        model_error(name,
                    "has " + number_text(exact) + " " + which + " intervals, format 1 allows at most " + number_text(kMostRows));
    }
    const double whole = std::round(exact);
    if (std::abs(exact - whole) > kStepTolerance) {
        model_error(name, "the " + which + " step " + number_text(step) + " does not divide the range " + number_text(begin) +
                              " to " + number_text(end));
    }
    return static_cast<int>(whole);
}

void read_grid(SectionReader& sections, const std::string& name, Table& table) {
    const double* grid = sections.doubles(name, {5});
    table.lower = grid[0];
    table.upper = grid[1];
    table.max = grid[2];
    table.fine = grid[3];
    table.coarse = grid[4];
    if (!(table.lower < table.upper && table.upper <= table.max)) {
        model_error(name, "is " + number_text(table.lower) + ", " + number_text(table.upper) + ", " + number_text(table.max) +
                              ", expected lower < upper <= max");
    }
    for (const double step : {table.fine, table.coarse}) {
        if (!(step > 0 && std::isfinite(1 / step))) {
            model_error(name, "has the step " + number_text(step) + ", expected a positive number with a finite reciprocal");
        }
    }
    table.n_fine = count_intervals(name, "fine", table.lower, table.upper, table.fine);
    const int n_coarse = count_intervals(name, "coarse", table.upper, table.max, table.coarse);
    if (table.n_fine == 0 || (n_coarse == 0) != (table.upper == table.max)) {
        model_error(name, "has a range without an interval");
    }
    table.n_rows = table.n_fine + n_coarse;
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
    read_grid(sections, prefix + "grid", table);
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
std::size_t count_tables(const Model& model) {
    std::set<int> used;
    for (const Pair& pair : model.pairs) {
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

/// The argument of empty slots must lie on the fine grid of every table that the centre type uses.
void check_padding(const Model& model) {
    for (std::size_t k = 0; k < model.pairs.size(); ++k) {
        if (model.pairs[k].table < 0) {
            continue;
        }
        const Table& table = model.tables[static_cast<std::size_t>(model.pairs[k].table)];
        const std::size_t centre = k / model.type_map.size();
        const double x_pad = -model.mean[centre] / model.std_radial[centre];
        if (!(x_pad >= table.lower && x_pad <= table.upper && x_pad <= table.max - kPaddingMargin * table.fine)) {
            model_error("table." + std::to_string(model.pairs[k].table) + ".grid",
                        "does not have the argument -mean/std = " + number_text(x_pad) + " of empty slots around centre type " +
                            std::to_string(centre) + " on its fine grid");
        }
    }
}

}  // namespace

void read_tables(SectionReader& sections, Model& model) {
    const std::size_t n_tables = count_tables(model);
    for (std::size_t t = 0; t < n_tables; ++t) {
        model.tables.push_back(read_table(sections, "table." + std::to_string(t) + ".", model.width));
    }
    check_padding(model);
}

}  // namespace dpc
