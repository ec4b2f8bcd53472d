// SPDX-License-Identifier: MIT
// Numbers that a caller lends.
#pragma once

#include <cstddef>

namespace dpc {

struct Span {
    const double* values = nullptr;
    std::size_t n = 0;
};

}  // namespace dpc
