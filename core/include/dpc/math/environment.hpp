// SPDX-License-Identifier: MIT
// The environment R of a neighbour and its derivatives (docs/theory.md section 1). With q = r + env_protection,
//     s(r) = sw(r) / q,    R = [ (s - mean) / std_r ,  h d ],    h(r) = sw(r) / (q^2 std_a),    d = r_j - r_i.
// R depends on d through r and, in the last three components, directly.
#pragma once

#include "dpc/math/portable.hpp"

namespace dpc::math {

/// What the environments around one centre type need, in reciprocal form.
struct EnvParameters {
    double rcut_smth;
    double inverse_range;  // 1 / (rcut - rcut_smth)
    double protection;
    double mean;
    double inverse_std_radial;
    double inverse_std_angular;
};

/// Radial functions of one neighbour.
template <class V>
struct EnvRadial {
    V x;          // R_0, the scalar that enters the table
    V dx_over_r;  // (dR_0/dr) / r
    V h;          // R_c = h d_c
    V dh_over_r;  // (dh/dr) / r
};

/// sw(r), 1 below rcut_smth and 0 above rcut, twice differentiable; slope: dsw/dr.
template <class V>
DPC_FUNCTION V switch_function(const EnvParameters& p, V r, V& slope) {
    V u = (r - p.rcut_smth) * p.inverse_range;
    u = select(u < 0.0, V(0.0), u);
    u = select(u > 1.0, V(1.0), u);
    const V one_minus = 1.0 - u;
    slope = -30.0 * p.inverse_range * (u * u) * (one_minus * one_minus);
    return u * u * u * (u * (u * -6.0 + 15.0) - 10.0) + 1.0;
}

template <class V>
DPC_FUNCTION EnvRadial<V> env_radial(const EnvParameters& p, V r) {
    V dsw;
    const V sw = switch_function(p, r, dsw);
    const V inverse_r = 1.0 / r;
    const V inverse_q = 1.0 / (r + p.protection);
    const V s = sw * inverse_q;
    const V ds = (dsw - s) * inverse_q;
    EnvRadial<V> out;
    out.x = (s - p.mean) * p.inverse_std_radial;
    out.dx_over_r = ds * p.inverse_std_radial * inverse_r;
    out.h = s * inverse_q * p.inverse_std_angular;
    out.dh_over_r = (ds - s * inverse_q) * inverse_q * p.inverse_std_angular * inverse_r;
    return out;
}

/// dE/dd of one neighbour from e = dE/dR_0 where nothing else depends on d.
template <class V>
DPC_FUNCTION void reverse_env_argument(const EnvRadial<V>& radial, const V (&d)[3], V e, V (&gradient)[3]) {
    const V factor = e * radial.dx_over_r;
    for (int c = 0; c < 3; ++c) {
        gradient[c] = d[c] * factor;
    }
}

/// dE/dd of one neighbour from e = dE/dR (e[0]: R_0, the table's argument included).
template <class V>
DPC_FUNCTION void reverse_env(const EnvRadial<V>& radial, const V (&d)[3], const V (&e)[4], V (&gradient)[3]) {
    const V along = e[1] * d[0] + e[2] * d[1] + e[3] * d[2];
    const V factor = e[0] * radial.dx_over_r + along * radial.dh_over_r;
    for (int c = 0; c < 3; ++c) {
        gradient[c] = d[c] * factor + e[c + 1] * radial.h;
    }
}

}  // namespace dpc::math
