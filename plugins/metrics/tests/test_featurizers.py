"""The featurizers: a row of features is a function of one example, the same each time, float64, and tells apart what differs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gentk.errors import GentkError, UsageError
from gentk.host.lookup import build_model
from gentk.protocols import Batch, Column, DataSpec, Leaf
from gentk_metrics import classifiers, downloaded
from gentk_metrics.classifier import MOMENTUM, Featurizer, augmented
from gentk_metrics.features import Columns, Lags, NGrams

IMAGES = DataSpec(modality="image", leaves={"x": Leaf(shape=(3, 9, 12), range=(-1, 1))}, conditions={"label": Leaf(classes=4)})
DIGITS = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 28, 28), range=(-1, 1), levels=256)})
SERIES = DataSpec(modality="series", leaves={"x": Leaf(shape=(20, 2)), "length": Leaf(classes=21)})
WORDS = ("the", "cat", "saw", "a", "dog", "and", "ran")
TEXT = DataSpec(modality="text", leaves={"x": Leaf(shape=(9,), classes=7, names=WORDS, words=True), "length": Leaf(classes=10)})
TABLE = DataSpec(
    modality="table",
    leaves={
        "x": Leaf(
            shape=(4,),
            double=True,
            columns=(
                Column(name="income", missing=True),
                Column(name="since", kind="date", format="%Y-%m-%d"),
                Column(name="colour", kind="category", names=("red", "green", "blue"), missing=True),
                Column(name="rooms", kind="integer"),
            ),
        )
    },
)


def featurizer(**config: object) -> Featurizer:
    """Untrained, with statistics as training leaves them."""
    torch.manual_seed(0)
    model: Featurizer = build_model("metrics", "featurizer", {"channels": [8, 16], "features": 12, **config}, IMAGES)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("variance"):
                parameter.uniform_(0.5, 2)
            elif name.endswith("mean"):
                parameter.normal_()
    return model


def rows_of(spec: DataSpec, n: int) -> Batch:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(n, *spec.shape, generator=draw)
    if spec is TEXT:
        return {"x": torch.randint(7, (n, 9), generator=draw), "length": torch.arange(n) % 10}
    if spec is SERIES:
        return {"x": x, "length": 2 + torch.arange(n) % 19}
    if spec is TABLE:
        table = 1000 * x.double()
        table[:, 2] = torch.arange(n) % 3
        table[::5, 2], table[::7, 0] = math.nan, math.nan
        return {"x": table}
    return {"x": x}


MAKERS: dict[str, tuple[Callable[[], Any], DataSpec]] = {
    "classifier": (featurizer, IMAGES),
    "digits": (lambda: classifiers.digits(DIGITS), DIGITS),
    "fashion": (lambda: classifiers.fashion(DIGITS), DIGITS),
    "lags": (lambda: Lags(SERIES), SERIES),
    "ngrams": (lambda: NGrams(TEXT), TEXT),
    "columns": (lambda: Columns(TABLE), TABLE),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_row_depends_on_its_example_alone_and_is_the_same_each_time(name: str) -> None:
    make, spec = MAKERS[name]
    batch, one = rows_of(spec, 70), make()
    whole = one.features(batch)
    assert whole.keys() >= {"features"} and bool(whole["features"].var(0).any())
    for key, value in whole.items():
        assert value.dtype == torch.float64 and value.ndim == 2 and len(value) == 70 and value.device.type == "cpu"
        assert bool(value.isfinite().all())
        assert torch.equal(make().features(batch)[key], value)
        parts = [one.features({k: v[i : i + 1] for k, v in batch.items()})[key] for i in range(70)]
        assert torch.allclose(torch.cat(parts), value, rtol=0, atol=1e-12)
        order = torch.randperm(70)
        assert torch.allclose(one.features({k: v[order] for k, v in batch.items()})[key], value[order], rtol=0, atol=1e-12)


# ---------------------------------------------------------------- the classifier
def test_training_mode_changes_no_feature_and_comes_back() -> None:
    model, batch = featurizer(dropout=0.5), rows_of(IMAGES, 5)
    before = model.eval().features(batch)["features"]
    assert torch.equal(model.train().features(batch)["features"], before) and model.training
    assert model.features(batch)["logits"].shape == (5, 4)


def test_features_are_what_the_last_layer_sees() -> None:
    model, batch = featurizer().eval(), rows_of(IMAGES, 5)
    found = model.features(batch)
    weight, bias = model.net.last.weight.double(), model.net.last.bias.double()
    assert torch.allclose(found["features"] @ weight.T + bias, found["logits"], atol=1e-12)
    assert torch.allclose(model.log_label(batch).double(), found["logits"].log_softmax(-1), atol=1e-5)


def test_running_statistics_are_of_all_micro_batches_and_averaged_with_the_weights() -> None:
    from gentk.training.averages import Average

    model = featurizer(shift=0)
    norm, x = model._norms()[0], rows_of(IMAGES, 12)["x"]
    mean, variance, average = norm.mean.clone(), norm.variance.clone(), Average(model)
    sums: dict[str, Tensor] = {}
    weight = model.net.get_parameter("body.0.weight")
    inside = [F.conv2d(part, weight, stride=2, padding=2) for part in (x[:4], x[4:])]
    for part in (x[:4], x[4:]):
        out = model.train().loss({"x": part, "label": torch.zeros(len(part), dtype=torch.int64)}, "main", 0)
        for name, value in out["sums"].items():
            sums[name] = sums.get(name, 0) + value
    with torch.no_grad():
        model.after("main", 0, sums)
    for before, now, what in ((mean, norm.mean, "mean"), (variance, norm.variance, "var")):
        seen = [getattr(part.transpose(0, 1).flatten(1), what)(1) for part in inside]
        wanted = before.lerp((4 * seen[0] + 8 * seen[1]) / 12, MOMENTUM)
        assert torch.allclose(now, wanted, atol=1e-5)
    average.update(0.5)
    assert torch.allclose(average.model._norms()[0].mean, (mean + norm.mean) / 2, atol=1e-6)


def test_augmented_images_are_moved_by_whole_pixels_and_mirrored() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 3, 9, 12)
    padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
    moved = torch.stack([padded[:, :, i : i + 9, j : j + 12] for i in range(5) for j in range(5)])
    for mirror, choices in ((False, moved), (True, torch.cat([moved, moved.flip(-1)]))):
        found = (augmented(x, 2, mirror) == choices).flatten(2).all(2)
        assert bool((found.sum(0) == 1).all()) and bool(found.any(1).all())
    assert torch.equal(augmented(x, 0, False), x)


def test_the_classifier_says_what_it_needs() -> None:
    with pytest.raises(UsageError, match="labels"):
        build_model("metrics", "featurizer", {}, DataSpec(modality="image", leaves=IMAGES.leaves))
    with pytest.raises(UsageError, match="C, H, W"):
        build_model("metrics", "featurizer", {}, DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))}, conditions=IMAGES.conditions))
    with pytest.raises(UsageError, match=r"3 × 9 × 12.* 3 × 8 × 12"):
        featurizer().features({"x": torch.zeros(2, 3, 8, 12)})
    build_model("metrics", "featurizer", {}, DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 1, 1))}, conditions=IMAGES.conditions))


# ---------------------------------------------------------------- shipped weights
@pytest.mark.parametrize("make", [classifiers.digits, classifiers.fashion])
def test_shipped_featurizers_refuse_other_images_and_take_other_ranges(make: Callable[[DataSpec], classifiers.Trained]) -> None:
    def spec(**leaf: Any) -> DataSpec:
        return DataSpec(modality="image", leaves={"x": Leaf(**leaf)})

    for shape in ((3, 28, 28), (1, 32, 32), (28,), ()):
        with pytest.raises(UsageError, match="1 × 28 × 28") as raised:
            make(spec(shape=shape))
        assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="black and white"):
        make(spec(shape=(1, 28, 28)))
    x = torch.randint(256, (3, 1, 28, 28))
    exact, unit, whole = (make(spec(shape=(1, 28, 28), **about)) for about in ({"range": (-1, 1)}, {"range": (0, 1)}, {"classes": 256}))
    wanted = exact.features({"x": x.double() / 127.5 - 1})["features"]
    assert torch.allclose(unit.features({"x": x.double() / 255})["features"], wanted, atol=1e-9)
    assert torch.allclose(whole.features({"x": x})["features"], wanted, atol=1e-9)
    weights = classifiers.WEIGHTS / exact.id.partition("-")[0] / "model.safetensors"
    assert exact.id.partition("-")[2] == hashlib.sha256(weights.read_bytes()).hexdigest()[:8] and weights.stat().st_size <= 2_000_000


def test_digits_knows_digits_that_it_never_saw() -> None:
    """Those of scikit-learn, by other writers and scanners, enlarged to MNIST's 20 pixels inside 28."""
    from sklearn.datasets import load_digits

    source = load_digits()
    x = torch.from_numpy(source.images[:300])[:, None] / 8 - 1
    x = F.pad(F.interpolate(x, 20, mode="bicubic").clamp(-1, 1), (4, 4, 4, 4), value=-1.0)
    label = torch.from_numpy(source.target[:300])
    found = classifiers.digits(DIGITS).features({"x": x})
    assert float((found["logits"].argmax(1) == label).double().mean()) > 0.8
    near = torch.cdist(found["features"], found["features"]).fill_diagonal_(math.inf).argmin(1)
    assert float((label[near] == label).double().mean()) > 0.8


