"""What hidden Markov models draw, fill in and tell, and as the core uses them."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import gentk
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.noise import Philox
from gentk.protocols import DataSpec, Encoder, Imputer, Leaf, Likelihood, can
from gentk_classical import chains
from gentk_classical.config import HMMConfig
from gentk_classical.emissions import Gaussian
from gentk_classical.hmm import HMM
from plugins.classical.tests.hidden import (
    KINDS,
    STEPS,
    TOKENS,
    both,
    enumerated,
    examples,
    randomised,
    spec,
)


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
