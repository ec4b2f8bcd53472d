# SPDX-License-Identifier: MIT
"""Elements by atomic number, and the properties by which MatPL's type embedding knows them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...arrays import Array
from ...errors import InputError, UnsupportedModel

# Atomic mass; atomic radius, pm; molar volume, cm^3/mol; melting and boiling point, K; electron affinity, J/mol; Pauling's
# electronegativity. "-": no value.
COLUMNS = ("atom_mass", "atom_radius", "molar_vol", "melting_point", "boiling_point", "electron_affin", "pauling")
TABLE = """
H 1.00794 25 11.42 14.01 20.28 72800 2.2
He 4.002602 - 21 0.95 4.22 0 -
Li 6.941 145 13.02 453.69 1615 59600 0.98
Be 9.012182 105 4.85 1560 2742 0 1.57
B 10.811 85 4.39 2349 4200 26700 2.04
C 12.0107 70 5.29 3800 4300 153900 2.55
N 14.0067 65 13.54 63.05 77.36 7000 3.04
O 15.9994 60 17.36 54.8 90.2 141000 3.44
F 18.9984032 50 11.2 53.53 85.03 328000 3.98
Ne 20.1797 - 13.23 24.56 27.07 0 -
Na 22.98976928 180 23.78 370.87 1156 52800 0.93
Mg 24.305 150 14 923 1363 0 1.31
Al 26.9815386 125 10 933.47 2792 42500 1.61
Si 28.0855 110 12.06 1687 3173 133600 1.9
P 30.973762 100 17.02 317.3 550 72000 2.19
S 32.065 100 15.53 388.36 717.87 200000 2.58
Cl 35.453 100 17.39 171.6 239.11 349000 3.16
Ar 39.948 - 22.56 83.8 87.3 0 -
K 39.0983 220 45.94 336.53 1032 48400 0.82
Ca 40.078 180 26.2 1115 1757 2370 1
Sc 44.955912 160 15 1814 3103 18100 1.36
Ti 47.867 140 10.64 1941 3560 7600 1.54
V 50.9415 135 8.32 2183 3680 50600 1.63
Cr 51.9961 140 7.23 2180 2944 64300 1.66
Mn 54.938045 140 7.35 1519 2334 0 1.55
Fe 55.845 140 7.09 1811 3134 15700 1.83
Co 58.933195 135 6.67 1768 3200 63700 1.88
Ni 58.6934 135 6.59 1728 3186 112000 1.91
Cu 63.546 135 7.11 1357.77 3200 118400 1.9
Zn 65.38 135 9.16 692.68 1180 0 1.65
Ga 69.723 130 11.8 302.91 2477 28900 1.81
Ge 72.64 125 13.63 1211.4 3093 119000 2.01
As 74.9216 115 12.95 1090 887 78000 2.18
Se 78.96 115 16.42 494 958 195000 2.55
Br 79.904 115 19.78 265.8 332 324600 2.96
Kr 83.798 - 27.99 115.79 119.93 0 3
Rb 85.4678 235 55.76 312.46 961 46900 0.82
Sr 87.62 200 33.94 1050 1655 5030 0.95
Y 88.90585 180 19.88 1799 3609 29600 1.22
Zr 91.224 155 14.02 2128 4682 41100 1.33
Nb 92.90638 145 10.83 2750 5017 86100 1.6
Mo 95.96 145 9.38 2896 4912 71900 2.16
Tc 98 135 8.63 2430 4538 53000 1.9
Ru 101.07 130 8.17 2607 4423 101300 2.2
Rh 102.9055 135 8.28 2237 3968 109700 2.28
Pd 106.42 140 8.56 1828.05 3236 53700 2.2
Ag 107.8682 160 10.27 1234.93 2435 125600 1.93
Cd 112.411 155 13 594.22 1040 0 1.69
In 114.818 155 15.76 429.75 2345 28900 1.78
Sn 118.71 145 16.29 505.08 2875 107300 1.96
Sb 121.76 145 18.19 903.78 1860 103200 2.05
Te 127.6 140 20.46 722.66 1261 190200 2.1
I 126.90447 140 25.72 386.85 457.4 295200 2.66
Xe 131.293 - 35.92 161.4 165.1 0 2.6
Cs 132.9054519 260 70.94 301.59 944 45500 0.79
Ba 137.327 215 38.16 1000 2143 13950 0.89
La 138.90547 195 22.39 1193 3743 48000 1.1
Ce 140.116 185 20.69 1068 3633 50000 1.12
Pr 140.90765 185 20.8 1208 3563 50000 1.13
Nd 144.242 185 20.59 1297 3373 50000 1.14
Pm 145 185 20.23 1373 3273 50000 -
Sm 150.36 185 19.98 1345 2076 50000 1.17
Eu 151.964 185 28.97 1099 1800 50000 -
Gd 157.25 180 19.9 1585 3523 50000 1.2
Tb 158.92535 175 19.3 1629 3503 50000 -
Dy 162.5 175 19.01 1680 2840 50000 1.22
Ho 164.93032 175 18.74 1734 2993 50000 1.23
Er 167.259 175 18.46 1802 3141 50000 1.24
Tm 168.93421 175 19.1 1818 2223 50000 1.25
Yb 173.054 175 24.84 1097 1469 50000 -
Lu 174.9668 175 17.78 1925 3675 33000 1.27
Hf 178.49 155 13.44 2506 4876 0 1.3
Ta 180.94788 145 10.85 3290 5731 31000 1.5
W 183.84 135 9.47 3695 5828 78600 2.36
Re 186.207 135 8.86 3459 5869 14500 1.9
Os 190.23 130 8.42 3306 5285 106100 2.2
Ir 192.217 135 8.52 2739 4701 151000 2.2
Pt 195.084 135 9.09 2041.4 4098 205300 2.28
Au 196.966569 135 10.21 1337.33 3129 222800 2.54
Hg 200.59 150 14.09 234.32 629.88 0 2
Tl 204.3833 190 17.22 577 1746 19200 1.62
Pb 207.2 180 18.26 600.61 2022 35100 2.33
Bi 208.9804 160 21.31 544.4 1837 91200 2.02
Po 209 190 22.97 527 1235 183300 2
At 210 - - 575 - 270100 2.2
Rn 222 - 50.5 202 211.3 - -
Fr 223 - - 300 - - 0.7
Ra 226 215 41.09 973 2010 - 0.9
Ac 227 195 22.55 - - - -
Th 232.03806 180 19.8 - - - -
Pa 231.03588 180 15.18 - - - -
U 238.02891 175 12.49 - - - -
Np 237 175 11.59 - - - -
Pu 244 175 12.29 - - - -
Am 243 175 17.63 - - - -
Cm 247 - 18.05 - - - -
Bk 247 - 16.84 - - - -
Cf 251 - 16.5 - - - -
Es 252 - 28.52 - - - -
Fm 257 - - - - - -
Md 258 - - - - - -
No 259 - - - - - -
Lr 262 - - - - - -
Rf 267 - - - - - -
Db 268 - - - - - -
Sg 271 - - - - - -
Bh 272 - - - - - -
Hs 270 - - - - - -
Mt 276 - - - - - -
"""
BEYOND_THE_TABLE = "Ds Rg Cn Nh Fl Mc Lv Ts Og"
SYMBOLS = tuple(row.split()[0] for row in TABLE.strip().splitlines()) + tuple(BEYOND_THE_TABLE.split())
DEFAULT_PROPERTIES = ("atomic_number", "atom_radius", "atom_mass", "electron_affin", "pauling")


def symbol(number: int) -> str:
    """The name of an element. Raises UnsupportedModel for a number that is none's."""
    if not 1 <= number <= len(SYMBOLS):
        raise UnsupportedModel(f"atomic number {number} is that of no element")
    return SYMBOLS[number - 1]


