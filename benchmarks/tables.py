# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-classical", "gentk-datasets", "scikit-learn>=1.6", "threadpoolctl"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-classical = { path = "../plugins/classical", editable = true }
# gentk-datasets = { path = "../plugins/datasets", editable = true }
# ///
"""Fitting and imputing the same table, here and in scikit-learn: mixtures, kernel densities, and filling in what is missing.

    uv run benchmarks/tables.py [--rows 5000] [--columns 10] [--repeats 5] [--threads 2] [--apart]

--apart: each side in processes of its own, in turn. In one process the idle threads of either library wait on cores that the other needs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from typing import Any

import numpy as np
import torch
from interleaved import compare, report
from threadpoolctl import threadpool_limits

import gentk
from gentk.noise import Philox
from gentk.protocols import Column, DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training import Trainer
from gentk_classical.config import GMMConfig, KDEConfig
from gentk_classical.kde import KDE
from gentk_classical.mixture import GMM


class Rows:
    """Numbers of three clusters, of which a share may be missing."""

    def __init__(self, n: int, d: int, missing: float = 0.0) -> None:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 4 * rng.integers(0, 3, (n, 1))
        x[rng.random((n, d)) < missing] = np.nan
        self.x = torch.from_numpy(x)
        columns = tuple(Column(name=f"c{j}", missing=missing > 0) for j in range(d))
        self.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(d,), double=True, columns=columns)})
        self.points = DataSpec(modality="points", leaves={"x": Leaf(shape=(d,), double=True)})

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": self.x[index]}

    def batch(self, indices: Any, noise: Any = None) -> dict[str, torch.Tensor]:
        return {"x": self.x[torch.as_tensor(np.asarray(indices))]}


def fitted(model: Any, data: Rows, **settings: Any) -> Any:
    for _ in Trainer(model, data, TrainingPart(**settings)).rounds():
        pass
    return model.eval()


def main() -> None:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import KernelDensity

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 5000), ("columns", 10), ("repeats", 5), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--only", nargs=2, metavar=("TASK", "SIDE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    whole, gaps = Rows(options.rows, options.columns), Rows(options.rows, options.columns, 0.1)
    x, holes = whole.x.numpy(), gaps.x.numpy()
    passes = 50
    kde, peer = fitted(KDE(KDEConfig(points=options.rows), whole.points), whole), KernelDensity(bandwidth=0.5).fit(x)

    def ours() -> None:
        fitted(GMM(GMMConfig(components=3, passes=passes, n_init=1), whole.spec), whole, tolerance=0)

    def theirs() -> None:
        GaussianMixture(3, max_iter=passes, tol=0).fit(x)

    def fills() -> None:
        model = fitted(GMM(GMMConfig(components=1, passes=30, n_init=1), gaps.spec), gaps, tolerance=1e-4)
        gentk.impute(model, {"x": gaps.x.nan_to_num()}, ~gaps.x.isnan())

    def imputed() -> None:
        IterativeImputer(max_iter=10, sample_posterior=True, random_state=0).fit_transform(holes)

    tasks = {
        f"mixture of 3, {passes} passes": (ours, theirs),
        "log density by kernels": (lambda: kde.log_prob({"x": whole.x}, Philox(0, range(len(x)))), lambda: peer.score_samples(x)),
        "fit with gaps and fill in": (fills, imputed),
    }
    with threadpool_limits(options.threads):
        for title, (mine, peers) in tasks.items():
            runs = {"gentk": mine, "scikit-learn": peers}
            if options.only:
                if options.only[0] == title:
                    print(*compare({"": runs[options.only[1]]}, options.repeats)[""])
                continue
            times = apart(title, list(runs), options.repeats) if options.apart else compare(runs, options.repeats)
            report(f"{title}, {options.rows} × {options.columns}", times, "scikit-learn")


def apart(task: str, sides: list[str], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side, the median of a process of its own in each of so many rounds."""
    found: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            line = [sys.executable, *sys.argv, "--only", task, side]
            taken = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()
            found[side].append(statistics.median(map(float, taken)))
    return found


if __name__ == "__main__":
    main()
