"""What all fits by sums are promised: the batch size and the number of ranks change nothing, and weights come back as they went."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import gentk
from gentk.host import lookup
from gentk.host.lookup import build_model
from gentk.inference.likelihood import log_prob
from gentk.protocols import Drawable, Imputer, Likelihood, StatisticsModel, can
from gentk.weights.folder import read, save
from gentk.weights.skeleton import skeleton
from plugins.classical.tests.ranked import FITS, Cloud, fit, work
from tests.training.processes import start

RANKS = 2


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    """What each of two processes fitted."""
    folder = tmp_path_factory.mktemp("ranks")
    started = [start(work, folder, rank, RANKS) for rank in range(RANKS)]
    try:
        for process in started:
            process.join(timeout=120)
        assert [process.exitcode for process in started] == [0] * RANKS
    finally:
        for process in started:
            process.kill()
    return [load_file(folder / f"{rank}.safetensors") for rank in range(RANKS)]


@pytest.mark.parametrize("name", FITS)
def test_the_batch_size_changes_nothing(name: str) -> None:
    one, other = fit(name, batch_size=7), fit(name, batch_size=2300)
    assert all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize("name", FITS)
def test_two_ranks_fit_what_one_fits(ranks: list[dict[str, Tensor]], name: str) -> None:
    for key, value in fit(name).items():
        first, second = (rank[f"{name}/{key}"] for rank in ranks)
        assert torch.equal(first, second)
        assert torch.allclose(first.double(), value.double(), rtol=1e-10, atol=1e-10), key


@pytest.mark.parametrize("name", FITS)
def test_weights_come_back_and_samples_do_not_depend_on_their_neighbours(name: str, tmp_path: Path) -> None:
    data, (model_name, config) = Cloud(), FITS[name]
    model = build_model("classical", model_name, config, data.spec)
    with skeleton():
        empty = build_model("classical", model_name, config, data.spec)
    assert {k: (v.shape, v.dtype) for k, v in empty.state_dict().items()} == {k: (v.shape, v.dtype) for k, v in model.state_dict().items()}
    assert all(can(model, what) for what in (StatisticsModel, Likelihood, Drawable, Imputer))
    model.load_state_dict(fit(name))
    save(model, tmp_path / "weights")
    again = read(tmp_path / "weights")
    batch = data.batch(range(50))
    assert torch.equal(log_prob(model, batch), log_prob(again, batch))
    assert torch.allclose(log_prob(model, batch), log_prob(again, batch, batch_size=3), atol=1e-12)
    drawn = [gentk.sample(m, 20, seed=3, batch_size=size)["x"] for m, size in ((model, 20), (again, 20), (again, 3), (again, 1))]
    assert drawn[0].dtype == torch.float32 and torch.equal(drawn[0], drawn[1])
    assert all(torch.allclose(drawn[0], other, atol=1e-6) for other in drawn[2:])


@pytest.mark.parametrize("name", ["gmm", "naive-bayes"])
def test_shipped_weights_are_those_of_their_recipe(name: str) -> None:
    model, recipe = gentk.load(f"classical/{name}"), lookup.recipe("classical", name)
    assert model.config.model_dump(mode="json", exclude_none=True) == recipe.model.config
    assert lookup.identify(model) == ("classical", recipe.model.name)
    assert (lookup.weights_path("classical", name) / "model.safetensors").stat().st_size <= 20_000
