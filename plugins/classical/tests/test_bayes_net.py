"""The net against the joint distribution written out, and its counts against numpy's."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from gentk.errors import GentkError, UsageError
from gentk.host import lookup
from gentk.inference.sampling import sample
from gentk.noise import Philox
from gentk.protocols import DataSpec, Drawable, Imputer, Leaf, Likelihood, StatisticsModel, can
from gentk.recipes import validate
from gentk.weights import load
from gentk_classical.bayes_net import BayesNet
from gentk_classical.config import BayesNetConfig
from gentk_datasets.tables import RAIN, SPRINKLER, WET, sprinkler

LAWN = {
    "variables": ("cloudy", "sprinkler", "rain", "wet"),
    "states": (2, 2, 2, 2),
    "parents": {"sprinkler": ("cloudy",), "rain": ("cloudy",), "wet": ("sprinkler", "rain")},
}
# Named against the order of the arrows, with 2 to 4 states, a v-structure, a chain and a variable by itself.
KNOT = {
    "variables": ("e", "d", "c", "b", "a", "alone", "f"),
    "states": (3, 2, 4, 2, 3, 2, 3),
    "parents": {"e": ("c", "d"), "d": ("b", "a"), "c": ("a",), "b": ("a",), "f": ("e", "a")},
}


def net(about: dict[str, Any], smoothing: float = 1.0) -> BayesNet:
    size = max(about["states"])
    spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(len(about["variables"]),), classes=size)})
    return BayesNet(BayesNetConfig.model_validate({**about, "smoothing": smoothing}), spec)


def drawn_tables(about: dict[str, Any] = KNOT, seed: int = 0) -> BayesNet:
    model = net(about)
    generator = torch.Generator().manual_seed(seed)
    for v in range(len(model.sizes)):
        table = torch.rand(model.table(v).shape, generator=generator, dtype=torch.float64) ** 2 + 0.01
        model.table(v).copy_(table / table.sum(-1, keepdim=True))
    return model


def joint(model: BayesNet) -> NDArray[np.float64]:
    """p(x) for every x: the definition, state by state."""
    p = np.ones(model.sizes)
    for states in itertools.product(*map(range, model.sizes)):
        for v, family in enumerate(model.families):
            p[states] *= float(model.table(v)[tuple(states[i] for i in family)])
    return p


def noise(n: int, seed: int = 0) -> Philox:
    return Philox(seed, range(n))


def likely(counts: NDArray[np.float64], p: NDArray[np.float64]) -> bool:
    """Pearson's χ² of the counts against p, with all cells that expect fewer than five as one."""
    expected = p * counts.sum()
    large = expected >= 5
    seen, wanted = (np.append(part[large], part[~large].sum()) for part in (counts, expected))
    return bool(stats.chisquare(seen[wanted > 0], wanted[wanted > 0]).pvalue > 1e-4)


def every_state(model: BayesNet) -> Tensor:
    return torch.tensor(list(itertools.product(*map(range, model.sizes))))


def test_the_density_is_the_product_of_its_tables_and_sums_to_one() -> None:
    model = drawn_tables()
    found = model.log_prob({"x": every_state(model)}, noise(1)).exp()
    assert np.allclose(found.numpy(), joint(model).ravel(), rtol=1e-12) and float(found.sum()) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 1.0, 0.5])
def test_the_tables_are_the_counted_shares(smoothing: float) -> None:
    model, x = net(KNOT, smoothing), every_state(net(KNOT))
    x = x[torch.randint(len(x), (3000,), generator=torch.Generator().manual_seed(1))]
    x = x[(x[:, 4] != 2) | (x[:, 1] == 0)]
    parts = [model.statistics({"x": part}) for part in x.split(700)]  # sums just add
    uniform = float(model.log_prob({"x": x}, noise(1)).mean())
    assert model.update({key: sum(part[key] for part in parts) for key in parts[0]})["log_likelihood"] == pytest.approx(uniform)  # type: ignore[misc]
    for v, family in enumerate(model.families):
        shape = [model.sizes[i] for i in family]
        counts, _ = np.histogramdd(x[:, family].numpy(), bins=[np.arange(size + 1) - 0.5 for size in shape])
        theirs = (counts + smoothing) / (counts + smoothing).sum(-1, keepdims=True)
        assert np.allclose(model.table(v).numpy(), theirs, rtol=1e-14)
    best = float(model.log_prob({"x": x}, noise(1)).mean())
    assert model.update(model.statistics({"x": x}))["log_likelihood"] == pytest.approx(best)


def test_parents_that_were_never_seen_leave_the_states_equally_likely() -> None:
    model = net(LAWN, 0.0)
    model.update(model.statistics({"x": torch.tensor([[0, 0, 1, 1], [0, 1, 1, 0]])}))
    assert (
        model.table(3)[0, 0].tolist() == [0.5, 0.5] and model.table(3)[1, 1].tolist() == [1, 0] and model.table(1)[1].tolist() == [0.5, 0.5]
    )


