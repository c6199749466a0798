"""Philox 4×32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") for whole arrays, and what is made of its words.

Every function takes numpy arrays or tensors of any device, int64 that hold 32-bit words, and uses only operations that IEEE 754 rounds
one way: shifts, products, sums, quotients, square roots. So the numbers are the same wherever they are computed, one by one or in bulk
(but for the last bit of a double where a library's square root is not rounded so: torch's on the CPU).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

Array = Any  # an array or a tensor, int64 words or float64 numbers
Four = tuple[Array, Array, Array, Array]

ROUNDS = 10
LOW = 0xFFFFFFFF
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_ONE = 0x3FF << 52  # the bits of 1.0
_MANTISSA = (1 << 52) - 1
_LOG = tuple(2 / (2 * k + 1) for k in range(6, -1, -1))  # of 2 atanh(s) / s in s², highest first; |s| < 0.172 leaves 4e-13
_SIN = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(9, -1, -1))  # of sin(y) / y in y²; |y| ≤ π/2 leaves 3e-16


def philox(counter: Four, key: tuple[int, int]) -> Four:
    """Four random words for each counter, whose words are broadcast; `key` is two words."""
    a, b, c, d = counter
    first, second = key
    for _ in range(ROUNDS):
        # A word is the low half of its number; the high half is cleared only before a product, where it would be in the way.
        left, right = (a & LOW) * _MULTIPLIERS[0], (c & LOW) * _MULTIPLIERS[1]
        a, b, c, d = (right >> 32) ^ b ^ first, right, (left >> 32) ^ d ^ second, left
        first, second = (first + _WEYL[0]) & LOW, (second + _WEYL[1]) & LOW
    return a & LOW, b & LOW, c & LOW, d & LOW


def uniforms(first: Array, second: Array) -> Array:
    """U[0, 1), float64, multiples of 2⁻⁵²: one for each pair of words."""
    return _float(first << 20 | second >> 12) - 1.0


def normals(first: Array, second: Array) -> tuple[Array, Array]:
    """N(0, 1), float64, two for each pair of words (Box & Muller 1958): √(−2 ln u) (cos φ, sin φ), with u = (first + ½) / 2³².

    Right to 4e-7, so to the last bits of a float32. φ is a sine's argument in [−π/2, π/2); a bit of its own mirrors the cosine.
    """
    radius = _minus_log(_float(first << 20) - (1 - 2.0**-33), factor=2.0) ** 0.5
    y = (_float(second << 20) - 1.5) * math.pi
    sine = _polynomial(_SIN, y * y) * y
    cosine = abs(1.0 - sine * sine) ** 0.5
    mirrored = _bits(radius) | second << 63
    return _floats(mirrored) * cosine, radius * sine


def _minus_log(u: Array, factor: float) -> Array:
    """−factor · ln u for 0 < u < 1: with u = 2^e m and s = (m − √2) / (m + √2), ln u = (e + ½) ln 2 + 2 atanh(s)."""
    bits = _bits(u)
    m = _float(bits & _MANTISSA)
    s = (m - math.sqrt(2)) / (m + math.sqrt(2))
    tail = _polynomial(_LOG, s * s) * s
    # The exponent's bits, put into the mantissa of 2⁵², are a whole number above it.
    exponent = _floats(bits >> 52 | 0x433 << 52) - (2.0**52 + 1023)
    return ((exponent + 0.5) * math.log(2) + tail) * -factor


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    found = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        found *= x
        found += c
    return found


def _float(bits: Array) -> Array:
    """The number in [1, 2) with these 52 bits."""
    return _floats(bits | _ONE)


def _floats(bits: Array) -> Array:
    return bits.view(np.float64 if isinstance(bits, np.ndarray) else torch.float64)


def _bits(x: Array) -> Array:
    return x.view(np.int64 if isinstance(x, np.ndarray) else torch.int64)
