"""What hidden Markov chains compute: forward and backward passes, best paths, draws of paths (Rabiner 1989, §III).

Everywhere: `initial` (K,) and `transition` (K, K) are probabilities, `emission` (n, T, K) holds log p(x_t | state). Where nothing is
observed (padding, missing values) it is 0: as the rows of `transition` sum to 1, such a step changes nothing that comes before it.

Two arithmetics give the same numbers. "log" adds logarithms step by step, and is right whatever the numbers are. "scaled" multiplies
probabilities that are scaled every few steps, and splits a long sequence into chunks, through which it passes side by side: 10,000
steps are some 300 calls. What enters each chunk is found by passing once more, where the chain forgets what entered, or else by the
chunks' transfer matrices ∏ diag(b_t) A. Where probabilities underflow, the likelihood found at different steps differs, and the
sequence is done again in logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

Arithmetic = Literal["scaled", "log"]

OFTEN = 8  # steps after which vectors are scaled
LONG = 64  # steps of a chunk after which most chains have forgotten what entered
FORGOTTEN = 1e-12  # of every number of a vector: less than that is left of it then
WORK = 1 << 17  # of n·K³: above, a step is enough work by itself, and transfer matrices (K times the work) do not pay


class Smoothed(NamedTuple):
    """What the whole of each sequence says."""

    log_likelihood: Tensor  # (n,) log p(x)
    posterior: Tensor  # (n, T, K) p(state_t | x)
    pairs: Tensor  # (K, K) how often i is followed by j, expected, over all sequences, within `length`


def smoothed(initial: Tensor, transition: Tensor, emission: Tensor, length: Tensor, arithmetic: Arithmetic = "scaled") -> Smoothed:
    """Forward and backward passes. `length` (n,): how many steps of each sequence count in `pairs`."""
    if arithmetic == "log" or emission.requires_grad:  # what is scaled is scaled in place, which has no gradient
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
    found = _in_order((passes.forward / passes.forward.sum(1, keepdim=True)).log(), *emission.shape[:2])
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
    """Step s of every chunk side by side: (size, K, m), m = n·chunks, the long dimension last. Each vector is right up to a factor."""

    forward: Tensor  # (size, K, m) p(x_1 … x_t, state_t)
    ahead: Tensor  # (size, K, m) p(x_t+1 … x_T | state_t+1)
    joint: Tensor  # (size, K, m) p(x, state_t)
    evidence: Tensor  # (size, m) its sum over the states, by which a posterior is divided
    log_likelihood: Tensor  # (n,)
    sound: Tensor  # (n,) whether every step finds the same likelihood


def _smoothed_scaled(initial: Tensor, transition: Tensor, emission: Tensor, length: Tensor) -> tuple[Smoothed, Tensor]:
    passes, (n, steps, _) = _passes(initial, transition, emission), emission.shape
    size, m = passes.evidence.shape
    follows = torch.arange(1, size * (m // n) + 1, device=length.device) < length[:, None]  # steps after which another one counts
    weighted = passes.forward.mul_((_side_by_side(follows[None], size)[:, 0] / passes.evidence)[:, None])
    pairs = transition * (weighted @ passes.ahead.mT).sum(0)
    posterior = _in_order(passes.joint.div_(passes.evidence[:, None]), n, steps)
    return Smoothed(passes.log_likelihood, posterior, pairs), passes.sound


def _passes(initial: Tensor, transition: Tensor, emission: Tensor) -> _Passes:
    n, steps, states = emission.shape
    chunks, size = _layout(n, steps, states)
    room = _room(n * chunks, size, emission)
    b = room.both[:, 0].copy_(_side_by_side(nn.functional.pad(emission.movedim(-1, 0), (0, chunks * size - steps)), size))
    top = b.amax(1, keepdim=True)
    room.both[:, 1] = b.sub_(top).exp_().flip(0)
    scale = _both_ways(initial, transition, room, n)
    forward, ahead = room.after[1:, 0], room.after[:-1, 1].flip(0)
    joint = room.before[:, 1].flip(0).mul_(forward)
    evidence = joint.sum(1)
    each = (evidence.log() + scale[1:, 0] + scale[:-1, 1].flip(0)).view(size, n, chunks) + top.view(size, n, chunks).sum((0, 2))[:, None]
    whole = each[-1, :, -1]
    sound = whole.isfinite() & ((each - whole[:, None]).abs() <= 1e-6 + 1e-10 * whole.abs()[:, None]).all(2).all(0)
    return _Passes(forward, ahead, joint, evidence, whole, sound)


def _layout(n: int, steps: int, states: int) -> tuple[int, int]:
    """(chunks of each sequence, steps of a chunk). Chunks pay where a step of all sequences is little work."""
    chunks = int((2 * steps) ** 0.5) if steps > 32 and n * states**3 <= WORK else 1
    size = -(-steps // chunks)
    return -(-steps // size), size


def _side_by_side(x: Tensor, size: int) -> Tensor:
    """(K, n, chunks·size) → (size, K, n·chunks)."""
    return x.reshape(len(x), -1, size).permute(2, 0, 1)


def _in_order(x: Tensor, n: int, steps: int) -> Tensor:
    """(size, K, n·chunks) → (n, steps, K), the states first in memory."""
    return x.permute(1, 2, 0).reshape(x.shape[1], n, -1)[:, :, :steps].movedim(0, -1)


class _Room(NamedTuple):
    """Where both passes through all chunks are written. The second runs from the right, so that one recurrence does for both: the
    vectors before a step are Aᵀ or A times the last ones, and b times those are the vectors after it."""

    both: Tensor  # (size, 2, K, m) b, and b from its end
    before: Tensor  # (size, 2, K, m)
    after: Tensor  # (size + 1, 2, K, m), the first those that entered


def _room(m: int, size: int, like: Tensor) -> _Room:
    """In one piece: malloc keeps what is as large as that for the next pass, and pages of several smaller pieces go and come back."""
    room = like.new_empty(3 * size + 1, 2, like.shape[-1], m)
    return _Room(room[:size], room[size : 2 * size], room[2 * size :])


def _both_ways(initial: Tensor, transition: Tensor, room: _Room, n: int) -> Tensor:
    """Fills `room`, each vector right up to a factor, and returns the logarithms of `after`'s factors, (size + 1, 2, m).

    What enters a long chunk is at first what leaves its neighbour when something arbitrary enters that. Most chains forget that, and
    then the same leaves again: if it does in every chunk, up to 10⁻¹² of every number, the vectors are right up to that times the
    chunks, as a matrix ≥ 0 never takes the ratios of two vectors' numbers further apart."""
    size, _, _, m = room.both.shape
    if m > n and size >= LONG:
        some = _entering(initial, torch.ones_like(room.after[0]), n)
        enter = _entering(initial, _left(some, transition, room.both), n)
        scale = _run(enter, transition, room, n)
        again = _entering(initial, _leaving(room.after[-1], transition), n)
        if bool(((again - enter).abs() <= FORGOTTEN * again).all()):
            return scale
    return _run(_borders(initial, room.both[:, 0], transition, n), transition, room, n)


