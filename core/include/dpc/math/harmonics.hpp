// SPDX-License-Identifier: MIT
// Components of the environment of degree l = 2 to lmax (docs/theory.md section 1): of a neighbour at d, n = d/q,
//     B_l = g_l (s/std_r) Y_l(n),    Y_lm(n) = N_lm Q_lm(z, n.n) times the real or the imaginary part of (x + iy)^m,
// Q_lm by the recurrence of the Legendre polynomials. They follow from d and h of environment.hpp, and the way back ends in dE/dR_0 and
// dE/dR_c of the first four: since Y_l is homogeneous of degree l, with s/std_r = ratio h q,
//     dE/dR_0 += sum (1 - l) e_lm g_l Y_lm,    dE/dR_c += ratio sum e_lm g_l dY_lm/dn_c,    e = dE/dB.
#pragma once

#include "dpc/math/portable.hpp"

namespace dpc::math {

constexpr int kMostLmax = 4;

/// Of an environment of this many components.
template <int COMPONENTS>
inline constexpr int kLmax = COMPONENTS == 25   ? 4
                             : COMPONENTS == 16 ? 3
                             : COMPONENTS == 9  ? 2
                                                : 1;

/// What the components of degree 2 and more around one centre type need beside h.
struct Harmonics {
    double protection;
    double ratio;                                 // std_a/std_r
    double weight[kMostLmax - 1][kMostLmax + 1];  // (degree - 2, m): g_l N_lm (2m - 1)!!
};

/// Number of a component: of m > 0 that of the real part, the imaginary one is next.
template <int DEGREE, int M>
inline constexpr int kHarmonic = DEGREE * DEGREE + (M > 0 ? 2 * M - 1 : 0);

/// Q_lm/(2m - 1)!! of one degree and m with its derivatives along z and n.n.
template <class V>
struct Legendre {
    V value, by_z, by_q;
};

/// Of a degree and m from those of the two degrees before; q: n.n.
template <int DEGREE, int M, class V>
DPC_FUNCTION Legendre<V> next_degree(const Legendre<V>& one, const Legendre<V>& two, V z, V q) {
    constexpr double a = (2.0 * DEGREE - 1) / (DEGREE - M), b = (DEGREE + M - 1.0) / (DEGREE - M);
    if constexpr (DEGREE == M + 1) {
        return {a * z, V(a), V(0.0)};  // one is 1, two is 0
    } else {
        return {a * z * one.value - b * q * two.value, a * (one.value + z * one.by_z) - b * q * two.by_z,
                a * z * one.by_q - b * (two.value + q * two.by_q)};
    }
}

/// visit.degree<l, m>(g_l N_lm (2m - 1)!!, Legendre, power) for l = DEGREE to LMAX.
template <int LMAX, int DEGREE, int M, class V, class Visit>
DPC_FUNCTION void for_each_degree(const Harmonics& harmonics, const Legendre<V>& one, const Legendre<V>& two, V z, V q,
                                  const V (&power)[2], Visit& visit) {
    if constexpr (DEGREE > 1) {
        visit.template degree<DEGREE, M>(harmonics.weight[DEGREE - 2][M], one, power);
    }
    if constexpr (DEGREE < LMAX) {
        for_each_degree<LMAX, DEGREE + 1, M>(harmonics, next_degree<DEGREE + 1, M>(one, two, z, q), one, z, q, power, visit);
    }
}

/// The same for all m from M on, with power = (x + iy)^m; after the last l of an m visit.order<m>((x + iy)^(m - 1)). All of it is
/// unrolled when it is compiled.
template <int LMAX, int M, class V, class Visit>
DPC_FUNCTION void for_each_order(const Harmonics& harmonics, const V (&n)[3], V q, const V (&power)[2], const V (&before)[2],
                                 Visit& visit) {
    const Legendre<V> first{V(1.0), V(0.0), V(0.0)}, none{V(0.0), V(0.0), V(0.0)};
    for_each_degree<LMAX, M, M>(harmonics, first, none, n[2], q, power, visit);
    visit.template order<M>(before);
    if constexpr (M < LMAX) {
        const V next[2] = {power[0] * n[0] - power[1] * n[1], power[1] * n[0] + power[0] * n[1]};
        for_each_order<LMAX, M + 1>(harmonics, n, q, next, power, visit);
    }
}

template <int LMAX, class V, class Visit>
DPC_FUNCTION void for_each_harmonic(const Harmonics& harmonics, const V (&n)[3], Visit& visit) {
    const V q = n[0] * n[0] + n[1] * n[1] + n[2] * n[2], one[2] = {V(1.0), V(0.0)}, none[2] = {V(0.0), V(0.0)};
    for_each_order<LMAX, 0>(harmonics, n, q, one, none, visit);
}

/// take(component, g_l Y_lm(n)).
template <class V, class Take>
struct TakeHarmonics {
    const Take& take;

    template <int DEGREE, int M>
    DPC_FUNCTION void degree(double weight, const Legendre<V>& legendre, const V (&power)[2]) {
        const V scaled = weight * legendre.value;
        if constexpr (M == 0) {
            take(kHarmonic<DEGREE, 0>, scaled);
        } else {
            take(kHarmonic<DEGREE, M>, scaled * power[0]);
            take(kHarmonic<DEGREE, M> + 1, scaled * power[1]);
        }
    }
    template <int M>
    DPC_FUNCTION void order(const V (&)[2]) {}
};

/// From e(component) = dE/dB: what they add to dE/dR_0, and to dE/dR_c without the ratio.
template <class V, class Gradient>
struct ReverseHarmonics {
    const Gradient& e;
    V scalar, vector[3], by_q;
    V real, imaginary;  // of one m: sums over l of what (x + iy)^m is multiplied by

    template <int DEGREE, int M>
    DPC_FUNCTION void degree(double weight, const Legendre<V>& legendre, const V (&power)[2]) {
        V along = weight * e(kHarmonic<DEGREE, M>);
        if constexpr (M > 0) {
            const V other = weight * e(kHarmonic<DEGREE, M> + 1);
            real += along * legendre.value;
            imaginary += other * legendre.value;
            along = along * power[0] + other * power[1];
        }
        scalar += (1.0 - DEGREE) * along * legendre.value;
        vector[2] += along * legendre.by_z;
        by_q += along * legendre.by_q;
    }
    template <int M>
    DPC_FUNCTION void order(const V (&before)[2]) {
        if constexpr (M > 0) {
            vector[0] += static_cast<double>(M) * (real * before[0] + imaginary * before[1]);
            vector[1] += static_cast<double>(M) * (imaginary * before[0] - real * before[1]);
            real = imaginary = V(0.0);
        }
    }
};

template <int LMAX, class V, class Take>
DPC_FUNCTION void harmonics_of(const Harmonics& harmonics, const V (&n)[3], const Take& take) {
    TakeHarmonics<V, Take> visit{take};
    for_each_harmonic<LMAX>(harmonics, n, visit);
}

template <int LMAX, class V, class Gradient>
DPC_FUNCTION void reverse_harmonics_of(const Harmonics& harmonics, const V (&n)[3], const Gradient& e, V& scalar,
                                       V (&vector)[3]) {
    const V none(0.0);
    ReverseHarmonics<V, Gradient> visit{e, none, {none, none, none}, none, none, none};
    for_each_harmonic<LMAX>(harmonics, n, visit);
    scalar = visit.scalar;
    for (int c = 0; c < 3; ++c) {
        vector[c] = visit.vector[c] + 2.0 * n[c] * visit.by_q;
    }
}

}  // namespace dpc::math
