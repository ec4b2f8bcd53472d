// SPDX-License-Identifier: MIT
// A pack of scalars as wide as the registers of the instruction set this file is compiled for, with the operators and functions
// that the leaf math asks for. Everything lives in a namespace named after the instruction set (DPC_ISA), so that the same
// kernel compiled twice never shares a symbol.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
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

/// Registers for packs.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

template <class T>
struct VectorOf;
template <>
struct VectorOf<double> {
    typedef double Vector __attribute__((vector_size(DPC_PACK_BYTES)));
    typedef std::int64_t Bits __attribute__((vector_size(DPC_PACK_BYTES)));
};
template <>
struct VectorOf<float> {
    typedef float Vector __attribute__((vector_size(DPC_PACK_BYTES)));
    typedef std::int32_t Bits __attribute__((vector_size(DPC_PACK_BYTES)));
};

/// Truth by element: all bits set or none.
template <class T>
struct Mask {
    typename VectorOf<T>::Bits bits;
};

template <class T>
struct Pack {
    static constexpr int width = DPC_PACK_BYTES / sizeof(T);
    using Vector = typename VectorOf<T>::Vector;
    using Bits = typename VectorOf<T>::Bits;
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
    DPC_FUNCTION friend Pack abs(Pack a) { return from_bits(a.bits() & ~Pack(T(-0.0)).bits()); }
    DPC_FUNCTION friend Pack copysign(Pack magnitude, Pack sign) {
        const Bits sign_bit = Pack(T(-0.0)).bits();
        return from_bits((magnitude.bits() & ~sign_bit) | (sign.bits() & sign_bit));
    }

    DPC_FUNCTION Bits bits() const { return (Bits)v; }
    DPC_FUNCTION static Pack from_bits(Bits b) { return Pack((Vector)b); }
};

DPC_FUNCTION Pack<double> sqrt(Pack<double> a) {
#if defined(__AVX512F__)
    return Pack<double>(_mm512_sqrt_pd(a.v));
#elif defined(__AVX__)
    return Pack<double>(_mm256_sqrt_pd(a.v));
#elif defined(__SSE2__)
    return Pack<double>(_mm_sqrt_pd(a.v));
#elif defined(__aarch64__)
    return Pack<double>(vsqrtq_f64(a.v));
#else
    for (int element = 0; element < Pack<double>::width; ++element) {
        a.v[element] = __builtin_sqrt(a.v[element]);
    }
    return a;
#endif
}

/// b where one of the two is not a number.
DPC_FUNCTION Pack<double> max(Pack<double> a, Pack<double> b) {
#if defined(__AVX512F__)
    return Pack<double>(_mm512_max_pd(a.v, b.v));
#elif defined(__AVX__)
    return Pack<double>(_mm256_max_pd(a.v, b.v));
#elif defined(__SSE2__)
    return Pack<double>(_mm_max_pd(a.v, b.v));
#else
    return select(a > b, a, b);
#endif
}

DPC_FUNCTION Pack<float> max(Pack<float> a, Pack<float> b) {
#if defined(__AVX512F__)
    return Pack<float>(_mm512_max_ps(a.v, b.v));
#elif defined(__AVX__)
    return Pack<float>(_mm256_max_ps(a.v, b.v));
#elif defined(__SSE2__)
    return Pack<float>(_mm_max_ps(a.v, b.v));
#else
    return select(a > b, a, b);
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
    for (int element = 0; element < Pack<double>::width; ++element) {
        to[element] = static_cast<std::int32_t>(a.v[element]);
    }
#endif
}

DPC_FUNCTION void store_integers(Pack<float> a, std::int32_t* to) {
#if defined(__AVX512F__)
    _mm512_storeu_si512(to, _mm512_cvtps_epi32(a.v));
#else
    for (int element = 0; element < Pack<float>::width; ++element) {
        to[element] = static_cast<std::int32_t>(a.v[element]);
    }
#endif
}