def _entering(initial: Tensor, leaving: Tensor, n: int) -> Tensor:
    """What enters each chunk where that leaves its neighbour, (2, K, m), up to a factor: from the left p(state | x before), from the
    right p(x from the next chunk's first step on | state then)."""
    states = len(initial)
    leaving = (leaving / leaving.sum(1, keepdim=True)).view(2, states, n, -1)
    enter = torch.empty_like(leaving)
    enter[0, :, :, 0], enter[0, :, :, 1:] = initial[:, None], leaving[0, :, :, :-1]
    enter[1, :, :, -1], enter[1, :, :, :-1] = 1 / states, leaving[1, :, :, 1:]
    return enter.view(2, states, -1)


def _leaving(last: Tensor, transition: Tensor) -> Tensor:
    """What leaves the chunks whose last vectors, after b, these are."""
    return torch.stack([transition.T @ last[0], last[1]])


def _left(enter: Tensor, transition: Tensor, both: Tensor) -> Tensor:
    """What leaves chunks, without a trace of what was between."""
    before, after, total = enter.clone(), enter.clone(), enter.new_empty(2, 1, enter.shape[2])
    size = len(both)
    _recur(transition, both, [before] * size, [after] * (size + 1), [total] * (size + 1))
    return _leaving(after, transition)


