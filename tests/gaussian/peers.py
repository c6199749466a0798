"""diffusers' schedulers in double precision, and one network and one list of noises for them and for ours.

They compute in float32: tables when built, σ in `set_timesteps`, states in `step`. In here their modules read `float32` as
`float64`, so that every formula stays theirs and only the rounding goes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from gentk.gaussian.predictions import PARAMETERISATIONS
from gentk.protocols import Batch, DataSpec, Leaf, Prediction, Schedule

F64 = torch.float64
ROWS, SHAPE, TRAINED = 2, (3, 2, 2), 1000
PRODUCT = torch.cumprod(1 - torch.linspace(1e-4, 2e-2, TRAINED, dtype=F64), 0)  # ᾱ of the linear chain
MIX = torch.randn(12, 12, generator=torch.Generator().manual_seed(1), dtype=F64) / 3
Levels = Callable[[Tensor], tuple[Tensor, Tensor]]
Network = Callable[[Tensor, Tensor], Tensor]


# ---------------------------------------------------------------- what both are given
def noises(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, ROWS, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=F64)


class Replayed:
    """A Noise that gives these tensors one after the other."""

    def __init__(self, draws: Iterable[Tensor]) -> None:
        self.draws = iter(draws)

    def normal(self, *shape: int) -> Tensor:
        draw = next(self.draws)
        assert draw.shape[1:] == shape
        return draw


def chain(clock: Tensor) -> tuple[Tensor, Tensor]:
    """(α, σ) of the linear chain at a timestep, which must be whole."""
    index = clock.round()
    assert abs(float(clock - index)) < 1e-9
    square = PRODUCT[int(index)]
    return square.sqrt(), (1 - square).sqrt()


def level(clock: Tensor) -> tuple[Tensor, Tensor]:
    """(α, σ) with α² + σ² = 1 at clock = log σ/α."""
    return torch.sigmoid(-2 * clock).sqrt(), torch.sigmoid(2 * clock).sqrt()


def network(kind: str, levels: Levels = chain) -> Network:
    """A bounded v = tanh(M x + cos clock), told as what `kind` asks for on a path with α² + σ² = 1."""

    def told(x: Tensor, clock: Tensor) -> Tensor:
        v = torch.tanh(x.flatten(1) @ MIX + clock.double().cos()).view_as(x)
        if kind in ("v", "velocity", "edm"):
            return v
        alpha, sigma = levels(clock.double())
        return sigma * x + alpha * v if kind == "eps" else alpha * x - sigma * v

    return told


class Fake:
    """Our side: a Denoiser around the network. With `levels=level` it sees x_t at unit variance and is told log σ/α, not the time."""

    conditions: Mapping[str, Any] = {}
    Config = config = None

    def __init__(
        self,
        schedule: Schedule,
        kind: str = "eps",
        *,
        levels: Levels = chain,
        times: tuple[float, float] = (0.0, 1.0),
        span: tuple[float, float] | None = None,
    ) -> None:
        self.schedule, self.times, self.levels = schedule, times, levels
        self.net, self.form = network(kind, levels), PARAMETERISATIONS[kind]()
        self.data = DataSpec(modality="image", leaves={"x": Leaf(shape=SHAPE, range=span)})

    def ask(self, x_t: Tensor, t: Tensor, cond: Batch) -> Tensor:
        if self.levels is level:
            alpha, sigma = self.schedule(t)
            return self.net(x_t / (alpha**2 + sigma**2).sqrt(), (sigma / alpha).log())
        return self.net(self.form.given(x_t, self.schedule, t), self.form.clock(self.schedule, t))

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        p: Prediction = self.form.read(self.ask(x_t, t, cond), x_t, self.schedule, t)
        return p


def ours(sampler: Any, model: Any, draws: Tensor, cond: Batch = {}) -> tuple[Tensor, Tensor]:
    """(first state, last state)."""
    first, *_, last = sampler(model, ROWS, noise=Replayed(draws), cond=cond)
    assert first.x.dtype == last.x.dtype == F64
    return first.x, last.x


# ---------------------------------------------------------------- their side
class Wide:
    """A module whose float32 is float64."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, "float64" if name == "float32" else name)


class Peer:
    """One of diffusers' schedulers, in double precision, drawing `draws`. Used as a context."""

    def __init__(self, kind: type, draws: Iterable[Tensor] = (), **options: Any) -> None:
        self.module, self.draws = sys.modules[kind.__module__], iter(draws)
        self.build = lambda: kind(**options)
        self.patches = ExitStack()

    def __enter__(self) -> Any:
        for name in ("torch", "np"):
            if hasattr(self.module, name):
                self.patches.enter_context(patch.object(self.module, name, Wide(getattr(self.module, name))))
        self.patches.enter_context(patch.object(self.module, "randn_tensor", lambda *a, **k: next(self.draws), create=True))
        return self.build()

    def __exit__(self, *error: Any) -> None:
        self.patches.close()


def theirs(
    kind: type,
    net: Network,
    start: Tensor,
    *,
    draws: Iterable[Tensor] = (),
    told: str = "timestep",
    step: Mapping[str, Any] = {},
    grid: Mapping[str, Any] = {},
    **options: Any,
) -> Tensor:
    """The end of the loop that diffusers' pipelines run. `told`: what the network hears, the timestep or log σ. `grid` goes to
    `set_timesteps`, `step` to `step`, `options` to the scheduler."""
    with Peer(kind, draws, **options) as scheduler:
        scheduler.set_timesteps(**grid)
        x = start
        for i, t in enumerate(scheduler.timesteps):
            seen = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
            out = net(seen, scheduler.sigmas[i].log() if told == "level" else t)
            if i == 0 and hasattr(scheduler, "set_begin_index"):  # their rounded timesteps repeat, and then cannot be looked up
                scheduler.set_begin_index(0)
            at = t if t.is_floating_point() else int(t)  # a whole timestep as a tensor, times 10.0, would be a float32
            x = scheduler.step(out, at, x, **step).prev_sample
    assert x.dtype == F64
    return x


def deviation(mine: Tensor, reference: Tensor) -> float:
    """max |difference| / max |reference|."""
    assert bool(mine.isfinite().all()) and bool(reference.isfinite().all()) and mine.shape == reference.shape
    return float((mine - reference).abs().max() / reference.abs().max())
