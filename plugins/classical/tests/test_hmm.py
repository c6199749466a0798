"""Hidden Markov models: against hmmlearn, against enumeration of all paths, and as the core uses them."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hmmlearn.hmm import CategoricalHMM, GaussianHMM
from torch import Tensor

import gentk
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.noise import Philox
from gentk.protocols import DataSpec, Encoder, Imputer, Leaf, Likelihood, can
from gentk.recipes import TrainingPart
from gentk.training.distributed import Ranks
from gentk.training.statistics import one_pass
from gentk.training.trainer import Trainer
from gentk_classical import chains
from gentk_classical.chains import best_paths, smoothed
from gentk_classical.config import HMMConfig
from gentk_classical.emissions import Gaussian
from gentk_classical.hmm import HMM

STEPS, DIM, TOKENS = 23, 3, 5
LENGTHS = torch.tensor([23, 1, 2, 17, 22, 23])
KINDS = ["full", "diag", "spherical", "categorical"]
BOTH = ["scaled", "log"]
both = pytest.mark.parametrize("arithmetic", BOTH)
every_kind = pytest.mark.parametrize("kind", KINDS)
logging.getLogger("hmmlearn").setLevel(logging.ERROR)


def spec(kind: str, steps: int = STEPS, *, ragged: bool = True) -> DataSpec:
    x = Leaf(shape=(steps,), classes=TOKENS) if kind == "categorical" else Leaf(shape=(steps, DIM))
    leaves = {"x": x, "length": Leaf(classes=steps + 1)} if ragged else {"x": x}
    return DataSpec(modality="text" if kind == "categorical" else "series", leaves=leaves)


def examples(kind: str, n: int = 6, steps: int = STEPS, *, seed: int = 0) -> dict[str, Tensor]:
    """Ragged rows; what stands behind their ends is far away, so that it is seen if it counts."""
    random = torch.Generator().manual_seed(seed)
    length = LENGTHS.clamp(max=steps).repeat(-(-n // 6))[:n]
    after = torch.arange(steps) >= length[:, None]
    if kind == "categorical":
        x = torch.randint(TOKENS, (n, steps), generator=random)
        return {"x": x.masked_fill(after, 0), "length": length}
    x = torch.randn(n, steps, DIM, generator=random) + 2 * torch.randint(2, (n, steps, 1), generator=random)
    return {"x": x.masked_fill(after[..., None], 1e3), "length": length}


def randomised(kind: str, states: int = 3, steps: int = STEPS, *, ragged: bool = True, **config: Any) -> HMM:
    told = {"states": states, "floor": 0.0, **({} if kind == "categorical" else {"covariance": kind}), **config}
    model, random = HMM(HMMConfig(**told), spec(kind, steps, ragged=ragged)), np.random.default_rng(7)
    model.initial.copy_(torch.from_numpy(random.dirichlet(np.ones(states))))
    model.transition.copy_(torch.from_numpy(random.dirichlet(np.ones(states), states)))
    if not isinstance(model.emission, Gaussian):
        model.emission.probability.copy_(torch.from_numpy(random.dirichlet(np.ones(TOKENS), states)))
        return model
    model.emission.mean.copy_(torch.from_numpy(2 * random.normal(size=(states, DIM))))
    root = random.normal(size=(states, DIM, DIM))
    full = torch.from_numpy(root @ root.transpose(0, 2, 1) + np.eye(DIM))
    model.emission.covariance.copy_({"full": full, "diag": full[:, 0].abs() + 0.5, "spherical": full[:, 0, 0]}[kind])
    return model


def theirs(model: HMM, *, passes: int = 0) -> Any:
    """hmmlearn's, with the same numbers and without priors."""
    k, plain = model.config.states, {"init_params": "", "n_iter": passes, "tol": -np.inf, "implementation": "log"}
    if isinstance(model.emission, Gaussian):
        prior = {"covars_prior": 0.0, "covars_weight": 1.0, "min_covar": 0.0}
        peer = GaussianHMM(k, model.config.covariance, **prior, **plain)
        peer.means_, peer.n_features = model.emission.mean.numpy().copy(), DIM
        peer.covars_ = model.emission.covariance.numpy().copy()
    else:
        peer = CategoricalHMM(k, n_features=TOKENS, **plain)
        peer.emissionprob_ = model.emission.probability.numpy().copy()
    peer.startprob_, peer.transmat_ = model.initial.numpy().copy(), model.transition.numpy().copy()
    return peer


