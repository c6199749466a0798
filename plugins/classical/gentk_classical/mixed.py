"""Rows of a table in a model of components: numbers as a vector, categories as tables of chances, either perhaps missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gentk.errors import UsageError
from gentk.protocols import DataSpec, Leaf, Noise


@dataclass(frozen=True)
class Kinds:
    """Which places of x (V,) are numbers, and which are categories."""

    numbers: tuple[int, ...]
    categories: tuple[tuple[int, int], ...]  # (place, states)

    @classmethod
    def of(cls, data: DataSpec, model: str) -> Kinds | None:
        """None where the data have no columns. Raises UsageError for what is neither real numbers of any shape nor a table."""
        leaf = data.leaves.get("x", Leaf())
        if leaf.columns and len(leaf.shape) == 1:
            places = list(enumerate(leaf.columns))
            numbers = tuple(j for j, column in places if column.kind != "category")
            return cls(numbers, tuple((j, len(column.names)) for j, column in places if column.kind == "category"))
        if leaf.classes and data.modality == "table":
            return cls((), tuple((j, leaf.classes) for j in range(leaf.shape[0])))
        real_numbers(data, model)
        return None

    def vector(self, x: Tensor) -> Tensor:
        """The numbers, (n, V) → (n, d) float64; what is missing is NaN."""
        return (x if self.numbers == tuple(range(x.shape[1])) else x[:, list(self.numbers)]).double()

    def joined(self, numbers: Tensor, states: Tensor, like: DataSpec) -> Tensor:
        """Numbers (n, d) and states (n, c) as rows (n, V), of the kind of number that the data have."""
        x = numbers.new_empty(len(numbers), len(self.numbers) + len(self.categories), dtype=torch.float64)
        x[:, list(self.numbers)] = numbers
        x[:, [place for place, _ in self.categories]] = states.to(x)
        return x.long() if like.leaves["x"].classes else x


class Categories(nn.Module):
    """p(x_j | k) for each category j and component k: K tables. Add `smoothing` to every count; 0 leaves shares.

    State, float64: `chance{j}` (K, states of category j).
    """

    def __init__(self, kinds: Kinds, components: int, smoothing: float) -> None:
        super().__init__()
        self.places, self.sizes, self.smoothing = [p for p, _ in kinds.categories], [s for _, s in kinds.categories], smoothing
        for j, size in enumerate(self.sizes):
            self.register_buffer(f"chance{j}", torch.full((components, size), 1 / size, dtype=torch.float64))

    def chance(self, j: int) -> Tensor:
        return self.get_buffer(f"chance{j}")

    def log_prob(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """log p(categories of x (n, V) | k), (K, n); of those that are missing or not `known` (n, V), nothing."""
        components = len(self.chance(0)) if self.sizes else 1
        total = torch.zeros(components, len(x), dtype=torch.float64, device=x.device)
        for j, place in enumerate(self.places):
            there = ~x[:, place].isnan() if x.is_floating_point() else torch.ones(len(x), dtype=torch.bool, device=x.device)
            there = there if known is None else there & known[:, place]
            state = x[:, place].where(there, torch.zeros_like(x[:, place])).long()
            total += self.chance(j).log()[:, state].where(there, 0.0)
        return total

    def statistics(self, x: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """Sums over x (n, V) of weights (K, n): how often each component has each state, (K, states)."""
        found = {}
        for j, (place, size) in enumerate(zip(self.places, self.sizes, strict=True)):
            there = ~x[:, place].isnan() if x.is_floating_point() else torch.ones(len(x), dtype=torch.bool, device=x.device)
            state = x[:, place].where(there, torch.zeros_like(x[:, place])).long()
            counts = torch.zeros(len(weight), size, dtype=torch.float64, device=x.device)
            found[f"states{j}"] = counts.index_add_(1, state, (weight * there).double())
        return found

    def update(self, stats: Mapping[str, Tensor]) -> None:
        for j in range(len(self.sizes)):
            smooth = stats[f"states{j}"] + self.smoothing
            rows = smooth.sum(1, keepdim=True)
            self.chance(j).copy_(torch.where(rows > 0, smooth / rows, torch.full_like(smooth, 1 / smooth.shape[1])))

    def draw(self, component: Tensor, noise: Noise) -> Tensor:
        """A state of every category given its row's component (n,): (n, c) int64."""
        chosen = [noise.categorical(self.chance(j)[component].log()) for j in range(len(self.sizes))]
        return torch.stack(chosen, 1) if chosen else torch.empty(len(component), 0, dtype=torch.int64, device=component.device)


def real_numbers(data: DataSpec, who: str) -> None:
    """Raises UsageError unless an example is x, a fixed number of real numbers."""
    if more := sorted(set(data.leaves) - {"x"}):
        raise UsageError(f"{who} takes examples that are x alone, all of one size: this data set's also have {', '.join(more)}")
    if data.leaves["x"].classes:
        raise UsageError(f"{who} takes real numbers: x of this data set holds {data.leaves['x'].classes} classes")
