"""A table as vectors that any network takes: the core's own encoder and decoder, in front of models that do not know columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from .columns import valid
from .errors import UsageError
from .examples import fetch, some
from .protocols import Batch, Column, DataSpec, Leaf

if TYPE_CHECKING:
    from .protocols import Dataset

FITTED = 100_000  # rows that the quantiles are taken of


class TableEncodingConfig(BaseModel):
    """How finely numbers are told apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    quantiles: int = Field(1000, ge=2, le=100_000, description="Of each number: how many of its values are kept.")


class TableEncoding(nn.Module):
    """x (n, V) ↔ z (n, d) float32, column by column.

    A number, a whole number or a date becomes Φ⁻¹ of its rank among the training rows, which is standard normal whatever its law; back, it
    is read off the same quantiles, so that values which came often come again. A category becomes 1 at its state and −1 elsewhere, of two
    states one number; back, the largest wins. What may be missing has one number more, or one state more, that says so.

    State: quantiles (numbers, Q) float64. `parts` (d,): which column each number of z belongs to.
    """

    Config = TableEncodingConfig
    conditions: Mapping[str, Any] = {}
    quantiles: Tensor
    parts: Tensor

    def __init__(self, config: TableEncodingConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        self.columns = data.leaves["x"].columns
        if not self.columns:
            raise UsageError("this encoding is of tables, whose leaf x has columns")
        self.blocks = list(_blocks(self.columns))
        numbers = sum(column.kind != "category" for column in self.columns)
        self.register_buffer("quantiles", torch.zeros(numbers, config.quantiles, dtype=torch.float64))
        parts = [j for j, width in enumerate(self.blocks) for _ in range(width)]
        self.register_buffer("parts", torch.tensor(parts), persistent=False)
        self.latent = Leaf(shape=(len(parts),))

    @classmethod
    def of(cls, dataset: Dataset) -> TableEncoding:
        """Fitted to the rows of a data set. Raises UsageError where a column has no number at all."""
        made = cls(TableEncodingConfig.model_validate({}), dataset.spec)
        x = fetch(dataset, some(len(dataset), FITTED))["x"].double()
        levels = (torch.arange(made.config.quantiles, dtype=torch.float64) + 0.5) / made.config.quantiles
        numbers = [j for j, column in enumerate(made.columns) if column.kind != "category"]
        for i, j in enumerate(numbers):
            there = x[:, j][~x[:, j].isnan()].sort().values
            if not len(there):
                raise UsageError(f"the column '{made.columns[j].name}' has no number in the training rows: drop it")
            made.quantiles[i] = there[(levels * len(there)).long().clamp(max=len(there) - 1)]
        return made.eval()

    def encode(self, batch: Batch) -> Tensor:
        """z (n, d) float32 of x (n, V); where a number is missing, the middle of its law."""
        x, parts, i = batch["x"].double(), [], 0
        for j, column in enumerate(self.columns):
            if column.kind == "category":
                parts.append(_states(x[:, j], column))
                continue
            parts.append(self._normal(i, x[:, j]))
            i += 1
            if column.missing:
                parts.append(torch.where(x[:, j].isnan(), 1.0, -1.0)[:, None])
        return torch.cat(parts, 1).float()

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        """x (n, V) float64, each number as its column can hold it."""
        x, i = z.new_zeros(len(z), len(self.columns), dtype=torch.float64), 0
        for j, (column, block) in enumerate(zip(self.columns, torch.split(z.double(), self.blocks, 1), strict=True)):
            if column.kind == "category":
                x[:, j] = _state(block, column)
                continue
            x[:, j] = self._value(i, block[:, 0])
            i += 1
            if column.missing:
                x[:, j] = x[:, j].masked_fill(block[:, 1] > 0, math.nan)
        return valid(x, self.columns)

    def known(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of which NaN is free, as (z, which numbers of z are known), (n, d) each. That something is missing is never drawn."""
        z, free = self.encode({"x": x}), x.isnan()
        mask = ~free[:, self.parts]
        ends = torch.tensor(self.blocks).cumsum(0) - 1
        for j, column in enumerate(self.columns):
            if column.missing and self.blocks[j] > 1:  # the last number of the block says that it is missing
                place = int(ends[j])
                z[:, place] = torch.where(free[:, j], -1.0, z[:, place])
                mask[:, place] = True
        return z, mask

    def _normal(self, i: int, x: Tensor) -> Tensor:
        """(n, 1): Φ⁻¹ of the rank among the quantiles, in the middle of equal ones, on a line between two of them."""
        knots, count = self.quantiles[i], self.quantiles.shape[1]
        given = x.nan_to_num(nan=float(knots[count // 2])).contiguous()
        low, high = torch.searchsorted(knots, given), torch.searchsorted(knots, given, right=True)
        before, after = knots[(low - 1).clamp(min=0)], knots[low.clamp(max=count - 1)]
        between = ((given - before) / (after - before).where(after > before, 1.0)).clamp(0, 1)
        rank = torch.where(high > low, (low + high) / 2, low - 0.5 + between.where(low > 0, 0.0))
        rank = rank.clamp(0.5, count - 0.5)
        found: Tensor = torch.special.ndtri(rank / count).where(~x.isnan(), 0.0)[:, None]
        return found

    def _value(self, i: int, z: Tensor) -> Tensor:
        """(n,): what stands at the rank of z, on a line between two quantiles."""
        knots, count = self.quantiles[i], self.quantiles.shape[1]
        place = (torch.special.ndtr(z) * count - 0.5).clamp(0, count - 1)
        low = place.floor().long()
        high = (low + 1).clamp(max=count - 1)
        found: Tensor = knots[low] + (place - low) * (knots[high] - knots[low])
        return found


def _states_of(column: Column) -> int:
    return len(column.names) + column.missing


def _blocks(columns: tuple[Column, ...]) -> Iterator[int]:
    """How many numbers of z each column takes."""
    for column in columns:
        if column.kind != "category":
            yield 1 + column.missing
        else:
            yield 1 if _states_of(column) <= 2 else _states_of(column)


def _states(x: Tensor, column: Column) -> Tensor:
    """(n, states) of ±1, or (n, 1) of two; what is missing is the last state."""
    states = _states_of(column)
    place = torch.where(x.isnan(), len(column.names), x).long().clamp(max=max(states - 1, 0))
    if states <= 2:
        return (2.0 * place - 1)[:, None].double()
    return 2.0 * nn.functional.one_hot(place, states).double() - 1


def _state(block: Tensor, column: Column) -> Tensor:
    found = (block[:, 0] > 0).long() if block.shape[1] == 1 else block.argmax(1)
    found = found.clamp(max=max(_states_of(column) - 1, 0))
    return found.double().masked_fill(found >= len(column.names), math.nan)


# ---------------------------------------------------------------- in front of a model
def of(model: Any) -> TableEncoding | None:
    """The encoding in front of a model, if there is one."""
    found = getattr(model, "latents", None)
    return found if isinstance(found, TableEncoding) else None


def entered(model: Any, batch: Batch) -> Batch:
    """A batch of rows as the model behind the encoding takes it; any other batch as it is."""
    encoding = of(model)
    if encoding is None or tuple(batch["x"].shape[1:]) != encoding.data.shape or encoding.data.shape == model.data.shape:
        return batch
    with torch.no_grad():
        return {**batch, "x": encoding.encode({"x": batch["x"].to(encoding.quantiles.device)})}