/// The first n elements.
template <class T>
DPC_FUNCTION Mask<T> first_elements(int n) {
    constexpr T place[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static_assert(Pack<T>::width <= 16);
    return Pack<T>::load(place) < Pack<T>(static_cast<T>(n));
}

/// The first n numbers of a pack in memory, `behind` behind them.
template <class T>
DPC_FUNCTION Pack<T> load_first(const T* from, int n, T behind = T(0)) {
    return select(first_elements<T>(n), Pack<T>::load(from), Pack<T>(behind));
}

/// The elements that are chosen one behind the other, and their numbers from `first` on; up to a pack is written. Returns how many.
template <class T>
DPC_FUNCTION int store_chosen(Mask<T> chosen, Pack<T> a, std::int32_t first, T* to, std::int32_t* numbers) {
    int n = 0;
    for (int element = 0; element < Pack<T>::width; ++element) {
        to[n] = a.v[element];
        numbers[n] = first + element;
        n -= static_cast<int>(chosen.bits[element]);  // -1 where it is chosen
    }
    return n;
}

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
// Compressed in registers, since compressing stores are slow on some processors.
DPC_FUNCTION int store_chosen(Mask<double> chosen, Pack<double> a, std::int32_t first, double* to, std::int32_t* numbers) {
    const __mmask8 mask = _mm512_movepi64_mask((__m512i)chosen.bits);
    const __m256i number = _mm256_add_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    _mm512_storeu_pd(to, _mm512_maskz_compress_pd(mask, a.v));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(numbers), _mm256_maskz_compress_epi32(mask, number));
    return __builtin_popcount(mask);
}

