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
    if (a.r2 != b.r2) {
        return a.r2 < b.r2;
    }
    if (a.tag != b.tag) {
        return a.tag < b.tag;
    }
    if (a.d[0] != b.d[0]) {
        return a.d[0] < b.d[0];
    }
    return a.d[1] != b.d[1] ? a.d[1] < b.d[1] : a.d[2] < b.d[2];
}

}  // namespace dpc::math