@pytest.mark.parametrize("seed", range(4))
def test_queries_are_sums_over_the_joint(seed: int) -> None:
    """One target and two, in either order, with no evidence, with some, with all the rest."""
    model = drawn_tables(seed=seed)
    p, names = joint(model), model.names
    generator = np.random.default_rng(seed)
    for count in (0, 0, 1, 2, 3, 5):
        order = generator.permutation(len(names))
        targets, given = order[: 1 + count % 2].tolist(), order[2 : 2 + count].tolist()
        state = {v: int(generator.integers(model.sizes[v])) for v in given}
        part = p[tuple(state.get(v, slice(None)) for v in range(len(names)))]
        left = [v for v in range(len(names)) if v not in given]
        table = np.einsum(part, left, targets)
        found = model.query([names[v] for v in targets], {names[v]: s for v, s in state.items()})
        assert np.allclose(found.numpy(), table / table.sum(), rtol=1e-10)


def test_the_lawn_of_the_book() -> None:
    """Russell and Norvig: wet grass, and which of the two did it."""
    spec = sprinkler().spec
    model = BayesNet(BayesNetConfig.model_validate(LAWN), spec)
    for v, chances in enumerate((np.array(0.5), SPRINKLER, RAIN, WET)):
        model.table(v).copy_(torch.from_numpy(np.stack([1 - chances, chances], -1)))
    assert float(model.query("rain", {"wet": "yes"})[1]) == pytest.approx(0.4581 / 0.6471, rel=1e-10)
    assert float(model.query("sprinkler", {"wet": 1})[1]) == pytest.approx(0.2781 / 0.6471, rel=1e-10)
    explained = model.query("sprinkler", {"wet": "yes", "rain": "yes"})[1]
    assert float(explained) == pytest.approx(0.0891 / 0.4581, rel=1e-10)  # rain explains the sprinkler away
    fitted = BayesNet(BayesNetConfig.model_validate(LAWN), spec)
    fitted.update(fitted.statistics(sprinkler().batch(range(40_000))))
    for v in range(4):
        assert (fitted.table(v) - model.table(v)).abs().max() < 0.02
    assert fitted.facts()["variables"]["wet"]["states"] == ["no", "yes"]


def test_evidence_that_cannot_be_is_said() -> None:
    model = net(LAWN)
    model.table(3)[0, 0] = torch.tensor([1.0, 0.0])
    with pytest.raises(UsageError, match="wet = 1, sprinkler = 0, rain = 0"):
        model.query("cloudy", {"wet": 1, "sprinkler": 0, "rain": 0})
    known = torch.tensor([[False, True, True, True]])
    with pytest.raises(UsageError, match="example 1 have probability zero"):
        model.impute({"x": torch.tensor([[0, 1, 0, 1], [0, 0, 0, 1]])}, known.expand(2, -1), noise(2))


def test_a_long_chain_does_not_underflow() -> None:
    """Evidence of probability 1e-900, and the answer is that of its last link."""
    n = 300
    names = tuple(f"v{i}" for i in range(n))
    about = {"variables": names, "states": (2,) * n, "parents": {f"v{i}": (f"v{i - 1}",) for i in range(1, n)}}
    model = net(about)
    for v in range(1, n):
        model.table(v).copy_(torch.tensor([[1 - 1e-3, 1e-3], [1 - 1e-3, 1e-3]]))
    model.table(n - 1).copy_(torch.tensor([[0.9, 0.1], [0.3, 0.7]], dtype=torch.float64))
    answer = model.query(names[-1], {f"v{i}": 1 for i in range(n - 1)})
    assert answer.tolist() == pytest.approx([0.3, 0.7], rel=1e-12)
    assert float(model.query(names[0], {f"v{i}": 1 for i in range(1, n)})[1]) == pytest.approx(0.5)


def test_contradicting_evidence_does_not_underflow() -> None:
    """A hidden state that hardly ever changes, seen 300 times and each time as another: against a forward pass in numpy."""
    n, stay, right = 300, 0.999, 0.998
    names = tuple(f"{kind}{i}" for i in range(n) for kind in "ho")
    parents = {f"h{i}": (f"h{i - 1}",) for i in range(1, n)} | {f"o{i}": (f"h{i}",) for i in range(n)}
    model = net({"variables": names, "states": (2,) * (2 * n), "parents": parents})
    move, see = (torch.tensor([[p, 1 - p], [1 - p, p]], dtype=torch.float64) for p in (stay, right))
    for v, name in enumerate(names):
        if len(model.families[v]) > 1:
            model.table(v).copy_(move if name[0] == "h" else see)
    state = np.array([0.5, 0.5])
    for i in range(n):
        state = (state @ move.numpy() if i else state) * see.numpy()[:, i % 2]
        state /= state.sum()
    answer = model.query(f"h{n - 1}", {f"o{i}": i % 2 for i in range(n)})
    assert answer.tolist() == pytest.approx(state.tolist(), rel=1e-9)


