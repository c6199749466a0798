"""The families of gentk-stranger, and the one way in which the tests train them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Family:
    """`dataset` may hold `{vae}`, the run of the family trained before it. `cond`: how its samples are asked for."""

    name: str
    dataset: str
    steps: int = 12
    batch_size: int = 32
    cond: Mapping[str, Any] | None = None
    labelled: bool = False

    def data(self, runs: Mapping[str, Path]) -> str:
        return self.dataset.format(**runs)


FAMILIES = {
    family.name: family
    for family in (
        Family("gmm", "ring", batch_size=500),
        Family("wgan", "ring", labelled=True),
        Family("energy", "ring"),
        Family("counter", "counting", steps=80, cond={"prompt": [[1, 2], [2, 4, 6], []]}),
        Family("chain", "chains"),
        Family("vae", "tiles", steps=60),
        Family("latent-flow", "codes:{vae}", labelled=True),
    )
}


def recipe(family: Family, runs: Mapping[str, Path], **training: Any) -> Any:
    """A checked recipe; `training` overrides its keys."""
    from gentk import recipes
    from gentk.host.lookup import schema

    often = {"checkpoint_every": 5, "preview_every": 0, "evaluate_every": 0, "precision": "auto"}
    raw = {
        "model": {"plugin": "stranger", "name": family.name},
        "dataset": {"name": family.data(runs)},
        "training": {"steps": family.steps, "batch_size": family.batch_size, "lr": 3e-3, **often, **training},
    }
    return recipes.check(raw, schema=schema, source=family.name)


def train(family: Family, out: Path, runs: Mapping[str, Path], *, go: Mapping[str, Any] | None = None, **training: Any) -> Path:
    """A run at `out`; `go`: what else `gentk.train` is told (resume, max_steps)."""
    import gentk

    gentk.train(recipe(family, runs, **training), out=out, **(go or {}))
    return out
