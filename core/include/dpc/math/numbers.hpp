// SPDX-License-Identifier: MIT
// Numbers of one precision to and from packs of doubles, as many as such a pack has. PackD: a pack of doubles.
#pragma once

#include "dpc/math/portable.hpp"

namespace dpc::math {

template <class PackD>
DPC_FUNCTION PackD load_as_double(const double* from) {
    return PackD::load(from);
}

template <class PackD>
DPC_FUNCTION PackD load_as_double(const float* from) {
    double lanes[PackD::width];
    for (int lane = 0; lane < PackD::width; ++lane) {
        lanes[lane] = static_cast<double>(from[lane]);
    }
    return PackD::load(lanes);
}

template <class PackD>
DPC_FUNCTION void store_from_double(PackD value, double* to) {
    value.store(to);
}

template <class PackD>
DPC_FUNCTION void store_from_double(PackD value, float* to) {
    double lanes[PackD::width];
    value.store(lanes);
    for (int lane = 0; lane < PackD::width; ++lane) {
        to[lane] = static_cast<float>(lanes[lane]);
    }
}

}  // namespace dpc::math
