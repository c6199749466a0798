"""Random numbers as a function of (key, index): Philox-4x32-10 over whole arrays.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". numpy's own Philox is a generator, so numbers for scattered
indices need one object per index; here one call draws for a whole batch, whatever its indices.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Words = NDArray[np.uint64]


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Four random 32-bit words per counter. Words are 32-bit values held in uint64 arrays of one shape."""
    a, b, c, d = counter
    first, second = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(ROUNDS):
        left, right = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]  # 64-bit products: high word and low word
        a, b, c, d = (right >> _HALF) ^ b ^ first, right & _LOW, (left >> _HALF) ^ d ^ second, left & _LOW
        first, second = (first + _WEYL[0]) & _LOW, (second + _WEYL[1]) & _LOW
    return a, b, c, d


def uniforms(stream: str, indices: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """U(0, 1), (n, count), never exactly 0 or 1: row i depends on (stream, indices[i]) alone."""
    index = np.asarray(indices, np.int64).astype(np.uint64)[:, None]
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)[None]
    zeros = np.zeros(np.broadcast_shapes(index.shape, blocks.shape), np.uint64)
    words = philox(
        (zeros + (index & _LOW), zeros + (index >> _HALF), zeros + blocks, zeros),
        key=(zlib.crc32(stream.encode()), zlib.crc32(stream[::-1].encode())),
    )
    flat = np.stack(words, -1).reshape(len(index), -1)[:, :count]
    return (flat.astype(np.float64) + 0.5) * 2.0**-32


def normals(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """N(0, 1) from uniforms (n, 2k) → (n, 2k), by Box and Muller's transform (1958)."""
    half = uniform.shape[1] // 2
    radius = np.sqrt(-2 * np.log(uniform[:, :half]))
    angle = 2 * np.pi * uniform[:, half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], 1)
