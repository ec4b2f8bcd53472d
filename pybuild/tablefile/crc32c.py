# SPDX-License-Identifier: MIT
"""CRC32C (Castagnoli, RFC 3720), the checksum of a tables.bin, in NumPy: 8 MB take about 0.1 s.

The remainder of a message is linear over GF(2) in its bits. So a message is cut into many lanes of the same length, all lanes are
advanced together, and neighbouring remainders are then joined two by two: that of AB is that of A followed by len(B) zero bytes,
XOR that of B.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

REFLECTED_POLYNOMIAL = 0x82F63B78
INVERTED = 0xFFFFFFFF  # initial and final value
N_LANES = 4096  # a power of two; enough to hide the cost of a NumPy call
WORD_BYTES = 4
LANE_BYTES = 2048  # at most, in one go
SMALL = 2048  # bytes up to which a plain loop is faster


def _byte_tables() -> Words:
    """(4, 256): row k holds the remainder of each byte followed by k zero bytes."""
    tables = np.empty((WORD_BYTES, 256), dtype=np.uint32)
    remainder = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        remainder = (remainder >> np.uint32(1)) ^ np.where(remainder & 1, np.uint32(REFLECTED_POLYNOMIAL), np.uint32(0))
    tables[0] = remainder
    for k in range(1, WORD_BYTES):
        tables[k] = (tables[k - 1] >> np.uint32(8)) ^ tables[0][tables[k - 1] & 0xFF]
    return tables


_TABLES = _byte_tables()
_BYTE_TABLE = [int(value) for value in _TABLES[0]]


def _word_tables() -> tuple[Words, Words]:
    """Remainders of the lower and of the upper 16 bits of a word, 65,536 each."""
    value = np.arange(65536, dtype=np.uint32)
    low, high = value & 0xFF, value >> np.uint32(8)
    return _TABLES[3][low] ^ _TABLES[2][high], _TABLES[1][low] ^ _TABLES[0][high]


_LOW, _HIGH = _word_tables()


def _apply(operator: Words, remainders: Words) -> Words:
    """A linear map, given as the images (4, 256) of the values of each byte of a word, applied to each remainder."""
    out = operator[0][remainders & 0xFF]
    for k in range(1, WORD_BYTES):
        out ^= operator[k][(remainders >> np.uint32(8 * k)) & 0xFF]
    return out


@lru_cache(maxsize=256)
def _append_zeros(n_bytes: int) -> Words:
    """The map from the remainder of a message to that of the message followed by n_bytes zero bytes."""
    if n_bytes == 0:
        return np.arange(256, dtype=np.uint32) << (8 * np.arange(WORD_BYTES, dtype=np.uint32)[:, None])
    if n_bytes == 1:
        words = _append_zeros(0)
        return (words >> np.uint32(8)) ^ _TABLES[0][words & 0xFF]
    half = _append_zeros(n_bytes // 2)
    doubled = _apply(half, half)
    return _apply(_append_zeros(1), doubled) if n_bytes % 2 else doubled


def _remainder(data: NDArray[np.uint8]) -> int:
    """Remainder of a message with initial value 0; leading zero bytes do not change it."""
    lane_words = -(-len(data) // (N_LANES * WORD_BYTES))
    padded = np.zeros(N_LANES * WORD_BYTES * lane_words, dtype=np.uint8)
    padded[len(padded) - len(data) :] = data
    columns = np.ascontiguousarray(padded.view("<u4").reshape(N_LANES, lane_words).T)
    state = np.zeros(N_LANES, dtype=np.uint32)
    for column in columns:
        state ^= column
        state = _LOW[state & 0xFFFF] ^ _HIGH[state >> np.uint32(16)]
    length = lane_words * WORD_BYTES
    while len(state) > 1:
        state = _apply(_append_zeros(length), state[0::2]) ^ state[1::2]
        length *= 2
    return int(state[0])


def crc32c(data: bytes | bytearray | memoryview | NDArray, previous: int = 0) -> int:
    """CRC32C of contiguous bytes; previous: checksum of the bytes before them, 0 for none."""
    raw = np.frombuffer(data, dtype=np.uint8)
    state = previous ^ INVERTED
    if len(raw) <= SMALL:
        for byte in raw.tolist():
            state = _BYTE_TABLE[(state ^ byte) & 0xFF] ^ (state >> 8)
        return state ^ INVERTED
    step = N_LANES * LANE_BYTES
    for start in range(0, len(raw), step):
        part = raw[start : start + step]
        carried = _apply(_append_zeros(len(part)), np.array([state], dtype=np.uint32))
        state = int(carried[0]) ^ _remainder(part)
    return state ^ INVERTED
