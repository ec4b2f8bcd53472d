// SPDX-License-Identifier: MIT
// What left the range of the training data (docs/theory.md section 5), and the one order of which case is worse: threads, blocks,
// devices, ranks and steps all add up by it.
#pragma once

#include <cstdint>

#include "dpc/math/portable.hpp"

namespace dpc {

/// In one or several calls.
struct Overflow {
    std::int64_t n_close = 0;   // pairs closer than the training data
    std::int64_t n_beyond = 0;  // pairs beyond the table: most are close as well, not where a table ends at a larger distance
    struct Pair {
        int i = -1, j = -1;            // atom indices of the worst pair; -1: none
        int type_i = -1, type_j = -1;  // model types
        double distance = 0;           // model units (angstrom)
        double limit = 0;              // smallest distance in the training data
        double table_limit = 0;        // distance at which the table ends
    } worst;                           // of smallest margin
    std::int64_t n_over_sel = 0;       // centres with more neighbours of a type, or of all types, than sel
    struct Crowd {
        int i = -1, type_i = -1, type_j = -1, count = 0, sel = 0;  // type_j: of the neighbours, or kEveryType
    } crowd;                                                       // of smallest margin
};

/// Type of the neighbours of a crowd where all types share the slots.
constexpr int kEveryType = -1;

/// Of a case that there is not.
constexpr double kNoMargin = 1e300;

/// The smaller, the worse: below 0 beyond the table, by what is left of its distance; else what is left of the smallest distance in
/// the training data. kNoMargin: no pair.
DPC_FUNCTION double margin(const Overflow::Pair& pair) {
    if (pair.i < 0) {
        return kNoMargin;
    }
    return pair.distance < pair.table_limit ? pair.distance / pair.table_limit - 1 : pair.distance / pair.limit;
}

/// The smaller, the worse: minus the neighbours beyond sel.
DPC_FUNCTION double margin(const Overflow::Crowd& crowd) {
    return crowd.i < 0 ? kNoMargin : static_cast<double>(crowd.sel) - static_cast<double>(crowd.count);
}

/// Of two equal ones that of the smaller index is worse: the order of summation must not matter.
DPC_FUNCTION bool is_worse(const Overflow::Pair& a, const Overflow::Pair& b) {
    const double of_a = margin(a), of_b = margin(b);
    return of_a < of_b || (of_a == of_b && (a.i < b.i || (a.i == b.i && a.j < b.j)));
}

DPC_FUNCTION bool is_worse(const Overflow::Crowd& a, const Overflow::Crowd& b) {
    const double of_a = margin(a), of_b = margin(b);
    return of_a < of_b || (of_a == of_b && a.i < b.i);
}

DPC_FUNCTION void merge(Overflow& into, const Overflow& from) {
    into.worst = is_worse(from.worst, into.worst) ? from.worst : into.worst;
    into.crowd = is_worse(from.crowd, into.crowd) ? from.crowd : into.crowd;
    into.n_close += from.n_close;
    into.n_beyond += from.n_beyond;
    into.n_over_sel += from.n_over_sel;
}

}  // namespace dpc
