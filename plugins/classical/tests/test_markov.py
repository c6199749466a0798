"""Markov chains: their steady states, their likelihood, what they learn, how they go on."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import gentk
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.noise import Philox
from gentk.protocols import DataSpec, Leaf, Likelihood, NextToken, can
from gentk.recipes import TrainingPart
from gentk.training.trainer import Trainer
from gentk.weights.skeleton import skeleton
from gentk_classical.config import MarkovConfig
from gentk_classical.markov import Markov
from gentk_classical.recurrence import classes, steady_states

COURSE = [[0.2, 0.6, 0.2], [0.3, 0.0, 0.7], [0.5, 0.0, 0.5]]
ROOM = 12


def spec(tokens: int = 3, room: int = ROOM, *, ragged: bool = True, names: str = "") -> DataSpec:
    leaves = {"x": Leaf(shape=(room,), classes=tokens, names=tuple(names))}
    return DataSpec(modality="text", leaves=leaves | ({"length": Leaf(classes=room + 1)} if ragged else {}))


def matrix(rows: Any) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def rows(n: int = 40, tokens: int = 3, *, seed: int = 0) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    x = (torch.randint(tokens, (n, ROOM), generator=random) * torch.randint(2, (n, ROOM), generator=random)).cummax(1).values
    return {"x": x, "length": torch.randint(1, ROOM + 1, (n,), generator=random)}


def fitted(batch: dict[str, Tensor], tokens: int = 3, **config: Any) -> Markov:
    model = Markov(MarkovConfig(**config), spec(tokens))
    model.update(model.statistics(batch))
    return model


# ---------------------------------------------------------------- steady states
def test_the_steady_state_of_the_course() -> None:
    found = Markov.given(COURSE).steady_states()
    assert float((found - matrix([[25, 15, 31]]) / 71).abs().max()) <= 1e-12


def test_a_reducible_chain_reports_all_of_its_steady_states() -> None:
    """Two closed classes, one of period 2, and a state that is left for ever."""
    chain = matrix([[0, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0.25, 0.75, 0], [0, 0, 0.5, 0.5, 0], [0.1, 0.2, 0.3, 0, 0.4]])
    found = classes(chain)
    assert [(one.states, one.closed, one.period) for one in found] == [((0, 1), True, 2), ((2, 3), True, 1), ((4,), False, 1)]
    assert torch.allclose(steady_states(chain), matrix([[0.5, 0.5, 0, 0, 0], [0, 0, 0.4, 0.6, 0]]), atol=1e-15)
    told = Markov.given(chain.tolist(), names="abcde").facts()
    assert told["transient"] == ["e"]
    assert [one["period"] for one in told["closed_classes"]] == [2, 1]
    assert told["closed_classes"][1]["steady_state"] == pytest.approx({"c": 0.4, "d": 0.6})


def test_steady_states_stay_and_are_those_of_long_runs() -> None:
    random = torch.Generator().manual_seed(0)
    for size in (1, 2, 7, 40):
        chain = torch.rand(size, size, generator=random, dtype=torch.float64) * (torch.rand(size, size, generator=random) < 0.3)
        chain += 0.1 * torch.eye(size).roll(1, 1) + 1e-3 * torch.eye(size)
        chain /= chain.sum(1, keepdim=True)
        (law,) = steady_states(chain)
        assert torch.allclose(law @ chain, law, atol=1e-14) and float(law.sum()) == pytest.approx(1, abs=1e-14)
        assert torch.allclose(torch.linalg.matrix_power(chain, 100_000)[0], law, atol=1e-9)


def test_nearly_closed_classes_keep_their_digits() -> None:
    """Two parts that leak into each other by 10⁻¹⁵ and 3·10⁻¹⁵: a solution by subtraction would lose all."""
    a, b = 1e-15, 3e-15
    chain = matrix([[0.5 - a, 0.5, a, 0], [0.5, 0.5, 0, 0], [b, 0, 0.5 - b, 0.5], [0, 0, 0.5, 0.5]])
    assert steady_states(chain)[0].tolist() == pytest.approx([3 / 8, 3 / 8, 1 / 8, 1 / 8], rel=1e-12)


@pytest.mark.parametrize("lengths", [(3,), (2, 4), (6, 9), (6, 10, 15)])
def test_a_period_is_the_common_divisor_of_all_cycles(lengths: tuple[int, ...]) -> None:
    """Cycles through one state, of these lengths."""
    size = 1 + sum(length - 1 for length in lengths)
    chain, place = torch.zeros(size, size, dtype=torch.float64), 1
    for length in lengths:
        path = [0, *range(place, place + length - 1), 0]
        place += length - 1
        for i, j in itertools.pairwise(path):
            chain[i, j] = 1
    chain /= chain.sum(1, keepdim=True)
    assert classes(chain)[0].period == math.gcd(*lengths)


def test_a_chain_of_order_two_has_its_steady_states_over_pairs() -> None:
    model = fitted(rows(), order=2, alpha=0.3)
    (law,), chain = model.steady_states(), model.matrix()
    assert law.shape == (9,) and torch.allclose(law @ chain, law, atol=1e-14)
    assert torch.allclose(chain.sum(1), torch.ones(9, dtype=torch.float64))
    assert float(chain[3 * 1 + 2, 3 * 2 + 0]) == float(model.law(torch.tensor([1, 2]))[0]) > 0  # (1, 2) → (2, 0)
    pairs = law.view(3, 3)
    assert torch.allclose(pairs.sum(0), pairs.sum(1), atol=1e-14)


# ---------------------------------------------------------------- the law
def by_hand(batch: dict[str, Tensor], order: int, alpha: float, tokens: int) -> Any:
    """MacKay and Peto's law from dictionaries: a context is a tuple, None the beginning."""
    counts: dict[tuple[Any, ...], Counter[int]] = {}
    for x, length in zip(batch["x"].tolist(), batch["length"].tolist(), strict=True):
        row = [None] * order + x[:length]
        for t in range(order, len(row)):
            for m in range(order + 1):
                counts.setdefault(tuple(row[t - m : t]), Counter())[row[t]] += 1

    def law(context: tuple[Any, ...], token: int) -> float:
        rest = law(context[1:], token) if context else 1 / tokens
        seen = counts.get(context, Counter())
        total = sum(seen.values())
        return rest if total + alpha == 0 or (not total and not alpha) else (seen[token] + alpha * rest) / (total + alpha)

    return law


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_every_law_is_the_one_counted_by_hand(order: int, alpha: float) -> None:
    batch = rows(8)
    model, law = fitted(batch, order=order, alpha=alpha), by_hand(batch, order, alpha, 3)
    for real in range(order + 1):  # tokens in the context; before them the text begins
        for context in itertools.product(range(3), repeat=real):
            found = model.law(torch.tensor([3] * (order - real) + list(context)))
            wanted = [law((*[None] * (order - real), *context), v) for v in range(3)]
            assert found.tolist() == pytest.approx(wanted, abs=1e-14)


