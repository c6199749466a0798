"""Timing two things in turn, so that whatever else the machine does slows both."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import torch


def seconds(run: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    begin = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def compare(contestants: dict[str, Callable[[], object]], repeats: int, *, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of each, `repeats` rounds, every round all of them in turn."""
    for run in contestants.values():
        for _ in range(warmup):
            run()
    rounds = [{name: seconds(run) for name, run in contestants.items()} for _ in range(repeats)]
    return {name: [r[name] for r in rounds] for name in contestants}


def report(title: str, times: dict[str, list[float]], peer: str, *, unit: float = 1.0, name: str = "s") -> None:
    """Medians, and the ratio of each to the peer: the median of the rounds' ratios, and their quartiles."""
    print(f"\n{title}   [{machine()}]")
    for who, taken in times.items():
        ratios = sorted(a / b for a, b in zip(taken, times[peer], strict=True))
        low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
        middle = statistics.median(ratios)
        print(f"  {who:24s} {statistics.median(taken) / unit:10.4g} {name}   {middle:5.2f} × {peer}   ({low:.2f} … {high:.2f})")


def machine() -> str:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    return f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