def silhouette(*parts: tuple[int, int, int, int]) -> Tensor:
    """(1, 28, 28): rectangles (top, bottom, left, right) of light on dark."""
    x = torch.full((1, 28, 28), -1.0)
    for top, bottom, left, right in parts:
        x[:, top:bottom, left:right] = 0.3
    return x


def test_fashion_knows_outlines() -> None:
    trousers = silhouette((1, 7, 9, 19), (7, 27, 9, 13), (7, 27, 15, 19))
    shirt = silhouette((3, 26, 8, 20), (3, 12, 3, 25))
    bag = silhouette((11, 25, 2, 26), (4, 6, 8, 20), (4, 11, 8, 10), (4, 11, 18, 20))
    found = classifiers.fashion(DIGITS).features({"x": torch.stack([trousers, shirt, bag])})["logits"].argmax(1).tolist()
    assert found[0] == 1 and found[1] in (0, 6) and found[2] == 8


# ---------------------------------------------------------------- series
def test_what_is_beyond_the_end_is_not_seen_and_the_length_is() -> None:
    batch = dict(rows_of(SERIES, 12))
    beyond = torch.arange(20)[None, :, None] >= batch["length"][:, None, None]
    other = {**batch, "x": batch["x"].masked_fill(beyond, math.nan)}
    assert torch.equal(Lags(SERIES).features(batch)["features"], Lags(SERIES).features(other)["features"])
    longer = {"x": torch.ones(2, 20, 2), "length": torch.tensor([5, 9])}
    assert float(torch.pdist(Lags(SERIES).features(longer)["features"])) > 0.5


