# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-metrics", "torchmetrics>=1.9", "torch-fidelity>=0.4", "threadpoolctl"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-metrics = { path = "../plugins/metrics", editable = true }
# ///
"""The Fréchet distance of two sets of features, from means and covariances on, against torchmetrics and torch-fidelity.

    uv run benchmarks/frechet.py [--repeats 3] [--threads 2] [--dimensions 2048] [--examples 10000] [--batch 500]

All get the same float64 moments. torch-fidelity is passed over where it is not installed. The last line is the whole metric: rows in
batches, then the distance.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from interleaved import compare, report, seconds
from threadpoolctl import threadpool_limits
from torch import Tensor
from torchmetrics.image.fid import _compute_fid

from gentk.protocols import DataSpec, Leaf
from gentk_metrics.frechet import Frechet, Moments, squared_frechet

DATA = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 8, 8), range=(-1, 1))})


def features(n: int, d: int, seed: int) -> Tensor:
    """(n, d) float64, of as many scales as the features of images have: variances fall by a factor of 10⁴."""
    rows, mix = (torch.Generator().manual_seed(seed) for seed in (seed, 0))
    scales = torch.logspace(0, -2, d, dtype=torch.float64)
    mixing = scales[:, None] * torch.linalg.qr(torch.randn(d, d, generator=mix, dtype=torch.float64)).Q
    return (1 + seed / 10) * torch.randn(n, d, generator=rows, dtype=torch.float64) @ mixing


def contestants(a: Moments, b: Moments, told: dict[str, float]) -> dict[str, Callable[[], object]]:
    """Each leaves what it found in `told`."""
    covariances = a.covariance, b.covariance

    def ours() -> None:
        told["gentk"] = squared_frechet(a, b)

    def torchmetrics() -> None:
        told["torchmetrics"] = float(_compute_fid(a.mean, covariances[0], b.mean, covariances[1]))

    found: dict[str, Callable[[], object]] = {"gentk": ours, "torchmetrics": torchmetrics}
    try:
        from torch_fidelity.metric_fid import fid_statistics_to_metric
    except ImportError:
        return found
    statistics = [{"mu": side.mean.numpy(), "sigma": side.covariance.numpy()} for side in (a, b)]

    def fidelity() -> None:
        told["torch-fidelity"] = float(fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"])

    return {**found, "torch-fidelity": fidelity}


def whole(x: Tensor, y: Tensor, batch: int) -> None:
    metric = Frechet(DATA)
    for part in x.split(batch):
        metric.update("generated", {"features": part})
    for part in y.split(batch):
        metric.update("real", {"features": part})
    metric.compute()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("repeats", 3), ("threads", 2), ("dimensions", 2048), ("examples", 10_000), ("batch", 500)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    x, y = (features(options.examples, options.dimensions, seed) for seed in (1, 2))
    told = dict[str, float]()
    with threadpool_limits(options.threads):
        times = compare(contestants(Moments.of(x), Moments.of(y), told), options.repeats)
        report(f"Fréchet distance, {options.dimensions} dimensions", times, "torchmetrics")
        print("  distance: " + ", ".join(f"{who} {value:.9f}" for who, value in told.items()))
        taken = seconds(lambda: whole(x, y, options.batch))
    print(f"  gentk with the moments of 2 × {options.examples} rows in batches of {options.batch}: {taken:.1f} s")


if __name__ == "__main__":
    main()
