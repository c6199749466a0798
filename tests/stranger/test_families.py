"""One core for every family: what a stranger's models are promised, whatever they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

import gentk
from gentk.noise import Philox

from .families import FAMILIES, Family, train

Runs = dict[str, Path]
pytestmark = pytest.mark.usefixtures("stranger")


def gap(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """The greatest difference between two batches of the same leaves."""
    assert a.keys() == b.keys()
    assert all(a[name].shape == b[name].shape for name in a)
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


def draw(model: Any, family: Family, *, seed: int = 3, **options: Any) -> dict[str, Tensor]:
    return gentk.sample(model, 16, seed=seed, cond=family.cond, **options).batch


def bits(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_sample_does_not_depend_on_its_batch(family: Family, runs: Runs) -> None:
    model = gentk.load(runs[family.name])
    whole = draw(model, family)
    assert gap(whole, draw(model, family, batch_size=5)) <= 1e-5
    assert gap(whole, draw(model, family, batch_size=1)) <= 1e-5


def test_in_double_precision_neither_does_its_rounding(family: Family, runs: Runs) -> None:
    model = gentk.load(runs[family.name]).double()
    whole = draw(model, family)
    assert all(leaf.dtype == torch.float64 for leaf in whole.values() if leaf.is_floating_point())
    assert gap(whole, draw(model, family, batch_size=5)) <= 1e-10
    assert gap(whole, draw(model, family, batch_size=1)) <= 1e-10


def test_a_seed_is_a_sample(family: Family, runs: Runs) -> None:
    model = gentk.load(runs[family.name])
    whole, other = draw(model, family), draw(model, family, seed=4)
    assert same(whole, draw(gentk.load(runs[family.name]), family))
    assert gap(whole, other) > 1e-2
    assert gap({name: leaf[:8] for name, leaf in other.items()}, {name: leaf[8:] for name, leaf in other.items()}) > 1e-2


def test_what_is_saved_is_what_is_sampled(family: Family, runs: Runs, tmp_path: Path) -> None:
    model = gentk.load(runs[family.name])
    gentk.save(model, tmp_path)
    assert same(bits(tmp_path), bits(runs[family.name]))
    assert same(draw(model, family), draw(gentk.load(tmp_path), family))


def test_a_stopped_run_goes_on_as_if_it_had_not(family: Family, runs: Runs, tmp_path: Path) -> None:
    # A fit by statistics may be over after a few passes: it is stopped after the second.
    stop = 2 if family.name == "gmm" else 7
    train(family, tmp_path / "run", runs, go={"max_steps": stop})
    halfway = bits(tmp_path / "run")
    torch.manual_seed(99)  # what else the process has drawn says nothing
    torch.rand(7)
    train(family, tmp_path / "run", runs, go={"resume": True})
    assert not same(halfway, bits(runs[family.name]))
    assert same(bits(tmp_path / "run"), bits(runs[family.name]))
    train(family, tmp_path / "run", runs, go={"resume": True})  # it is over, and stays as it is
    assert same(bits(tmp_path / "run"), bits(runs[family.name]))


@pytest.mark.parametrize("size", [77, 500])
def test_statistics_add_up_over_any_batches(runs: Runs, tmp_path: Path, size: int) -> None:
    model, data = gentk.load(runs["gmm"]), gentk.dataset("ring", plugin="stranger")
    total: dict[str, Tensor] = {}
    for low in range(0, len(data), size):
        for key, value in model.statistics(data.batch(range(low, min(low + size, len(data))))).items():
            total[key] = total.get(key, 0) + value
    assert gap(total, model.statistics(data.batch(range(len(data))))) <= 1e-8
    train(FAMILIES["gmm"], tmp_path / "run", runs, batch_size=size)
    assert gap(bits(tmp_path / "run"), bits(runs["gmm"])) <= 1e-9


def test_the_mixture_finds_the_ring(runs: Runs) -> None:
    model = gentk.load(runs["gmm"])
    assert model.mean.norm(dim=1).tolist() == pytest.approx([2.0] * 8, abs=0.05)
    assert model.share.tolist() == pytest.approx([1 / 8] * 8, abs=0.02)
    assert model.covariance.diagonal(dim1=1, dim2=2).sqrt().flatten().tolist() == pytest.approx([0.1] * 16, abs=0.02)


def test_text_streams_token_by_token(runs: Runs) -> None:
    before = None
    for step in gentk.stream(gentk.load(runs["counter"]), 4, seed=0):
        x, length = step.x["x"], step.x["length"]
        if before is not None:
            assert ((length - before[1] == 1) | (length == before[1])).all()  # a row grows by one token, or is done
            assert (length > before[1]).any()
            for row in range(4):
                kept = int(before[1][row])
                assert torch.equal(x[row, :kept], before[0][row, :kept])
        before = (x.clone(), length.clone())
    assert before is not None
    assert step.index > 1
    last = before[0][torch.arange(4), before[1] - 1]
    assert ((last == 0) | (before[1] == 16)).all()  # it ended by a stop token, or was full


def test_a_prompt_is_kept_and_so_is_a_token_behind_a_hole(runs: Runs) -> None:
    model = gentk.load(runs["counter"])
    free = gentk.sample(model, 16, seed=1)
    ragged = gentk.sample(model, 16, seed=1, cond={"prompt": [[1, 2], [2, 4, 6], []]})
    assert (ragged["x"][0::3, :2] == torch.tensor([1, 2])).all()
    assert (ragged["x"][1::3, :3] == torch.tensor([2, 4, 6])).all()
    assert torch.equal(ragged["x"][2::3], free["x"][2::3])  # an empty prompt beside longer ones is no prompt
    holed = gentk.sample(model, 16, seed=1, cond={"prompt": [[2, -1, -1, 8]]})
    reached = holed["length"] > 3
    assert reached.any()
    assert (holed["x"][:, 0] == 2).all()
    assert (holed["x"][reached, 3] == 8).all()
    assert len(holed["x"][:, 1].unique()) > 1  # the hole itself is drawn


def test_a_cache_gives_what_the_whole_text_gives(runs: Runs) -> None:
    model = gentk.load(runs["counter"]).double()
    x = torch.tensor([[1, 3, 5, 7, 9, 11, 0] + [0] * 9, [4, 5, 6, 7, 8, 9, 10] + [0] * 9])
    whole = model.run(model.with_beginning(x), None, torch.zeros(2, dtype=torch.int64))
    begun = model.begin(2, {"prompt": torch.where(torch.arange(16) < torch.tensor([[1], [3]]), x, -1)})
    cache, length = begun.cache, begun.length
    assert length.tolist() == [1, 3]
    with torch.no_grad():
        for _ in range(4):
            logits, cache = model.next(x[[0, 1], length][:, None], cache, length)
            length = length + 1
            assert torch.allclose(logits[:, 0], whole[[0, 1], length], atol=1e-10)


def test_the_critic_stays_at_home(runs: Runs) -> None:
    names = bits(runs["wgan"]).keys()
    assert any(name.startswith("generator.") for name in names)
    assert not any("critic" in name for name in names)
    kept: set[str] = set()
    for path in (runs["wgan"] / "state").rglob("*.safetensors"):
        with safe_open(path, "pt") as file:
            kept |= set(file.keys())
    assert any("critic" in name for name in kept)


def test_the_average_is_what_is_shared(runs: Runs, tmp_path: Path) -> None:
    """Other averages, same training: other weights in `ema`'s submodules, and in no others."""
    for name, averaged in (("wgan", "generator."), ("latent-flow", "net."), ("vae", "nothing")):
        train(FAMILIES[name], tmp_path / name, runs, ema_decay=0.5)
        here, there = bits(tmp_path / name), bits(runs[name])
        assert {key for key in here if not torch.equal(here[key], there[key])} == {key for key in here if key.startswith(averaged)}