@pytest.mark.parametrize("order", [1, 3])
def test_the_likelihood_is_the_product_of_the_laws(order: int) -> None:
    batch = rows(30)
    model, law = fitted(batch, order=order, alpha=0.2), by_hand(batch, order, 0.2, 3)
    other = rows(5, seed=1)
    wanted = []
    for x, length in zip(other["x"].tolist(), other["length"].tolist(), strict=True):
        row = [None] * order + x[:length]
        wanted.append(sum(math.log(law(tuple(row[t - order : t]), row[t])) for t in range(order, len(row))))
    assert model.log_prob(other).tolist() == pytest.approx(wanted, abs=1e-12)
    reported = model.update(model.statistics(batch))["log_likelihood"]
    assert reported == pytest.approx(float(model.log_prob(batch).mean()), abs=1e-12)


def test_all_texts_together_are_certain() -> None:
    """Over all texts that end at the stop token or fill the room, chances sum to 1."""
    data, batch = spec(3, 4), {key: value[:, :4] if value.ndim == 2 else value.clamp(max=4) for key, value in rows().items()}
    model = Markov(MarkovConfig(order=2, stop="2"), data)
    model.update(model.statistics(batch))
    texts = {x[: x.index(2) + 1] if 2 in x else x for x in itertools.product(range(3), repeat=4)}
    x = torch.tensor([[*text, *[0] * (4 - len(text))] for text in texts])
    nats = model.log_prob({"x": x, "length": torch.tensor([len(text) for text in texts])})
    assert float(nats.exp().sum()) == pytest.approx(1, abs=1e-12)


