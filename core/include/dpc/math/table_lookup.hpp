// SPDX-License-Identifier: MIT
// Where x lies on a table's two uniform grids, and the polynomial of one interval (docs/theory.md section 2).
#pragma once

#include "dpc/math/portable.hpp"

namespace dpc::math {

/// The two grids of a table: n_fine intervals from lower, then n_rows - n_fine coarse ones from upper to max. Row n_rows is one
/// more, the linear continuation beyond max.
struct Grid {
    double lower, upper, max;
    double fine, coarse;
    double inverse_fine, inverse_coarse;
    double n_fine, n_rows;  // whole numbers
};

/// Row (a whole number in V) of x and the distance from the row's left knot. x below lower: row 0, distance < 0.
template <class V>
DPC_FUNCTION V locate(const Grid& g, V x, V& distance) {
    const auto is_coarse = x >= g.upper;
    const V origin = select(is_coarse, V(g.upper), V(g.lower));
    const V first = select(is_coarse, V(g.n_fine), V(0.0));
    const V last = select(is_coarse, V(g.n_rows - 1.0), V(g.n_fine - 1.0));
    const V step = select(is_coarse, V(g.coarse), V(g.fine));
    const V inverse_step = select(is_coarse, V(g.inverse_coarse), V(g.inverse_fine));
    V interval = floor((x - origin) * inverse_step);
    interval = select(interval < 0.0, V(0.0), interval);
    interval = select(interval > last - first, last - first, interval);
    const auto is_beyond = x >= g.max;
    distance = select(is_beyond, x - g.max, x - (origin + interval * step));
    return select(is_beyond, V(g.n_rows), first + interval);
}

/// Value of the polynomial c[0] + c[1] t + .. + c[ORDER] t^ORDER.
template <int ORDER, class V, class Coefficient>
DPC_FUNCTION V polynomial(const Coefficient& c, V t) {
    V value = c(ORDER);
    for (int power = ORDER - 1; power >= 0; --power) {
        value = value * t + c(power);
    }
    return value;
}

/// Value and slope.
template <int ORDER, class V, class Coefficient>
DPC_FUNCTION V polynomial(const Coefficient& c, V t, V& slope) {
    slope = c(ORDER);
    V value = slope * t + c(ORDER - 1);
    for (int power = ORDER - 2; power >= 0; --power) {
        slope = slope * t + value;
        value = value * t + c(power);
    }
    return value;
}

}  // namespace dpc::math
