"""Comparisons made by hand: no model is loaded, and every number is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from gentk.evaluation.comparing import Comparison, Cost, Entry, standings
from gentk.evaluation.evaluate import Evaluation
from gentk.evaluation.reference import Reference
from gentk.inference.samples import Samples
from gentk.protocols import DataSpec, Leaf, Score

LABEL = Leaf(classes=3, names=("cat", "dog", "eel"))
IMAGES = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 8, 8), range=(-1, 1))}, conditions={"label": LABEL})
POINTS = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))}, conditions={"label": LABEL})
TEXTS = DataSpec(modality="text", leaves={"x": Leaf(shape=(4,), classes=4, names=("<", ">", "a", "&"))})
STRANGE = DataSpec(modality="smells", leaves={"x": Leaf(shape=(3,))})

HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)> | `a` $x$ \u202e\x1b[31m*b*'


def samples(spec: DataSpec, n: int = 6, seed: int = 0) -> Samples:
    drawn = torch.Generator().manual_seed(seed)
    leaf = spec.leaves["x"]
    x = torch.randint(leaf.classes, (n, *leaf.shape), generator=drawn) if leaf.classes else torch.randn(n, *leaf.shape, generator=drawn)
    labels = {"label": torch.arange(n) % 3} if spec.conditions else {}
    return Samples({"x": x, **labels}, spec)


def score(name: str, value: float, error: float | None = 0.1, **more: Any) -> Score:
    return Score(name=name, value=value, error=error, **{"examples": 100, "reference": 100, "floor": 1.0, **more})


def entry(
    name: str,
    scores: Sequence[Score],
    shown: Samples | None,
    *,
    halves: Mapping[str, Sequence[float]] | None = None,
    cost: Cost = Cost(1000, 4000),
    asked: str = "these",
    failed: Mapping[str, str] | None = None,
    over: Mapping[str, str] | None = None,
) -> Entry:
    found = Evaluation(name, Reference("toys", "test", {}), scores, failed or {}, over or {}, "flat", 100, 0, 0.002, halves=halves or {})
    return Entry(name, found, cost, shown, "" if shown else "no prior to sample from", bool(shown and "label" in shown.batch), asked)


def comparison(spec: DataSpec, entries: Sequence[Entry]) -> Comparison:
    ranks, apart = standings(entries)
    real = samples(spec, seed=9)
    labels = [int(k) for k in real.batch["label"]] if spec.conditions else []
    return Comparison(Reference("toys", "test", {}), 100, 0, real, labels, list(entries), ranks, apart)


def two(spec: DataSpec = IMAGES, first: str = "a/one", second: str = "b/two", metric: str = "gap") -> Comparison:
    """Two models; the first has the smaller gap, and a likelihood that the second has not."""
    return comparison(spec, [
        entry(first, [score(metric, 1.5), score("recall", 0.75, better="higher", floor=0.9),
                      score("nll", 2.5, kind="bound", unit="nats", reference=None, floor=None)],
              samples(spec, seed=1), cost=Cost(12_345, 50_000, 20_000, 3900.0)),
        entry(second, [score(metric, 3.0), score("recall", 0.5, better="higher", floor=0.9)], samples(spec, seed=2),
              failed={"kid": f"no {first}"}, over={"nll": "no likelihood"}),
    ])  # fmt: skip


def hostile(spec: DataSpec = IMAGES) -> Comparison:
    """Every name that a stranger may choose tries to leave its place."""
    label = LABEL.model_copy(update={"names": (HOSTILE, "dog", "eel")})
    named = spec.model_copy(update={"conditions": {"label": label}}) if spec.conditions else spec
    found = two(named, HOSTILE, HOSTILE + "2", HOSTILE)
    entries = [
        replace(one, result=replace(one.result, failed={HOSTILE: HOSTILE}, passed_over={HOSTILE + "3": HOSTILE}, featurizer=HOSTILE,
                                    scores=[score.model_copy(update={"unit": HOSTILE}) for score in one.result.scores]))
        for one in found.entries
    ]  # fmt: skip
    entries.append(replace(entries[0], name=HOSTILE + "4", samples=None, why=HOSTILE))
    return replace(comparison(named, entries), reference=Reference(HOSTILE, HOSTILE, {}))
