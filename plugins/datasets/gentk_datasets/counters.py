"""Random numbers as a function of (stream, index), for whole batches at once, whatever their indices."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from gentk.philox import philox


def uniforms(stream: str, indices: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """U(0, 1), (n, count), never exactly 0 or 1: row i depends on (stream, indices[i]) alone."""
    index = np.asarray(indices, np.int64)[:, None]
    blocks = np.arange((count + 3) // 4)[None]
    words = philox((index & 0xFFFFFFFF, index >> 32, blocks, 0), key=(zlib.crc32(stream.encode()), zlib.crc32(stream[::-1].encode())))
    flat = np.stack(words, -1).reshape(len(index), -1)[:, :count]
    return (flat.astype(np.float64) + 0.5) * 2.0**-32


def normals(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """N(0, 1) from uniforms (n, 2k) → (n, 2k), by Box and Muller's transform (1958)."""
    half = uniform.shape[1] // 2
    radius = np.sqrt(-2 * np.log(uniform[:, :half]))
    angle = 2 * np.pi * uniform[:, half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], 1)
