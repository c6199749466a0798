# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-classical", "gentk-ddpm", "gentk-vae"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-classical = { path = "../plugins/classical", editable = true }
# gentk-ddpm = { path = "../plugins/ddpm", editable = true }
# gentk-vae = { path = "../plugins/vae", editable = true }
# ///
"""Where the time goes: in `gentk sample` of every recipe that ships weights, and in a round of training each model.

    uv run benchmarks/profiling.py [--n 10000] [--seconds 10] [--threads 2] [--only sampling|training] [--recipe PLUGIN/NAME]

Milliseconds of each part, and its share of the whole. Of a draw that would take longer than --seconds only as many samples are drawn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gentk
from gentk import noise
from gentk.host import lookup
from gentk.inference import sampling
from gentk.training import Trainer
from gentk.training import gradient as rounds
from gentk.training.averages import Average
from gentk.training.optimizers import Optimizer

SAMPLING = "network", "noise", "conditions", "sampler", "load", "save"
TRAINING = "loss", "backward", "optimizer", "average", "data", "trainer"


class Clock:
    """Seconds of each part, without those of parts within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.open: list[str] = []
        self.since = time.perf_counter()

    def turn(self) -> None:
        now = time.perf_counter()
        if self.open:
            self.seconds[self.open[-1]] = self.seconds.get(self.open[-1], 0.0) + now - self.since
        self.since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self.turn()
        self.open.append(name)
        try:
            yield
        finally:
            self.turn()
            self.open.pop()

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def run(*args: Any, **how: Any) -> Any:
            with self.part(name):
                return function(*args, **how)

        return run


@contextmanager
def timed(clock: Clock, places: list[tuple[Any, str, str]]) -> Iterator[None]:
    """Within it, attribute `name` of `owner` is timed as `part`, for each of `places`."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, part in places:
        setattr(owner, name, clock.timed(getattr(owner, name), part))
    try:
        yield
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def network(model: Any) -> list[tuple[Any, str, str]]:
    """What computes: the modules with weights, or `draw` and `step` of a model that has none."""
    children = [child for child in model.children() if any(True for _ in child.parameters())]
    if children:
        return [(child, "forward", "network") for child in children]
    return [(type(model), name, "network") for name in ("draw", "next", "decode") if hasattr(type(model), name)]


def drawn(name: str, n: int, folder: Path) -> dict[str, float]:
    """Loading, drawing and saving n samples of a recipe."""
    clock = Clock()
    with clock.part("load"):
        model = gentk.load(name)
    places = [*network(model), (noise.Philox, "_drawn", "noise"), (sampling, "resolve_conditions", "conditions")]
    with timed(clock, places), clock.part("sampler"):
        samples = gentk.sample(model, n)
    with clock.part("save"):
        samples.save(folder / f"x{lookup.modality(samples.data.modality).default_suffix}")
    return clock.seconds


def trained(plugin: str, recipe: str, seconds: float) -> tuple[int, dict[str, float]]:
    """(how many rounds, where their time went), the first ones left out."""
    resolved = lookup.recipe(plugin, recipe)
    dataset = lookup.dataset(resolved.dataset.name, resolved.dataset.split, resolved.dataset.options, plugin)
    model = lookup.build_model(plugin, resolved.model.name, resolved.model.config, dataset.spec)
    if not hasattr(model, "loss"):
        return 0, {}  # a fit by sums over all of the data has no rounds
    trainer, clock = Trainer(model, dataset, resolved.training), Clock()
    places = [
        (type(model), "loss", "loss"), (Tensor, "backward", "backward"), (Optimizer, "step", "optimizer"), (Average, "update", "average"),
        (trainer, "_next_batch", "data"), (rounds.nn.utils, "get_total_norm", "optimizer"),
    ]  # fmt: skip
    steps, count = iter(trainer.rounds()), 0
    for _ in range(3):
        next(steps)
    begin = time.perf_counter()
    with timed(clock, places), clock.part("trainer"):
        while time.perf_counter() - begin < seconds and next(steps, None) is not None:
            count += 1
    return count, clock.seconds


def show(title: str, parts: tuple[str, ...], found: dict[str, float], per: int = 1) -> None:
    whole = sum(found.values())
    cells = (f"{found.get(part, 0.0) / per * 1e3:9.2f} {found.get(part, 0.0) / whole:4.0%}" for part in parts)
    print(f"{title:34s}{whole / per * 1e3:10.2f}  {'  '.join(cells)}", flush=True)


def recipes(wanted: str | None) -> Iterator[tuple[str, Any]]:
    for plugin in lookup.host().plugins:
        for spec in lookup.specs("recipes", plugin).values():
            if spec.weights and wanted in (None, f"{plugin}/{spec.name}"):
                yield plugin, spec


def sampling_table(options: argparse.Namespace, folder: Path) -> None:
    print(f"\n{'gentk sample, ms':34s}{'all':>10s}  {'  '.join(f'{part:>14s}' for part in SAMPLING)}")
    for plugin, spec in recipes(options.recipe):
        name = f"{plugin}/{spec.name}"
        try:
            drawn(name, 2, folder)  # modules are imported, kernels chosen
            few = drawn(name, 16, folder)
        except gentk.errors.GentkError as error:
            print(f"{name:34s}{error}")
            continue
        show(f"{name} 16", SAMPLING, few)
        each = (sum(few.values()) - few.get("load", 0.0)) / 16
        n = max(16, min(options.n, int(options.seconds / each)))
        show(f"{name} {n}", SAMPLING, drawn(name, n, folder))


def training_table(options: argparse.Namespace) -> None:
    print(f"\n{'a round of training, ms':34s}{'all':>10s}  {'  '.join(f'{part:>14s}' for part in TRAINING)}")
    for plugin, spec in recipes(options.recipe):
        name = f"{plugin}/{spec.name}"
        try:
            count, found = trained(plugin, spec.name, options.seconds)
        except gentk.errors.GentkError as error:
            print(f"{name:34s}{str(error)[:90]}")
            continue
        if count:
            show(name, TRAINING, found, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("n", 10_000), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", choices=("sampling", "training"))
    parser.add_argument("--recipe", metavar="PLUGIN/NAME")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "training":
            sampling_table(options, Path(folder))
        if options.only != "sampling":
            training_table(options)


if __name__ == "__main__":
    main()
