// SPDX-License-Identifier: MIT
// The arrays of the pairs inside the cut-off, and the two steps that turn all of a pair's numbers into others of the same pair.
// COMPONENTS: of R, 4 or 1, or 9, 16, 25 with those of degree 2 and more (harmonics.hpp). With one, R is x and enters the table only:
// h, dh_over_r, environment and reverse_environment[1 .. 3] are not there.
#pragma once

#include <cstdint>

#include "dpc/math/environment.hpp"
#include "dpc/math/harmonics.hpp"
#include "dpc/math/numbers.hpp"

namespace dpc::math {

template <class Real>
struct PairArrays {
    int* neighbour;                     // atom index
    double* d[3];                       // r_j - r_i, angstrom
    double* r2;                         // |d|^2
    double *dx_over_r, *h, *dh_over_r;  // EnvRadial
    Real* environment[4];               // R; of more components the rest is behind these, as far apart
    Real* environment_slope;            // dR_0/d(the table's argument); null: they are the same
    std::int32_t* interval;             // of the table
    Real* distance;                     // x - left knot or middle
    Real* reverse_environment[4];       // dE/dR, [0] with the table's argument included; of more components as above
};

/// Array of component c of R or dE/dR.
template <int COMPONENTS, class Real>
DPC_FUNCTION Real* component_of(Real* const (&arrays)[4], int c) {
    if constexpr (COMPONENTS > 4) {
        return arrays[0] + c * (arrays[1] - arrays[0]);
    } else {
        return arrays[c];
    }
}

/// R and its derivatives of a pack of pairs from number `at` on. Returns x in double, for the look-up.
template <int COMPONENTS, class PackD, class Real>
DPC_FUNCTION PackD compute_environment(const EnvParameters& parameters, const PairArrays<Real>& pairs, int at) {
    const EnvRadial<PackD> radial = env_radial(parameters, PackD(sqrt(PackD::load(pairs.r2 + at))));
    radial.dx_over_r.store(pairs.dx_over_r + at);
    if constexpr (COMPONENTS > 1) {
        radial.h.store(pairs.h + at);
        radial.dh_over_r.store(pairs.dh_over_r + at);
        store_from_double(radial.x, pairs.environment[0] + at);
        for (int c = 0; c < 3; ++c) {
            store_from_double(PackD(radial.h * PackD::load(pairs.d[c] + at)), pairs.environment[c + 1] + at);
        }
    }
    return radial.x;
}

/// dR_0/d(the table's argument): 1, or a number of each pair.
struct EnvironmentIsArgument {
    static constexpr bool is_one = true;
};
template <class Real>
struct EnvironmentSlope {
    static constexpr bool is_one = false;
    Real value;
};

template <class Real>
DPC_FUNCTION EnvironmentIsArgument slope_of(const PairArrays<Real>&, int, EnvironmentIsArgument) {
    return {};
}
template <class Real>
DPC_FUNCTION EnvironmentSlope<Real> slope_of(const PairArrays<Real>& pairs, int pair, EnvironmentSlope<Real>) {
    return {pairs.environment_slope[pair]};
}

/// Tables are looked up at t = rcut - r instead of x: dx_over_r is (dt/dr)/r from here on. Returns t in double.
template <int COMPONENTS, class PackD, class Real>
DPC_FUNCTION PackD follow_distance(double rcut, const PairArrays<Real>& pairs, int at) {
    const PackD r = sqrt(PackD::load(pairs.r2 + at));
    if constexpr (COMPONENTS > 1) {
        store_from_double(PackD(-1.0 * r * PackD::load(pairs.dx_over_r + at)), pairs.environment_slope + at);
    }
    PackD(-1.0 / r).store(pairs.dx_over_r + at);
    return rcut - r;
}

/// R_0 is sw(r) from here on, and dx_over_r its derivative over r: of kinds whose tables are not looked up at a distance.
template <class PackD, class Real>
DPC_FUNCTION void follow_switch(const EnvParameters& parameters, const PairArrays<Real>& pairs, int at) {
    const PackD r = sqrt(PackD::load(pairs.r2 + at));
    PackD slope;
    store_from_double(PackD(switch_function(parameters, r, slope)), pairs.environment[0] + at);
    PackD(slope / r).store(pairs.dx_over_r + at);
}

/// n = d/q of a pack of pairs. Returns q.
template <class PackD, class Real>
DPC_FUNCTION PackD protected_direction(double protection, const PairArrays<Real>& pairs, int at, PackD (&n)[3]) {
    const PackD q = sqrt(PackD::load(pairs.r2 + at)) + protection;
    const PackD inverse_q = 1.0 / q;
    for (int c = 0; c < 3; ++c) {
        n[c] = PackD::load(pairs.d[c] + at) * inverse_q;
    }
    return q;
}

/// After compute_environment of 4 components: those beyond.
template <int COMPONENTS, class PackD, class Real>
DPC_FUNCTION void compute_harmonics(const Harmonics& harmonics, const PairArrays<Real>& pairs, int at) {
    PackD n[3];
    const PackD q = protected_direction(harmonics.protection, pairs, at, n);
    const PackD size = harmonics.ratio * q * PackD::load(pairs.h + at);
    harmonics_of<kLmax<COMPONENTS>>(harmonics, n, [&](int component, PackD y) {
        store_from_double(PackD(size * y), component_of<COMPONENTS>(pairs.environment, component) + at);
    });
}

/// Before reverse_environment of 4 components: dE/dR of those beyond becomes part of theirs, but where h is 0: there, and in slots
/// without a pair, it does not matter, and may be anything. over_distance: tables are, and R_0 has a slope.
template <int COMPONENTS, class PackD, class Real>
DPC_FUNCTION void reverse_harmonics(const Harmonics& harmonics, bool over_distance, const PairArrays<Real>& pairs, int at) {
    PackD n[3], scalar, vector[3];
    protected_direction(harmonics.protection, pairs, at, n);
    const auto gradient = [&](int component) {
        return load_as_double<PackD>(component_of<COMPONENTS>(pairs.reverse_environment, component) + at);
    };
    reverse_harmonics_of<kLmax<COMPONENTS>>(harmonics, n, gradient, scalar, vector);
    if (over_distance) {
        scalar = scalar * load_as_double<PackD>(pairs.environment_slope + at);
    }
    const auto matters = PackD::load(pairs.h + at) > 0.0;
    store_from_double(PackD(gradient(0) + select(matters, scalar, PackD(0.0))), pairs.reverse_environment[0] + at);
    for (int c = 0; c < 3; ++c) {
        const PackD added = select(matters, PackD(harmonics.ratio * vector[c]), PackD(0.0));
        store_from_double(PackD(gradient(c + 1) + added), pairs.reverse_environment[c + 1] + at);
    }
}

/// dE/dd of a pack of pairs from dE/dR; virial[3 a + b] += d_a dE/dd_b.
template <int COMPONENTS, class PackD, class Real>
DPC_FUNCTION void reverse_environment(const PairArrays<Real>& pairs, int at, PackD (&gradient)[3], PackD (&virial)[9]) {
    const PackD d[3] = {PackD::load(pairs.d[0] + at), PackD::load(pairs.d[1] + at), PackD::load(pairs.d[2] + at)};
    EnvRadial<PackD> radial;
    radial.dx_over_r = PackD::load(pairs.dx_over_r + at);
    if constexpr (COMPONENTS == 1) {
        reverse_env_argument(radial, d, load_as_double<PackD>(pairs.reverse_environment[0] + at), gradient);
    } else {
        radial.h = PackD::load(pairs.h + at);
        radial.dh_over_r = PackD::load(pairs.dh_over_r + at);
        const PackD e[4] = {
            load_as_double<PackD>(pairs.reverse_environment[0] + at), load_as_double<PackD>(pairs.reverse_environment[1] + at),
            load_as_double<PackD>(pairs.reverse_environment[2] + at), load_as_double<PackD>(pairs.reverse_environment[3] + at)};
        reverse_env(radial, d, e, gradient);
    }
    for (int a = 0; a < 3; ++a) {
        for (int b = 0; b < 3; ++b) {
            virial[3 * a + b] += d[a] * gradient[b];
        }
    }
}

}  // namespace dpc::math