def test_lags_hold_level_deviation_and_autocorrelations() -> None:
    from statsmodels.tsa.stattools import acf

    x, lags = rows_of(SERIES, 3)["x"].double(), Lags(SERIES)
    found = lags.features({"x": x, "length": torch.tensor([20, 20, 13])})["features"]
    assert lags.lags == [1, 2, 4, 8, 16]
    for i, length in enumerate((20, 20, 13)):
        for channel in range(2):
            series = x[i, :length, channel].numpy()
            wanted = acf(series, nlags=12, fft=False)[[1, 2, 4, 8]]
            correlations = [40 + 2 * (2 + k) + channel for k in range(4)]
            assert np.allclose(found[i, correlations].numpy() / 20**0.5, wanted, atol=1e-9)
            deviation, level = (found[i, place + channel] / 20**0.5 for place in (40, 42))
            assert float(deviation.exp()) == pytest.approx(series.std(), rel=1e-9)
            assert float(level.sinh() * deviation.exp()) == pytest.approx(series.mean(), rel=1e-9)


def test_distances_of_series_do_not_depend_on_units() -> None:
    batch = dict(rows_of(SERIES, 9))
    batch["x"][4] = 0.1  # constant: what is left of its deviation is in units, too
    scaled = {**batch, "x": batch["x"].double() * torch.tensor([1000.0, 0.001])}
    one, other = (torch.pdist(Lags(SERIES).features(rows)["features"]) for rows in (batch, scaled))
    assert torch.allclose(one, other, atol=1e-9)
    moved = {**batch, "x": batch["x"] + 3}
    assert float((Lags(SERIES).features(moved)["features"] - Lags(SERIES).features(batch)["features"]).abs().max()) > 1