def test_no_other_law_of_its_order_is_likelier() -> None:
    batch = rows()
    best = fitted(batch, order=1, alpha=0.0)
    found = float(best.log_prob(batch).mean())
    for seed in range(5):
        other = fitted(batch, order=1, alpha=0.0)
        torch.manual_seed(seed)
        other.probability *= torch.rand_like(other.probability) * 0.1 + 1
        other.probability /= other.probability.sum(1, keepdim=True)
        assert float(other.log_prob(batch).mean()) < found


def test_of_few_contexts_the_most_frequent_are_kept() -> None:
    batch = rows()
    whole, few = fitted(batch, order=2, contexts=1000), fitted(batch, order=2, contexts=6)
    assert few.contexts.shape == (6,) and int((few.contexts < 1 << 60).sum()) == 6
    assert len(few.probability) == 6 and len(whole.probability) == 1 + 4 + 16
    often = Counter({(): 10**9})
    for x, length in zip(batch["x"].tolist(), batch["length"].tolist(), strict=True):
        row = [3, 3, *x[:length]]
        for t in range(2, len(row)):
            often.update([(row[t - 1],), (row[t - 2], row[t - 1])])
    kept = [context for context, _ in often.most_common(6)]
    for a, b in itertools.product(range(4), repeat=2):
        context = next(c for c in ((a, b), (b,), ()) if c in kept)
        wanted = whole.law(torch.tensor([4] * (2 - len(context)) + list(context)))
        assert torch.equal(few.law(torch.tensor([a, b])), wanted)


# ---------------------------------------------------------------- the fit, by the trainer
class Rows:
    spec = spec()

    def __init__(self) -> None:
        self.rows = rows(2300)

    def __len__(self) -> int:
        return 2300

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {key: value[index] for key, value in self.rows.items()}


def test_one_pass_in_any_batches_and_then_it_is_over() -> None:
    found = []
    for size in (1, 64, 2300):
        trainer = Trainer(Markov(MarkovConfig(order=2), spec()), Rows(), TrainingPart(batch_size=size))
        (progress,) = list(trainer.rounds())
        found.append(trainer.model)
        assert progress.logs["log_likelihood"] == pytest.approx(float(trainer.model.log_prob(rows(2300)).mean()), abs=1e-12)
    assert torch.equal(found[0].probability, found[1].probability) and torch.equal(found[0].probability, found[2].probability)
    one, two = rows(1000), {key: value[1000:] for key, value in rows(2300).items()}
    one = {key: value[:1000] for key, value in rows(2300).items()}
    model = Markov(MarkovConfig(order=2), spec())
    parts = [model.statistics(part) for part in (one, two)]
    model.update({key: parts[0][key] + parts[1][key] for key in parts[0]})
    assert torch.equal(model.probability, found[0].probability)


def test_a_given_matrix_is_trained_without_being_moved() -> None:
    chain = [[0.5, 0.25, 0.25], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]]
    model = Markov(MarkovConfig.model_validate({"matrix": chain, "start": [0.5, 0.25, 0.25]}), spec())
    trainer = Trainer(model, Rows(), TrainingPart())
    (progress,) = list(trainer.rounds())
    assert torch.equal(model.matrix(), matrix(chain)) and model.law(torch.tensor([3])).tolist() == [0.5, 0.25, 0.25]
    assert progress.logs["log_likelihood"] == pytest.approx(float(model.log_prob(rows(2300)).mean()), abs=1e-12)