DPC_FUNCTION int store_chosen(Mask<float> chosen, Pack<float> a, std::int32_t first, float* to, std::int32_t* numbers) {
    const __mmask16 mask = _mm512_movepi32_mask((__m512i)chosen.bits);
    const __m512i number =
        _mm512_add_epi32(_mm512_set1_epi32(first), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    _mm512_storeu_ps(to, _mm512_maskz_compress_ps(mask, a.v));
    _mm512_storeu_si512(numbers, _mm512_maskz_compress_epi32(mask, number));
    return __builtin_popcount(mask);
}
#endif

/// c[0] + c[1] x + .. by halving the number of terms: as many operations as Horner's rule needs, but few of them one after the
/// other. A processor holds only a few packs' worth of waiting operations, so that the longest chain counts.
template <int N, class T>
DPC_FUNCTION Pack<T> short_chain_polynomial(const T (&c)[N], Pack<T> x) {
    Pack<T> part[N];
    for (int k = 0; k < N; ++k) {
        part[k] = Pack<T>(c[k]);
    }
    for (int n = N; n > 1; n = (n + 1) / 2) {
        for (int k = 0; k < n / 2; ++k) {
            part[k] = part[2 * k + 1] * x + part[2 * k];
        }
        if (n % 2 == 1) {
            part[n / 2] = part[n - 1];
        }
        x = x * x;
    }
    return part[0];
}

/// e^x = 2^n e^r, x = n log 2 + r, |r| <= log(2) / 2, with a polynomial for e^r fitted at Chebyshev's nodes (its error: 2e-17).
/// Relative error 3e-16. x below 709; e^-708 below -708.
DPC_FUNCTION Pack<double> exp(Pack<double> x) {
    using P = Pack<double>;
    x = max(P(-708.0), x);  // this order keeps what is not a number
    const P shifted = x * 1.4426950408889634 + kRound;
    const P n = shifted - kRound;
    P r = x - n * 0.693147180369123816490;
    r = r - n * 1.90821492927058770002e-10;
    constexpr double c[12] = {1.0,
                              1.0,
                              0.5000000000000001,
                              0.16666666666666669,
                              0.04166666666662413,
                              0.008333333333330062,
                              0.0013888888917213717,
                              0.00019841269863053618,
                              2.4801521295954376e-05,
                              2.7557268459997064e-06,
                              2.7620088445409746e-07,
                              2.510038549551032e-08};
    const P value = short_chain_polynomial(c, r);
    return P::from_bits(value.bits() + (shifted.bits() << 52));  // times 2^n
}

/// The same in single precision (error of the polynomial: 1e-8): relative error 1e-7. x below 88; e^-87 below -87.
DPC_FUNCTION Pack<float> exp(Pack<float> x) {
    using P = Pack<float>;
    x = max(P(-87.0F), x);
    const P shifted = x * 1.44269504F + kRoundFloat;
    const P n = shifted - kRoundFloat;
    P r = x - n * 0.693359375F;
    r = r - n * -2.12194440e-4F;
    constexpr float c[7] = {1.0F, 1.0F, 0.5F, 0.16666576F, 0.041666556F, 0.008363179F, 0.0013926184F};
    const P value = short_chain_polynomial(c, r);
    return P::from_bits(value.bits() + (shifted.bits() << 23));
}

/// Elements of two packs, those of a pair of spans of SPAN elements in the place of one: of a before b's, from the first spans or the second.
template <int SPAN, bool SECOND, class T, int... ELEMENT>
DPC_FUNCTION Pack<T> exchange_spans(Pack<T> a, Pack<T> b, std::integer_sequence<int, ELEMENT...>) {
    constexpr auto source = [](int element) {
        const int place = SECOND ? element | SPAN : element & ~SPAN;
        return (element & SPAN) == 0 ? place : place + Pack<T>::width;
    };
    return Pack<T>(__builtin_shufflevector(a.v, b.v, source(ELEMENT)...));
}

/// As many packs as one has elements: element k of pack m becomes element m of pack k.
template <class T, int SPAN = Pack<T>::width / 2>
DPC_FUNCTION void transpose(Pack<T> (&p)[Pack<T>::width]) {
    constexpr int width = Pack<T>::width;
    if constexpr (SPAN > 0) {
        for (int k = 0; k < width; ++k) {
            if ((k & SPAN) == 0) {
                const Pack<T> a = p[k], b = p[k + SPAN];
                p[k] = exchange_spans<SPAN, false>(a, b, std::make_integer_sequence<int, width>());
                p[k + SPAN] = exchange_spans<SPAN, true>(a, b, std::make_integer_sequence<int, width>());
            }
        }
        transpose<T, SPAN / 2>(p);
    }
}

/// Sum over the elements, pairwise.
template <class T>
DPC_FUNCTION T sum(Pack<T> a) {
    T elements[Pack<T>::width];
    a.store(elements);
    for (int half = Pack<T>::width / 2; half > 0; half /= 2) {
        for (int element = 0; element < half; ++element) {
            elements[element] += elements[element + half];
        }
    }
    return elements[0];
}

/// Two packs with sums in groups of GROUP elements units side by side -> one with groups of half that size, those of a before those of
/// b: elements UNIT wide, within spans of SPAN elements.
template <int SPAN, int UNIT, int GROUP, class T, int... ELEMENT>
DPC_FUNCTION Pack<T> merge_halves(Pack<T> a, Pack<T> b, std::integer_sequence<int, ELEMENT...>) {
    constexpr int half = GROUP / 2, groups = SPAN / UNIT / GROUP;
    constexpr auto source = [](int element) {
        const int span = element / SPAN, unit = element % SPAN / UNIT, group = unit / half;
        return span * SPAN + ((group % groups) * GROUP + unit % half) * UNIT + element % UNIT +
               (group < groups ? 0 : Pack<T>::width);
    };
    return Pack<T>(__builtin_shufflevector(a.v, b.v, source(ELEMENT)...)) +
           Pack<T>(__builtin_shufflevector(a.v, b.v, (source(ELEMENT) + half * UNIT)...));
}

/// Merge N packs pairwise until their groups are single elements. In-register 16-byte spans first: these moves are the cheapest.
template <int N, int SPAN, int UNIT, int GROUP, class T>
DPC_FUNCTION void sum_groups(Pack<T>* p) {
    constexpr int width = Pack<T>::width, elements_of_span = 16 / static_cast<int>(sizeof(T));
    if constexpr (GROUP > 1) {
        for (int k = 0; k < N / 2; ++k) {
            p[k] = merge_halves<SPAN, UNIT, GROUP>(p[2 * k], p[2 * k + 1], std::make_integer_sequence<int, width>());
        }
        sum_groups<N / 2, SPAN, UNIT, GROUP / 2>(p);
    } else if constexpr (SPAN < width) {
        sum_groups<N, width, elements_of_span, width / elements_of_span>(p);
    }
}

/// sums[k]: sum over the elements of p[k], N of them, a multiple of the width. Overwrites p.
template <int N, class T>
DPC_FUNCTION void sum_elements(const Pack<T> (&p)[N], T* sums) {
    constexpr int width = Pack<T>::width, elements_of_span = 16 / static_cast<int>(sizeof(T));
    static_assert(N % width == 0);
    Pack<T> work[N];
    for (int k = 0; k < N; ++k) {
        work[k] = p[k];
    }
    sum_groups<N, elements_of_span, 1, elements_of_span>(work);
    for (int k = 0; k < N / width; ++k) {
        work[k].store(sums + k * width);
    }
}

}  // namespace dpc::simd::DPC_ISA
