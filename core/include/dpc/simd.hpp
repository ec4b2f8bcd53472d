// SPDX-License-Identifier: MIT
// A pack of scalars as wide as the registers of the instruction set this file is compiled for, with the operators and functions
// that the leaf math asks for. Everything lives in a namespace named after the instruction set (DPC_ISA), so that the same
// kernel compiled twice never shares a symbol.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "dpc/math/portable.hpp"

#if defined(__AVX512F__)
#define DPC_PACK_BYTES 64
#elif defined(__AVX__)
#define DPC_PACK_BYTES 32
#else
#define DPC_PACK_BYTES 16
#endif

namespace dpc::simd::DPC_ISA {

using math::select;

template <class T>
struct Lanes;
template <>
struct Lanes<double> {
    typedef double Vector __attribute__((vector_size(DPC_PACK_BYTES)));
    typedef std::int64_t Bits __attribute__((vector_size(DPC_PACK_BYTES)));
};
template <>
struct Lanes<float> {
    typedef float Vector __attribute__((vector_size(DPC_PACK_BYTES)));
    typedef std::int32_t Bits __attribute__((vector_size(DPC_PACK_BYTES)));
};

/// Lane-wise truth: all bits set or none.
template <class T>
struct Mask {
    typename Lanes<T>::Bits bits;
};

template <class T>
struct Pack {
    static constexpr int width = DPC_PACK_BYTES / sizeof(T);
    using Vector = typename Lanes<T>::Vector;
    using Bits = typename Lanes<T>::Bits;
    Vector v;

    DPC_FUNCTION Pack() = default;
    DPC_FUNCTION Pack(Vector vector) : v(vector) {}
    // Not 0 + scalar: compilers must keep that addition, for it turns -0 into 0.
    DPC_FUNCTION Pack(T scalar) : v(scalar - Vector{}) {}
    template <class U, class = std::enable_if_t<std::is_arithmetic_v<U> && !std::is_same_v<U, T>>>
    DPC_FUNCTION Pack(U scalar) : Pack(static_cast<T>(scalar)) {}

    DPC_FUNCTION static Pack load(const T* from) {
        Pack p;
        std::memcpy(&p.v, from, sizeof(Vector));
        return p;
    }
    DPC_FUNCTION void store(T* to) const { std::memcpy(to, &v, sizeof(Vector)); }

    DPC_FUNCTION friend Pack operator+(Pack a, Pack b) { return Pack(Vector(a.v + b.v)); }
    DPC_FUNCTION friend Pack operator-(Pack a, Pack b) { return Pack(Vector(a.v - b.v)); }
    DPC_FUNCTION friend Pack operator*(Pack a, Pack b) { return Pack(Vector(a.v * b.v)); }
    DPC_FUNCTION friend Pack operator/(Pack a, Pack b) { return Pack(Vector(a.v / b.v)); }
    DPC_FUNCTION friend Pack operator-(Pack a) { return Pack(Vector(-a.v)); }
    DPC_FUNCTION Pack& operator+=(Pack b) {
        v += b.v;
        return *this;
    }
    DPC_FUNCTION friend Mask<T> operator<(Pack a, Pack b) { return {a.v < b.v}; }
    DPC_FUNCTION friend Mask<T> operator>(Pack a, Pack b) { return {a.v > b.v}; }
    DPC_FUNCTION friend Mask<T> operator>=(Pack a, Pack b) { return {a.v >= b.v}; }

