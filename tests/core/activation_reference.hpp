// SPDX-License-Identifier: MIT
// Activation functions and their slopes in long double, from the C library's functions and not from ours.
#pragma once

#include <cmath>

#include "dpc/codes.hpp"

namespace dpc::test {

struct Reference {
    long double value, slope;
};

inline long double sigmoid_reference(long double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }

inline Reference silu_reference(long double x) {
    const long double s = sigmoid_reference(x);
    return {x * s, s + x * s * sigmoid_reference(-x)};
}

/// 1 / cosh(x)^2 without cancellation or overflow.
inline long double tanh_slope(long double x) {
    const long double cosh = std::cosh(std::fmin(std::abs(x), 5000.0L));
    return 1 / cosh / cosh;
}

/// The codes of docs/tables-format.md section 3. parameter: silut's threshold, or gelu's constant, 0 standing for 0.044715.
inline Reference reference_activation(Activation kind, long double x, long double parameter) {
    switch (kind) {
        case Activation::linear: return {x, 1};
        case Activation::tanh: return {std::tanh(x), tanh_slope(x)};
        case Activation::gelu: {
            const long double cubic = parameter == 0 ? 0.044715L : parameter;
            const long double scale = std::sqrt(2 / std::acos(-1.0L)), inner = scale * (x + cubic * x * x * x);
            const long double twice_s = 2 * sigmoid_reference(2 * inner);  // 1 + tanh(inner)
            const long double bend = tanh_slope(inner);
            return {x / 2 * twice_s, twice_s / 2 + (bend == 0 ? 0 : x / 2 * bend * scale * (1 + 3 * cubic * x * x))};
        }
        case Activation::gelu_erf: {
            const long double phi = std::erfc(-x / std::sqrt(2.0L)) / 2;
            const long double bell = std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0L));
            return {x * phi, phi + (bell == 0 ? 0 : x * bell)};
        }
        case Activation::relu: return {x > 0 ? x : 0, x > 0 ? 1.0L : 0.0L};
        case Activation::relu6: return {x > 0 ? std::fmin(x, 6.0L) : 0, x > 0 && x < 6 ? 1.0L : 0.0L};
        case Activation::softplus: return {std::fmax(x, 0.0L) + std::log1p(std::exp(-std::abs(x))), sigmoid_reference(x)};
        case Activation::sigmoid: {
            const long double s = sigmoid_reference(x);
            return {s, s * sigmoid_reference(-x)};
        }
        case Activation::silu: return silu_reference(x);
        case Activation::silut: {
            if (x < parameter) {
                return silu_reference(x);
            }
            const long double bend = silu_reference(parameter).slope, inner = bend * (x - parameter);
            return {silu_reference(parameter).value + std::tanh(inner), bend * tanh_slope(inner)};
        }
    }
    return {0, 0};
}

}  // namespace dpc::test
