"""Checks of noise schedules: t = 0 is data, t = 1 is noise, and the way from one to the other can be read in both directions."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..host import ScheduleSpec
from ..host.specs import resolve
from .registry import Failure, Skip, check

if TYPE_CHECKING:
    from torch import Tensor

POINTS = 1001
CLOSE = 1e-6


class ScheduleTrial:
    """A schedule of a plugin, with its default options."""

    def __init__(self, plugin: str, spec: ScheduleSpec) -> None:
        self.plugin, self.spec = plugin, spec

    @cached_property
    def schedule(self) -> Any:
        target = resolve(self.spec.target)
        for name, parameter in inspect.signature(target).parameters.items():
            if parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise Skip(f"its option '{name}' must be given")
        return target()

    def path(self) -> tuple[Tensor, Tensor, Tensor]:
        """Times from 0 to 1 with α and σ there, (POINTS,) each."""
        import torch

        t = torch.linspace(0, 1, POINTS, dtype=torch.float64)
        alpha, sigma = self.schedule(t)
        return t, alpha, sigma


@check("schedule")
def schedule_monotone(trial: ScheduleTrial) -> None:
    """α and σ are finite, not negative and never both 0, and α/σ falls from t = 0 to t = 1: t = 0 is data, t = 1 is noise, everywhere in
    gentk. Both are float64 of t's shape, which may be anything, so that no sampler loses digits where σ is small."""
    import torch

    for shape in ((), (3,), (3, 2)):
        for name, value in zip("ασ", trial.schedule(torch.full(shape, 0.5, dtype=torch.float64)), strict=True):
            if value.dtype != torch.float64 or tuple(value.shape) != shape:
                found = f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
                raise Failure(f"{name} at float64 times of shape {shape} is {found}")
    t, alpha, sigma = trial.path()
    for name, value in (("α", alpha), ("σ", sigma)):
        if not bool((torch.isfinite(value) & (value >= 0)).all()):
            raise Failure(f"{name} is negative or not finite at t = {float(t[~(torch.isfinite(value) & (value >= 0))][0]):g}")
    if bool(((alpha == 0) & (sigma == 0)).any()):
        raise Failure("α and σ are both 0 at one time")
    rises = (alpha / sigma).log().diff() >= 0  # -inf and inf at exact ends; a difference of two of these is NaN, and no rise
    if bool(rises.any()):
        at = int(rises.nonzero()[0, 0])
        raise Failure(f"α/σ does not fall between t = {float(t[at]):g} and {float(t[at + 1]):g}: t = 0 is data, t = 1 is noise")


@check("schedule")
def schedule_inverse(trial: ScheduleTrial) -> None:
    """`inverse(log α/σ)` is the time that it came from, to 1e-6, wherever that is finite. Guides and spacings that think in noise levels
    meet a schedule through it."""
    import torch

    t, alpha, sigma = trial.path()
    log_snr = (alpha / sigma).log()
    inside = torch.isfinite(log_snr)
    off = (trial.schedule.inverse(log_snr[inside]) - t[inside]).abs()
    if not bool((off <= CLOSE).all()):
        worst = int(off.nan_to_num(nan=torch.inf).argmax())
        raise Failure(f"inverse of log α/σ at t = {float(t[inside][worst]):g} is off by {float(off[worst]):.2g}")
