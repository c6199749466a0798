"""What a policy makes of the next token's logits (n, V), before one is drawn: pure functions, one for each algorithm."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

NEVER = float("-inf")


def top_k(logits: Tensor, k: int) -> Tensor:
    """The k likeliest tokens (Fan et al. 2018, arXiv:1805.04833); all others at −∞. Equals of the k-th stay."""
    least = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < least, NEVER)


def top_p(logits: Tensor, p: float) -> Tensor:
    """The nucleus (Holtzman et al. 2020, arXiv:1904.09751): the smallest set of tokens whose probability
    reaches p, never empty."""
    ordered, place = logits.sort(dim=-1, descending=True, stable=True)
    probability = ordered.softmax(-1)
    outside = probability.cumsum(-1) - probability >= p  # what stands before a token already reaches p
    return logits.masked_fill(outside.scatter(-1, place, outside), NEVER)


def min_p(logits: Tensor, p: float) -> Tensor:
    """Tokens at least p times as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082)."""
    probability = logits.softmax(-1)
    return logits.masked_fill(probability < p * probability.amax(-1, keepdim=True), NEVER)


def penalised(logits: Tensor, tokens: Tensor, length: Tensor, penalty: float) -> Tensor:
    """Logits of the tokens that a row (n, L) has up to its length (n,): divided by the penalty where above 0, else multiplied (Keskar et
    al. 2019, arXiv:1909.05858, §4.1)."""
    import torch

    said = torch.zeros(logits.shape, device=logits.device)
    counts = torch.arange(tokens.shape[1]) < length[:, None]
    said.scatter_add_(1, tokens.to(logits.device), counts.to(said))
    return torch.where(said > 0, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
