// SPDX-License-Identifier: MIT
// What one pair adds to the moments of its centre, and the way back, for packs of channels (docs/theory.md sections 2 and 4). phi(x)
// comes from one interval of a table; x is the first component R_0 of the environment, or R_0 and the table are functions of the
// distance. With one component the moments are sums of phi(x) alone, as if R were the constant 1; with two R is (1, w), and x is another
// number.
#pragma once

#include "dpc/math/table_lookup.hpp"

namespace dpc::math {

/// Sums over channels that a processor makes together, one for each component of some pairs.
template <int COMPONENTS>
inline constexpr int kSumsAtOnce = COMPONENTS == 9 || COMPONENTS > 16 ? 32 : 16;
template <int COMPONENTS>
inline constexpr int kPairsAtOnce = kSumsAtOnce<COMPONENTS> / COMPONENTS;

/// From one pack of channels to the next of the same thread. Threads of a GPU that share a pair take packs in turn.
template <class P>
inline constexpr int kChannelStep = P::width;

/// Powers beyond this one of a distance below a 256th of half the interval are less than rounding, and would soon be denormal numbers, which
/// some processors are slow with: they are those of 0.
inline constexpr int kLowPowers = 4;
template <class V>
DPC_FUNCTION V without_tiny(V t, V tiny) {
    return select(abs(t) < tiny, V(0.0), t);
}

/// Coefficients of one pack of channels of one interval.
template <class P, class Real>
struct IntervalCoefficients {
    const Real* first;
    DPC_FUNCTION P operator()(int power) const { return P::load(first + power * kChannelGroup<Real>); }
};

/// Where a pair is in a table: the interval's coefficients, the channel that its first pack begins with, and x - left knot or middle.
template <class Real>
struct TablePlace {
    const Real* interval;
    int channel;
    Real distance;

    /// Of pack v.
    template <int ORDER, class P>
    DPC_FUNCTION IntervalCoefficients<P, Real> coefficients(int v) const {
        return {interval + place_of_channel<Real>(channel + v * kChannelStep<P>, ORDER + 1)};
    }
};

/// moments[c][v] += phi_v R_c, N packs of channels. environment(c): R_c of the pair.
template <int ORDER, int COMPONENTS, int N, class P, class Real, class Environment>
DPC_FUNCTION void add_moments(const TablePlace<Real>& place, const Environment& environment, P (&moments)[COMPONENTS][N]) {
    const P t(place.distance);
    P phi[N];
    for (int v = 0; v < N; ++v) {
        phi[v] = polynomial<ORDER>(place.template coefficients<ORDER, P>(v), t);
    }
    if constexpr (COMPONENTS < 4) {
        for (int v = 0; v < N; ++v) {
            moments[0][v] += phi[v];
        }
        if constexpr (COMPONENTS == 2) {
            const P w(environment(1));
            for (int v = 0; v < N; ++v) {
                moments[1][v] += phi[v] * w;
            }
        }
    } else {
        for (int c = 0; c < COMPONENTS; ++c) {
            const P r(environment(c));
            for (int v = 0; v < N; ++v) {
                moments[c][v] += phi[v] * r;
            }
        }
    }
}

/// reverse[c] += what N packs of channels add to dE/dR_c of the pair, still spread over the elements; [0] to that of the table's argument,
/// R_0 included. environment_slope: EnvironmentIsArgument or EnvironmentSlope of the pair. gradient[c][v]: dE/dmoments.
template <int ORDER, int COMPONENTS, int N, class P, class Real, class Environment, class Slope>
DPC_FUNCTION void reverse_moments(const TablePlace<Real>& place, const Environment& environment, const Slope& environment_slope,
                                  const P (&gradient)[COMPONENTS][N], P (&reverse)[COMPONENTS]) {
    const P t(place.distance);
    P by_row(0.0);
    for (int v = 0; v < N; ++v) {
        P slope;
        const P phi = polynomial<ORDER>(place.template coefficients<ORDER, P>(v), t, slope);
        if constexpr (COMPONENTS == 1) {
            reverse[0] += slope * gradient[0][v];
        } else if constexpr (COMPONENTS == 2) {
            reverse[0] += slope * (gradient[0][v] + gradient[1][v] * P(environment(1)));
            reverse[1] += phi * gradient[1][v];
        } else {
            P along = gradient[0][v] * P(environment(0));
            for (int c = 1; c < COMPONENTS; ++c) {
                along += gradient[c][v] * P(environment(c));
                reverse[c] += phi * gradient[c][v];
            }
            if constexpr (Slope::is_one) {
                reverse[0] += phi * gradient[0][v];
            } else {
                by_row += phi * gradient[0][v];
            }
            reverse[0] += slope * along;
        }
    }
    if constexpr (COMPONENTS >= 4 && !Slope::is_one) {
        reverse[0] += by_row * P(environment_slope.value);
    }
}

}  // namespace dpc::math
