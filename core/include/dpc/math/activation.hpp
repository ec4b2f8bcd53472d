// SPDX-License-Identifier: MIT
// Activation functions of the fitting net with their derivatives (docs/tables-format.md has the codes). Written so that nothing
// overflows: exponentials are taken of -|x| only. What is not a number stays so, that the energy shows it.
#pragma once

#include "dpc/codes.hpp"
#include "dpc/math/portable.hpp"

namespace dpc::math {

/// f(x) and f'(x).
template <class V>
struct ValueSlope {
    V value;
    V slope;
};

template <class V>
DPC_FUNCTION V tanh_of(V x) {
    using std::abs;
    using std::copysign;
    using std::exp;
    const V e = exp(V(abs(x) * -2.0));
    return copysign(V((1.0 - e) / (1.0 + e)), x);
}

/// sigmoid(x) and sigmoid(-x) = 1 - sigmoid(x), both without cancellation.
template <class V>
struct Sigmoids {
    V plus;
    V minus;
};

template <class V>
DPC_FUNCTION Sigmoids<V> sigmoids_of(V x) {
    using std::abs;
    using std::exp;
    const V e = exp(-abs(x));
    const V large = 1.0 / (1.0 + e);
    const V small = e * large;
    const auto is_negative = x < 0.0;
    return {select(is_negative, small, large), select(is_negative, large, small)};
}

/// log(1 + e), 0 <= e <= 1, as 2 artanh(e / (2 + e)): a series in z^2 <= 1/9.
template <class V>
DPC_FUNCTION V log_one_plus(V e) {
    const V z = e / (e + 2.0);
    const V z2 = z * z;
    V sum = V(1.0 / 33.0);
    for (int k = 31; k >= 1; k -= 2) {
        sum = sum * z2 + 1.0 / k;
    }
    return 2.0 * z * sum;
}

/// x/2 (1 + tanh z) = x sigmoid(2 z), z = sqrt(2/pi) (x + cubic x^3); cubic: 0 stands for 0.044715. Beyond |x| = 30 the sigmoid is 0
/// or 1, and powers of x would overflow.
template <class V>
DPC_FUNCTION ValueSlope<V> gelu(V x, double parameter) {
    constexpr double scale = 0.7978845608028654;  // sqrt(2 / pi)
    const double cubic = parameter == 0 ? 0.044715 : parameter;
    const V low = select(x < -30.0, V(-30.0), x);
    const V near = select(low > 30.0, V(30.0), low);
    const Sigmoids<V> s = sigmoids_of(V(2.0 * scale * (near + cubic * near * near * near)));
    const V inner_slope = 2.0 * scale * (1.0 + 3.0 * cubic * near * near);
    return {V(low * s.plus), V(s.plus + near * s.plus * s.minus * inner_slope)};
}

/// x Phi(x), with the normal distribution Phi(-x) = erfc(x / sqrt(2)) / 2 and, for z >= 0 and t = 3 / (3 + z),
/// erfc(z) = exp(-z^2) t p(2 t - 1): p is a polynomial fitted at Chebyshev's nodes (its error: 2e-17). Phi's error is 4e-16.
/// Beyond |x| = 30 Phi is 0 or 1, and squares of x would overflow.
template <class V>
DPC_FUNCTION ValueSlope<V> gelu_erf(V x) {
    using std::abs;
    using std::exp;
    constexpr double c[23] = {0.3580023023627799,      0.294464817723293,      0.19674278570136933,     0.10348908730032487,
                              0.039842587095666314,    0.008942411537958437,   -0.00040413887394316183, -0.0010113539579816233,
                              -0.00018276991424949872, 9.225899997789508e-05,  3.585392363681283e-05,   -1.0131578675156923e-05,
                              -5.823857407636006e-06,  1.5801189369395156e-06, 9.225829640201406e-07,   -3.2798388174368307e-07,
                              -1.3722842699705352e-07, 7.241314802770536e-08,  1.6652640553590825e-08,  -1.3174436327282527e-08,
                              -1.1893885619092368e-09, 1.3433763579088608e-09, 2.3183140775046786e-12};
    const V low = select(x < -30.0, V(-30.0), x);
    const V near = select(low > 30.0, V(30.0), low);
    const V t = 3.0 / (abs(near) * 0.7071067811865476 + 3.0);
    const V s = 2.0 * t - 1.0;
    V sum = V(c[22]);
    for (int k = 21; k >= 0; --k) {
        sum = sum * s + c[k];
    }
    const V bell = exp(V(-0.5 * near * near));
    const V tail = 0.5 * bell * t * sum;
    const V below = select(x < 0.0, tail, V(1.0 - tail));
    return {V(low * below), V(below + near * bell * 0.3989422804014327)};  // 1 / sqrt(2 pi)
}

template <class V>
DPC_FUNCTION ValueSlope<V> softplus(V x) {
    using std::abs;
    using std::exp;
    const V positive = select(x > 0.0, x, V(0.0));
    return {V(positive + log_one_plus(V(exp(-abs(x))))), sigmoids_of(x).plus};
}

template <class V>
DPC_FUNCTION ValueSlope<V> silu(V x) {
    const Sigmoids<V> s = sigmoids_of(x);
    // Beyond 1000 the smaller sigmoid, which is not exactly 0, must be nothing beside x.
    const V low = select(x < -1000.0, V(-1000.0), x);
    const V near = select(low > 1000.0, V(1000.0), low);
    return {V(low * s.plus), V(s.plus * (1.0 + near * s.minus))};
}

/// silu below the threshold T, T sigmoid(T) + tanh(silu'(T) (x - T)) from there on.
template <class V>
DPC_FUNCTION ValueSlope<V> silut(V x, double threshold) {
    const ValueSlope<V> below = silu(x);
    const ValueSlope<double> at_threshold = silu(threshold);
    const double c = at_threshold.slope;
    const V t = tanh_of(V(c * (x - threshold)));
    const auto is_below = x < threshold;
    return {select(is_below, below.value, V(at_threshold.value + t)), select(is_below, below.slope, V(c * (1.0 - t * t)))};
}

template <class V>
DPC_FUNCTION ValueSlope<V> relu(V x) {
    return {select(x < 0.0, V(0.0), x), select(x > 0.0, V(1.0), V(0.0))};
}

template <class V>
DPC_FUNCTION ValueSlope<V> relu6(V x) {
    const ValueSlope<V> below = relu(x);
    return {select(x > 6.0, V(6.0), below.value), select(x < 6.0, below.slope, V(0.0))};
}

/// KIND is a template parameter so that a loop over neurons carries no branch.
template <Activation KIND, class V>
DPC_FUNCTION ValueSlope<V> activation(V x, double parameter) {
    if constexpr (KIND == Activation::tanh) {
        const V t = tanh_of(x);
        return {t, V(1.0 - t * t)};
    } else if constexpr (KIND == Activation::gelu) {
        return gelu(x, parameter);
    } else if constexpr (KIND == Activation::relu) {
        return relu(x);
    } else if constexpr (KIND == Activation::relu6) {
        return relu6(x);
    } else if constexpr (KIND == Activation::softplus) {
        return softplus(x);
    } else if constexpr (KIND == Activation::sigmoid) {
        const Sigmoids<V> s = sigmoids_of(x);
        return {s.plus, V(s.plus * s.minus)};
    } else if constexpr (KIND == Activation::silu) {
        return silu(x);
    } else if constexpr (KIND == Activation::silut) {
        return silut(x, parameter);
    } else if constexpr (KIND == Activation::gelu_erf) {
        return gelu_erf(x);
    } else {
        return {x, V(1.0)};
    }
}

template <Activation KIND>
struct ActivationKind {
    static constexpr Activation value = KIND;
};

/// call(ActivationKind) with the kind as a constant; returns what it returns.
template <class Call>
DPC_FUNCTION auto with_activation(Activation kind, const Call& call) {
    switch (kind) {
        case Activation::tanh: return call(ActivationKind<Activation::tanh>{});
        case Activation::gelu: return call(ActivationKind<Activation::gelu>{});
        case Activation::relu: return call(ActivationKind<Activation::relu>{});
        case Activation::relu6: return call(ActivationKind<Activation::relu6>{});
        case Activation::softplus: return call(ActivationKind<Activation::softplus>{});
        case Activation::sigmoid: return call(ActivationKind<Activation::sigmoid>{});
        case Activation::silu: return call(ActivationKind<Activation::silu>{});
        case Activation::silut: return call(ActivationKind<Activation::silut>{});
        case Activation::gelu_erf: return call(ActivationKind<Activation::gelu_erf>{});
        case Activation::linear: break;
    }
    return call(ActivationKind<Activation::linear>{});
}

}  // namespace dpc::math
