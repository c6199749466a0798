"""What a classifier says: against scipy, numpy and repeated draws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy
from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import DataSpec, Leaf
from gentk_metrics.classes import Accuracy, InceptionScore, ModeCoverage, Obedience, information_of
from plugins.metrics.tests.parting import fed, measured, same_however_parted

METRICS = (InceptionScore, ModeCoverage, Obedience)
K = 5


def spec(classes: int = K, names: tuple[str, ...] = ()) -> DataSpec:
    return DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 2, 2))}, conditions={"label": Leaf(classes=classes, names=names)})


def rows(n: int = 300, sharp: float = 4.0, seed: int = 0) -> dict[str, Tensor]:
    """Logits of K classes that favour the label, and labels of which a few are none."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(K, (n,), generator=generator)
    logits = torch.randn(n, K, generator=generator, dtype=torch.float64)
    logits[torch.arange(n), label] += sharp
    label[::50] = K
    return {"logits": logits, "label": label}


def score(metric: Any, batch: dict[str, Tensor], name: str) -> Any:
    return measured(lambda: metric(spec(batch["logits"].shape[1])), {"generated": batch})[name]


@pytest.mark.parametrize("metric", METRICS)
def test_parts_and_ranks_do_not_matter(metric: Any) -> None:
    same_however_parted(lambda: metric(spec()), {"generated": rows(), "real": rows(40, seed=1)})


@pytest.mark.parametrize("metric", METRICS)
def test_only_what_is_needed_is_kept(metric: Any) -> None:
    kept = fed(lambda: metric(spec()), {"generated": {**rows(), "x": torch.zeros(300, 1, 2, 2)}, "real": rows()}).state()
    assert set(kept) == {"generated/logits", "generated/label"}


# ---- inception score
def test_uniform_logits_score_1_and_certain_even_ones_the_number_of_classes() -> None:
    unsure, sure = torch.zeros(70, 7), 1e4 * torch.eye(7).repeat(10, 1)
    assert score(InceptionScore, {"logits": unsure}, "inception-score").value == pytest.approx(1, abs=1e-12)
    assert score(InceptionScore, {"logits": sure}, "inception-score").value == pytest.approx(7, abs=1e-12)
    assert score(InceptionScore, {"logits": sure[:1].repeat(70, 1)}, "inception-score").value == pytest.approx(1, abs=1e-12)


def test_the_inception_score_is_its_formula() -> None:
    logits = rows()["logits"]
    p = softmax(logits.numpy(), axis=1)
    expected = math.exp(np.mean([entropy(row, p.mean(0)) for row in p]))  # scipy's relative entropy
    assert score(InceptionScore, {"logits": logits}, "inception-score").value == pytest.approx(expected, abs=1e-9)
    assert score(InceptionScore, {"logits": logits + 1e3}, "inception-score").value == pytest.approx(expected, abs=1e-9)


# As good as one-hot, the first order of the delta method is 0, and its estimate cannot be below.
@pytest.mark.parametrize(("sharp", "within"), [(2.0, 0.1), (60.0, 0.25)])
def test_the_error_is_that_of_repeated_draws(sharp: float, within: float) -> None:
    draws = [information_of(rows(250, sharp, seed)["logits"].softmax(1)) for seed in range(400)]
    spread = np.std([value for value, _ in draws], ddof=1)
    assert np.mean([error for _, error in draws]) == pytest.approx(spread, rel=within)


# ---- modes
def test_modes_are_counted_if_a_sample_is_sure_of_them() -> None:
    logits = torch.zeros(60, 4, dtype=torch.float64)
    logits[:40, 0], logits[40:, 1] = 50, 50
    logits[0] = torch.tensor([0.0, 0.0, 1.0, 0.0])  # likeliest, and not sure
    assert score(ModeCoverage, {"logits": logits}, "modes").value == 2
    expected = -sum(share * math.log(share) for share in (39 / 60, 20 / 60, 1 / 60)) / math.log(4)
    assert score(ModeCoverage, {"logits": logits}, "class-entropy").value == pytest.approx(expected, abs=1e-12)


