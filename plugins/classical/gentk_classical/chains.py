"""What hidden Markov chains compute: forward and backward passes, best paths, draws of paths (Rabiner 1989, §III).

Everywhere: `initial` (K,) and `transition` (K, K) are probabilities, `emission` (n, T, K) holds log p(x_t | state). Where nothing is
observed (padding, missing values) it is 0: as the rows of `transition` sum to 1, such a step changes nothing that comes before it.

Two arithmetics give the same numbers. "log" adds logarithms step by step, and is right whatever the numbers are. "scaled" multiplies
probabilities that are scaled every few steps, and splits a long sequence into chunks: each chunk's transfer matrix ∏ A diag(b_t), all
chunks side by side; then the states at their borders; then the passes through all chunks side by side. So 10,000 steps are some 300
calls. Where probabilities underflow, the likelihood found at different steps differs, and the sequence is done again in logarithms.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Arithmetic = Literal["scaled", "log"]

OFTEN = 4  # steps after which vectors are scaled
WORK = 1 << 17  # of n·K³: above, a step is enough work by itself, and transfer matrices (K times the work) do not pay


class Smoothed(NamedTuple):
    """What the whole of each sequence says."""

    log_likelihood: Tensor  # (n,) log p(x)
    posterior: Tensor  # (n, T, K) p(state_t | x)
    pairs: Tensor  # (K, K) how often i is followed by j, expected, over all sequences, within `length`


def smoothed(initial: Tensor, transition: Tensor, emission: Tensor, length: Tensor, arithmetic: Arithmetic = "scaled") -> Smoothed:
    """Forward and backward passes. `length` (n,): how many steps of each sequence count in `pairs`."""
    if arithmetic == "log":
        return _smoothed_log(initial, transition, emission, length)
    found, sound = _smoothed_scaled(initial, transition, emission, length)
    if bool(sound.all()):
        return found
    again = _smoothed_log(initial, transition, emission[~sound], length[~sound])
    pairs = again.pairs
    if bool(sound.any()):
        pairs = pairs + _smoothed_scaled(initial, transition, emission[sound], length[sound])[0].pairs
    log_likelihood, posterior = found.log_likelihood.clone(), found.posterior.clone()
    log_likelihood[~sound], posterior[~sound] = again.log_likelihood, again.posterior
    return Smoothed(log_likelihood, posterior, pairs)


def filtered(initial: Tensor, transition: Tensor, emission: Tensor, arithmetic: Arithmetic = "scaled") -> Tensor:
    """log p(state_t | x_1 … x_t), (n, T, K)."""
    if arithmetic == "log":
        return _forward_log(initial, transition, emission).log_softmax(-1)
    passes = _passes(initial, transition, emission)
    found = (passes.forward / passes.forward.sum(-1, keepdim=True)).log()
    if not bool(passes.sound.all()):
        found[~passes.sound] = _forward_log(initial, transition, emission[~passes.sound]).log_softmax(-1)
    return found


def best_paths(initial: Tensor, transition: Tensor, emission: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Each sequence's likeliest states, (n, T) int64, and log p(x, states), (n,) (Viterbi 1967). From `length` (n,) on it stays put."""
    step, score = transition.log(), initial.log() + emission[:, 0]
    before, stay = [], torch.arange(len(initial), device=length.device)
    for t in range(1, emission.shape[1]):
        inside = (t < length)[:, None]
        best, at = (score[:, :, None] + step).max(1)
        score = torch.where(inside, best + emission[:, t], score)
        before.append(torch.where(inside, at, stay))
    log_joint, state = score.max(-1)
    path = [state]
    for at in reversed(before):
        state = at.gather(1, state[:, None])[:, 0]
        path.append(state)
    return torch.stack(path[::-1], 1), log_joint


def drawn_paths(log_filtered: Tensor, transition: Tensor, u: Tensor) -> Tensor:
    """States (n, T) drawn from p(states | x), the last one first, by uniforms u (n, T)."""
    step, n = transition.log(), len(log_filtered)
    state = inverse_cdf(log_filtered[:, -1].exp(), u[:, -1])
    path = [state]
    for t in range(log_filtered.shape[1] - 2, -1, -1):
        weight = log_filtered[:, t] + step.T[state]
        state = inverse_cdf((weight - weight.amax(-1, keepdim=True)).exp(), u[:, t])
        path.append(state)
    return torch.stack(path[::-1], 1).view(n, -1)