def _run(enter: Tensor, transition: Tensor, room: _Room, n: int) -> Tensor:
    """See _both_ways; where each chunk is entered by `enter`."""
    size, _, states, m = room.both.shape
    total = enter.new_ones(size + 1, 2, 1, m)
    room.after[0] = enter
    _recur(transition, room.both, room.before.unbind(), room.after.unbind(), total.unbind())
    logs = total[:, :, 0].log()
    logs[0, 1] = math.log(states)
    if m == n:
        return logs.cumsum(0)
    whole = (logs[1:].sum(0) + _leaving(room.after[-1], transition).sum(1).log()).view(2, n, -1)  # of each chunk, entered by a sum of 1
    logs[0, 0] = nn.functional.pad(whole[0, :, :-1], (1, 0)).cumsum(1).flatten()
    logs[0, 1] += nn.functional.pad(whole[1, :, 1:].flip(1), (1, 0)).cumsum(1).flip(1).flatten()
    return logs.cumsum(0)


def _recur(transition: Tensor, both: Tensor, before: Sequence[Tensor], after: Sequence[Tensor], total: Sequence[Tensor]) -> None:
    """Steps through all chunks, from after[0] on. Every few steps the vectors are divided by their sums, which go into `total`."""
    matrices = torch.stack([transition.T, transition])
    torch.bmm(matrices, after[0], out=before[0])
    before[0][0] = after[0][0]  # is there already: no step lies between the chunks' borders and their first steps
    for t, b in enumerate(both.unbind()):
        if t:
            torch.bmm(matrices, after[t], out=before[t])
        torch.mul(before[t], b, out=after[t + 1])
        if t % OFTEN == 0:
            after[t + 1].div_(torch.sum(after[t + 1], 1, keepdim=True, out=total[t + 1]))


def _borders(initial: Tensor, b: Tensor, transition: Tensor, n: int) -> Tensor:
    """What enters each chunk, as in _entering, through the chunks' transfer matrices."""
    states, m = b.shape[1:]
    chunks = m // n
    vectors = b.new_full((chunks, 2 * n, states, 1), 1 / states)
    vectors[0, :n] = initial[:, None]
    if chunks > 1:
        product = _transfer(b, transition).view(states, states, n, chunks).permute(3, 2, 0, 1)  # (chunks, n, to, from)
        matrices = torch.cat([product, product.flip(0).mT], 1).unbind()
        outs = vectors.unbind()
        for c in range(1, chunks):
            torch.bmm(matrices[c - 1], outs[c - 1], out=outs[c])
            outs[c].div_(outs[c].sum(1, keepdim=True))
    left, right = vectors.view(chunks, 2, n, states).unbind(1)
    return torch.stack([left, right.flip(0)]).permute(0, 3, 2, 1).reshape(2, states, m)


def _transfer(b: Tensor, transition: Tensor) -> Tensor:
    """∏_t diag(b_t) A of each chunk, (to, from, m), up to a factor."""
    _, states, m = b.shape
    back = transition.T.contiguous()
    product, other = back[:, :, None] * b[0], b.new_empty(states, states, m)
    flat, other_flat = product.view(1, states, -1), other.view(1, states, -1)
    for t, here in enumerate(b[:, :, None].unbind()[1:], 1):
        torch.mul(product, here, out=other)
        torch.bmm(back[None], other_flat, out=flat)
        if t % OFTEN == 0:
            product.div_(product.sum((0, 1)))
    return product