def test_data_that_a_given_matrix_forbids_are_named() -> None:
    model = Markov(MarkovConfig.model_validate({"matrix": COURSE}), spec(names="abc"))
    with pytest.raises(UsageError, match=r"forbids what these data have: 'b' after 'b', \d+ times"):
        list(Trainer(model, Rows(), TrainingPart()).rounds())


# ---------------------------------------------------------------- going on
def test_samples_are_those_of_the_chain() -> None:
    model = Markov.given(COURSE, length=60)
    x = gentk.sample(model, 800, seed=0)["x"]
    pairs = torch.bincount((x[:, :-1] * 3 + x[:, 1:]).flatten(), minlength=9).view(3, 3).double()
    assert torch.allclose(pairs / pairs.sum(1, keepdim=True), matrix(COURSE), atol=0.015)
    assert pairs[1, 1] == pairs[2, 1] == 0
    late = torch.bincount(x[:, 20:].flatten()).double()
    assert (late / late.sum()).tolist() == pytest.approx([25 / 71, 15 / 71, 31 / 71], abs=0.01)
    assert torch.bincount(x[:, 0]).div(800).tolist() == pytest.approx([1 / 3] * 3, abs=0.06)


@pytest.mark.parametrize("order", [1, 3])
def test_the_cache_says_what_the_whole_text_says(order: int) -> None:
    model = fitted(rows(), order=order)
    x = rows(4, seed=5)["x"]
    whole = model.law(model._before(x)).log()  # (n, L + 1, V): after each token
    begun = model.begin(4, {"prompt": torch.where(torch.arange(ROOM) < torch.tensor([[0], [1], [2], [5]]), x, -1)})
    cache, length = begun.cache, begun.length
    assert length.tolist() == [0, 1, 2, 5]
    row = torch.arange(4)
    assert torch.equal(begun.logits, whole[row, length])
    logits, ahead = model.next(torch.stack([x[row, length + i] for i in range(3)], 1), cache, length)
    assert torch.equal(logits, torch.stack([whole[row, length + i + 1] for i in range(3)], 1))
    for i in range(3):  # one by one the same; the old cache is still what it was
        logits, cache = model.next(x[row, length + i][:, None], cache, length + i)
        assert torch.equal(logits[:, 0], whole[row, length + i + 1])
    again, _ = model.next(x[row, length + 1][:, None], ahead, length + 1)
    assert torch.equal(again[:, 0], whole[row, length + 2])


def test_a_prompt_is_read_by_the_vocabulary_and_gone_on_with() -> None:
    data = spec(3, names="ab.")
    model = Markov(MarkovConfig(order=2, stop="."), data)
    model.update(model.statistics(rows()))
    drawn = gentk.sample(model, 30, seed=0, prompt="ab")
    assert bool((drawn["x"][:, :2] == torch.tensor([0, 1])).all())
    for row, length in zip(drawn["x"].tolist(), drawn["length"].tolist(), strict=True):
        assert 2 not in row[: length - 1] and (row[length - 1] == 2 or length == ROOM)
    single = gentk.sample(model, 30, seed=0, prompt="ab", batch_size=4)
    assert torch.equal(single["x"], drawn["x"])
    full = gentk.sample(model, 2, prompt="a" * ROOM)
    assert full["x"].tolist() == [[0] * ROOM] * 2
    with pytest.raises(UsageError, match="prompt: 'z' is not in the vocabulary"):
        gentk.sample(model, 1, prompt="az")


def test_greedy_samples_are_the_likeliest_tokens() -> None:
    model = Markov.given(COURSE, length=5)
    assert gentk.sample(model, 1, prompt="0", temperature=0)["x"].tolist() == [[0, 1, 2, 0, 1]]


