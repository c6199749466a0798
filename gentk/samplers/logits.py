"""What is done to the logits of the next token before one is drawn. Pure functions: logits (…, V) in, logits (…, V) out.

A token that is ruled out gets −∞. Each function keeps the likeliest token, so that something can always be drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

OUT = float("-inf")


def greedy(logits: Tensor) -> Tensor:
    """Keep the likeliest token alone; of equals the first."""
    best = logits.argmax(-1, keepdim=True)
    return logits.new_full(logits.shape, OUT).scatter(-1, best, 0.0)


def temperature(logits: Tensor, value: float) -> Tensor:
    """Divide by the temperature: below 1 is bolder, 0 keeps the likeliest token alone."""
    return greedy(logits) if value == 0 else logits / value


def top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k likeliest tokens, and those as likely as the k-th (Fan et al. 2018); k = 0 keeps all."""
    if not k or k >= logits.shape[-1]:
        return logits
    least = logits.topk(k).values[..., -1:]
    return logits.masked_fill(logits < least, OUT)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the smallest set of likeliest tokens whose probability reaches p, the nucleus (Holtzman et al. 2020); p = 1 keeps all."""
    if p >= 1:
        return logits
    ordered, place = logits.sort(dim=-1, descending=True, stable=True)
    probability = ordered.softmax(-1)
    outside = probability.cumsum(-1) - probability >= p  # the tokens before this one already reach p
    return logits.masked_fill(outside.scatter(-1, place, outside), OUT)


def min_p(logits: Tensor, share: float) -> Tensor:
    """Keep the tokens at least `share` times as likely as the likeliest one (Nguyen et al. 2024); 0 keeps all."""
    if share <= 0:
        return logits
    probability = logits.softmax(-1)
    return logits.masked_fill(probability < share * probability.amax(-1, keepdim=True), OUT)


def repetition_penalty(logits: Tensor, tokens: Tensor, length: Tensor, penalty: float) -> Tensor:
    """Make the tokens that a row already has less likely (Keskar et al. 2019, §4.1): positive logits are divided by `penalty`, negative
    ones are multiplied by it. 1 is off.

    logits (n, V); tokens (n, L) int64, of which the first `length` (n,) count, all on the device of the logits.
    """
    import torch

    if penalty == 1:
        return logits
    there = torch.arange(tokens.shape[1], device=tokens.device) < length[:, None]
    used = torch.zeros(logits.shape, dtype=torch.int32, device=logits.device)
    used = used.scatter_add_(1, tokens, there.int()) > 0
    penalised = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(used, penalised, logits)