def free_paths(initial: Tensor, transition: Tensor, u: Tensor) -> Tensor:
    """States (n, T) drawn from the chain itself, by uniforms u (n, T)."""
    path = [inverse_cdf(initial.expand(len(u), -1), u[:, 0])]
    for t in range(1, u.shape[1]):
        path.append(inverse_cdf(transition[path[-1]], u[:, t]))
    return torch.stack(path, 1)


def inverse_cdf(weight: Tensor, u: Tensor) -> Tensor:
    """Classes from weights (…, K) by uniforms u (…) in [0, 1); never one of weight zero."""
    cdf = weight.cumsum(-1)
    found = torch.searchsorted(cdf, u.to(cdf)[..., None] * cdf[..., -1:], right=True)[..., 0]
    return found.clamp(max=weight.shape[-1] - 1)


# ---------------------------------------------------------------- in logarithms
def _forward_log(initial: Tensor, transition: Tensor, emission: Tensor) -> Tensor:
    """log p(x_1 … x_t, state_t), (n, T, K)."""
    step, state = transition.log(), initial.log() + emission[:, 0]
    out = [state]
    for t in range(1, emission.shape[1]):
        state = (state[:, :, None] + step).logsumexp(1) + emission[:, t]
        out.append(state)
    return torch.stack(out, 1)


def _smoothed_log(initial: Tensor, transition: Tensor, emission: Tensor, length: Tensor) -> Smoothed:
    forward, step = _forward_log(initial, transition, emission), transition.log()
    total = forward[:, -1].logsumexp(-1)
    pairs, after = torch.zeros_like(transition), torch.zeros_like(emission[:, 0])
    backward = [after]
    for t in range(emission.shape[1] - 1, 0, -1):
        ahead = step + (emission[:, t] + after)[:, None]  # (n, K, K): from state i at t − 1 into all that follows by state j
        weight = (forward[:, t - 1, :, None] + ahead - total[:, None, None]).exp()
        pairs += (weight * (t < length)[:, None, None]).sum(0)
        after = ahead.logsumexp(2)
        backward.append(after)
    posterior = (forward + torch.stack(backward[::-1], 1) - total[:, None, None]).exp()
    return Smoothed(total, posterior, pairs)


# ---------------------------------------------------------------- scaled, in chunks
class _Passes(NamedTuple):
    """Each step's vectors are right up to a factor."""

    forward: Tensor  # (n, T, K) p(x_1 … x_t, state_t)
    ahead: Tensor  # (n, T-1, K) p(x_t … x_T | state_t) for t from the second step on
    backward: Tensor  # (n, T, K) p(x_t+1 … x_T | state_t)
    evidence: Tensor  # (n, T) their product over forward, by which a posterior is divided
    log_likelihood: Tensor  # (n,)
    sound: Tensor  # (n,) whether every step finds the same likelihood


def _smoothed_scaled(initial: Tensor, transition: Tensor, emission: Tensor, length: Tensor) -> tuple[Smoothed, Tensor]:
    passes, states = _passes(initial, transition, emission), len(initial)
    share = passes.forward / passes.evidence[..., None]
    counts = torch.arange(1, emission.shape[1], device=length.device) < length[:, None]
    before = torch.where(counts[..., None], share[:, :-1], 0.0)
    pairs = transition * (before.reshape(-1, states).T @ passes.ahead.reshape(-1, states))
    return Smoothed(passes.log_likelihood, share * passes.backward, pairs), passes.sound


def _passes(initial: Tensor, transition: Tensor, emission: Tensor) -> _Passes:
    n, steps, states = emission.shape
    top = emission.amax(-1, keepdim=True)
    b = (emission - top).exp()
    first = initial * b[:, 0]
    first_scale = first.sum(-1, keepdim=True)
    first = first / first_scale
    chunks, size = _layout(n, steps - 1, states)
    rest = torch.cat([b[:, 1:], b.new_ones(n, chunks * size - steps + 1, states)], 1)
    rest = rest.view(n * chunks, size, states).transpose(0, 1).contiguous()  # (size, n·chunks, K): a step of all chunks together
    enter, enter_log = _borders(first, rest, transition, chunks)
    inside, inside_log = _inside(enter, rest, transition)
    scale = (enter_log.view(2, 1, n * chunks) + inside_log.cumsum(1)).view(2, size, n, chunks)

    def in_order(x: Tensor) -> Tensor:  # (size, n, chunks, …) → (n, T-1, …)
        return x.movedim(0, 2).reshape(n, chunks * size, *x.shape[3:])[:, : steps - 1]

    forward = torch.cat([first[:, None], in_order(inside[0].view(size, n, chunks, states))], 1)
    ahead = in_order(inside[1].flip(0).view(size, n, chunks, states))
    backward = torch.cat([ahead @ transition.T, torch.ones_like(first)[:, None]], 1)
    evidence = (forward * backward).sum(-1)
    zero = first_scale.new_zeros(n, 1)
    forward_scale = torch.cat([zero, in_order(scale[0])], 1) + first_scale.log()
    backward_scale = torch.cat([in_order(scale[1].flip(0)), zero], 1)
    each = evidence.log() + forward_scale + backward_scale + top.sum((1, 2))[:, None]
    whole = each[:, -1]
    sound = whole.isfinite() & ((each - whole[:, None]).abs() <= 1e-6 + 1e-10 * whole.abs()[:, None]).all(1)
    return _Passes(forward, ahead, backward, evidence, whole, sound)


