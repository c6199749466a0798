"""Sampling as every family meets it: batches, conditions, generators, options. The models are tiny and untrained."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import gentk
from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.gaussian.samplers import DDIM, Ancestral, Euler
from gentk.gaussian.solvers import DPMpp2M, Heun
from gentk.host.lookup import build_model
from gentk.inference.sampling import default_sampler, sample, stream
from gentk.protocols import Batch, DataSpec, Leaf, Noise

IMAGES = DataSpec(
    modality="image",
    leaves={"x": Leaf(shape=(1, 8, 8), range=(-1, 1), levels=256)},
    conditions={"label": Leaf(classes=3, names=("cat", "dog", "eel"))},
    frequencies={"label": [0.7, 0.3, 0.0]},
)
SAMPLERS = [
    DDIM(steps=4),
    DDIM(steps=4, eta=1.0, guidance=2.0),
    Euler(steps=4),
    Heun(steps=3),
    DPMpp2M(steps=4, spacing="linspace"),
    Ancestral(steps=5),
]


@pytest.fixture(scope="module")
def denoiser() -> nn.Module:
    torch.manual_seed(0)
    config = {"channels": [8, 16], "layers": 1, "attention": [False, True], "groups": 4, "patch": 2}
    model: nn.Module = build_model("ddpm", "ddpm", config, IMAGES)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: f"{type(s).__name__}-{s.guidance:g}")
def test_a_sample_is_the_same_at_every_batch_size(denoiser: nn.Module, sampler: object) -> None:
    for model, tolerance in ((denoiser, 1e-4), (gentk_double(denoiser), 1e-10)):
        whole = sample(model, 16, seed=0, sampler=sampler)["x"]
        for size in (1, 5):
            assert float((sample(model, 16, seed=0, sampler=sampler, batch_size=size)["x"] - whole).abs().max()) <= tolerance


def gentk_double(model: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(model).double()


def test_two_runs_are_bit_identical_and_another_seed_is_another_sample(denoiser: nn.Module) -> None:
    one, two, other = (sample(denoiser, 4, seed=s, sampler=DDIM(steps=3))["x"] for s in (0, 0, 1))
    assert torch.equal(one, two) and float((one - other).abs().max()) > 0.1


def test_giving_a_label_does_not_move_the_noise(denoiser: nn.Module) -> None:
    starts = [next(stream(denoiser, 5, seed=3, cond=c)).x["x"] for c in ({}, {"label": 2}, {"label": "0,1"}, {"label": None})]  # type: ignore[index]
    assert all(torch.equal(starts[0], s) for s in starts)


def test_labels_are_dealt_out_over_all_samples(denoiser: nn.Module) -> None:
    """Also across batches: what sample i is asked for depends on i alone."""
    for size in (2, 5, 16):
        drawn = sample(denoiser, 7, cond={"label": "eel,cat,none"}, batch_size=size, sampler=DDIM(steps=1))
        assert drawn["label"].tolist() == [2, 0, 3, 2, 0, 3, 2]


def test_labels_not_given_follow_their_frequencies(denoiser: nn.Module) -> None:
    labels = sample(denoiser, 500, sampler=DDIM(steps=1))["label"]
    counts = labels.bincount(minlength=3).tolist()
    assert counts[2] == 0 and abs(counts[0] / 500 - 0.7) < 0.07


@pytest.mark.parametrize(
    ("cond", "word"), [({"label": 9}, "0-2"), ({"label": "4-8"}, "0-2"), ({"label": "ele"}, "eel"), ({"lable": 1}, "label")]
)
def test_wrong_conditions_are_told(denoiser: nn.Module, cond: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word) as error:
        sample(denoiser, 2, cond=cond)
    assert "\n" not in str(error.value)


def test_options_are_checked(denoiser: nn.Module) -> None:
    assert len(list(stream(denoiser, 1, sampler=DDIM(steps=3)))) == 4
    with pytest.raises(UsageError, match="did you mean 'steps'"):
        sample(denoiser, 1, stepz=3)
    with pytest.raises(UsageError, match="greater than or equal to 1"):
        sample(denoiser, 1, steps=0)
    with pytest.raises(UsageError, match="at least 1"):
        sample(denoiser, 0)


class Mixture(nn.Module):
    """Draws by itself; notes the modes that it is called in."""

    data = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})
    conditions: dict[str, Label] = {}

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.seen: list[tuple[bool, bool]] = []

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        self.seen.append((torch.is_grad_enabled(), self.training))
        return self.weight * noise.normal(2)


def test_modes_do_not_leak_into_the_callers_loop() -> None:
    model = Mixture().train()
    for _ in stream(model, 2):
        assert torch.is_grad_enabled() and model.training
    assert model.seen == [(False, False)]


def test_a_sampler_says_what_it_needs() -> None:
    with pytest.raises(UsageError, match="DDIM needs a Denoiser, and Mixture is none"):
        next(stream(Mixture(), 1, sampler=DDIM()))


def test_the_default_sampler_is_the_first_that_fits(denoiser: nn.Module) -> None:
    assert type(default_sampler(denoiser)).__name__ == "DDIM" and type(default_sampler(Mixture())).__name__ == "Direct"

    class Own(Mixture):
        sampler = DDIM

    assert type(default_sampler(Own())) is DDIM
    with pytest.raises(UsageError, match="cannot be sampled"):
        default_sampler(nn.Linear(1, 1))


def test_previews_come_with_every_step_and_the_last_is_the_sample(denoiser: nn.Module) -> None:
    steps = list(stream(denoiser, 2, sampler=DDIM(steps=4)))
    assert [s.index for s in steps] == [0, 1, 2, 3, 4] and steps[0].preview is None
    assert torch.allclose(steps[-1].x["x"], steps[-1].preview)  # type: ignore[index, arg-type]


def test_saved_samples_come_back(denoiser: nn.Module, tmp_path: object) -> None:
    import numpy as np

    drawn = gentk.sample(denoiser, 3, label=1, steps=2)
    drawn.save(f"{tmp_path}/a.npz")
    with np.load(f"{tmp_path}/a.npz") as file:
        assert np.array_equal(file["x"], drawn["x"].numpy()) and file["cond_label"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_two_threads_draw_what_one_draws(training: bool) -> None:
    """One model, two threads: with dropout and in training mode too, as nobody's eval mode ends while another draws."""
    from concurrent.futures import ThreadPoolExecutor

    torch.manual_seed(0)
    config = {"channels": [8, 16], "layers": 1, "attention": [False, True], "groups": 4, "dropout": 0.5}
    model: nn.Module = build_model("ddpm", "ddpm", config, IMAGES)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    model.train(training)
    settings = [(0, DDIM(steps=12, eta=1.0)), (1, DPMpp2M(steps=15)), (2, Heun(steps=7)), (3, Ancestral(steps=20))]
    alone = [sample(model, 3, seed=seed, sampler=sampler)["x"] for seed, sampler in settings]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda s: sample(model, 3, seed=s[0], sampler=s[1])["x"], settings))
    assert all(map(torch.equal, alone, together))
    assert all(module.training == training for module in model.modules())
