"""What a model's log p says of held-out examples."""

from __future__ import annotations

import math

from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import Batch, Leaf, Score

from .given import given
from .per_example import PerExample, observed, ratio

BESIDE_X = {"x", "length", "mask", "time"}  # with other leaves, log p is also of numbers that x does not count


class _LogProb(PerExample):
    def numbers(self, rows: Batch) -> Batch:
        found = {"nll": -rows["log_prob"].double()}
        if set(self.data.leaves) <= BESIDE_X and "x" in rows:
            found["numbers"] = observed(rows).flatten(1).sum(1).double()
        return found

    def nll(self) -> Tensor:
        """−log p of each example, (n,) nats. Raises GentkError if one is not finite."""
        (found,) = given(self, "real", "nll", advice="the model gives them no density, so their mean has no value")
        return found


class NLL(_LogProb):
    """Mean −log p(x) of real examples, "nll" in nats per example and "bits-per-dim" per number.

    bits/dim = Σ nll / (ln 2 Σ D), where D is how many numbers of an example count: no padding, nothing missing. The errors are
    std/√n, or the delta method's if lengths differ. Of bytes and tokens log p is a mass; otherwise it is a density in the data's own units,
    and dividing these by c takes log c off each number's nll: compare it only within one scaling of the data (Theis et al. 2016).
    """

    def compute(self) -> list[Score]:
        nll = self.nll()
        parameters: dict[str, str | int | float | bool] = {"p": _law(self.data.leaves["x"]) if "x" in self.data.leaves else "density"}
        value, error = ratio(nll)
        found = [Score(name="nll", value=value, unit="nats", error=error, parameters=parameters)]
        numbers = self.rows("real").get("numbers")
        if numbers is not None and numbers.sum() > 0:
            bits, error = ratio(nll / math.log(2), numbers)
            found.append(Score(name="bits-per-dim", value=bits, error=error, parameters=parameters))
        return found


class Perplexity(_LogProb):
    """exp(−Σ log p / Σ tokens) of real texts, error by the delta method. V for a model that knows nothing of V tokens.

    It is per token of this vocabulary: figures of different vocabularies cannot be compared.
    """

    def compute(self) -> Score:
        leaf = self.data.leaves.get("x")
        if leaf is None or not leaf.classes:
            raise GentkError(f"perplexity is of tokens, and these {self.data.modality} examples are not: ask for nll")
        nll = self.nll()
        (tokens,) = given(self, "real", "numbers")
        if tokens.sum() == 0:
            raise GentkError("perplexity needs at least one token: all real texts are empty")
        rate, error = ratio(nll, tokens)
        if rate > 700:  # exp overflows
            raise GentkError(f"perplexity is beyond float64: the model gives a token {rate:.0f} nats")
        value = math.exp(rate)
        error = None if error is None else value * error
        return Score(name="perplexity", value=value, error=error, parameters={"vocabulary": leaf.classes})


def _law(leaf: Leaf) -> str:
    """Whether p is a mass or a density."""
    kinds = {column.kind == "category" for column in leaf.columns} or {leaf.classes > 0 or leaf.levels > 0}
    return "density and mass" if len(kinds) > 1 else "mass" if kinds == {True} else "density"
