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
    double elements[PackD::width];
    for (int element = 0; element < PackD::width; ++element) {
        elements[element] = static_cast<double>(from[element]);
    }
    return PackD::load(elements);
}

template <class PackD>
DPC_FUNCTION void store_from_double(PackD value, double* to) {
    value.store(to);
}

template <class PackD>
DPC_FUNCTION void store_from_double(PackD value, float* to) {
    double elements[PackD::width];
    value.store(elements);
    for (int element = 0; element < PackD::width; ++element) {
        to[element] = static_cast<float>(elements[element]);
    }
}

}  // namespace dpc::math
