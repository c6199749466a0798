# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-classical", "hmmlearn>=0.3.3"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-classical = { path = "../plugins/classical", editable = true }
# ///
"""Fitting a hidden Markov model to one long series, by gentk's trainer, against hmmlearn in logarithms and scaled.

uv run benchmarks/hmm.py [--steps 10000] [--dim 4] [--states 8] [--passes 10] [--repeats 5] [--threads 1]
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hmmlearn.hmm import GaussianHMM
from interleaved import compare, report

from gentk.host.lookup import build_model
from gentk.protocols import DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training.trainer import Trainer


class OneSeries:
    """One example: the whole series (T, D)."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = torch.from_numpy(x)
        self.spec = DataSpec(modality="series", leaves={"x": Leaf(shape=tuple(x.shape))})

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": self.x}


def series(steps: int, dim: int, states: int) -> np.ndarray:
    """A series of a hidden chain that stays where it is two times in three; the states' means overlap a little."""
    random = np.random.default_rng(0)
    matrix = np.full((states, states), 1 / (3 * (states - 1))) + (2 / 3 - 1 / (3 * (states - 1))) * np.eye(states)
    mean, state, out = 2 * random.normal(size=(states, dim)), 0, np.empty((steps, dim))
    for t in range(steps):
        state = random.choice(states, p=matrix[state])
        out[t] = mean[state] + random.normal(size=dim)
    return out.astype(np.float32)


def begin(x: np.ndarray, states: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and a common covariance, the same for both."""
    return x[np.linspace(0, len(x) - 1, states).astype(int)].astype(float), np.cov(x.T.astype(float))


def ours(x: np.ndarray, states: int, covariance: str, passes: int, found: dict[str, float]) -> Callable[[], None]:
    data = OneSeries(x)
    mean, whole = begin(x, states)

    def run() -> None:
        config = {"states": states, "covariance": covariance, "passes": passes, "floor": 0.0}
        model = build_model("classical", "hmm", config, data.spec)
        model.start = lambda batch: None
        emission = model.emission
        emission.mean.copy_(torch.from_numpy(mean))
        emission.covariance.copy_(torch.from_numpy(whole if covariance == "full" else np.diag(whole).copy()).expand_as(emission.covariance))
        trainer = Trainer(model, data, TrainingPart(tolerance=0.0, evaluate_every=0))
        for progress in trainer.rounds():
            found["gentk"] = progress.logs["log_likelihood"]

    return run


def theirs(x: np.ndarray, states: int, covariance: str, passes: int, implementation: str, found: dict[str, float]) -> Callable[[], None]:
    wide = x.astype(float)
    mean, whole = begin(x, states)

    def run() -> None:
        plain: dict[str, Any] = {"init_params": "", "covars_prior": 0.0, "covars_weight": 1.0, "min_covar": 0.0}
        model = GaussianHMM(states, covariance, n_iter=passes, tol=-np.inf, implementation=implementation, **plain)
        model.startprob_, model.transmat_, model.means_ = np.full(states, 1 / states), np.full((states, states), 1 / states), mean
        model.covars_ = np.repeat((whole if covariance == "full" else np.diag(whole))[None], states, 0)
        model.fit(wide)
        found[f"hmmlearn {implementation}"] = model.monitor_.history[-1]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("steps", 10_000), ("dim", 4), ("states", 8), ("passes", 10), ("repeats", 5), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    x = series(options.steps, options.dim, options.states)
    for covariance in ("diag", "full"):
        found: dict[str, float] = {}
        about = x, options.states, covariance, options.passes
        runs: dict[str, Callable[[], object]] = {
            "gentk": ours(*about, found),
            "hmmlearn scaling": theirs(*about, "scaling", found),
            "hmmlearn log": theirs(*about, "log", found),
        }
        title = f"hmm, {options.steps} × {options.dim}, {options.states} states, {covariance}, {options.passes} passes"
        times = compare(runs, options.repeats)
        for peer in ("hmmlearn log", "hmmlearn scaling"):
            report(title, times, peer)
        print("  log-likelihood before the last pass: " + ", ".join(f"{who} {value:.6f}" for who, value in found.items()))


if __name__ == "__main__":
    main()
