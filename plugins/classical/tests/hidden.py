"""Hidden Markov models to test with: random ones, their data, and the same in another library."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hmmlearn.hmm import CategoricalHMM, GaussianHMM
from torch import Tensor

from gentk.protocols import DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training.trainer import Trainer
from gentk_classical.config import HMMConfig
from gentk_classical.emissions import Gaussian
from gentk_classical.hmm import HMM

STEPS, DIM, TOKENS = 23, 3, 5
LENGTHS = torch.tensor([23, 1, 2, 17, 22, 23])
KINDS = ["full", "diag", "spherical", "categorical"]
BOTH = ["scaled", "log"]
both = pytest.mark.parametrize("arithmetic", BOTH)
every_kind = pytest.mark.parametrize("kind", KINDS)
logging.getLogger("hmmlearn").setLevel(logging.ERROR)


def spec(kind: str, steps: int = STEPS, *, ragged: bool = True) -> DataSpec:
    x = Leaf(shape=(steps,), classes=TOKENS) if kind == "categorical" else Leaf(shape=(steps, DIM))
    leaves = {"x": x, "length": Leaf(classes=steps + 1)} if ragged else {"x": x}
    return DataSpec(modality="text" if kind == "categorical" else "series", leaves=leaves)


def examples(kind: str, n: int = 6, steps: int = STEPS, *, seed: int = 0) -> dict[str, Tensor]:
    """Ragged rows; what stands behind their ends is far away, so that it is seen if it counts."""
    random = torch.Generator().manual_seed(seed)
    length = LENGTHS.clamp(max=steps).repeat(-(-n // 6))[:n]
    after = torch.arange(steps) >= length[:, None]
    if kind == "categorical":
        x = torch.randint(TOKENS, (n, steps), generator=random)
        return {"x": x.masked_fill(after, 0), "length": length}
    x = torch.randn(n, steps, DIM, generator=random) + 2 * torch.randint(2, (n, steps, 1), generator=random)
    return {"x": x.masked_fill(after[..., None], 1e3), "length": length}


def randomised(kind: str, states: int = 3, steps: int = STEPS, *, ragged: bool = True, **config: Any) -> HMM:
    told = {"states": states, "floor": 0.0, **({} if kind == "categorical" else {"covariance": kind}), **config}
    model, random = HMM(HMMConfig(**told), spec(kind, steps, ragged=ragged)), np.random.default_rng(7)
    model.initial.copy_(torch.from_numpy(random.dirichlet(np.ones(states))))
    model.transition.copy_(torch.from_numpy(random.dirichlet(np.ones(states), states)))
    if not isinstance(model.emission, Gaussian):
        model.emission.probability.copy_(torch.from_numpy(random.dirichlet(np.ones(TOKENS), states)))
        return model
    model.emission.mean.copy_(torch.from_numpy(2 * random.normal(size=(states, DIM))))
    root = random.normal(size=(states, DIM, DIM))
    full = torch.from_numpy(root @ root.transpose(0, 2, 1) + np.eye(DIM))
    model.emission.covariance.copy_({"full": full, "diag": full[:, 0].abs() + 0.5, "spherical": full[:, 0, 0]}[kind])
    return model


def theirs(model: HMM, *, passes: int = 0) -> Any:
    """hmmlearn's, with the same numbers and without priors."""
    k, plain = model.config.states, {"init_params": "", "n_iter": passes, "tol": -np.inf, "implementation": "log"}
    if isinstance(model.emission, Gaussian):
        prior = {"covars_prior": 0.0, "covars_weight": 1.0, "min_covar": 0.0}
        peer = GaussianHMM(k, model.config.covariance, **prior, **plain)
        peer.means_, peer.n_features = model.emission.mean.numpy().copy(), DIM
        peer.covars_ = model.emission.covariance.numpy().copy()
    else:
        peer = CategoricalHMM(k, n_features=TOKENS, **plain)
        peer.emissionprob_ = model.emission.probability.numpy().copy()
    peer.startprob_, peer.transmat_ = model.initial.numpy().copy(), model.transition.numpy().copy()
    return peer


def flat(batch: dict[str, Tensor]) -> tuple[np.ndarray, list[int]]:
    """The rows as hmmlearn wants them: one below the other, and their lengths."""
    rows = [x[:length] for x, length in zip(batch["x"], batch["length"], strict=True)]
    x = torch.cat(rows).double().numpy()
    return (x.astype(int)[:, None] if x.ndim == 1 else x), batch["length"].tolist()


def counted(batch: dict[str, Tensor], values: Tensor) -> Tensor:
    return torch.cat([row[:length] for row, length in zip(values, batch["length"], strict=True)])




def enumerated(model: HMM, x: list[int]) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every path of states, and its joint probability with the tokens x."""
    assert not isinstance(model.emission, Gaussian)
    for path in itertools.product(range(model.config.states), repeat=len(x)):
        p = float(model.initial[path[0]])
        for a, b in itertools.pairwise(path):
            p *= float(model.transition[a, b])
        yield path, p * math.prod(float(model.emission.probability[k, v]) for k, v in zip(path, x, strict=True))



class Rows:
    """2,500 ragged rows: more than one chunk."""

    def __init__(self, kind: str, n: int = 2500) -> None:
        self.spec, self.rows = spec(kind), examples(kind, n, seed=3)

    def __len__(self) -> int:
        return len(self.rows["x"])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {key: value[index] for key, value in self.rows.items()}

    def batch(self, indices: Any, noise: Any = None) -> dict[str, Tensor]:
        return {key: value[torch.as_tensor(np.asarray(indices))] for key, value in self.rows.items()}


def fitted(kind: str, passes: int = 4, *, batch_size: int = 64, **config: Any) -> tuple[HMM, list[float]]:
    covariance = {} if kind == "categorical" else {"covariance": kind}
    model = HMM(HMMConfig(states=3, passes=passes, **covariance, **config), spec(kind))
    trainer = Trainer(model, Rows(kind), TrainingPart(batch_size=batch_size, tolerance=0.0))
    return model, [progress.logs["log_likelihood"] for progress in trainer.rounds()]