def test_a_collapsed_set_has_fewer_modes_and_less_entropy() -> None:
    whole = rows()
    one = {key: value[whole["logits"].argmax(1) < 2] for key, value in whole.items()}
    for name in ("modes", "class-entropy"):
        assert score(ModeCoverage, one, name).value < score(ModeCoverage, whole, name).value
    assert score(InceptionScore, one, "inception-score").value < score(InceptionScore, whole, "inception-score").value


# ---- obedience
def test_obedience_counts_samples_that_were_asked_for_a_class() -> None:
    batch = rows(400, sharp=2.0)
    predicted, label = batch["logits"].argmax(1).numpy(), batch["label"].numpy()
    shares = [(predicted[label == c] == c).mean() for c in range(K)]
    found = measured(lambda: Obedience(spec(names=tuple("abcde"))), {"generated": batch})
    asked = label < K
    share = (predicted == label)[asked].mean()
    assert asked.sum() < 400
    assert found["obedience"].value == pytest.approx(share, abs=1e-12)
    assert found["obedience"].error == pytest.approx(math.sqrt(share * (1 - share) / asked.sum()), abs=1e-12)
    assert found["obedience-worst"].value == pytest.approx(min(shares), abs=1e-12)
    assert found["obedience-worst"].parameters == {"class": "abcde"[int(np.argmin(shares))]}


def test_few_samples_of_a_class_give_no_worst_share_and_wrong_labels_a_low_one() -> None:
    few = {key: value[:30] for key, value in rows().items()}
    assert list(measured(lambda: Obedience(spec()), {"generated": few})) == ["obedience"]
    good = rows()
    shifted = {**good, "label": (good["label"] + 1) % K}
    for name in ("obedience", "obedience-worst"):
        assert score(Obedience, shifted, name).value < 0.1 < 0.9 < score(Obedience, good, name).value


# ---- bad input
@pytest.mark.parametrize("metric", METRICS)
def test_what_cannot_be_measured_is_said_in_one_line(metric: Any) -> None:
    good = rows()
    bad = {
        "at least 2": {key: value[:1] for key, value in good.items()},
        "not finite in 1 of 300": {**good, "logits": good["logits"].index_fill(0, torch.tensor([3]), torch.nan)},
        "two classes": {**good, "logits": good["logits"][:, :1]},
    }
    for message, batch in bad.items():
        with pytest.raises(GentkError, match=message) as raised:
            measured(lambda: metric(spec()), {"generated": batch})
        assert "\n" not in str(raised.value)
    with pytest.raises(GentkError, match="needs at least 2 of them, and there are 0"):
        measured(lambda: metric(spec()), {"real": good})


def test_obedience_refuses_labels_of_other_classes() -> None:
    good = rows()
    for message, classes, label in (
        ("this one has 5", 10, good["label"]),
        ("none was asked", K, torch.full((300,), K)),
        ("has 9", K, good["label"].index_fill(0, torch.tensor([2]), 9)),
    ):
        with pytest.raises(GentkError, match=message):
            measured(lambda: Obedience(spec(classes)), {"generated": {**good, "label": label}})  # noqa: B023
    with pytest.raises(GentkError, match="needs 'label'"):
        measured(lambda: Obedience(spec()), {"generated": {"logits": good["logits"]}})


# ---- of the model
def test_accuracy_counts_known_labels_and_refuses_no_number() -> None:
    log_p = torch.tensor([[-0.1, -2.0], [-torch.inf, 0.0], [0.0, -torch.inf], [-0.1, -2.0]], dtype=torch.float64)
    sides = {"real": {"log_label": log_p, "label": torch.tensor([0, 1, 1, 2])}}  # the last one's is hidden
    found = measured(lambda: Accuracy(spec(2)), sides)["accuracy"]
    assert found.value == pytest.approx(2 / 3) and found.error == pytest.approx((2 / 9 / 3) ** 0.5)
    sides["real"]["log_label"][0, 0] = torch.nan
    with pytest.raises(GentkError, match="not finite"):
        measured(lambda: Accuracy(spec(2)), sides)