def number_of(word: str) -> int:
    """The atomic number of a name, or of a number as MatPL's pair_coeff takes it. Raises InputError for what is neither."""
    if word in SYMBOLS:
        return SYMBOLS.index(word) + 1
    if word.isdecimal() and len(word) <= 3 and 1 <= int(word) <= len(SYMBOLS):
        return int(word)
    raise InputError(f"--types {word[:80]}: neither the name of an element nor an atomic number")


def property_vectors(numbers: Sequence[int], properties: Sequence[str]) -> Array:
    """(elements, properties): each property scaled to 0..1 over all elements that have a value. Raises UnsupportedModel for a
    property or a value that is not there."""
    columns = {name: _scaled(name) for name in properties}
    for name, column in columns.items():
        for number in numbers:
            if number not in column:
                raise UnsupportedModel(
                    f"type embedding by the property '{name}', of which {symbol(number)} has no value in MatPL"
                )
    return np.array([[columns[name][number] for name in properties] for number in numbers])


def _scaled(name: str) -> dict[int, float]:
    rows = [row.split()[1:] for row in TABLE.strip().splitlines()]
    if name == "atomic_number":
        values = {z: float(z) for z in range(1, len(rows) + 1)}
    elif name in COLUMNS:
        column = COLUMNS.index(name)
        values = {z: float(row[column]) for z, row in enumerate(rows, 1) if row[column] != "-"}
    else:
        known = ", ".join(("atomic_number", *COLUMNS))
        raise UnsupportedModel(f"type embedding by the property '{name[:80]}' is not supported; known are {known}")
    low, high = min(values.values()), max(values.values())
    return {z: (value - low) / (high - low) for z, value in values.items()}