def flat(batch: dict[str, Tensor]) -> tuple[np.ndarray, list[int]]:
    """The rows as hmmlearn wants them: one below the other, and their lengths."""
    rows = [x[:length] for x, length in zip(batch["x"], batch["length"], strict=True)]
    x = torch.cat(rows).double().numpy()
    return (x.astype(int)[:, None] if x.ndim == 1 else x), batch["length"].tolist()


def counted(batch: dict[str, Tensor], values: Tensor) -> Tensor:
    return torch.cat([row[:length] for row, length in zip(values, batch["length"], strict=True)])


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
def enumerated(model: HMM, x: list[int]) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every path of states, and its joint probability with the tokens x."""
    assert not isinstance(model.emission, Gaussian)
    for path in itertools.product(range(model.config.states), repeat=len(x)):
        p = float(model.initial[path[0]])
        for a, b in itertools.pairwise(path):
            p *= float(model.transition[a, b])
        yield path, p * math.prod(float(model.emission.probability[k, v]) for k, v in zip(path, x, strict=True))


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


# ---------------------------------------------------------------- the fit
class Rows:
    """2,500 ragged rows: more than one chunk."""

    def __init__(self, kind: str, n: int = 2500) -> None:
        self.spec, self.rows = spec(kind), examples(kind, n, seed=3)

    def __len__(self) -> int:
        return len(self.rows["x"])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {key: value[index] for key, value in self.rows.items()}

    def batch(self, indices: Any, noise: Any = None) -> dict[str, Tensor]:
        return {key: value[torch.as_tensor(np.asarray(indices))] for key, value in self.rows.items()}


def fitted(kind: str, passes: int = 4, *, batch_size: int = 64, **config: Any) -> tuple[HMM, list[float]]:
    covariance = {} if kind == "categorical" else {"covariance": kind}
    model = HMM(HMMConfig(states=3, passes=passes, **covariance, **config), spec(kind))
    trainer = Trainer(model, Rows(kind), TrainingPart(batch_size=batch_size, tolerance=0.0))
    return model, [progress.logs["log_likelihood"] for progress in trainer.rounds()]


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


# ---------------------------------------------------------------- drawing and filling in
def test_draws_follow_the_chain_and_its_emissions() -> None:
    model = randomised("full", 3, 30, ragged=False)
    x = model.draw(2000, Philox(0, range(2000)), {})["x"]
    state = chains.free_paths(model.initial, model.transition, Philox(0, range(2000)).uniform(30))
    assert torch.bincount(state[:, 0], minlength=3).div(2000).tolist() == pytest.approx(model.initial.tolist(), abs=0.04)
    pairs = torch.bincount((state[:, :-1] * 3 + state[:, 1:]).flatten(), minlength=9).view(3, 3).double()
    assert torch.allclose(pairs / pairs.sum(1, keepdim=True), model.transition, atol=0.015)
    assert isinstance(model.emission, Gaussian)
    for k in range(3):
        seen = x[state == k]
        assert torch.allclose(seen.mean(0), model.emission.mean[k], atol=0.1)
        assert torch.allclose(torch.cov(seen.T), model.emission.covariance[k], rtol=0.06, atol=0.1)


def test_a_draw_does_not_depend_on_its_batch_and_ends_as_it_should() -> None:
    model = randomised("categorical", stop="2")
    whole = gentk.sample(model, 40, seed=1).batch
    single = gentk.sample(model, 40, seed=1, batch_size=7).batch
    assert all(torch.equal(whole[key], single[key]) for key in whole)
    for row, length in zip(whole["x"].tolist(), whole["length"].tolist(), strict=True):
        assert 2 not in row[: length - 1] and (row[length - 1] == 2 or length == STEPS) and not any(row[length:])
    assert len(whole["length"].unique()) > 4


def test_without_a_stop_lengths_are_those_of_the_data() -> None:
    model = randomised("diag")
    model.update(model.statistics(examples("diag")))
    length = gentk.sample(model, 3000, seed=0)["length"]
    assert sorted(length.unique().tolist()) == [1, 2, 17, 22, 23]
    assert float((length == 23).double().mean()) == pytest.approx(1 / 3, abs=0.03)
    assert bool((gentk.sample(model, 50)["x"][gentk.sample(model, 50)["length"] == 1, 1:] == 0).all())


@both
def test_tokens_are_filled_in_as_all_paths_would(arithmetic: str) -> None:
    model = randomised("categorical", 2, 5, arithmetic=arithmetic)
    x, length, n = [0, 3, -1, 1, 2], 4, 20_000  # the last one is behind the end, and says nothing
    law = {v: sum(p for _, p in enumerated(model, [0, 3, v, 1])) for v in range(TOKENS)}
    total = sum(law.values())
    batch = {"x": torch.tensor(x).clamp(min=0).expand(n, -1), "length": torch.full((n,), length)}
    found = model.impute(batch, torch.tensor(x).expand(n, -1) >= 0, Philox(0, range(n)))
    assert bool((found[:, [0, 1, 3, 4]] == torch.tensor([0, 3, 1, 2])).all())
    hidden = model.impute(batch, torch.tensor([True, True, False, True, False]).expand(n, -1), Philox(0, range(n)))
    assert torch.equal(hidden, found)  # nor is it filled in
    shares = torch.bincount(found[:, 2], minlength=TOKENS).double() / n
    assert shares.tolist() == pytest.approx([p / total for p in law.values()], abs=0.012)


@pytest.mark.parametrize("kind", KINDS[:3])
def test_numbers_are_filled_in_as_all_paths_would(kind: str) -> None:
    """Moments of what is missing, by summing over all paths, each with its Gaussian's conditional."""
    model, n = randomised(kind, 2, 3, ragged=False), 20_000
    assert isinstance(model.emission, Gaussian)
    known = torch.tensor([[True, False, True], [True, True, True], [False, False, False]])
    x = torch.tensor([[0.5, 9.0, -1.0], [1.0, 0.3, 0.2], [9.0, 9.0, 9.0]], dtype=torch.float64)
    mean, covariance = model.emission.mean, model.emission.matrices()
    weights, means, squares = [], [], []
    for path in itertools.product(range(2), repeat=3):
        weight = math.log(model.initial[path[0]]) + sum(math.log(model.transition[a, b]) for a, b in itertools.pairwise(path))
        guess, square = [], []
        for t, k in enumerate(path):
            o, m = known[t].nonzero()[:, 0], (~known[t]).nonzero()[:, 0]
            if len(o):
                part = torch.distributions.MultivariateNormal(mean[k, o], covariance[k][o][:, o])
                weight += float(part.log_prob(x[t, o]))
            gain = covariance[k][m][:, o] @ torch.linalg.inv(covariance[k][o][:, o])
            middle = mean[k, m] + gain @ (x[t, o] - mean[k, o])
            left = covariance[k][m][:, m] - gain @ covariance[k][o][:, m]
            guess.append(middle)
            square.append(torch.diagonal(left) + middle**2)
        weights.append(weight)
        means.append(torch.cat(guess))
        squares.append(torch.cat(square))
    share = torch.tensor(weights, dtype=torch.float64).softmax(0)
    wanted, wanted_square = share @ torch.stack(means), share @ torch.stack(squares)
    batch = {"x": torch.where(known, x, torch.nan).float().expand(n, -1, -1)}
    found = model.impute(batch, known.expand(n, -1, -1), Philox(0, range(n)))
    assert torch.equal(found[:, known], batch["x"][:, known])
    drawn = found[:, ~known].double()
    deviation = (wanted_square - wanted**2).sqrt()
    assert bool(((drawn.mean(0) - wanted).abs() < 4.5 * deviation / n**0.5).all())
    assert torch.allclose(drawn.square().mean(0), wanted_square, rtol=0.05)
    alone = model.impute({"x": batch["x"][5:6]}, known[None], Philox(0, [5]))
    assert torch.equal(alone[0], found[5])