def test_latents_travel_with_the_model_that_draws_them(runs: Runs) -> None:
    config = json.loads((runs["latent-flow"] / "config.json").read_text())
    vae = json.loads((runs["vae"] / "config.json").read_text())
    assert {key: config["latents"][key] for key in ("plugin", "model", "config", "data")} == {
        key: vae[key] for key in ("plugin", "model", "config", "data")
    }
    assert config["data"]["modality"] == "latent"
    inside = {name.removeprefix("latents."): leaf for name, leaf in bits(runs["latent-flow"]).items() if name.startswith("latents.")}
    assert same(inside, bits(runs["vae"]))  # frozen: nothing has moved it


def test_latents_are_decoded_at_the_end(runs: Runs) -> None:
    model = gentk.load(runs["latent-flow"])
    *_, last = gentk.stream(model, 4, seed=0)
    drawn = gentk.sample(model, 4, seed=0)
    assert drawn.data.modality == "image"
    assert drawn["x"].shape == (4, 1, 8, 8)
    assert last.x["x"].shape == (4, 4)
    assert torch.allclose(drawn["x"], gentk.load(runs["vae"]).decode(last.x["x"], {}))


@pytest.mark.parametrize("name", [family.name for family in FAMILIES.values() if family.labelled])
def test_giving_a_label_does_not_move_the_noise(runs: Runs, name: str) -> None:
    model = gentk.load(runs[name])
    drawn = gentk.sample(model, 16, seed=5)
    assert len(drawn["label"].unique()) > 1
    asked = gentk.sample(model, 16, seed=5, label=drawn["label"])
    assert torch.equal(asked["label"], drawn["label"])
    assert torch.equal(asked["x"], drawn["x"])
    assert not torch.equal(gentk.sample(model, 16, seed=5, label=1)["x"], drawn["x"])


