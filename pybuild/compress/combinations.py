# SPDX-License-Identifier: MIT
"""Factors that are combinations of the rows of C of all neighbour types (docs/compression.md, Products).

The first A factors are the axis rows T[:A], rotated; the others are what these leave of the other rows of T: R = T - E T[:A]
with E the regression of T on T[:A]. Since D has products with axis rows only, no product of two of the others is needed, and
there are at most A (A + 1)/2 + (M - A) A of them, however many neighbour types there are. Both groups are rotated such that
amplitude times sensitivity falls as fast as it can, and ordered by that. What falls is measured on the moments of ordinary
centres and, with a small weight, on the functions over the range of the tables.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, IntArray
from .evaluation import DirectInput
from .folding import Factors
from .lowrank import roots
from .place import Place
from .truncation import around

RANGE_WEIGHT = 0.1  # of the functions over the range of the tables, on the same scale as the moments seen
NOISE = 1e-14  # amplitude of the largest: factors below are rounding
RCOND = 1e-12  # of axis rows that are combinations of one another


def combine(place: Place, a: int, chosen: IntArray | None = None) -> Factors:
    """The factors of centres of type a, of columns (L,) by their place among all, None: of all; of fewer of them with these
    columns of the combination."""
    axis, bases = place.descriptor.axis_neuron, place.bases_around(a)
    every = np.array([(b, k) for b, basis in bases.items() for k in range(len(basis.amplitude))], dtype=np.int32)
    mine = np.arange(len(every)) if chosen is None else chosen
    columns = every[mine]
    vectors = np.concatenate([basis.vectors for basis in bases.values()], axis=1)[:, mine]
    amplitude = np.concatenate([basis.amplitude for basis in bases.values()])[mine]
    seen, gradient = _moments(place, a)
    h = gradient @ gradient.T
    samples = _with_range(seen, vectors * amplitude, h)
    regression = np.linalg.lstsq(samples[:axis].T, samples.T, rcond=RCOND)[0].T  # E (M, A)
    regression[:axis] = np.eye(axis)
    first = _Rotation(samples[:axis], regression.T @ h @ regression)
    rest = _Rotation((samples - regression @ samples[:axis])[axis:], h[axis:, axis:]).without_noise(NOISE * first.amplitude[0])
    of_rest = np.concatenate([-regression[axis:], np.eye(len(h) - axis)], axis=1)  # R = that times T
    vectors_of_rest = np.concatenate([np.zeros((axis, rest.vectors.shape[1])), rest.vectors])
    return Factors(
        columns,
        np.concatenate([first.amplitude, rest.amplitude]),
        np.concatenate([regression @ first.vectors, vectors_of_rest], axis=1),
        np.concatenate([first.projector.T @ vectors[:axis], rest.projector.T @ (of_rest @ vectors)]),
        n_first=axis,
    )


class _Rotation:
    """Of rows x = V (P^T x), most important first; samples (m, n) of x, h (m, m) the mean of dE/dx dE/dx^T. m may be 0: a
    descriptor all of whose rows are axis rows leaves none."""

    def __init__(self, samples: Array, h: Array):
        root, inverse = roots(h) if len(h) else (h, h)
        directions, self.amplitude, _ = np.linalg.svd(root @ samples, full_matrices=False)
        self.projector, self.vectors = root @ directions, inverse @ directions

    def without_noise(self, least: float) -> _Rotation:
        """Without the columns of a smaller amplitude."""
        n = int(np.sum(self.amplitude > least))
        self.amplitude, self.projector, self.vectors = self.amplitude[:n], self.projector[:, :n], self.vectors[:, :n]
        return self


def _moments(place: Place, a: int) -> tuple[Array, Array]:
    """(M, n) of ordinary cases T and dE/dT of centres of type a, all components, over the root of how many centres there are."""
    whole = place.whole(a).inputs[place.d]
    assert isinstance(whole, DirectInput)
    none = np.empty((0, place.descriptor.width, place.descriptor.n_components))
    t = np.concatenate([none, *(whole.whole(case.moments[a][place.d]) for case in around(place.cases.ordinary, a))])
    gradient = place.first_layer_gradients("ordinary", a) @ place.weight(a).T
    rows = t, place.descriptor.reverse_features(t, gradient)
    return tuple(
        of.transpose(1, 0, 2).reshape(place.descriptor.width, -1) / np.sqrt(max(1, len(of))) for of in rows
    )


def _with_range(seen: Array, functions: Array, h: Array) -> Array:
    """(M, k) whose rows have the same products as those of the moments seen (M, n) and of the functions (M, L) together."""
    weight, own = (float(np.sum(x * (h @ x))) for x in (seen, functions))
    scale = RANGE_WEIGHT * weight / own if weight > 0 and own > 0 else 1.0
    return np.asarray(np.linalg.qr(np.concatenate([seen, np.sqrt(scale) * functions], axis=1).T, mode="r")).T