# ---------------------------------------------------------------- as the core sees it
def test_it_is_built_on_the_meta_device_and_can_what_it_says() -> None:
    from gentk.weights.skeleton import skeleton

    for kind in KINDS:
        with skeleton():
            empty = HMM(HMMConfig(states=3, covariance="diag" if kind == "categorical" else kind), spec(kind))  # type: ignore[arg-type]
        assert {key: value.shape for key, value in empty.state_dict().items()} == {
            key: value.shape for key, value in randomised(kind).state_dict().items()
        }
        assert all(can(empty, capability) for capability in (Likelihood, Encoder, Imputer))


def test_the_way_back_is_what_the_states_say() -> None:
    model, batch = randomised("diag"), examples("diag")
    path = model.encode(batch)
    assert path.shape == (6, STEPS) == (6, *model.latent.shape) and model.latent.classes == 3
    assert isinstance(model.emission, Gaussian)
    assert len(path.unique()) == 3 and torch.equal(model.decode(path, {}), model.emission.mean[path])
    tokens = randomised("categorical")
    assert not isinstance(tokens.emission, Gaussian)
    found = tokens.decode(tokens.encode(examples("categorical")), {})
    assert found.dtype == torch.int64
    likeliest = tokens.emission.probability.argmax(1)
    assert torch.equal(found, likeliest[tokens.encode(examples("categorical"))]) and len(found.unique()) > 1


