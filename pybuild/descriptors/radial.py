# SPDX-License-Identifier: MIT
"""From the distance of a neighbour to the argument of the embedding net and back (docs/theory.md section 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array

Derivatives = tuple[Array, Array, Array]
HALVINGS = 60  # of a bracket, at most: down to rounding
ROUNDING = 1e-14  # of sw(r)


@dataclass(frozen=True)
class Radial:
    """x = (s(r) - mean_a)/std_a with s(r) = sw(r)/(r + protection), for a centre of type a; lengths in angstrom."""

    rcut: float
    rcut_smth: float
    protection: float
    mean: Array  # (N,)
    std: Array  # (N,)

    @property
    def x_pad(self) -> Array:
        """(N,) the argument of an empty slot, where s = 0."""
        return -self.mean / self.std

    def switch(self, r: Array) -> tuple[Array, Array]:
        """sw(r) and its derivative."""
        width = self.rcut - self.rcut_smth
        u = np.clip((r - self.rcut_smth) / width, 0.0, 1.0)
        return u**3 * (-6.0 * u**2 + 15.0 * u - 10.0) + 1.0, -30.0 * u**2 * (u - 1.0) ** 2 / width

    def normalised(self, a: int, s: Array) -> Array:
        """x of s."""
        return (s - self.mean[a]) / self.std[a]

    def unprotected(self, a: int, r: float) -> float:
        """x at a distance without the protection: where a table's range ends by DeePMD-kit's rule."""
        sw, _ = self.switch(np.array([r]))
        return float(self.normalised(a, sw[0] / r))

    def along_r(self, a: int, r: Array) -> tuple[Derivatives, Derivatives]:
        """x and sw with their first and second derivatives along r."""
        sw, dsw = self.switch(r)
        width = self.rcut - self.rcut_smth
        u = np.clip((r - self.rcut_smth) / width, 0.0, 1.0)
        ddsw = -60.0 * u * (1.0 - u) * (1.0 - 2.0 * u) / width**2
        q = r + self.protection
        s = sw / q
        ds = (dsw - s) / q
        dds = (ddsw - 2.0 * ds) / q
        return (self.normalised(a, s), ds / self.std[a], dds / self.std[a]), (sw, dsw, ddsw)

    def distance(self, a: int, x: Array) -> Array:
        """The distance (n,) at which a neighbour has the argument x (n,); rcut where all have a larger one, 0 where none reaches
        it."""
        s = x * self.std[a] + self.mean[a]
        found = np.full_like(s, self.rcut)
        todo = np.flatnonzero(s > 0)  # s(r) falls with r, to 0 at the cutoff
        root, r = np.cbrt(s[todo]), np.full(len(todo), 0.5 * self.rcut)  # the root falls to 0 like a straight line
        low, high = np.zeros_like(r), np.full_like(r, self.rcut)
        for _ in range(HALVINGS):
            sw, dsw = self.switch(r)
            q = r + self.protection
            own = np.cbrt(sw / q)
            found[todo], going = r, np.abs(sw - root**3 * q) > ROUNDING
            if not going.any():
                break
            low, high = np.where(own > root, r, low), np.where(own > root, high, r)
            with np.errstate(divide="ignore", invalid="ignore"):  # where rounding leaves nothing of sw
                newton = r + (own - root) * q * 3.0 * own**2 / (own**3 - dsw)
            r = np.where((newton > low) & (newton < high), newton, 0.5 * (low + high))
            todo, root, r, low, high = (mine[going] for mine in (todo, root, r, low, high))
        return found
