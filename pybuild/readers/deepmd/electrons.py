# SPDX-License-Identifier: MIT
"""The electron configurations of the elements, as DeePMD-kit's type embeddings take them (`use_econf_tebd`).

Its own files, checkpoints and `.dp`, hold the names of the types alone; frozen models hold the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...arrays import Array
from ...descriptors.deepmd import Tree, unsupported
from ..pwmlff.elements import SYMBOLS

# (n, degree l) of the subshells, in the order of the numbers: 2 (2 l + 1) of each, 118 in all.
SUBSHELLS = [(n, degree) for n, most in enumerate((0, 1, 2, 3, 3, 2, 1), 1) for degree in range(most + 1)]
# Elements that have electrons elsewhere than n + l, then n says: from one subshell to another.
MOVED = {
    **dict.fromkeys(("Cr", "Cu"), ((4, 0), (3, 2), 1)),
    **dict.fromkeys(("Nb", "Mo", "Ru", "Rh", "Ag"), ((5, 0), (4, 2), 1)),
    "Pd": ((5, 0), (4, 2), 2),
    **dict.fromkeys(("La", "Ce", "Gd"), ((4, 3), (5, 2), 1)),
    **dict.fromkeys(("Pt", "Au"), ((6, 0), (5, 2), 1)),
    **dict.fromkeys(("Ac", "Pa", "U", "Np", "Cm"), ((5, 3), (6, 2), 1)),
    "Th": ((5, 3), (6, 2), 2),
    **dict.fromkeys(("Ds", "Rg"), ((7, 0), (6, 2), 1)),
}


def with_electrons(descriptor: Tree, type_map: Sequence[str]) -> Tree:
    """A descriptor, not a hybrid one, that has the electron configurations it needs. Raises UnsupportedModel for a type that is
    no element."""
    embedding = descriptor.get("type_embedding")
    if embedding is None or not embedding["use_econf_tebd"] or embedding["econf_tebd"] is not None:
        return descriptor
    return descriptor | {"type_embedding": embedding | {"econf_tebd": configurations(type_map)}}


def configurations(type_map: Sequence[str]) -> Array:
    """(N, 118) of length 1: two numbers for each orbital, spin down and up, positive where there is an electron."""
    return np.array([_signs(name) for name in type_map]) / np.sqrt(2.0 * sum(2 * degree + 1 for _, degree in SUBSHELLS))


def _signs(name: str) -> Array:
    if name not in SYMBOLS:
        raise unsupported(
            f"a type embedding of electron configurations (use_econf_tebd) of '{name[:80]}', which is no element,",
            "the frozen model (.pth), which has its numbers",
        )
    found = []
    for (_, degree), count in _occupied(name).items():
        orbitals = 2 * degree + 1
        signs = np.full((orbitals, 2), -1.0)
        signs[: max(count - orbitals, 0), 0] = 1.0
        signs[: min(count, orbitals), 1] = 1.0
        found.append(signs.reshape(-1))
    return np.concatenate(found)


def _occupied(name: str) -> dict[tuple[int, int], int]:
    """Electrons of each subshell."""
    left = SYMBOLS.index(name) + 1
    counts = dict.fromkeys(SUBSHELLS, 0)
    for shell in sorted(SUBSHELLS, key=lambda shell: (sum(shell), shell[0])):
        counts[shell] = min(left, 2 * (2 * shell[1] + 1))
        left -= counts[shell]
    if name in MOVED:
        source, target, n = MOVED[name]
        counts[source] -= n
        counts[target] += n
    return counts
