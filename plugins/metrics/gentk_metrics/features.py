"""Featurizers without weights, for series, texts and tables. Each row of features is a function of one example alone."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from gentk.columns import named
from gentk.errors import GentkError, UsageError
from gentk.padding import counted
from gentk.protocols import Batch, Column, DataSpec

SMALL = 1e-6  # of a series' root mean square: deviations below this are rounding
YEAR = 365.2425  # days


class Lags:
    """A series by its shape, level, deviation and autocorrelations, channel by channel.

    x (n, T, D), of which a leaf "length" (n,) or "mask" says how much counts → (n, T·D + (2 + K)·D), one column more where the length or
    the mask is part of the data. Of each channel, μ and σ being the mean and deviation of this one series:

        (x − μ)/σ    T numbers, 0 beyond the end
        log σ, asinh(μ/σ)
        r_k = Σ_t z_t z_{t+k} / length, z = (x − μ)/σ, for the lags k = 1, 2, 4 … below T, at most 64

    and the share of T that counts. The series can be computed back from them. In other units every log σ is moved by the same number
    and all else stays, so distances do not depend on units. Everything but the first T numbers is multiplied by √T, so that a statistic
    counts as much as the whole shape.
    """

    id = "lags-1"
    longest: ClassVar[int] = 64

    def __init__(self, data: DataSpec) -> None:
        leaf = data.leaves.get("x")
        if leaf is None or leaf.classes or len(leaf.shape) != 2:
            raise UsageError(f"the featurizer 'lags' is for series x (T, D) of numbers, and these are {data.modality} examples")
        self.steps = leaf.shape[0]
        self.ragged = bool({"length", "mask"} & data.leaves.keys())
        self.lags = [2**k for k in range(8) if 2**k <= min(self.longest, self.steps - 1)]

    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        """{"features": (n, d)} float64 on the host. Raises GentkError for values that are not finite."""
        x = batch["x"].detach().cpu().to(torch.float64)
        inside = counted({key: value.cpu() for key, value in batch.items()})
        x = x.where(inside, 0.0)
        if not bool(x.isfinite().all()):
            raise GentkError("the featurizer 'lags' takes no missing values or infinities: leave such series out")
        count = inside.sum(1).clamp(min=1).to(torch.float64)  # (n, D)
        mean = x.sum(1) / count
        centred = (x - mean[:, None]).where(inside, 0.0)
        variance = centred.square().sum(1) / count
        floor = SMALL**2 * (mean.square() + variance)
        deviation = (variance + floor).sqrt()
        some = deviation > 0  # else the series is 0 throughout
        deviation = deviation.where(some, 1.0)
        z = centred / deviation[:, None]
        statistics = [deviation.log(), (mean / deviation).asinh()]
        statistics += [(z[:, k:] * z[:, :-k]).sum(1) / count for k in self.lags]
        if self.ragged:
            statistics.append(inside.any(2).sum(1, keepdim=True) / self.steps)
        return {"features": torch.cat([z.flatten(1), *(self.steps**0.5 * found for found in statistics)], 1)}


class NGrams:
    """A text by how often each run of one to three tokens occurs, hashed to 512 numbers of Euclidean norm 1.

    x (n, L) tokens, of which a leaf "length" (n,) says how many count → (n, 512); 0 of an empty text. By scikit-learn's HashingVectorizer,
    of the tokens' names, so texts of two vocabularies can be compared. A text's length itself is not seen.
    """

    size: ClassVar[int] = 512

    def __init__(self, data: DataSpec) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        leaf = data.leaves.get("x")
        if leaf is None or not leaf.classes or len(leaf.shape) != 1:
            raise UsageError(f"the featurizer 'ngrams' is for texts x (L,) of tokens, and these are {data.modality} examples")
        self.names = leaf.names or tuple(map(str, range(leaf.classes)))
        self.id = f"ngrams-1-scikit-learn-{importlib.metadata.version('scikit-learn')}"
        words: Any = {"tokenizer": self._named, "token_pattern": None, "lowercase": False, "ngram_range": (1, 3)}
        self._hashing = HashingVectorizer(n_features=self.size, norm="l2", preprocessor=None, **words)

    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        """{"features": (n, 512)} float64 on the host."""
        if not len(batch["x"]):
            return {"features": torch.zeros(0, self.size, dtype=torch.float64)}
        inside = counted({key: value.cpu() for key, value in batch.items()})
        texts = [row[kept].tolist() for row, kept in zip(batch["x"].cpu(), inside, strict=True)]
        return {"features": torch.from_numpy(self._hashing.transform(texts).toarray()).to(torch.float64)}

    def _named(self, tokens: list[int]) -> list[str]:
        return [self.names[token] for token in tokens]


class Columns:
    """A table's row as numbers of comparable size, column by column.

    x (n, V) → (n, d): a number or whole number as sign(x)·log(1 + |x|), a date as years since 1970, a category one-hot, and one number more
    of what may be missing: 1 where it is, and the rest of that column 0 then.

    The logarithm is one fixed scale for all tables, since a single row does not say how far a column's values are spread: numbers far
    above 1 are compared by their ratio, those below by their difference. So a column whose values are all far below 1, or nearly equal in
    ratio, counts little beside the others. The metrics `marginals` and `correlations` see such a column, whatever its units.
    """

    id = "columns-1"

    def __init__(self, data: DataSpec) -> None:
        leaf = data.leaves.get("x")
        if leaf is None or len(leaf.shape) != 1:
            raise UsageError(f"the featurizer 'columns' is for rows x (V,), and these are {data.modality} examples")
        self.columns = named(leaf)

    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        """{"features": (n, d)} float64 on the host. Raises GentkError for infinities, and for missing values that no column may have."""
        x = batch["x"].detach().cpu().to(torch.float64)
        return {"features": torch.cat([_numbers(x[:, j], column) for j, column in enumerate(self.columns)], 1)}


def _numbers(x: Tensor, column: Column) -> Tensor:
    """(n, k) of one column x (n,)."""
    missing = x.isnan()
    if bool(missing.any()) and not column.missing:
        raise GentkError(f"column '{column.name}' has missing values, and its data say that it has none: leave those rows out")
    x = x.where(~missing, 0.0)
    if not bool(x.isfinite().all()):
        raise GentkError(f"column '{column.name}' has infinite values: leave those rows out")
    if column.kind == "category":
        found = (x[:, None] == torch.arange(len(column.names))) & ~missing[:, None]
        parts = [found.to(torch.float64)]
    elif column.kind == "date":
        parts = [x[:, None] / YEAR]
    else:
        parts = [(x.sign() * x.abs().log1p())[:, None]]
    return torch.cat([*parts, missing[:, None].to(torch.float64)] if column.missing else parts, 1)
