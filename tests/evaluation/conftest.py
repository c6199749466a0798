"""A plugin of metrics whose values are known in advance, and a cache that no other test sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import fake, installed

PLUGIN = """
from gentk.host import FeaturizerSpec, MetricSpec, hookimpl

@hookimpl
def gentk_metrics():
    points = ("points",)
    yield MetricSpec("mean-gap", "gentk_meter.measures:MeanGap", needs=("features",), modalities=points)
    yield MetricSpec("fraction", "gentk_meter.measures:Fraction", needs=("samples",), modalities=points)
    yield MetricSpec("fails", "gentk_meter.measures:Fails", needs=("samples",), modalities=points)
    yield MetricSpec("classes", "gentk_meter.measures:Fails", needs=("logits",), modalities=points)
    yield MetricSpec("pairing", "gentk_meter.measures:Pairing", needs=("samples", "training"), modalities=points, asked=True)
    yield MetricSpec("nats", "gentk_meter.measures:Nats", needs=("log_prob",), modalities=points)
    yield MetricSpec("slow", "gentk_meter.measures:gap", modalities=points, asked=True)
    yield MetricSpec("watched", "gentk_meter.measures:gap")

@hookimpl
def gentk_featurizers():
    yield FeaturizerSpec("doubled", "gentk_meter.measures:Doubled", modalities=("points",))
"""

MEASURES = '''
import math
import torch
from gentk.errors import GentkError
from gentk.evaluation import Collected
from gentk.protocols import Score

class Doubled:
    id = "doubled"
    calls = 0
    def __init__(self, data):
        pass
    def features(self, batch):
        Doubled.calls += 1
        return {"features": 2 * batch["x"].double()}

class MeanGap:
    """Distance of the means, from sums."""
    def __init__(self, data):
        self.sums = {}
    def update(self, side, rows):
        x = rows["features"]
        n, total = self.sums.get(side, (0, 0.0))
        self.sums[side] = n + len(x), total + x.sum(0)
    def state(self):
        return {side: torch.cat([torch.tensor([float(n)]).double(), total]) for side, (n, total) in self.sums.items()}
    def merge(self, state):
        for side, packed in state.items():
            n, total = self.sums.get(side, (0, 0.0))
            self.sums[side] = n + int(packed[0]), total + packed[1:]
    def compute(self):
        means = [total / n for n, total in (self.sums["generated"], self.sums["real"])]
        return Score(name="mean-gap", value=float((means[0] - means[1]).norm()), library="torch")

class Fraction(Collected):
    """How many samples lie right of 0, with an error of its own."""
    def compute(self):
        right = (self.rows("generated")["x"][:, 0] > 0).double().mean().item()
        return [Score(name="fraction", value=right, better="floor", error=0.25), Score(name="left", value=1 - right, better="floor")]

class Fails(Collected):
    def compute(self):
        raise GentkError("too few of them")

class Pairing(Collected):
    """Names the sample that is farthest right and the training example that is; the value is how many there are to choose from."""
    def compute(self):
        made, seen = (self.rows(side)["x"][:, 0] for side in ("generated", "training"))
        self.pairs = [(int(made.argmax()), int(seen.argmax()))]
        both = {tuple(row) for row in self.rows("training")["x"].tolist()} & {tuple(row) for row in self.rows("generated")["x"].tolist()}
        return Score(name="pairing", value=float(len(both)))

class Nats(Collected):
    def compute(self):
        return Score(name="nats", value=-self.rows("real")["log_prob"].mean().item(), unit="nats")

def gap(generated, real):
    return float((generated["x"].mean(0) - real["x"].mean(0)).norm())
'''


@pytest.fixture
def meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The plugin `meter`, beside those of this repository; gives the folder of the cache."""
    site = tmp_path / "site"
    fake(site, "gentk-meter", "meter", PLUGIN)
    (site / "gentk_meter/measures.py").write_text(MEASURES)
    monkeypatch.setenv("GENTK_CACHE", str(tmp_path / "cache"))
    with installed(site, "gentk_meter"):
        yield tmp_path / "cache/evaluation"