# ---------------------------------------------------------------- as the core sees it
def test_it_is_built_on_the_meta_device_and_can_what_it_says() -> None:
    for config in ({"order": 3}, {"matrix": COURSE}):
        with skeleton():
            empty = Markov(MarkovConfig.model_validate(config), spec())
        real = Markov(MarkovConfig.model_validate(config), spec())
        kinds = [[(key, value.shape, value.dtype) for key, value in model.state_dict().items()] for model in (empty, real)]
        assert kinds[0] == kinds[1]
        assert can(empty, Likelihood) and can(empty, NextToken)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "not square": ({"matrix": [[0.5, 0.5]]}, "square"),
    "no chances": ({"matrix": [[0.5, 0.6], [0.5, 0.5]]}, "row 0 of the matrix .* not to 1.1"),
    "negative": ({"matrix": [[1.5, -0.5], [0.5, 0.5]]}, "row 0"),
    "nan": ({"matrix": [[float("nan"), 1.0], [0.5, 0.5]]}, "row 0"),
    "start": ({"matrix": [[1.0]], "start": [0.5]}, "start must be chances"),
    "start's size": ({"matrix": [[1.0]], "start": [0.5, 0.5]}, "start has 2"),
    "start alone": ({"start": [1.0]}, "start goes with a matrix"),
    "order": ({"matrix": [[1.0]], "order": 2}, "order must be 1"),
    "no room": ({"matrix": [[1.0]], "contexts": 2}, "contexts = 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_matrix_is_refused(name: str) -> None:
    config, said = WRONG[name]
    with pytest.raises(ValueError, match=said):
        MarkovConfig.model_validate(config)


@pytest.mark.parametrize(
    ("config", "data", "said"),
    [
        ({"matrix": COURSE}, spec(4), "3 tokens, these data have 4"),
        ({"order": 5}, spec(65), "order 5 of 65 tokens makes .* take a lower order"),
        ({"stop": "7"}, spec(), "no token"),
        ({}, DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))}), "tokens"),
    ],
)
def test_wrong_data_are_one_line(config: Any, data: DataSpec, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Markov(MarkovConfig.model_validate(config), data)
    assert "\n" not in str(caught.value)


def test_the_shipped_one_writes_sentences(tmp_path: Path) -> None:
    model, data = gentk.load("classical/markov"), lookup.dataset("sentences", "test", {"unit": "character"})
    assert model.config.model_dump(mode="json", exclude_none=True) == lookup.recipe("classical", "markov").model.config
    nats = model.log_prob(data.batch(range(500)), Philox(0, range(500)))
    assert bool(nats.isfinite().all()) and -20 < float(nats.mean()) < -14  # the grammar's own are 15.1
    drawn = gentk.sample(model, 100, seed=0)
    drawn.save(tmp_path / "x.txt")
    words = {word for line in (tmp_path / "x.txt").read_text().replace(".", "").split("\n") for word in line.split()}
    real = set(lookup.dataset("sentences").spec.leaves["x"].names)
    assert len(words & real) >= 30 and len(words & real) >= 0.5 * len(words)


def test_the_command_line_shows_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gentk.cli import run

    line = ["sample", "--plugin", "classical", "--recipe", "markov", "-n", "3", "--prompt", "the old ", "--out", str(tmp_path / "x.txt")]
    assert run(line) == 0
    shown, written = capsys.readouterr().out, (tmp_path / "x.txt").read_text().splitlines()
    assert len(written) == 3 and all(text.startswith("the old ") for text in written)
    assert " ".join(written) in " ".join(shown.split())
    assert run([*line[:-2], "--out", str(tmp_path / "y.txt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["conditions"] == {"prompt": "the old "}
    assert run(["sample", "--plugin", "classical", "--recipe", "markov", "--prompt", "Old"]) == 2
    assert "'O' is not in the vocabulary" in capsys.readouterr().err
