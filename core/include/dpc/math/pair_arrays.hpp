// SPDX-License-Identifier: MIT
// The arrays of the pairs inside the cut-off, and the two steps that turn all of a pair's numbers into others of the same pair.
// COMPONENTS: of R, 4 or 1. With one, R is x and enters the table only: h, dh_over_r, environment and reverse_environment[1 .. 3]
// are not there.
#pragma once

#include <cstdint>

#include "dpc/math/environment.hpp"
#include "dpc/math/numbers.hpp"

namespace dpc::math {

template <class Real>
struct PairArrays {
    int* neighbour;                     // atom index
    double* d[3];                       // r_j - r_i, angstrom
    double* r2;                         // |d|^2
    double *dx_over_r, *h, *dh_over_r;  // EnvRadial
    Real* environment[4];               // R
    Real* environment_slope;            // dR_0/d(the table's argument); null: they are the same
    std::int32_t* interval;             // of the table
    Real* distance;                     // x - left knot
    Real* reverse_environment[4];       // dE/dR, [0] with the table's argument included
};

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