def test_constant_series_have_features_and_infinite_ones_have_none() -> None:
    x = torch.stack([torch.zeros(20, 2), torch.full((20, 2), 0.1), torch.full((20, 2), -5.0)])
    found = Lags(SERIES).features({"x": x, "length": torch.tensor([20, 20, 0])})["features"]
    assert bool(found.isfinite().all()) and float(torch.pdist(found).min()) > 1
    with pytest.raises(GentkError, match="missing values or infinities"):
        Lags(SERIES).features({"x": x / 0, "length": torch.tensor([20, 20, 20])})
    with pytest.raises(UsageError, match="series"):
        Lags(IMAGES)


# ---------------------------------------------------------------- texts
def test_ngrams_are_those_of_the_words() -> None:
    """As scikit-learn cuts the written text itself; and what is beyond the end is not seen."""
    from sklearn.feature_extraction.text import HashingVectorizer

    batch = rows_of(TEXT, 30)
    texts = [" ".join(WORDS[token] for token in row[:end]) for row, end in zip(batch["x"].tolist(), batch["length"].tolist(), strict=True)]
    wanted = HashingVectorizer(ngram_range=(1, 3), n_features=512, token_pattern=r"\S+").transform(texts).toarray()
    found = NGrams(TEXT).features(batch)["features"]
    assert np.allclose(found.numpy(), wanted, atol=1e-12)
    assert torch.allclose(found.norm(dim=1), (batch["length"] > 0).double())
    beyond = torch.arange(9) >= batch["length"][:, None]
    assert torch.equal(NGrams(TEXT).features({**batch, "x": batch["x"].masked_fill(beyond, 3)})["features"], found)


def test_ngrams_tell_an_order_from_another() -> None:
    tokens = torch.tensor([[0, 1, 2, 3, 4, 0, 0, 0, 0], [4, 3, 2, 1, 0, 0, 0, 0, 0]])
    assert float(torch.pdist(NGrams(TEXT).features({"x": tokens, "length": torch.tensor([5, 5])})["features"])) > 0.5
    with pytest.raises(UsageError, match="texts"):
        NGrams(SERIES)


# ---------------------------------------------------------------- tables
def test_columns_by_hand() -> None:
    x = torch.tensor([[-9.0, 365.2425, 2.0, 0.0], [math.nan, 0.0, math.nan, 99.0]], dtype=torch.float64)
    wanted = [[-math.log(10), 0, 1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0, 1, math.log(100)]]
    assert torch.allclose(Columns(TABLE).features({"x": x})["features"], torch.tensor(wanted, dtype=torch.float64), atol=1e-12)


def test_columns_refuse_what_their_data_cannot_hold() -> None:
    row = torch.tensor([[0.0, 0.0, 0.0, math.nan]], dtype=torch.float64)
    with pytest.raises(GentkError, match="'rooms' has missing values"):
        Columns(TABLE).features({"x": row})
    with pytest.raises(GentkError, match="'rooms' has infinite values"):
        Columns(TABLE).features({"x": row.nan_to_num(nan=math.inf)})
    with pytest.raises(UsageError, match="rows"):
        Columns(SERIES)
    binary = DataSpec(modality="table", leaves={"x": Leaf(shape=(2,), classes=2, names=("no", "yes"))})
    assert Columns(binary).features({"x": torch.tensor([[0, 1]])})["features"].tolist() == [[1, 0, 0, 1]]


