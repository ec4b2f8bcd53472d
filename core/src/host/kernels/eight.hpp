// SPDX-License-Identifier: MIT
// Eight numbers, in as many registers as that takes.
#pragma once

#include <cstdint>

namespace dpc::host {

template <class Real>
struct Eight;
template <>
struct Eight<double> {
    typedef double Vector __attribute__((vector_size(64)));
    typedef std::int64_t Bits __attribute__((vector_size(64)));
};
template <>
struct Eight<float> {
    typedef float Vector __attribute__((vector_size(32)));
    typedef std::int32_t Bits __attribute__((vector_size(32)));
};

}  // namespace dpc::host