    DPC_FUNCTION friend Pack select(Mask<T> m, Pack a, Pack b) { return Pack(m.bits ? a.v : b.v); }
    DPC_FUNCTION friend Pack abs(Pack a) { return select(a < Pack(T(0)), -a, a); }
};

DPC_FUNCTION Pack<double> sqrt(Pack<double> a) {
#if defined(__AVX512F__)
    return Pack<double>(_mm512_sqrt_pd(a.v));
#elif defined(__AVX__)
    return Pack<double>(_mm256_sqrt_pd(a.v));
#elif defined(__SSE2__)
    return Pack<double>(_mm_sqrt_pd(a.v));
#else
    for (int lane = 0; lane < Pack<double>::width; ++lane) {
        a.v[lane] = __builtin_sqrt(a.v[lane]);
    }
    return a;
#endif
}

/// Adding this number rounds a double below 2^51 to the nearest whole one, which then stands in the low bits.
constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
constexpr float kRoundFloat = 12582912.0F;     // 1.5 * 2^23

DPC_FUNCTION Pack<double> round(Pack<double> a) { return (a + kRound) - kRound; }
DPC_FUNCTION Pack<float> round(Pack<float> a) { return (a + kRoundFloat) - kRoundFloat; }

template <class T>
DPC_FUNCTION Pack<T> floor(Pack<T> a) {
    const Pack<T> nearest = round(a);
    return nearest - select(nearest > a, Pack<T>(T(1)), Pack<T>(T(0)));
}

/// Whole numbers in a to integers; writes Pack::width of them.
DPC_FUNCTION void store_integers(Pack<double> a, std::int32_t* to) {
#if defined(__AVX512F__)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtpd_epi32(a.v));
#else
    for (int lane = 0; lane < Pack<double>::width; ++lane) {
        to[lane] = static_cast<std::int32_t>(a.v[lane]);
    }
#endif
}

/// e^x by x = n log 2 + r and a Taylor polynomial in r, |r| <= log(2)/2: relative error 2e-16. 0 below -708, e^709 above 709.
DPC_FUNCTION Pack<double> exp(Pack<double> x) {
    using P = Pack<double>;
    const Mask<double> is_zero = x < -708.0;
    x = select(x > 709.0, P(709.0), x);
    const P shifted = x * 1.4426950408889634 + kRound;
    const P n = shifted - kRound;
    P r = x - n * 0.693147180369123816490;
    r = r - n * 1.90821492927058770002e-10;
    constexpr double inverse_factorial[14] = {
        1.0,           1.0,           1.0 / 2,         1.0 / 6,          1.0 / 24,
        1.0 / 120,     1.0 / 720,     1.0 / 5040,      1.0 / 40320,      1.0 / 362880,
        1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
    P sum = P(inverse_factorial[13]);
    for (int k = 12; k >= 0; --k) {
        sum = sum * r + inverse_factorial[k];
    }
    typename P::Bits bits;
    std::memcpy(&bits, &shifted.v, sizeof bits);
    typename P::Bits power = (bits + 1023) << 52;  // 2^n
    P scale;
    std::memcpy(&scale.v, &power, sizeof power);
    return select(is_zero, P(0.0), sum * scale);
}

/// The same in single precision: relative error 1e-7. 0 below -87, e^88 above 88.
DPC_FUNCTION Pack<float> exp(Pack<float> x) {
    using P = Pack<float>;
    const Mask<float> is_zero = x < -87.0F;
    x = select(x > 88.0F, P(88.0F), x);
    const P shifted = x * 1.44269504F + kRoundFloat;
    const P n = shifted - kRoundFloat;
    P r = x - n * 0.693359375F;
    r = r - n * -2.12194440e-4F;
    constexpr float inverse_factorial[8] = {1.0F, 1.0F, 1.0F / 2, 1.0F / 6, 1.0F / 24, 1.0F / 120, 1.0F / 720, 1.0F / 5040};
    P sum = P(inverse_factorial[7]);
    for (int k = 6; k >= 0; --k) {
        sum = sum * r + inverse_factorial[k];
    }
    typename P::Bits bits;
    std::memcpy(&bits, &shifted.v, sizeof bits);
    typename P::Bits power = (bits + 127) << 23;
    P scale;
    std::memcpy(&scale.v, &power, sizeof power);
    return select(is_zero, P(0.0), sum * scale);
}

/// Sum over the lanes, pairwise.
template <class T>
DPC_FUNCTION T sum(Pack<T> a) {
    T lanes[Pack<T>::width];
    a.store(lanes);
    for (int half = Pack<T>::width / 2; half > 0; half /= 2) {
        for (int lane = 0; lane < half; ++lane) {
            lanes[lane] += lanes[lane + half];
        }
    }
    return lanes[0];
}

}  // namespace dpc::simd::DPC_ISA