# ---------------------------------------------------------------- downloaded networks
class StandIn(torch.nn.Module):
    """Takes what the networks of torch-fidelity take; its features are the first pixel and the mean of each channel."""

    def __init__(self, name: str, outputs: list[str], **_: object) -> None:
        super().__init__()
        self.name, self.outputs, self.sizes = name, outputs, list[int]()

    def get_name(self) -> str:
        return self.name

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        assert x.dtype == torch.uint8 and x.shape[1] == 3
        self.sizes.append(len(x))
        return tuple(torch.cat([x[:, :, 0, 0].float(), x.float().mean((2, 3))], 1) for _ in self.outputs)


@pytest.fixture
def fidelity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """torch-fidelity's modules as they are where it is installed and its weights are there."""
    url = "http://127.0.0.1:9/weights-inception-2015-12-05-6726825d.pth"
    made = {name: types.ModuleType(f"torch_fidelity{name}") for name in ("", ".feature_extractor_inceptionv3", ".feature_extractor_dinov2")}
    made[".feature_extractor_inceptionv3"].__dict__.update(FeatureExtractorInceptionV3=StandIn, URL_INCEPTION_V3=url)
    made[".feature_extractor_dinov2"].__dict__.update(FeatureExtractorDinoV2=StandIn)
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, f"torch_fidelity{name}", module)
    known = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9" if name == "torch-fidelity" else known(name))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save({"weight": torch.zeros(2)}, tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2])


@pytest.mark.parametrize(("make", "keys"), [(downloaded.inception, {"features", "logits"}), (downloaded.dinov2, {"features"})])
def test_images_become_rgb_bytes_in_batches_of_one_size(fidelity: None, make: Callable[[DataSpec], Any], keys: set[str]) -> None:
    found = make(DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 2, 2), range=(-1, 1))}))
    x = torch.linspace(-1.1, 1.1, 75)[:, None, None, None].expand(-1, 1, 2, 2)
    out = found.features({"x": x})
    assert out.keys() == keys and all(value.dtype == torch.float64 and len(value) == 75 for value in out.values())
    assert torch.equal(out["features"], ((x[:, 0, 0] + 1) * 127.5).clamp(0, 255).round()[:, :1].double().expand(-1, 6))
    assert set(found.extractor.sizes) == {32}
    assert torch.equal(found.features({"x": x[40:41]})["features"], out["features"][40:41])
    assert found.id.endswith("-torch-fidelity-9.9") and found.id[:6] in ("incept", "dinov2")
    colour = make(DataSpec(modality="image", leaves={"x": Leaf(shape=(3, 1, 1), classes=256)}))
    assert colour.features({"x": torch.tensor([7, 80, 255]).view(1, 3, 1, 1)})["features"].tolist() == [[7, 80, 255] * 2]


def test_downloaded_networks_say_what_they_need(fidelity: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for leaf, match in ((Leaf(shape=(2, 4, 4), range=(0, 1)), "grey or RGB"), (Leaf(shape=(3, 4, 4)), "black and white")):
        with pytest.raises(UsageError, match=match):
            downloaded.inception(DataSpec(modality="image", leaves={"x": leaf}))
    with pytest.raises(UsageError, match="images"):
        downloaded.dinov2(IMAGES).features({"x": torch.zeros(1, 3, 4, 4)})
    (file,) = (tmp_path / "hub" / "checkpoints").iterdir()
    torch.save({"weight": Path("an object, whose making runs code")}, file)
    with pytest.raises(GentkError, match=r"neither read .* nor downloaded"):
        downloaded.inception(IMAGES)
    file.unlink()
    with pytest.raises(GentkError, match=r"neither read .* nor downloaded .*refused.*TORCH_HOME") as raised:
        downloaded.inception(IMAGES)
    assert "\n" not in str(raised.value)
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_dinov2", None)
    with pytest.raises(GentkError, match=r"needs torch-fidelity.*gentk-metrics\[image\]"):
        downloaded.dinov2(IMAGES)