def _layout(n: int, steps: int, states: int) -> tuple[int, int]:
    """(chunks of each sequence, steps of a chunk). Chunks pay where a step of all sequences is little work."""
    chunks = int((3 * steps) ** 0.5) if steps > 32 and n * states**3 <= WORK else 1
    return chunks, max(1, -(-steps // chunks))


def _borders(first: Tensor, rest: Tensor, transition: Tensor, chunks: int) -> tuple[Tensor, Tensor]:
    """What enters each chunk, (2, n·chunks, K), and the logarithm of its scale, (2, n·chunks): from the left the forward vector before
    it, from the right the backward vector at its last step."""
    n, states = first.shape
    state, scale = torch.stack([first, torch.ones_like(first)])[:, :, None], first.new_zeros(2, n)
    if chunks == 1:
        return state[:, :, 0], scale
    product, product_log = _transfer(rest, transition)
    product, product_log = product.view(n, chunks, states, states), product_log.view(n, chunks)
    both = torch.stack([product, product.flip(1).mT]).permute(2, 0, 1, 3, 4).reshape(chunks, 2 * n, states, states)
    both_log = torch.stack([product_log, product_log.flip(1)])
    vector = state.reshape(2 * n, 1, states)
    one = vector.new_ones(2 * n, 1, 1)
    vectors, scales = [vector], [one]
    for c, matrix in enumerate(both[:-1]):
        vector = vector @ matrix
        scales.append(vector.sum(-1, keepdim=True) if c % OFTEN == 0 else one)
        vector = vector / scales[-1] if c % OFTEN == 0 else vector
        vectors.append(vector)
    enter = torch.stack(vectors, 1).view(2, n, chunks, states)
    passed = torch.cat([both_log.new_zeros(2, n, 1), both_log[:, :, :-1]], 2)
    scale = (torch.stack(scales, 1).view(2, n, chunks).log() + passed).cumsum(2)
    return (
        torch.stack([enter[0], enter[1].flip(1)]).view(2, n * chunks, states),
        torch.stack([scale[0], scale[1].flip(1)]).view(2, n * chunks),
    )


def _transfer(rest: Tensor, transition: Tensor) -> tuple[Tensor, Tensor]:
    """∏_t A diag(b_t) of each chunk, (m, K, K), and the logarithm of what it was divided by, (m,)."""
    size, m, states = rest.shape
    product = transition * rest[0][:, None]
    scales = []
    for t in range(1, size):
        product = (product.view(-1, states) @ transition).view(m, states, states) * rest[t][:, None]
        if t % OFTEN == 0 or t == size - 1:
            scales.append(product.sum((1, 2)))
            product = product / scales[-1][:, None, None]
    return product, torch.stack(scales).log().sum(0) if scales else rest.new_zeros(m)


def _inside(enter: Tensor, rest: Tensor, transition: Tensor) -> tuple[Tensor, Tensor]:
    """Both passes through all chunks: vectors (2, size, m, K) and the logarithms of their scales, (2, size, m). The second runs from the
    right, and holds b_t ∘ β_t, so that one recurrence does for both: multiply by A or Aᵀ, then by b."""
    size = len(rest)
    both = torch.stack([rest, rest.flip(0)], 1)
    matrices = torch.stack([transition, transition.T])
    state = torch.stack([enter[0] @ transition, enter[1]])
    states, scales, one = [], [], state.new_ones(2, state.shape[1], 1)
    for t in range(size):
        state = (torch.bmm(state, matrices) if t else state) * both[t]
        scales.append(state.sum(-1, keepdim=True) if t % OFTEN == 0 else one)
        state = state / scales[-1] if t % OFTEN == 0 else state
        states.append(state)
    return torch.stack(states, 1), torch.stack(scales, 1)[..., 0].log()