def test_its_facts_are_json_and_true() -> None:
    import json

    model = randomised("diag")
    told = json.loads(json.dumps(model.facts()))
    steady = torch.tensor(told["steady_states"][0], dtype=torch.float64)
    assert torch.allclose(steady @ model.transition, steady, atol=1e-12)
    assert told["mean_stay"][1] == pytest.approx(1 / (1 - float(model.transition[1, 1])))


WRONG = {
    "numbers for tokens": ({"emission": "categorical"}, spec("full"), "tokens"),
    "tokens for numbers": ({"emission": "gaussian"}, spec("categorical"), "series"),
    "rows of tokens for rows of numbers": (
        {"emission": "gaussian"},
        DataSpec(modality="grid", leaves={"x": Leaf(shape=(5, 2), classes=3)}),
        "series",
    ),
    "a stop that is no token": ({"stop": "x"}, spec("categorical"), "no token"),
    "a stop of numbers": ({"stop": "1"}, spec("full"), "numbers"),
    "a stop without lengths": ({"stop": "1"}, spec("categorical", ragged=False), "no lengths"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_are_one_line(name: str) -> None:
    config, data, said = WRONG[name]
    with pytest.raises(UsageError, match=said) as caught:
        HMM(HMMConfig(**config), data)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_the_shipped_one_found_the_kinds_of_words() -> None:
    """Of nine kinds each has its state. The full stop shares some: nothing follows it that could tell."""
    model, data = gentk.load("classical/hmm"), lookup.dataset("sentences", "test")
    assert model.config.model_dump(mode="json", exclude_none=True) == lookup.recipe("classical", "hmm").model.config
    batch = data.batch(range(500))
    kinds, inside = torch.from_numpy(data.hidden(range(500))[0]), torch.arange(24) < batch["length"][:, None]
    inside &= kinds < 8
    table = torch.bincount(kinds[inside] * 9 + model.encode(batch)[inside], minlength=72).view(8, 9)
    assert len(table.argmax(1).unique()) == 8
    assert float(table.amax(1).sum() / table.sum()) >= 0.99
    drawn = gentk.sample(model, 50, seed=0)
    stop = data.spec.leaves["x"].names.index(".")
    last = drawn["x"].gather(1, drawn["length"][:, None] - 1)[:, 0]
    assert bool(((last == stop) | (drawn["length"] == 24)).all())
