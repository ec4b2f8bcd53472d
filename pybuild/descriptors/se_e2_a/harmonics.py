# SPDX-License-Identifier: MIT
"""Real spherical harmonics of degree 2 to 4 of a vector n, as homogeneous polynomials Y_l(n) of its components with Y_l(u) .
Y_l(v) = P_l(u . v) for unit vectors (docs/theory.md section 1).

Y_lm is N_lm Q_lm(z, q) times the real or the imaginary part of (x + iy)^m, q = n . n. Q_lm grows with l by the recurrence of the
Legendre polynomials: Q_mm = (2m - 1)!!, (l - m) Q_lm = (2l - 1) z Q_(l-1)m - (l + m - 1) q Q_(l-2)m.
"""

from __future__ import annotations

from math import factorial, sqrt

import numpy as np

from ...arrays import Array

MOST_LMAX = 4


def harmonics(n: Array, gains: Array) -> tuple[Array, Array]:
    """Y (p, (lmax + 1)^2 - 4) of vectors n (p, 3), those of degree l times gains[l - 2], and dY/dn with one index more."""
    lmax, zero = 1 + len(gains), np.zeros(len(n))
    if lmax == 1:
        return np.empty((len(n), 0)), np.empty((len(n), 0, 3))
    value: list[list[Array]] = [[] for _ in gains]
    slope: list[list[Array]] = [[] for _ in gains]
    x, y, z = n.T
    q, along = np.einsum("pc,pc->p", n, n), 2.0 * n
    power, power_before = np.ones(len(n), dtype=complex), np.zeros(len(n), dtype=complex)  # (x + iy)^m and (x + iy)^(m - 1)
    for m in range(lmax + 1):
        of_q = {m - 1: (zero, zero, zero), m: (zero + factorial(2 * m) / (2**m * factorial(m)), zero, zero)}  # Q, dQ/dz, dQ/dq
        for degree in range(m, lmax + 1):
            if degree > m:
                of_q[degree] = _next(degree, m, z, q, of_q)
            if degree < 2:
                continue
            factor = gains[degree - 2] * sqrt((2 if m else 1) * factorial(degree - m) / factorial(degree + m))
            big, by_z, by_q = (factor * part for part in of_q[degree])
            d_big = by_q[:, None] * along + np.stack([zero, zero, by_z], axis=1)
            for turn in (1, -1j)[: 1 + (m > 0)]:  # the real part of power times these
                angular, d_x, d_y = (turn * power).real, m * (turn * power_before).real, m * (turn * 1j * power_before).real
                value[degree - 2].append(big * angular)
                slope[degree - 2].append(angular[:, None] * d_big + big[:, None] * np.stack([d_x, d_y, zero], axis=1))
        power, power_before = power * (x + 1j * y), power
    found, slopes = ([part for of_degree in parts for part in of_degree] for parts in (value, slope))
    return np.stack(found, axis=1), np.stack(slopes, axis=1)


def _next(degree: int, m: int, z: Array, q: Array, of_q: dict[int, tuple[Array, Array, Array]]) -> tuple[Array, Array, Array]:
    """Q of this degree and m with its derivatives."""
    (one, one_z, one_q), (two, two_z, two_q) = of_q[degree - 1], of_q[degree - 2]
    a, b = (2 * degree - 1) / (degree - m), (degree + m - 1) / (degree - m)
    return a * z * one - b * q * two, a * (one + z * one_z) - b * q * two_z, a * z * one_q - b * (two + q * two_q)
