"""Likelihoods and reconstructions: against closed forms and torchmetrics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import Column, DataSpec, Leaf
from gentk_metrics.likelihoods import NLL, Perplexity
from gentk_metrics.pairs import Reconstruction
from plugins.metrics.tests.parting import measured, same_however_parted

IMAGES = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 3, 4), range=(-1, 1), levels=256)})
SERIES = DataSpec(modality="series", leaves={"x": Leaf(shape=(6, 2)), "length": Leaf(classes=7)})
TEXTS = DataSpec(modality="text", leaves={"x": Leaf(shape=(9,), classes=11), "length": Leaf(classes=10)})
ROWS = DataSpec(
    modality="table",
    leaves={
        "x": Leaf(
            shape=(3,),
            double=True,
            columns=(
                Column(name="income", missing=True),
                Column(name="kind", kind="category", names=("a", "b", "c"), missing=True),
                Column(name="age", kind="integer"),
            ),
        )
    },
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(data: DataSpec, n: int = 50, seed: int = 0) -> dict[str, Tensor]:
    """Rows with a length where the data have one, a log p, and a reconstruction that is off by a little."""
    g = generator(seed)
    leaf = data.leaves["x"]
    if leaf.classes:
        x = torch.randint(leaf.classes, (n, *leaf.shape), generator=g)
        other = x.where(torch.rand(x.shape, generator=g) < 0.8, torch.randint(leaf.classes, x.shape, generator=g))
    else:
        x = torch.rand(n, *leaf.shape, generator=g) * 2 - 1
        other = x + 0.1 * torch.randn(x.shape, generator=g)
    found = {"x": x, "reconstruction": other, "log_prob": -20 + 3 * torch.randn(n, generator=g)}
    if "length" in data.leaves:
        found["length"] = torch.randint(1, leaf.shape[0] + 1, (n,), generator=g)
    return found


def rows_of_a_table(n: int = 80) -> dict[str, Tensor]:
    g = generator()
    income, age = 3e4 + 1e4 * torch.randn(n, generator=g, dtype=torch.float64), torch.randint(18, 90, (n,), generator=g).double()
    x = torch.stack([income, torch.randint(3, (n,), generator=g).double(), age], 1)
    other = x + torch.tensor([1e3, 0.0, 2.0]) * torch.randn(n, 3, generator=g)
    other[:, 1] = x[:, 1].where(torch.rand(n, generator=g) < 0.7, 0.0)
    x[::9, 0], x[::11, 1] = torch.nan, torch.nan
    return {"x": x, "reconstruction": other, "log_prob": -10 + torch.randn(n, generator=g, dtype=torch.float64)}


CASES = [(metric, data) for metric in (NLL, Reconstruction) for data in (IMAGES, SERIES, TEXTS, ROWS)] + [(Perplexity, TEXTS)]


@pytest.mark.parametrize(("metric", "data"), CASES, ids=lambda one: getattr(one, "modality", getattr(one, "__name__", "")))
def test_parts_and_ranks_do_not_matter(metric: Any, data: DataSpec) -> None:
    real = rows_of_a_table() if data is ROWS else batch(data)
    same_however_parted(lambda: metric(data), {"generated": batch(IMAGES, 5), "real": real})


# ---- nll
def test_a_gaussian_has_its_entropy_and_its_error() -> None:
    n, d = 4000, 12
    x = torch.randn(n, 1, 3, 4, generator=generator(), dtype=torch.float64)
    log_prob = torch.distributions.Normal(0.0, 1.0).log_prob(x).flatten(1).sum(1)
    found = measured(lambda: NLL(IMAGES), {"real": {"x": x, "log_prob": log_prob}})
    entropy = d / 2 * (1 + math.log(2 * math.pi))
    nll, bits = found["nll"], found["bits-per-dim"]
    assert nll.error and bits.error
    assert nll.error == pytest.approx(math.sqrt(d / 2 / n), rel=0.05)  # −log p is half a χ² of d degrees
    assert nll.value == pytest.approx(entropy, abs=4 * math.sqrt(d / 2 / n))
    assert bits.value == pytest.approx(nll.value / (d * math.log(2)), rel=1e-12)
    assert bits.error == pytest.approx(nll.error / (d * math.log(2)), rel=1e-12)


def test_padding_and_missing_values_are_no_numbers() -> None:
    rows = batch(SERIES)
    bits = measured(lambda: NLL(SERIES), {"real": rows})["bits-per-dim"].value
    assert bits == pytest.approx(float(-rows["log_prob"].double().sum() / (2 * int(rows["length"].sum()) * math.log(2))), rel=1e-12)
    table = rows_of_a_table()
    bits = measured(lambda: NLL(ROWS), {"real": table})["bits-per-dim"].value
    assert bits == pytest.approx(float(-table["log_prob"].sum() / (int((~table["x"].isnan()).sum()) * math.log(2))), rel=1e-12)
    mask = torch.rand(50, 3, generator=generator()) < 0.5
    masked = {"x": torch.zeros(50, 3, 2), "mask": mask, "log_prob": -torch.ones(50)}
    data = DataSpec(modality="points", leaves={"x": Leaf(shape=(3, 2)), "mask": Leaf(shape=(3,))})
    bits = measured(lambda: NLL(data), {"real": masked})["bits-per-dim"].value
    assert bits == pytest.approx(25 / int(mask.sum()) / math.log(2), rel=1e-12)


def test_it_says_whether_p_is_a_mass() -> None:
    for data, law in ((IMAGES, "mass"), (TEXTS, "mass"), (SERIES, "density"), (ROWS, "density and mass")):
        rows = rows_of_a_table() if data is ROWS else batch(data)
        assert measured(lambda: NLL(data), {"real": rows})["nll"].parameters["p"] == law  # noqa: B023


def test_examples_of_several_leaves_have_no_bits_per_number() -> None:
    data = DataSpec(modality="graph", leaves={"x": Leaf(shape=(3, 2)), "types": Leaf(shape=(3,), classes=4)})
    assert list(measured(lambda: NLL(data), {"real": {"x": torch.zeros(9, 3, 2), "log_prob": -torch.ones(9)}})) == ["nll"]


def test_a_worse_model_scores_worse() -> None:
    rows = batch(TEXTS)
    worse = {**rows, "log_prob": rows["log_prob"] - 5}
    for metric in (NLL, Perplexity):
        good, bad = (measured(lambda: metric(TEXTS), {"real": one}) for one in (rows, worse))  # noqa: B023
        assert all(bad[name].value > good[name].value for name in good)


# ---- perplexity
def test_perplexity_is_torchmetrics() -> None:
    from torchmetrics.functional.text import perplexity

    rows, g = batch(TEXTS), generator(3)
    logits = torch.randn(50, 9, 11, generator=g, dtype=torch.float64)
    inside = torch.arange(9) < rows["length"][:, None]
    log_p = logits.log_softmax(-1).gather(-1, rows["x"][..., None])[..., 0].where(inside, 0.0).sum(1)
    found = measured(lambda: Perplexity(TEXTS), {"real": {**rows, "log_prob": log_p}})["perplexity"]
    expected = perplexity(logits, rows["x"].where(inside, -100), ignore_index=-100)
    assert found.value == pytest.approx(float(expected), rel=1e-9)


def test_zero_logits_have_the_perplexity_of_the_vocabulary() -> None:
    rows = batch(TEXTS)
    found = measured(lambda: Perplexity(TEXTS), {"real": {**rows, "log_prob": -rows["length"].double() * math.log(11)}})["perplexity"]
    assert found.value == pytest.approx(11, rel=1e-12)
    assert found.error == pytest.approx(0, abs=1e-9)


def test_the_error_of_a_perplexity_is_that_of_repeated_draws() -> None:
    draws = []
    for seed in range(300):
        rows = batch(TEXTS, 100, seed)
        log_p = -rows["length"].double() * (1 + torch.rand(100, generator=generator(seed + 1000), dtype=torch.float64))
        draws.append(measured(lambda: Perplexity(TEXTS), {"real": {**rows, "log_prob": log_p}})["perplexity"])
    assert np.mean([one.error for one in draws]) == pytest.approx(np.std([one.value for one in draws], ddof=1), rel=0.12)


# ---- reconstruction
def test_psnr_is_torchmetrics() -> None:
    from torchmetrics.functional.image import peak_signal_noise_ratio

    rows = batch(IMAGES)
    x, other = rows["x"].double(), rows["reconstruction"].double()
    found = measured(lambda: Reconstruction(IMAGES), {"real": rows})
    expected = [float(peak_signal_noise_ratio(a, b, data_range=2.0)) for a, b in zip(other, x, strict=True)]
    assert found["psnr"].value == pytest.approx(np.mean(expected), rel=1e-6)  # torchmetrics computes the log in float32
    assert found["psnr"].error == pytest.approx(np.std(expected, ddof=1) / math.sqrt(50), rel=1e-5)
    assert found["mse"].value == pytest.approx(float((x - other).square().mean()), rel=1e-12)


def test_a_perfect_reconstruction_has_a_finite_psnr() -> None:
    rows = batch(IMAGES)
    found = measured(lambda: Reconstruction(IMAGES), {"real": {**rows, "reconstruction": rows["x"]}})
    assert found["mse"].value == 0
    assert found["psnr"].value == pytest.approx(20 * math.log10(2**24))


@pytest.mark.parametrize("data", [TEXTS, SERIES], ids=["text", "series"])
def test_what_only_pads_cannot_be_wrong(data: DataSpec) -> None:
    rows = batch(data)
    inside = (torch.arange(data.shape[0]) < rows["length"][:, None]).reshape(50, -1, *[1] * (len(data.shape) - 1))
    changed = {**rows, "reconstruction": rows["reconstruction"].where(inside, 1)}
    name = "wrong" if data is TEXTS else "mse"
    found = [measured(lambda: Reconstruction(data), {"real": one})[name].value for one in (rows, changed)]
    assert found[0] == found[1]
    x, other, inside = rows["x"].double(), rows["reconstruction"].double(), inside.expand(rows["x"].shape)
    miss = (x != other).double() if data is TEXTS else (x - other).square()
    assert found[0] == pytest.approx(float(miss[inside].mean()), rel=1e-9)


def test_rows_of_a_table_are_compared_by_kind() -> None:
    rows = rows_of_a_table()
    found = measured(lambda: Reconstruction(ROWS), {"real": rows})
    x, other = rows["x"].numpy(), rows["reconstruction"].numpy()
    there = ~np.isnan(x[:, 1])
    assert found["wrong"].value == pytest.approx((x != other)[there, 1].mean(), rel=1e-12)
    numbers = (x - other)[:, [0, 2]] / np.nanstd(x[:, [0, 2]], axis=0)
    assert found["mse"].value == pytest.approx(np.nanmean(numbers**2), rel=1e-9)
    inches = torch.tensor([100.0, 1.0, 0.25])  # other units of the numbers change nothing
    scaled = {**rows, "x": rows["x"] * inches, "reconstruction": rows["reconstruction"] * inches}
    assert measured(lambda: Reconstruction(ROWS), {"real": scaled})["mse"].value == pytest.approx(found["mse"].value, rel=1e-9)


@pytest.mark.parametrize("data", [TEXTS, SERIES, IMAGES], ids=["text", "series", "image"])
def test_reconstructions_of_other_examples_score_worse(data: DataSpec) -> None:
    rows = batch(data)
    good = measured(lambda: Reconstruction(data), {"real": rows})
    bad = measured(lambda: Reconstruction(data), {"real": {**rows, "reconstruction": rows["reconstruction"].flip(0)}})
    for name, one in good.items():
        assert (bad[name].value < one.value) if one.better == "higher" else (bad[name].value > one.value)


# ---- bad input
def test_what_cannot_be_measured_is_said_in_one_line() -> None:
    rows, pictures = batch(TEXTS), batch(IMAGES)
    none = {**rows, "log_prob": rows["log_prob"].index_fill(0, torch.tensor([1, 4]), -torch.inf)}
    infinite = {**pictures, "reconstruction": pictures["reconstruction"].index_fill(0, torch.tensor([1]), torch.inf)}
    for metric, data, bad, message in (
        (NLL, TEXTS, none, "not finite in 2 of 50 examples: the model gives them no density"),
        (Perplexity, TEXTS, none, "not finite in 2 of 50"),
        (Perplexity, TEXTS, {**rows, "length": torch.zeros(50)}, "all real texts are empty"),
        (Perplexity, TEXTS, {**rows, "log_prob": torch.full((50,), -1e5)}, "beyond float64"),
        (Perplexity, IMAGES, pictures, "ask for nll"),
        (Reconstruction, IMAGES, infinite, "not finite in 1 of 50"),
        (Reconstruction, IMAGES, {**pictures, "reconstruction": torch.zeros(50, 3, 4)}, "of one shape"),
        (Reconstruction, TEXTS, {**rows, "length": torch.zeros(50)}, "at least one value"),
    ):
        with pytest.raises(GentkError, match=message) as raised:
            measured(lambda: metric(data), {"real": bad})  # noqa: B023
        assert "\n" not in str(raised.value)
        with pytest.raises(GentkError, match=r"there are 0|ask for nll"):
            measured(lambda: metric(data), {"generated": bad})  # noqa: B023
