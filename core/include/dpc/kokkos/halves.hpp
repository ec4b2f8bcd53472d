// SPDX-License-Identifier: MIT
// Numbers of half precision, two in a register of 32 bits (the first in its lower half), and single numbers as the sum of two halves.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>
#if defined(KOKKOS_ENABLE_CUDA)
#include <cuda_fp16.h>
#endif

namespace dpc::kokkos {

KOKKOS_INLINE_FUNCTION std::uint32_t bits_of(float value) {
    std::uint32_t bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(bits));
    return bits;
}
KOKKOS_INLINE_FUNCTION float of_bits(std::uint32_t bits) {
    float value = 0;
    __builtin_memcpy(&value, &bits, sizeof(bits));
    return value;
}

/// To the nearest half, of two the even one; beyond 65504 infinite.
KOKKOS_INLINE_FUNCTION std::uint32_t half_bits(float value) {
    const std::uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000U, magnitude = bits & 0x7fffffffU;
    if (magnitude > 0x7f800000U) {
        return sign | 0x7e00U;  // not a number
    }
    if (magnitude >= 0x477ff000U) {  // 65520
        return sign | 0x7c00U;
    }
    if (magnitude < 0x38800000U) {  // below 2^-14: a multiple of 2^-24, the last place of numbers between 1/2 and 1
        return sign | (bits_of(of_bits(magnitude) + 0.5F) - bits_of(0.5F));
    }
    const std::uint32_t rounded = magnitude + 0xfffU + (magnitude >> 13 & 1U);
    return sign | ((rounded - 0x38000000U) >> 13);
}

KOKKOS_INLINE_FUNCTION float value_of_half(std::uint32_t half) {
    const std::uint32_t magnitude = half & 0x7fffU, sign = (half & 0x8000U) << 16;
    if (magnitude >= 0x7c00U) {
        return of_bits(sign | 0x7f800000U | (magnitude & 0x3ffU) << 13);
    }
    const float scaled = of_bits(magnitude << 13) * 5.192296858534828e33F;  // 2^112
    return of_bits(sign | bits_of(scaled));
}

KOKKOS_INLINE_FUNCTION std::uint32_t pack_halves(float first, float second) {
#if defined(KOKKOS_ENABLE_CUDA)
    KOKKOS_IF_ON_DEVICE((const __half2 both = __floats2half2_rn(first, second); std::uint32_t bits = 0;
                         __builtin_memcpy(&bits, &both, sizeof(bits)); return bits;))
    KOKKOS_IF_ON_HOST((return half_bits(first) | half_bits(second) << 16;))
#else
    return half_bits(first) | half_bits(second) << 16;
#endif
}

struct TwoNumbers {
    float first, second;
};

KOKKOS_INLINE_FUNCTION TwoNumbers unpack_halves(std::uint32_t packed) {
#if defined(KOKKOS_ENABLE_CUDA)
    KOKKOS_IF_ON_DEVICE((__half2 both; __builtin_memcpy(&both, &packed, sizeof(packed));
                         const float2 values = __half22float2(both); return TwoNumbers{values.x, values.y};))
    KOKKOS_IF_ON_HOST((return TwoNumbers{value_of_half(packed & 0xffffU), value_of_half(packed >> 16)};))
#else
    return {value_of_half(packed & 0xffffU), value_of_half(packed >> 16)};
#endif
}

/// Two numbers, each the sum of a half of `high` and one of `low`: 22 bits of what is at least 2^-2, to 2^-25 of what is less.
struct SplitPair {
    std::uint32_t high, low;

    KOKKOS_INLINE_FUNCTION TwoNumbers values() const {
        const TwoNumbers a = unpack_halves(high), b = unpack_halves(low);
        return {a.first + b.first, a.second + b.second};
    }
};
KOKKOS_INLINE_FUNCTION SplitPair split(float first, float second) {
    const std::uint32_t high = pack_halves(first, second);
    const TwoNumbers of_high = unpack_halves(high);
    return {high, pack_halves(first - of_high.first, second - of_high.second)};
}

/// Numbers that are split are scaled to less than 2^(kHalfExponent + 1) by a power of two.
constexpr int kHalfExponent = 11;

constexpr int kMostScaleExponent = 60;

/// The power of two that takes a number to at least 2^kHalfExponent and less than twice that; 2^60 of those that would need more, 0 among them.
KOKKOS_INLINE_FUNCTION float scale_of(float largest) {
    constexpr int bias = 127, most = kMostScaleExponent;
    const int exponent = static_cast<int>(bits_of(largest) >> 23 & 255U) - bias;
    const int wanted = kHalfExponent - exponent;
    const int kept = wanted > most ? most : wanted < -most ? -most : wanted;
    return of_bits(static_cast<std::uint32_t>(kept + bias) << 23);
}

/// Of a power of two between 2^-126 and 2^126.
KOKKOS_INLINE_FUNCTION float inverse_of_power(float power) { return of_bits((254U << 23) - bits_of(power)); }

}  // namespace dpc::kokkos
