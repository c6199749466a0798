"""`naive-bayes`: numbers that are independent once the class is known (Maron 1961; Hand & Yu 2001, "Idiot's Bayes — not so stupid?")."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.protocols import Batch, Condition, DataSpec, Noise

from .config import NaiveBayesConfig
from .mixed import Categories, Kinds
from .quantised import Bins, flat, shaped

LEAST = 1e-12  # variance of data that do not vary at all
TABLE = 1 << 23  # numbers in one chunk's table of (row, class, number)


class NaiveBayes(nn.Module):
    """p(x | y) = Π_j p(x_j | y), and p(x) = Σ_y p(y) p(x | y) with p(y) the share of the examples. One pass, in closed form.

    "gaussian": N(mean, variance) per class and number, by the examples' mean and variance; every variance grows by var_smoothing times
    the largest variance of a number over all examples. Quantised numbers have the mass that the Gaussian gives to their bin. "bernoulli":
    two values, low and high; p(high) = (count + α) / (examples + 2α). Of a table, categories have p(state) = (count + α) / (examples + αK),
    and what is missing is left out of every sum and product.

    State, float64: class_share (C,), means (C, d), and variances (C, d), which are 0 for "bernoulli"; its means are p(high). Of a table,
    d counts the numbers, and `categories` holds the chances of the others.
    """

    Config = NaiveBayesConfig
    columns = True
    likelihood: Literal["exact"] = "exact"
    passes = 1
    class_share: Tensor
    means: Tensor
    variances: Tensor

    def __init__(self, config: NaiveBayesConfig, data: DataSpec) -> None:
        super().__init__()
        self.kinds = Kinds.of(data, "naive-bayes")
        if "label" not in data.conditions:
            raise UsageError("naive-bayes needs a data set with labels: it is one law for each class")
        leaf = data.leaves["x"]
        self.binary = config.likelihood == "bernoulli"
        if self.binary and not (leaf.levels == 2 and leaf.range):
            raise UsageError('likelihood = "bernoulli" needs numbers of two levels: take a binarised data set, or likelihood = "gaussian"')
        self.config, self.data = config, data
        self.conditions: Mapping[str, Condition] = {"label": Label.of(data)}
        self.bins = Bins.of(leaf)
        classes, d = data.conditions["label"].classes, len(self.kinds.numbers) if self.kinds else math.prod(data.shape)
        self.categories = Categories(self.kinds or Kinds((), ()), classes, config.alpha)
        self.register_buffer("class_share", torch.full((classes,), 1 / classes, dtype=torch.float64))
        self.register_buffer("means", torch.full((classes, d), 0.5 if self.binary else 0.0, dtype=torch.float64))
        self.register_buffer("variances", torch.full((classes, d), 0.0 if self.binary else 1.0, dtype=torch.float64))

    def facts(self) -> dict[str, Any]:
        names = self.data.conditions["label"].names or range(len(self.class_share))
        return {"class_share": dict(zip(map(str, names), self.class_share.tolist(), strict=True))}

    def _flat(self, batch: Batch) -> Tensor:
        """(n, d) float64, NaN where it is missing; for "bernoulli" 0 and 1."""
        if self.kinds:
            return self.kinds.vector(batch["x"])
        x = flat(batch["x"])
        return (x > (self.bins.low + self.bins.high) / 2).double().masked_fill(x.isnan(), math.nan) if self.binary and self.bins else x

    # ---- fitting
    def start(self, batch: Batch) -> None:
        """The means of the first examples, for the sums to be centred on: they are replaced by those of all."""
        if not self.binary:
            x, member = self._flat(batch), self._members(batch["label"])
            there = (~x.isnan()).double()
            x, count = x.nan_to_num(), member.mT @ there
            middle = x.sum(0) / there.sum(0).clamp(min=1)
            self.means.copy_(torch.where(count > 0, member.mT @ x / count.clamp(min=1), middle))

    def _members(self, label: Tensor) -> Tensor:
        """(n, C): 1 in the column of a row's class."""
        return nn.functional.one_hot(label, len(self.class_share)).double()

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        x, member = self._flat(batch), self._members(batch["label"])
        if self.binary:
            return {"count": member.sum(0), "first": member.mT @ x}
        there = (~x.isnan()).double()
        centred = (x - self.means[batch["label"]]).nan_to_num()
        sums = {"count": member.sum(0), "first": member.mT @ centred, "second": member.mT @ centred.square(), "seen": member.mT @ there}
        return sums | (self.categories.statistics(batch["x"], member.mT) if self.kinds else {})

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        """The fit. Its log-likelihood, nats per example, follows from the sums; not of quantised numbers, whose masses do not."""
        count = stats["count"]
        self.class_share.copy_(count / count.sum())
        self.categories.update(stats)
        return self._bernoulli(count, stats) if self.binary else self._gaussian(count, stats)

    def _bernoulli(self, count: Tensor, stats: Mapping[str, Tensor]) -> dict[str, float]:
        high, alpha = stats["first"], self.config.alpha
        self.means.copy_((high + alpha) / (count[:, None] + 2 * alpha))
        total = high * self.means.log() + (count[:, None] - high) * torch.log1p(-self.means)
        return {"log_likelihood": float(total.sum() / count.sum())}

    def _gaussian(self, count: Tensor, stats: Mapping[str, Tensor]) -> dict[str, float]:
        seen = stats["seen"]
        rows = seen.clamp(min=1)
        step = stats["first"] / rows
        means, within = self.means + step, stats["second"] / rows - step.square()
        share = seen / seen.sum(0).clamp(min=1)
        middle = (share * means).sum(0)
        whole = (share * (within + (means - middle).square())).sum(0)  # of each number, over all examples
        self.means.copy_(torch.where(seen > 0, means, middle))
        smoothing = max(self.config.var_smoothing * float(whole.max()) if whole.numel() else 0.0, LEAST)
        self.variances.copy_(torch.where(seen > 0, within.clamp(min=0), whole) + smoothing)
        if self.bins:
            return {}
        each = (2 * math.pi * self.variances).log() + within / self.variances
        total = -0.5 * (seen * each).sum()
        for j in range(len(self.categories.sizes)):
            total = total + torch.special.xlogy(stats[f"states{j}"], self.categories.chance(j)).sum()
        return {"log_likelihood": float(total / count.sum())}

    # ---- what it is for
    def each(self, x: Tensor) -> Tensor:
        """log p(x_j | y), (n, d) → (n, C, d); NaN where x_j is missing."""
        x = x[:, None]
        if self.binary:
            return torch.where(x > 0, self.means.log(), torch.log1p(-self.means)).masked_fill(x.isnan(), math.nan)
        deviation = self.variances.sqrt()
        if self.bins:
            return self.bins.log_mass(x, self.means, deviation)
        return -0.5 * ((x - self.means) / deviation).square() - deviation.log() - 0.5 * math.log(2 * math.pi)

    def log_conditional(self, batch: Batch) -> Tensor:
        """log p(x | y) of every class, (n, C) float64; of one without examples, that of all classes together."""
        x = self._flat(batch)
        rows = max(1, TABLE // max(1, self.means.numel()))
        numbers = torch.cat([self.each(part).nan_to_num(nan=0.0).sum(-1) for part in torch.split(x, rows)])
        return numbers + self.categories.log_prob(batch["x"]).mT if self.kinds and self.kinds.categories else numbers

    def log_joint(self, batch: Batch) -> Tensor:
        """log p(x, y), (n, C) float64."""
        return self.log_conditional(batch) + self.class_share.log()

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        """log p(x | label), or log p(x) where no label is given, (n,) float64."""
        conditional, label = self.log_conditional(batch), batch.get("label")
        if label is None:
            return (conditional + self.class_share.log()).logsumexp(1)
        return conditional.gather(1, label[:, None])[:, 0]

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        label = cond.get("label")
        if label is None:
            label = noise.fork("label").categorical(self.class_share.log().expand(n, -1))
        return self._drawn(label, noise)

    def _drawn(self, label: Tensor, noise: Noise) -> Tensor:
        """x (n, …) of each row's class."""
        middle, d = self.means[label], self.means.shape[1]
        if self.kinds:
            numbers = middle + self.variances[label].sqrt() * noise.normal(d).double()
            return self.kinds.joined(numbers, self.categories.draw(label, noise.fork("categories")), self.data)
        if self.binary and self.bins:
            high = noise.uniform(d).to(middle.device) < middle
            return shaped(self.bins.low + (self.bins.high - self.bins.low) * high.double(), self.data)
        return shaped(middle + self.variances[label].sqrt() * noise.normal(d).double(), self.data)

    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:
        """The missing numbers by the label, or by a class drawn from its posterior given the known numbers."""
        label = batch.get("label")
        if label is None:
            hidden = {**batch, "x": batch["x"].double().masked_fill(~known, math.nan)}
            label = noise.fork("label").categorical(self.log_conditional(hidden) + self.class_share.log())
        return torch.where(known, batch["x"], self._drawn(label, noise).to(batch["x"]))
