# SPDX-License-Identifier: MIT
"""The low-rank basis of an embedding net: G(x) = V phi(x) with few functions phi = P^T G (docs/theory.md section 3).

Values and slopes are sampled over the table's range, each row scaled so that a singular value is the root mean square
amplitude of its function; singular values then compare across tables. Errors of G count by what the fitting nets make
of them: with H the mean of dE/dT dE/dT^T over the neighbourhoods that the model is measured on, and Q the root of H
(lifted by a floor, so that no direction is free), the decomposition is that of G Q = Z s W^T, hence P = Q W and V =
Q^-1 W. P^T V = 1. Nothing here decides how many columns to keep.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from .grid import TablePlan

FINE_SAMPLES = 600
COARSE_SAMPLES = 200
COARSE_WEIGHT = 1e-6  # amplitude, in the first stage: the functions only have to stay sensible
REST_WEIGHT = 1e-2  # amplitude, in the second: forces have to be right to 1e-4 eV/A, not to 1e-8, but are larger
REST_FLOOR = 1e-8  # of the largest of the second stage: columns below are not needed
ROUNDING = 1e-13  # of the samples: what is left of functions that the first stage spans
STAGE = 1e-11  # of the largest amplitude: where the first stage ends
PADDING_WEIGHT = 0.3  # amplitude: an empty slot counts like a tenth of the range
# Of the largest eigenvalue of H: directions that mattered nowhere keep 1/1000 of the weight of the others.
SENSITIVITY_FLOOR = 1e-6


@dataclass(frozen=True)
class Basis:
    """vectors V (M, K) and projector P (M, K), most important first; amplitude (K,): root mean square of each phi."""

    vectors: Array
    projector: Array
    amplitude: Array

    def first(self, n: int) -> Basis:
        """The n most important columns."""
        return Basis(self.vectors[:, :n], self.projector[:, :n], self.amplitude[:n])


def identity_basis(width: int) -> Basis:
    """V = P = 1: the embedding net's own outputs, unrotated."""
    return Basis(np.eye(width), np.eye(width), np.ones(width))


def constant_basis(vector: Array, like: Basis) -> Basis:
    """Of one function that is the constant 1, as important as the first one of another basis; vector (M, 1)."""
    return Basis(vector, vector / float(np.sum(vector**2)), like.amplitude[:1])


def sampled_basis(plan: TablePlan, weight: tuple[Array, Array]) -> Basis:
    """Weighted singular value decomposition of values and slopes over the table's range. weight: the roots of H (M, M), on a
    scale common to all tables.

    In two stages: first the columns that the range of the training data needs, then those that are missing beyond it.
    """
    root, inverse = weight
    directions, amplitude = _principal(_samples(plan, plan.beyond, COARSE_WEIGHT) @ root)
    n = max(1, int(np.sum(amplitude > STAGE * amplitude[0])))
    directions, free, amplitude = directions[:, :n], directions[:, n:], amplitude[:n]
    rest = _samples(plan, max(plan.near, plan.beyond), REST_WEIGHT) @ root
    among_free, size = _principal(rest @ free)
    needed = size > max(REST_FLOOR * size.max(initial=0.0), ROUNDING * float(np.linalg.norm(rest)))
    others = free @ among_free[:, needed]
    # Less than the last of the first stage, in the same order: what the first weights do not see must not look important.
    small = amplitude[-1] * (size[: others.shape[1]] / max(float(size.max(initial=0.0)), 1e-300)) ** 0.25
    directions, amplitude = _fix_signs(np.concatenate([directions, others], axis=1)), np.concatenate([amplitude, small])
    return Basis(np.ascontiguousarray(inverse @ directions), np.ascontiguousarray(root @ directions), amplitude)


def _principal(samples: Array) -> tuple[Array, Array]:
    """Right singular vectors (M, k) and singular values (k,) of (n, M)."""
    if not samples.size:
        return np.empty((samples.shape[1], 0)), np.empty(0)
    if len(samples) > samples.shape[1]:  # those of the triangle are the same, and the left ones are not needed
        samples = np.asarray(np.linalg.qr(samples, mode="r"))
    _, amplitude, rows = np.linalg.svd(samples, full_matrices=False)
    return rows.T, amplitude


def roots(sensitivity: Array) -> tuple[Array, Array]:
    """S and S^-1 of H (M, M); zeros where nothing is known, then all directions count the same."""
    eigenvalues, vectors = np.linalg.eigh(sensitivity)
    largest = float(eigenvalues[-1])
    if not largest > 0:
        return np.eye(len(sensitivity)), np.eye(len(sensitivity))
    root = np.sqrt(np.maximum(eigenvalues, 0.0) + SENSITIVITY_FLOOR * largest)
    return (vectors * root) @ vectors.T, (vectors / root) @ vectors.T


def _samples(plan: TablePlan, fine_to: float, coarse_weight: float) -> Array:
    pad = plan.function.derivatives(plan.constants)[0] * (PADDING_WEIGHT / np.sqrt(max(plan.constants.size, 1)))
    if plan.only_constants:
        return pad * plan.constant_weights[:, None]  # those of empty slots may be zero
    fine_from = max(plan.lower, -fine_to) if plan.is_symmetric else plan.lower
    parts = [pad, *_weighted(plan, fine_from, fine_to, FINE_SAMPLES, 1.0)]
    if plan.max > fine_to:
        parts += _weighted(plan, fine_to, plan.max, COARSE_SAMPLES, coarse_weight)
    if plan.lower < fine_from:
        parts += _weighted(plan, plan.lower, fine_from, COARSE_SAMPLES, coarse_weight)
    return np.concatenate(parts)


def _weighted(plan: TablePlan, low: float, high: float, n: int, weight: float) -> list[Array]:
    t, length = plan.function.spread(low, high, n)
    value, slope = plan.function.derivatives(t, order=1)
    return [value * (weight / np.sqrt(n)), slope * (weight * length[:, None] / np.sqrt(n))]


def _fix_signs(columns: Array) -> Array:
    """The entry of largest magnitude of every column positive: the decomposition itself leaves the sign open."""
    largest = np.argmax(np.abs(columns), axis=0)
    signs = np.sign(columns[largest, np.arange(columns.shape[1])])
    return columns * np.where(signs == 0, 1.0, signs)
