"""Which examples round k sees, and what is drawn for them: functions of (seed, k), so that no generator's state is ever saved."""

from __future__ import annotations

import numpy as np
import torch

from ..examples import First as First  # as plugins know them
from ..examples import fetch as fetch
from ..examples import some as some
from ..permutation import Indices, mixed, permuted


def indices_of(k: int, n: int, batch_size: int, seed: int) -> Indices:
    """The examples of round k (batch_size,): the endless row of epochs, each a permutation of its own."""
    at = np.arange(k * batch_size, (k + 1) * batch_size, dtype=np.int64)
    out = np.empty(batch_size, np.int64)
    for epoch in np.unique(at // n):
        here = at // n == epoch
        out[here] = permuted(at[here] % n, n, mixed(seed, "epoch", int(epoch)))
    return out


class Order:
    """The examples of one round after another. A permutation costs the same for one batch and for many, so many are made at once."""

    ROUNDS = 32

    def __init__(self, n: int, batch_size: int, seed: int) -> None:
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.window, self.indices = -1, np.empty((self.ROUNDS, batch_size), np.int64)

    def __getitem__(self, k: int) -> Indices:
        """`indices_of(k, …)`."""
        window, row = divmod(k, self.ROUNDS)
        if window != self.window:
            self.indices = indices_of(window, self.n, self.ROUNDS * self.batch_size, self.seed).reshape(self.ROUNDS, self.batch_size)
            self.window = window
        found: Indices = self.indices[row]
        return found


def seed_all(*words: int | str) -> None:
    """Seed torch's generators from a hash. `torch.manual_seed` asks every backend, which costs 90 times as much."""
    torch.default_generator.manual_seed(mixed(*words))
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed(mixed(*words))
    elif torch.backends.mps.is_available():
        torch.mps.manual_seed(mixed(*words))