def test_samples_have_the_shares_of_the_joint() -> None:
    model = drawn_tables()
    x = sample(model, 20_000, seed=2, batch_size=20_000)["x"]
    assert x.dtype == torch.int64
    counts, _ = np.histogramdd(x.numpy(), bins=[np.arange(size + 1) - 0.5 for size in model.sizes])
    p = joint(model)
    assert likely(counts, p)
    assert torch.equal(sample(model, 7, seed=2, batch_size=2)["x"], x[:7])


def test_imputed_values_have_the_shares_of_the_conditional() -> None:
    """Two patterns in one batch; what is known stays, and a row is its own."""
    model, n = drawn_tables(), 12_000
    x = torch.tensor([1, 1, 3, 0, 2, 1, 2]).expand(n, -1).clone()
    known = torch.zeros(n, 7, dtype=torch.bool)
    known[: n // 2, [0, 6]] = True  # e and f
    known[n // 2 :, [0, 2, 3, 5]] = True  # e, c, b, alone
    filled = model.impute({"x": x.masked_fill(~known, -7)}, known, noise(n))
    assert torch.equal(filled[known], x[known])
    p = joint(model)
    for rows, seen in ((slice(0, n // 2), [0, 6]), (slice(n // 2, n), [0, 2, 3, 5])):
        part = p[tuple(int(x[0, v]) if v in seen else slice(None) for v in range(7))]
        part = part / part.sum()
        free = [v for v in range(7) if v not in seen]
        counts, _ = np.histogramdd(filled[rows][:, free].numpy(), bins=[np.arange(model.sizes[v] + 1) - 0.5 for v in free])
        assert likely(counts, part)
    few = [0, 5, n - 2]
    assert torch.equal(model.impute({"x": x[few]}, known[few], noise(n)[few]), filled[few])


def test_its_capabilities_are_found_and_its_facts_are_json() -> None:
    model = drawn_tables()
    assert all(can(model, capability) for capability in (StatisticsModel, Likelihood, Drawable, Imputer))
    facts = model.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["variables"]["d"]["given"] == ["b", "a"] and np.shape(facts["variables"]["d"]["table"]) == (2, 3, 2)
    assert facts["parameters"] == 2 * 8 + 6 + 3 * 3 + 3 + 2 + 1 + 2 * 9
    with torch.device("meta"):
        assert net(KNOT).table(0).is_meta


def test_the_shipped_tables_are_what_the_recipe_counts() -> None:
    recipe, shipped = lookup.recipe("classical", "bayes-net"), load("classical/bayes-net")
    data = lookup.dataset(recipe.dataset.name, recipe.dataset.split, recipe.dataset.options)
    model = lookup.build_model("classical", "bayes-net", recipe.model.config, data.spec)
    model.update(model.statistics(data.batch(range(recipe.dataset.examples))))  # type: ignore[attr-defined]
    assert all(torch.equal(model.table(v), shipped.table(v)) for v in range(4)) and shipped.data == data.spec
    assert float(shipped.query("rain", {"wet": "yes"})[1]) == pytest.approx(0.708, abs=0.01)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (
            {"parents": {"rain": ("wet",), "wet": ("sprinkler",), "sprinkler": ("rain",)}},
            "a circle: sprinkler → wet → rain → sprinkler",
        ),
        ({"parents": {"rain": ("cluody",)}}, "did you mean 'cloudy'"),
        ({"parents": {"rain": ("rain",)}}, "'rain' is its own parent"),
        ({"parents": {"rain": ("wet", "wet")}}, "a parent twice"),
        ({"variables": ("a", "a", "b", "c")}, "'a' is named twice"),
        ({"states": (2, 2, 2)}, "4 variables and the states of 3"),
        ({"states": (2, 2, 2, ("no", "no"))}, "the states of 'wet'"),
        ({"states": (2, 2, 2, 2**23), "parents": {"wet": ("rain", "cloudy")}}, "entries, more than"),
    ],
)
def test_a_graph_that_is_none_is_refused_in_one_line(change: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate(BayesNetConfig, {**LAWN, **change}, "recipe")
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_data_and_questions_that_do_not_fit_are_refused() -> None:
    model = net(LAWN)
    with pytest.raises(GentkError, match="example 1: rain = 2"):
        model.statistics({"x": torch.tensor([[0, 0, 0, 0], [0, 0, 2, 0]])})
    for targets, evidence, word in (
        (["rain"], {"rain": 1}, "none of them evidence"),
        (["rian"], {}, "did you mean 'rain'"),
        (["rain"], {"wet": 2}, "wet has no state 2"),
        ([], {}, "one variable or more"),
    ):
        with pytest.raises(UsageError, match=word):
            model.query(targets, evidence)
    with pytest.raises(UsageError, match="4 discrete variables"):
        BayesNet(model.config, DataSpec(modality="table", leaves={"x": Leaf(shape=(3,), classes=2)}))
    with pytest.raises(UsageError, match="3 classes"):
        BayesNet(model.config, DataSpec(modality="table", leaves={"x": Leaf(shape=(4,), classes=3)}))
