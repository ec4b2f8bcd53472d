# SPDX-License-Identifier: MIT
"""Energies, forces and virials from the functions phi of every neighbour, in plain NumPy (docs/theory.md section 4).

The functions may come from tables (reference_tables.py) or straight from the embedding nets (truncation.py); the
first layer of the fitting net takes either the descriptor vec(D) or the products S_pq. Slow and simple: the oracle of
the compiled evaluator and the judge of what a low rank costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import Array, IntArray
from ..model.description import Net
from ..oracles.reference import Result, net_forward, net_reverse, reverse_rows
from .environment import Environment, PairBlock

ByType = Mapping[int, Array]  # neighbour type -> array
PAIRS_AT_ONCE = 1024  # 1024 x 100 functions x 4 components are 3 MB


@dataclass(frozen=True)
class Features:
    """phi and dphi/dx of a block's neighbours (p, K), and phi of an empty slot (K,)."""

    value: Array
    slope: Array
    pad: Array


class FirstLayerInput(Protocol):
    """What the first layer of a fitting net is fed with, made of C_b (n, K_b, 4) of every neighbour type b."""

    def forward(self, moments: ByType) -> Array:
        """The input (n, n_in)."""

    def reverse(self, moments: ByType, gradient: Array) -> dict[int, Array]:
        """dE/dC_b (n, K_b, 4) from the gradient (n, n_in) of the input."""


@dataclass(frozen=True)
class DirectInput:
    """vec(D), D = T T[:A]^T, T = sum_b V_b C_b; bases[b] is V_b (M, K_b)."""

    bases: Mapping[int, Array]
    axis_neuron: int

    def _descriptor_rows(self, moments: ByType) -> Array:
        return sum(np.einsum("mk,nkc->nmc", self.bases[b], c, optimize=True) for b, c in moments.items())

    def forward(self, moments: ByType) -> Array:
        t = self._descriptor_rows(moments)
        return (t @ t[:, : self.axis_neuron].transpose(0, 2, 1)).reshape(len(t), t.shape[1] * self.axis_neuron)

    def reverse(self, moments: ByType, gradient: Array) -> dict[int, Array]:
        t = self._descriptor_rows(moments)
        g = gradient.reshape(len(t), t.shape[1], self.axis_neuron)
        dt = g @ t[:, : self.axis_neuron]
        dt[:, : self.axis_neuron] += g.transpose(0, 2, 1) @ t
        return {b: np.einsum("mk,nmc->nkc", self.bases[b], dt, optimize=True) for b in moments}


@dataclass(frozen=True)
class FoldedInput:
    """S_pq = C_p . C_q for the rows p of all C_b in the order of ``columns`` (P, 2) and q = p .. row_end[p] - 1."""

    columns: IntArray
    row_end: IntArray

    def products(self) -> tuple[IntArray, IntArray]:
        """p and q of every product, in the order of the first layer's inputs."""
        counts = self.row_end - np.arange(len(self.row_end))
        p = np.repeat(np.arange(len(counts)), counts)
        return p, p + np.arange(p.size) - np.repeat(np.cumsum(counts) - counts, counts)

    def _rows(self, moments: ByType) -> Array:
        return np.stack([moments[b][:, k] for b, k in self.columns.tolist()], axis=1)

    def forward(self, moments: ByType) -> Array:
        c = self._rows(moments)
        p, q = self.products()
        return (c @ c.transpose(0, 2, 1))[:, p, q]

    def reverse(self, moments: ByType, gradient: Array) -> dict[int, Array]:
        c = self._rows(moments)
        p, q = self.products()
        h = np.zeros((len(c), len(self.columns), len(self.columns)))
        h[:, p, q] = gradient
        dc = (h + h.transpose(0, 2, 1)) @ c
        out = {b: np.zeros_like(m) for b, m in moments.items()}
        for row, (b, k) in enumerate(self.columns.tolist()):
            out[b][:, k] += dc[:, row]
        return out


@dataclass(frozen=True)
class Fitting:
    """The fitting net of one centre type and the constant added to its output."""

    first_input: FirstLayerInput
    net: Net
    constant: float  # eV


def moments_of(env: Environment, features: Mapping[tuple[int, int], Features], a: int) -> dict[int, Array]:
    """C_b (n, K_b, 4) of all centres of type a, for every neighbour type b."""
    return {b: _moment(env.blocks[a, b], features[a, b], env.n_sel) for c, b in env.blocks if c == a}


def _moment(block: PairBlock, f: Features, n_sel: int) -> Array:
    n = len(block.start) - 1
    c = np.empty((n, f.value.shape[1], 4))
    for k in range(n):
        part = slice(block.start[k], block.start[k + 1])
        c[k] = f.value[part].T @ block.rows.row[part]
    c[:, :, 0] += np.outer(block.n_empty, f.pad * block.x_pad)
    return c / n_sel


def accumulate(
    env: Environment,
    features: Mapping[tuple[int, int], Features],
    fittings: Mapping[int, Fitting],
    moments: Mapping[int, ByType] | None = None,
) -> Result:
    """Evaluate all centres of an environment. fittings: centre type -> net, absent for types without energy. moments: C of
    every centre type where the caller has them already."""
    atom_energy = np.zeros(env.n_atoms)
    forces, atom_virial = np.zeros((env.n_atoms, 3)), np.zeros((env.n_atoms, 3, 3))
    for a, fitting in fittings.items():
        if not len(env.centres[a]):
            continue
        c = moments_of(env, features, a) if moments is None else moments[a]
        energy, tape = net_forward(fitting.net, fitting.first_input.forward(c))
        atom_energy[env.centres[a]] = energy[:, 0] + fitting.constant
        for b, dc in fitting.first_input.reverse(c, net_reverse(tape, np.ones_like(energy))).items():
            _pair_forces(env.blocks[a, b], features[a, b], dc / env.n_sel, forces, atom_virial)
    virial = atom_virial.sum(axis=0)
    return Result(float(atom_energy.sum()), atom_energy, forces, virial, atom_virial.reshape(-1, 9))


def _pair_forces(block: PairBlock, f: Features, dc: Array, forces: Array, atom_virial: Array) -> None:
    row, centre = block.rows.row, np.repeat(np.arange(len(dc)), np.diff(block.start))
    d_row = np.empty_like(row)
    for start in range(0, len(row), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        mine = dc[centre[part]]  # (p, K, 4)
        d_row[part] = np.einsum("pk,pkc->pc", f.value[part], mine)
        d_row[part, 0] += np.einsum("pc,pc->p", np.einsum("pk,pkc->pc", f.slope[part], mine), row[part])  # R_0 is x itself
    g = reverse_rows(block.rows, d_row)
    np.add.at(forces, block.i, g)
    np.add.at(forces, block.j, -g)
    np.add.at(atom_virial, block.j, -block.rows.vector[:, :, None] * g[:, None, :])