def test_every_state_of_a_chain_is_a_chain(runs: Runs) -> None:
    steps = list(gentk.stream(gentk.load(runs["chain"]), 32, seed=2))
    assert [step.index for step in steps] == list(range(9))
    sizes = steps[0].x["mask"].sum(1)
    assert set(sizes.tolist()) == {3, 4, 5, 6}  # the sizes of the data, learned in start()
    for step in steps:
        x = step.x
        inside = x["mask"].bool()
        assert torch.equal(x["mask"], steps[0].x["mask"])
        assert torch.equal(x["bonds"], x["bonds"].mT)
        assert not x["bonds"].diagonal(dim1=1, dim2=2).any()
        assert not (x["bonds"] * ~(inside[:, :, None] & inside[:, None])).any()
        assert not (x["types"] * ~inside).any()
        assert float(x["pos"].sum(1).abs().max()) < 1e-5
    first, last = steps[0].x["bonds"].double(), steps[-1].x["bonds"].double()
    assert not torch.equal(first, last)


def test_an_exact_likelihood_is_a_density(runs: Runs) -> None:
    mixture = gentk.load(runs["gmm"])
    axis = torch.linspace(-4, 4, 201, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    assert float(mixture.log_prob({"x": grid}, Philox(0, [])).exp().sum() * 0.04**2) == pytest.approx(1, abs=1e-3)


def test_texts_are_as_frequent_as_their_likelihood_says(runs: Runs) -> None:
    model, n = gentk.load(runs["counter"]), 600
    drawn = gentk.sample(model, n, seed=8)
    texts, counts = drawn["x"].unique(dim=0, return_counts=True)
    length = torch.tensor([int(drawn["length"][(drawn["x"] == text).all(1)][0]) for text in texts])
    expected = n * model.log_prob({"x": texts, "length": length}, Philox(0, range(len(texts)))).detach().exp()
    common = expected > 5
    assert int(common.sum()) >= 3
    off = (counts - expected) / expected.sqrt()  # Poisson deviations
    assert off[common].abs().max() < 5


def test_the_nats_of_an_example_do_not_depend_on_its_batch(runs: Runs) -> None:
    model = gentk.load(runs["vae"])
    data = gentk.dataset("tiles", "test", plugin="stranger")
    batch = data.batch(range(64))
    first = model.log_prob(batch, Philox(0, range(64)))
    part = model.log_prob({name: leaf[10:20] for name, leaf in batch.items()}, Philox(0, range(10, 20)))
    assert torch.allclose(first[10:20], part, atol=1e-3)
    junk = {"x": torch.rand_like(batch["x"]) * 2 - 1}
    assert first.mean() > model.log_prob(junk, Philox(0, range(64))).mean() + 15
