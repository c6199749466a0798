# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-classical", "scikit-learn>=1.6", "threadpoolctl"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-classical = { path = "../plugins/classical", editable = true }
# ///
"""Fitting a mixture of Gaussians by gentk's trainer against scikit-learn: same examples, same start, same number of passes.

    uv run benchmarks/mixture.py [--repeats 5] [--threads 2] [--examples 50000] [--passes 20]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import torch
from interleaved import compare, report
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from gentk.clustering import kmeans
from gentk.host.lookup import build_model
from gentk.protocols import DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training.trainer import Trainer

K, D = 10, 16


class Cloud:
    """Points around ten centres that overlap, each with a covariance of its own."""

    spec = DataSpec(modality="points", leaves={"x": Leaf(shape=(D,))})

    def __init__(self, size: int) -> None:
        generator = torch.Generator().manual_seed(0)
        centres, shapes = 1.5 * torch.randn(K, D, generator=generator), torch.randn(K, D, D, generator=generator) / 4
        which, z = torch.randint(K, (size,), generator=generator), torch.randn(size, D, 1, generator=generator)
        self.x = centres[which] + (shapes[which] @ z)[..., 0] + 0.3 * torch.randn(size, D, generator=generator)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": self.x[index]}

    def batch(self, indices: Any, noise: Any = None) -> dict[str, torch.Tensor]:
        return {"x": self.x[indices]}


def ours(data: Cloud, means: torch.Tensor, passes: int, compute: str, told: dict[str, float]) -> Callable[[], None]:
    config = {"components": K, "passes": passes, "compute": compute}
    settings = TrainingPart(tolerance=0.0, evaluate_every=0)

    def run() -> None:
        model = build_model("classical", "gmm", config, data.spec)
        model.means.copy_(means)  # the weights are alike and the covariances 1 from the beginning
        model.start = lambda batch: None
        trainer = Trainer(model, data, settings)
        for progress in trainer.rounds():
            told[compute] = progress.logs["log_likelihood"]

    return run


def theirs(data: Cloud, means: torch.Tensor, passes: int, told: dict[str, float]) -> Callable[[], None]:
    x, eye = data.x.double().numpy(), torch.eye(D, dtype=torch.float64).expand(K, D, D).numpy()
    start = {"weights_init": [1 / K] * K, "means_init": means.numpy(), "precisions_init": eye, "init_params": "random_from_data"}

    def run() -> None:
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = GaussianMixture(K, max_iter=passes, tol=0.0, random_state=0, **start).fit(x)
        told["scikit-learn"] = found.lower_bound_

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("repeats", 5), ("threads", 2), ("examples", 50_000), ("passes", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data, told = Cloud(options.examples), dict[str, float]()
    means = kmeans(data.x[:5000].double(), K, generator=torch.Generator().manual_seed(0))
    runs = {"gentk " + compute: ours(data, means, options.passes, compute, told) for compute in ("float32", "float64")}
    with threadpool_limits(options.threads):
        times = compare({**runs, "scikit-learn": theirs(data, means, options.passes, told)}, options.repeats)
    title = f"mixture of {K} Gaussians, {options.examples} × {D}, {options.passes} passes"
    report(title, times, "scikit-learn")
    print("  log-likelihood per example: " + ", ".join(f"{who} {value:.7f}" for who, value in told.items()))


if __name__ == "__main__":
    main()
