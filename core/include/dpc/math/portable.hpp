// SPDX-License-Identifier: MIT
// The one portability macro of the leaf math: forced inline on the host (so that code compiled for one instruction set never
// leaks into another through a shared symbol), host and device under Kokkos. Leaf functions are templates over the value type V:
// a scalar, or a pack of scalars that provides the same operators and select/sqrt/exp/abs by argument-dependent look-up.
#pragma once

#include <cmath>

#if defined(KOKKOS_INLINE_FUNCTION)
#define DPC_FUNCTION KOKKOS_FORCEINLINE_FUNCTION
#else
#define DPC_FUNCTION inline __attribute__((always_inline))
#endif

namespace dpc::math {

// Scalar counterparts of the pack functions.
template <class T>
DPC_FUNCTION T select(bool condition, T a, T b) {
    return condition ? a : b;
}

}  // namespace dpc::math
