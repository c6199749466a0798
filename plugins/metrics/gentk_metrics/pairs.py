"""Real examples beside what the model makes of them."""

from __future__ import annotations

import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import Batch, DataSpec, Score

from .given import given
from .per_example import PerExample, observed, ratio

FINEST = 2.0**-24  # of the range: what float32 can tell apart. A smaller error counts as this one, so 144.5 dB is the most


class Reconstruction(PerExample):
    """decode(encode(x)) beside x, for real examples.

    Tokens: "wrong", the share not recovered. Numbers: "mse" per number in the data's squared units, and where they have a range "psnr", the
    mean over examples of 10 log₁₀((high − low)² / mse) in dB. Padding and missing values are not counted. A table's row: "wrong" of
    categories, and "mse" of numbers in each column's variance. The errors are std/√n, where lengths differ by the delta method.
    """

    def __init__(self, data: DataSpec) -> None:
        super().__init__(data)
        self.leaf = data.leaves["x"]
        categories = [column.kind == "category" for column in self.leaf.columns]
        self.category = torch.tensor(categories) if self.leaf.columns and self.leaf.double else None

    def numbers(self, rows: Batch) -> Batch:
        x, other, inside = rows["x"], rows["reconstruction"], observed(rows)
        if x.shape != other.shape:
            raise GentkError(f"reconstructions are {tuple(other.shape)}, and examples {tuple(x.shape)}: they must be of one shape")
        if self.category is not None:
            return {"x": x.double().where(inside, torch.nan), "reconstruction": other.double()}
        miss = (x != other).double() if self.leaf.classes else (x.double() - other.double()).square()
        return {"miss": miss.where(inside, 0.0).flatten(1).sum(1), "numbers": inside.flatten(1).sum(1).double()}

    def compute(self) -> list[Score]:
        if self.category is not None:
            return self._of_rows()
        miss, numbers = given(self, "real", "miss", "numbers")
        if numbers.sum() == 0:
            raise GentkError("reconstruction needs at least one value that is neither padding nor missing")
        found = [self._mean("wrong" if self.leaf.classes else "mse", miss, numbers)]
        if self.leaf.range is not None and not self.leaf.classes:
            width, there = self.leaf.range[1] - self.leaf.range[0], numbers > 0
            decibels = -10 * (miss[there] / numbers[there] / width**2).clamp(min=FINEST**2).log10()
            value, error = ratio(decibels)
            found.append(Score(name="psnr", value=value, better="higher", unit="dB", error=error, parameters={"range": width}))
        return found

    def _of_rows(self) -> list[Score]:
        """Of a table: one score for categories, one for numbers."""
        assert self.category is not None
        x, other = given(self, "real", "x", "reconstruction", gaps=True)
        there = ~torch.isnan(x)
        found = []
        if bool(self.category.any()):
            there_too = there[:, self.category]
            wrong = (x != other)[:, self.category] & there_too
            found.append(self._mean("wrong", wrong.sum(1).double(), there_too.sum(1).double()))
        if not bool(self.category.all()):
            x, other, there = (one[:, ~self.category] for one in (x, other, there))
            there = there & ~torch.isnan(other)  # a value decoded as missing has no distance
            variance = (x - x.nanmean(0)).square().nanmean(0)
            square = (x - other).square() / variance.where(variance > 0, 1.0)
            score = self._mean("mse", square.where(there, 0.0).sum(1), there.sum(1).double())
            found.append(score.model_copy(update={"parameters": {"in": "variances of the columns"}}))
        return found

    def _mean(self, name: str, top: Tensor, bottom: Tensor) -> Score:
        if bottom.sum() == 0:
            raise GentkError("reconstruction needs at least one value that is neither padding nor missing")
        value, error = ratio(top, bottom)
        return Score(name=name, value=value, error=error)
