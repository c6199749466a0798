"""Permutations of any size without a list of it, and the hashes that choose among them."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
_ROUNDS = 6


def mixed(*words: int | str) -> int:
    """A hash of the words to 32 bits: torch's CPU generator throws the upper half of a longer seed away (1 ≡ 1 + 2³²)."""
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=4).digest(), "little")


def permuted(places: Indices, n: int, key: int) -> Indices:
    """Places of a random permutation of range(n): a Feistel network on 2b bits, walked until it lands below n (cycle walking,
    Black & Rogaway 2002). Costs O(len(places)) whatever n is, so a data set of 2⁴⁰ examples shuffles like any other."""
    bits = np.uint64(max(1, math.ceil(math.log2(max(n, 2)) / 2)))
    mask = np.uint64((1 << int(bits)) - 1)
    keys = np.random.Generator(np.random.Philox(key=[key, 0])).integers(0, 2**64, _ROUNDS, dtype=np.uint64)

    def once(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = value >> bits, value & mask
        for k in keys:
            word = (right + k) * np.uint64(0x9E3779B97F4A7C15)
            word ^= word >> np.uint64(29)
            word *= np.uint64(0xBF58476D1CE4E5B9)
            word ^= word >> np.uint64(32)
            left, right = right, left ^ (word & mask)
        return left << bits | right

    out = once(places.astype(np.uint64))
    while (outside := out >= n).any():
        out[outside] = once(out[outside])
    return out.astype(np.int64)
