// SPDX-License-Identifier: MIT
// The small model with tables as a compressed model has them: piecewise polynomials through values and derivatives of smooth
// functions at the knots. Its energy is a smooth function of the positions, so that differences of it are derivatives; that of
// small_model(), whose coefficients are drawn at random, jumps at every knot.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "table_builder.hpp"

namespace dpc::test {

/// A function at one point.
struct Jet {
    double value, slope, curvature;
};

/// Channel k, a sine around the end of the table: it has no curvature there, and so goes on smoothly as the tangent. No two
/// channels are alike.
inline Jet smooth_channel(std::uint64_t k, double x, double end) {
    const auto part = [&](double multiple) { return std::fmod(static_cast<double>(k) * multiple, 1.0); };
    const double frequency = 0.4 + 0.6 * part(0.618), amplitude = 0.5 - 0.4 * part(0.414), offset = 0.6 * part(0.732) - 0.3;
    const double phase = frequency * (x - end);
    return {offset + amplitude * std::sin(phase), amplitude * frequency * std::cos(phase),
            -amplitude * frequency * frequency * std::sin(phase)};
}

/// Coefficients in x - left knot of the polynomial that has the values and slopes of both ends (n_powers 4), and the
/// curvatures (6).
inline std::vector<double> hermite(const Jet& left, const Jet& right, double step, std::uint64_t n_powers) {
    const double slope = left.slope * step, slopes = (right.slope - left.slope) * step;
    if (n_powers == 4) {
        const double rise = right.value - left.value - slope;
        return {left.value, left.slope, (3 * rise - slopes) / (step * step), (slopes - 2 * rise) / std::pow(step, 3)};
    }
    const double curvature = left.curvature * step * step, curvatures = (right.curvature - left.curvature) * step * step;
    const double rise = right.value - left.value - slope - curvature / 2, turn = slopes - curvature;
    return {left.value,
            left.slope,
            left.curvature / 2,
            (10 * rise - 4 * turn + curvatures / 2) / std::pow(step, 3),
            (-15 * rise + 7 * turn - curvatures) / std::pow(step, 4),
            (6 * rise - 3 * turn + curvatures / 2) / std::pow(step, 5)};
}

/// (S, 3) start, step, number of intervals.
using Segments = std::vector<std::array<double, 3>>;

/// The table ends at 4, which pairs reach at 1.6 angstrom (around O) and 1.9 (around H): some of OpenSystem's are beyond.
inline const Segments kTwoSegments = {{-1.0, 0.1, 10}, {0.0, 0.5, 8}};
/// As a net with kinks has them: short and long ones, with steps of any size.
inline const Segments kManySegments = {{-1.0, 0.05, 10}, {-0.5, 0.001, 1},        {-0.499, 0.499 / 3, 3},
                                       {0.0, 0.125, 4},  {0.5, 0.25, 1},          {0.75, 0.01, 25},
                                       {1.0, 1e-6, 2},   {1.000002, 0.499998, 1}, {1.5, 0.5, 5}};

/// Of products: fine around 0 and coarse on both sides, as nearly all are, and of more segments.
inline const Segments kProducts = {{-6.0, 0.5, 8}, {-2.0, 0.1, 40}, {2.0, 0.5, 8}};
inline const Segments kManyProducts = {{-6.0, 0.5, 8}, {-2.0, 0.25, 4}, {-1.0, 0.1, 20}, {1.0, 0.25, 4}, {2.0, 0.5, 8}};

/// Few wide intervals, for polynomials of order 11, one of them around 0.
inline const Segments kWideProducts = {{-6.0, 3.0, 1}, {-3.0, 1.25, 2}, {-0.5, 1.0, 1}, {0.5, 1.0, 1}, {1.5, 2.25, 2}};

/// The same function around the middle, and (1 - u^2)^4 (0.3 - 0.2 u^3) besides, with u from -1 to 1 in the interval: of order 11.
inline std::vector<double> around_middle(const std::vector<double>& around_left, double step) {
    const double half = step / 2;
    std::vector<double> c(12, 0.0);
    double choose = 1;
    for (std::size_t power = 0; power < around_left.size(); ++power, choose = 1) {
        for (std::size_t p = 0; p <= power; ++p) {
            c[p] += around_left[power] * choose * std::pow(half, static_cast<double>(power - p));
            choose = choose * static_cast<double>(power - p) / static_cast<double>(p + 1);
        }
    }
    constexpr double bump[] = {1, -4, 6, -4, 1};  // of powers of u^2
    for (std::size_t k = 0; k < 5; ++k) {
        c[2 * k] += 0.3 * bump[k] / std::pow(half, 2.0 * static_cast<double>(k));
        c[2 * k + 3] -= 0.2 * bump[k] / std::pow(half, 2.0 * static_cast<double>(k) + 3);
    }
    return c;
}

inline void add_smooth_table(TableBuilder& file, const std::string& prefix, std::uint64_t rank, std::uint64_t n_powers,
                             const Segments& segments = kTwoSegments) {
    const double end = segments.back()[0] + segments.back()[1] * segments.back()[2];
    std::vector<double> coef, numbers;
    std::uint64_t n_rows = 0;
    for (const auto& [start, step, count] : segments) {
        numbers.insert(numbers.end(), {start, step, count});
        for (int interval = 0; interval < static_cast<int>(count); ++interval, ++n_rows) {
            const double left = start + interval * step;
            coef.resize(coef.size() + n_powers * rank, 0.0);
            for (std::uint64_t k = 0; k < rank; ++k) {
                const Jet here = smooth_channel(k, left, end), next = smooth_channel(k, left + step, end);
                const std::vector<double> c =
                    n_powers == 12 ? around_middle(hermite(here, next, step, 6), step) : hermite(here, next, step, n_powers);
                for (std::uint64_t power = 0; power < n_powers; ++power) {
                    coef[(n_rows * n_powers + power) * rank + k] = c[power];
                }
            }
        }
    }
    file.f64(prefix + "segments", {segments.size(), 3}, numbers);
    file.f64(prefix + "upper", {}, {0.0});
    file.f64(prefix + "coef", {n_rows, n_powers, rank}, coef);
}

/// Tables of both orders and activations without kinks (tanh, silu, gelu, sigmoid) instead of those of small_model() or
/// small_radial_model().
inline TableBuilder made_smooth(TableBuilder file, const Segments& segments) {
    add_smooth_table(file, "table.0.", 2, 6, segments);
    add_smooth_table(file, "table.1.", 3, 4, segments);
    file.i32("fitting.0.layers", {4, 2}, {1, 0, 7, 1, 2, 2, 0, 0});
    file.f64("fitting.0.activation_parameter", {4}, {0.0, 0.0, 0.0, 0.0});
    file.i32("fitting.1.layers", {2, 2}, {6, 0, 0, 0});
    return file;
}

inline TableBuilder smooth_model(const Segments& segments = kTwoSegments) { return made_smooth(small_model(), segments); }

}  // namespace dpc::test
