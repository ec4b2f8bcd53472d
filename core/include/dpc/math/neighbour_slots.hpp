// SPDX-License-Identifier: MIT
// Which neighbours fill a centre's slots where there are too many (docs/theory.md section 1).
#pragma once

#include <cmath>

#include "dpc/math/portable.hpp"

namespace dpc::math {

/// Squared distances, A^2, and components, A, that round to the same multiple of this are the same: those of a perfect crystal
/// differ by roundings that depend on the processor and on where the crystal lies.
constexpr double kEquallyNear = 1.0 / (1 << 30);

DPC_FUNCTION long long rounded(double value) { return static_cast<long long>(floor(value / kEquallyNear + 0.5)); }

/// Where a neighbour comes among those of its centre: by its distance, its tag and, among images of one atom, its direction.
struct NeighbourOrder {
    long long r2, tag, d[3];
};

DPC_FUNCTION NeighbourOrder order_of(double r2, long long tag, double dx, double dy, double dz) {
    return {rounded(r2), tag, {rounded(dx), rounded(dy), rounded(dz)}};
}

DPC_FUNCTION bool is_nearer(const NeighbourOrder& a, const NeighbourOrder& b) {
    const long long of_a[5] = {a.r2, a.tag, a.d[0], a.d[1], a.d[2]}, of_b[5] = {b.r2, b.tag, b.d[0], b.d[1], b.d[2]};
    int k = 0;
    while (k < 4 && of_a[k] == of_b[k]) {
        ++k;
    }
    return of_a[k] < of_b[k];
}

}  // namespace dpc::math
