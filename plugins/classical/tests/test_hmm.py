"""Hidden Markov models: against hmmlearn, against enumeration of all paths, and how they are fitted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from gentk.distributed import Ranks
from gentk.noise import Philox
from gentk.training.statistics import one_pass
from gentk_classical import chains
from gentk_classical.chains import best_paths, smoothed
from gentk_classical.config import HMMConfig
from gentk_classical.emissions import Gaussian
from gentk_classical.hmm import HMM
from plugins.classical.tests.hidden import (
    DIM,
    KINDS,
    STEPS,
    Rows,
    both,
    counted,
    enumerated,
    every_kind,
    examples,
    fitted,
    flat,
    randomised,
    spec,
    theirs,
)


# ---------------------------------------------------------------- against hmmlearn
@both
@every_kind
def test_likelihood_and_posteriors_are_hmmlearns(kind: str, arithmetic: str) -> None:
    model, batch = randomised(kind, arithmetic=arithmetic), examples(kind)
    x, lengths = flat(batch)
    log_likelihood, posterior = theirs(model).score_samples(x, lengths)
    assert float(model.log_prob(batch).sum()) == pytest.approx(log_likelihood, abs=1e-9)
    assert np.abs(counted(batch, model.posteriors(batch)).numpy() - posterior).max() <= 1e-10
    each = [theirs(model).score(row) for row in np.split(x, np.cumsum(lengths)[:-1])]
    assert model.log_prob(batch).tolist() == pytest.approx(each, abs=1e-9)


@every_kind
def test_the_best_path_is_hmmlearns(kind: str) -> None:
    model, batch = randomised(kind), examples(kind)
    x, lengths = flat(batch)
    log_joint, path = theirs(model).decode(x, lengths, algorithm="viterbi")
    found, score = model.viterbi(batch)
    assert float(score.sum()) == pytest.approx(log_joint, abs=1e-9)
    assert counted(batch, found).tolist() == path.tolist()
    assert torch.equal(model.encode(batch), found)


@both
@every_kind
def test_a_step_of_em_is_hmmlearns(kind: str, arithmetic: str) -> None:
    model, batch = randomised(kind, arithmetic=arithmetic), examples(kind, 24)
    peer = theirs(model, passes=1)
    x, lengths = flat(batch)
    before = peer.score(x, lengths)
    peer.fit(x, lengths)
    logs = model.update(model.statistics(batch))
    assert logs["log_likelihood"] == pytest.approx(before / 24, abs=1e-9)
    assert np.abs(model.initial.numpy() - peer.startprob_).max() <= 1e-10
    assert np.abs(model.transition.numpy() - peer.transmat_).max() <= 1e-10
    if isinstance(model.emission, Gaussian):
        assert np.abs(model.emission.mean.numpy() - peer.means_).max() <= 1e-9
        covariances = peer.covars_ if kind != "spherical" else peer._covars_[:, :, None] * np.eye(DIM)  # its property repeats them
        assert np.abs(model.emission.matrices().numpy() - covariances).max() <= 1e-8
    else:
        assert np.abs(model.emission.probability.numpy() - peer.emissionprob_).max() <= 1e-10


# ---------------------------------------------------------------- against all paths
@both
def test_all_paths_say_the_same(arithmetic: str) -> None:
    model = randomised("categorical", 2, 5, arithmetic=arithmetic)
    batch = {"x": torch.tensor([[0, 3, 3, 1, 0], [4, 2, 0, 0, 0]]), "length": torch.tensor([5, 2])}
    pairs = torch.zeros(2, 2, dtype=torch.float64)
    for i, length in enumerate(batch["length"].tolist()):
        paths = dict(enumerated(model, batch["x"][i, :length].tolist()))
        total = sum(paths.values())
        assert float(model.log_prob(batch)[i]) == pytest.approx(math.log(total), abs=1e-12)
        posterior = torch.zeros(length, 2, dtype=torch.float64)
        for path, p in paths.items():
            for t, k in enumerate(path):
                posterior[t, k] += p / total
            for a, b in itertools.pairwise(path):
                pairs[a, b] += p / total
        assert torch.allclose(model.posteriors(batch)[i, :length], posterior, atol=1e-12)
        best = max(paths, key=lambda path: paths[path])
        assert model.viterbi(batch)[0][i, :length].tolist() == list(best)
        assert float(model.viterbi(batch)[1][i]) == pytest.approx(math.log(paths[best]), abs=1e-12)
    assert torch.allclose(model.statistics(batch)["transition"], pairs, atol=1e-12)


def test_nothing_behind_the_end_moves_the_best_path() -> None:
    """A chain that always changes its state: a path that went on behind the end would be the other one."""
    model = randomised("categorical", 2, 5)
    model.transition.copy_(1 - torch.eye(2))
    assert not isinstance(model.emission, Gaussian)
    model.emission.probability.copy_(torch.tensor([[0.6, 0.4, 0, 0, 0], [0.4, 0.6, 0, 0, 0]]))
    path, _ = model.viterbi({"x": torch.tensor([[0, 1, 0, 0, 0]] * 3), "length": torch.tensor([1, 2, 3])})
    assert path.tolist() == [[0] * 5, [0, 1, 1, 1, 1], [0, 1, 0, 0, 0]]


# ---------------------------------------------------------------- arithmetic
def close(a: Any, b: Any, tolerance: float) -> bool:
    return all(float((x - y).abs().max()) <= tolerance for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("steps", [1, 2, 3, 33, 34, 35, 100, 1000])
@pytest.mark.parametrize("n", [1, 3])
def test_chunks_change_nothing(steps: int, n: int) -> None:
    model, random = randomised("categorical", 4), torch.Generator().manual_seed(steps)
    emission = 3 * torch.randn(n, steps, 4, generator=random, dtype=torch.float64)
    length = torch.tensor([steps, max(1, steps // 2), 1])[:n]
    emission = torch.where((torch.arange(steps) < length[:, None])[..., None], emission, 0.0)
    about = model.initial, model.transition, emission, length
    assert close(smoothed(*about, "scaled"), smoothed(*about, "log"), 1e-9)


def test_a_long_series_neither_underflows_nor_drifts() -> None:
    model, random = randomised("full", 3), torch.Generator().manual_seed(0)
    x = 40 * torch.randn(1, 10_000, DIM, generator=random)  # far from every mean: log p(x_t | k) is −1000 and lower
    emission, length = model.emission.log_prob(x.double()), torch.tensor([10_000])
    scaled = smoothed(model.initial, model.transition, emission, length, "scaled")
    slow = smoothed(model.initial, model.transition, emission, length, "log")
    assert float(slow.log_likelihood) < -1e6
    assert float(scaled.log_likelihood) == pytest.approx(float(slow.log_likelihood), rel=1e-12)
    assert float((scaled.posterior - slow.posterior).abs().max()) <= 1e-6
    assert float((scaled.pairs - slow.pairs).abs().max()) <= 1e-4  # of 10,000; logarithms lose digits in 10⁷ nats
    assert bool(chains._passes(model.initial, model.transition, emission).sound.all())
    assert chains._layout(1, 9_999, 3)[0] > 50  # or it is no test of chunks


def test_a_path_that_underflows_is_found_again_in_logarithms() -> None:
    """Two states that are never left: by half time the right one is e⁻⁸⁰⁰ times as likely as the other, which is 0 in a double."""
    initial, transition = torch.tensor([0.5, 0.5], dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    emission = torch.zeros(3, 2000, 2, dtype=torch.float64)
    emission[0, :800, 1], emission[0, 800:1700, 0] = -1, -1
    emission[1, 5, 0] = -3
    emission[2] = -torch.inf  # impossible
    length = torch.full((3,), 2000)
    assert chains._passes(initial, transition, emission).sound.tolist() == [False, True, False]
    found = smoothed(initial, transition, emission[:2], length[:2])
    assert found.log_likelihood.tolist() == pytest.approx(
        [math.log(0.5 * (math.exp(-100) + 1)) - 800, math.log(0.5 * (1 + math.exp(-3)))], abs=1e-9
    )
    assert close(found, smoothed(initial, transition, emission[:2], length[:2], "log"), 1e-9)
    assert found.posterior[0, :, 1].min() > 0.999
    assert float(smoothed(initial, transition, emission, length).log_likelihood[2]) == -math.inf
    law = chains.filtered(initial, transition, emission[:1])
    assert torch.allclose(law, chains.filtered(initial, transition, emission[:1], "log"), atol=1e-9)
    assert float(law[0, 799, 1]) == pytest.approx(-800, abs=1e-9)
    assert best_paths(initial, transition, emission[:1], length[:1])[0].unique().tolist() == [1]


@pytest.mark.parametrize(("stay", "forgets"), [(0.6, True), (1 - 1e-6, False)])
def test_what_a_chain_does_not_forget_passes_from_chunk_to_chunk(stay: float, forgets: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a chain that forgets what enters a chunk is spared the transfer matrices. The other one hardly sees its states apart."""
    random, borders = torch.Generator().manual_seed(0), mock.Mock(side_effect=chains._borders)
    monkeypatch.setattr(chains, "_borders", borders)
    initial = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    transition = torch.full((3, 3), (1 - stay) / 2, dtype=torch.float64).fill_diagonal_(stay)
    emission = 0.01 * torch.randn(2, 9000, 3, generator=random, dtype=torch.float64)
    length = torch.tensor([9000, 8000])
    emission[1, 8000:] = 0
    found, sound = chains._smoothed_scaled(initial, transition, emission, length)
    assert bool(sound.all()) and borders.call_count == (0 if forgets else 1)
    assert chains._layout(2, 9000, 3)[1] >= chains.LONG
    assert close(found, smoothed(initial, transition, emission, length, "log"), 1e-8)


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_densities_and_sums_are_the_same_expanded(kind: str, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far from the means, in deviations, they are not expanded: digits would be lost."""
    emission, random = randomised(kind).emission, torch.Generator().manual_seed(0)
    assert isinstance(emission, Gaussian)
    x = emission.mean.mean(0) + scale * torch.randn(2000, DIM, generator=random, dtype=torch.float64)
    posterior = torch.rand(2000, 3, generator=random, dtype=torch.float64)
    law = torch.distributions.MultivariateNormal(emission.mean, emission.matrices())
    assert (emission._expanded(x) is not None) == (scale == 1) and emission._expanded(x[:50]) is None
    assert torch.allclose(emission.log_prob(x), law.log_prob(x[:, None]), rtol=1e-12, atol=1e-11)
    y = x.clone().requires_grad_()  # then they are not expanded either, as that is written in place
    (slope,) = torch.autograd.grad(emission.log_prob(y)[:, 0].sum(), y)
    assert torch.allclose(slope, (emission.mean[0] - x) @ torch.linalg.inv(emission.matrices()[0]), rtol=1e-9, atol=1e-11 * scale)
    found = emission.statistics(x, posterior)
    apart = x[:, None] - emission.mean
    second = torch.einsum("nk,nki,nkj->kij", posterior, apart, apart)
    assert torch.allclose(found["weight"], posterior.sum(0), rtol=1e-13)
    assert torch.allclose(found["first"], (posterior[..., None] * apart).sum(0), rtol=1e-12, atol=1e-11 * scale)
    assert torch.allclose(found["second"], second if kind == "full" else second.diagonal(dim1=1, dim2=2), rtol=1e-12, atol=1e-10 * scale**2)


@every_kind
def test_the_likelihood_has_its_gradient(kind: str) -> None:
    """The gradient of log p(x) by what a state says of a step is that state's posterior."""
    model, batch = randomised(kind), examples(kind)
    emission = model._emission(batch, batch["length"]).detach().requires_grad_()
    smoothed(model.initial, model.transition, emission, batch["length"]).log_likelihood.sum().backward()  # type: ignore[no-untyped-call]
    assert emission.grad is not None
    assert torch.allclose(counted(batch, emission.grad), counted(batch, model.posteriors(batch)), atol=1e-10)


# ---------------------------------------------------------------- the fit
def test_no_step_loses_likelihood() -> None:
    for kind in KINDS:
        _, seen = fitted(kind, 12)
        assert len(seen) == 12 and all(b >= a - 1e-9 for a, b in itertools.pairwise(seen))
        assert seen[-1] > seen[0] + 0.05


@pytest.mark.parametrize("kind", KINDS[:3])
def test_the_floor_holds_and_loses_no_likelihood(kind: str) -> None:
    """Channel 1 is channel 0, and one state sits on a single point: without a floor the likelihood has no end."""
    batch = examples(kind)
    batch["x"][..., 1] = batch["x"][..., 0]
    batch["x"][0, :9] = 30.0
    model = HMM(HMMConfig(states=3, covariance=kind, floor=1e-2), spec(kind))  # type: ignore[arg-type]
    torch.manual_seed(0)
    model.start(batch)
    seen = [model.update(model.statistics(batch))["log_likelihood"] for _ in range(15)]
    assert all(b >= a - 1e-9 for a, b in itertools.pairwise(seen))
    assert isinstance(model.emission, Gaussian)
    least = float(torch.linalg.eigvalsh(model.emission.matrices()).min())
    assert least == pytest.approx(1e-2, rel=1e-6) if kind != "spherical" else least >= 1e-2 - 1e-9


def test_it_is_centred_far_from_the_origin() -> None:
    near, far = randomised("full", floor=0.0), randomised("full", floor=0.0)
    batch = examples("full")
    shift = 2.0**20
    moved = {**batch, "x": batch["x"].double() + shift}
    assert isinstance(far.emission, Gaussian) and isinstance(near.emission, Gaussian)
    far.emission.mean += shift
    for _ in range(3):
        near.update(near.statistics({**batch, "x": batch["x"].double()}))
        far.update(far.statistics(moved))
    assert torch.allclose(far.emission.covariance, near.emission.covariance, atol=1e-8)


@pytest.mark.parametrize("kind", ["full", "categorical"])
def test_a_fit_does_not_depend_on_the_batch_size(kind: str) -> None:
    whole, parts = fitted(kind, batch_size=2500)[0].state_dict(), fitted(kind, batch_size=1)[0].state_dict()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


class Rank(Ranks):
    """One of two ranks, without processes: the second leaves its sums for the first, who comes after it."""

    def __init__(self, rank: int, left: list[Tensor]) -> None:
        self.world, self.rank, self.left = 2, rank, left

    def add(self, tensors: Iterable[Tensor]) -> None:
        for i, tensor in enumerate(tensors):
            if self.rank:
                self.left.append(tensor.clone())
            else:
                tensor += self.left[i]


@pytest.mark.parametrize("kind", ["full", "categorical"])
def test_a_fit_does_not_depend_on_the_number_of_ranks(kind: str) -> None:
    alone, shared, data = randomised(kind), randomised(kind), Rows(kind)
    for step in range(3):
        about: dict[str, Any] = {"seed": 0, "step": step, "device": torch.device("cpu")}
        one_pass(alone, data, Ranks(), **about)
        left: list[Tensor] = []
        before = {key: value.clone() for key, value in shared.state_dict().items()}
        one_pass(shared, data, Rank(1, left), **about)
        shared.load_state_dict(before)
        one_pass(shared, data, Rank(0, left), **about)
    ours, theirs = alone.state_dict(), shared.state_dict()
    assert max(float((ours[key] - theirs[key]).abs().max()) for key in ours) <= 1e-9
    assert float((alone.transition - before["transition"]).abs().max()) > 1e-6


def test_many_rows_are_taken_in_parts_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = randomised("diag"), examples("diag", 24)
    whole = model.statistics(batch)
    monkeypatch.setattr("gentk_classical.hmm.AT_ONCE", STEPS * 3 * 5)
    parts = model.statistics(batch)
    assert all(torch.allclose(whole[key], parts[key], rtol=1e-12, atol=1e-9) for key in whole)


def test_it_finds_states_that_are_apart() -> None:
    """k-means begins near them, and the chain is found with them."""
    truth = randomised("diag", 3, 200, ragged=False)
    assert isinstance(truth.emission, Gaussian)
    truth.emission.mean.copy_(torch.tensor([[0.0, 0, 0], [6, 0, 0], [0, 6, 3]]))
    truth.emission.covariance.fill_(1.5)
    batch = {"x": truth.draw(40, Philox(0, range(40)), {})["x"]}
    model = HMM(HMMConfig(states=3, covariance="diag"), truth.data)
    torch.manual_seed(0)
    model.start(batch)
    for _ in range(10):
        model.update(model.statistics(batch))
    assert isinstance(model.emission, Gaussian)
    order = torch.cdist(truth.emission.mean, model.emission.mean).argmin(1)
    assert sorted(order.tolist()) == [0, 1, 2]
    assert torch.allclose(model.emission.mean[order], truth.emission.mean, atol=0.15)
    assert torch.allclose(model.transition[order][:, order], truth.transition, atol=0.05)


def test_of_several_beginnings_the_best_is_taken() -> None:
    batch = examples("categorical", 60)
    found = {}
    for starts in (1, 8):
        torch.manual_seed(0)
        model = randomised("categorical", starts=starts)
        model.start(batch)
        for _ in range(20 if starts == 1 else 0):
            model.update(model.statistics(batch))
        found[starts] = float(model.log_prob(batch).mean())
    assert found[8] >= found[1] - 1e-9  # the first of the eight is the same as the only one


def test_smoothing_keeps_what_was_not_seen_possible() -> None:
    batch = {"x": torch.zeros(4, STEPS, dtype=torch.int64), "length": torch.full((4,), STEPS)}
    for smoothing, likely in ((0.0, False), (0.5, True)):
        model = randomised("categorical", smoothing=smoothing)
        model.update(model.statistics(batch))
        assert bool(model.log_prob({**batch, "x": batch["x"] + 1}).isfinite().all()) is likely
