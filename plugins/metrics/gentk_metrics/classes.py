"""What a classifier says of generated examples. It is the featurizer; real examples in their place say what it reaches itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import Batch, Score

from .given import OfSamples, given
from .per_example import PerExample

SURE = 0.9  # p(y | x) from which a sample counts as surely of class y
ENOUGH = 10  # samples of each class, for the share of the least obedient one


class _OfLogits(OfSamples):
    keeps = ("logits", "label")

    def logits(self) -> Tensor:
        """(n, K) float64 with K > 1. Raises GentkError."""
        (found,) = given(self, "generated", "logits", least=2)
        if found.ndim != 2 or found.shape[1] < 2:
            raise GentkError(f"{type(self).__name__} needs a classifier of two classes or more, and logits are {tuple(found.shape)}")
        return found.double()


class InceptionScore(_OfLogits):
    """exp of the mean KL(p(y|x) ‖ p(y)) (Salimans et al. 2016), over all rows at once, where published figures average ten tenths.

    Between 1 and min(K, n), for K classes. The error is the delta method's, first and second order. It never looks at real examples, so it
    sees neither memorised samples nor a class that has only one picture.
    """

    def compute(self) -> Score:
        p = self.logits().softmax(1)
        information, error = information_of(p)
        value = math.exp(information)
        parameters: dict[str, str | int | float | bool] = {"classes": p.shape[1], "splits": 1}
        return Score(name="inception-score", value=value, better="higher", error=value * error, parameters=parameters)


class ModeCoverage(_OfLogits):
    """How many classes are found, and how evenly (Lin et al. 2018; Srivastava et al. 2017).

    "modes": classes y with p(y|x) ≥ 0.9 for at least one sample x. "class-entropy": entropy of the histogram of the likeliest classes, as
    a share of log K; 1 is a uniform histogram. Its error is the delta method's.
    """

    def compute(self) -> list[Score]:
        logits = self.logits()
        classes = logits.shape[1]
        found = int((logits.softmax(1).amax(0) >= SURE).sum())
        entropy, error = information_of(torch.nn.functional.one_hot(logits.argmax(1), classes).double())
        most = math.log(classes)
        return [
            Score(name="modes", value=found, better="higher", parameters={"classes": classes, "sure": SURE}),
            Score(name="class-entropy", value=entropy / most, better="higher", error=error / most, parameters={"classes": classes}),
        ]


class Obedience(_OfLogits):
    """Share of samples whose likeliest class is the one asked for, with the binomial error.

    Samples of no class (label number K) are not counted. "obedience-worst" is the share of the least obedient class, given if each class
    was asked for at least 10 times.
    """

    def compute(self) -> list[Score]:
        logits = self.logits()
        classes = logits.shape[1]
        label = self._label(classes)
        asked = label[label < classes]
        right = logits.argmax(1)[label < classes] == asked
        if not len(asked):
            raise GentkError("obedience needs samples of a class, and none was asked for one: sample with labels")
        found = [self._share("obedience", int(right.sum()), len(right))]
        times = asked.bincount(minlength=classes)
        if int(times.min()) >= ENOUGH:
            hits = asked[right].bincount(minlength=classes)
            worst = int((hits / times).argmin())
            score = self._share("obedience-worst", int(hits[worst]), int(times[worst]))
            found.append(score.model_copy(update={"parameters": {"class": self._name(worst)}}))
        return found

    def _label(self, classes: int) -> Tensor:
        """The classes asked for, (n,). Raises GentkError if they are not those of the classifier."""
        (label,) = given(self, "generated", "label")
        leaf = self.data.conditions.get("label")
        if leaf is not None and leaf.classes != classes:
            raise GentkError(
                f"obedience needs a featurizer of the data's {leaf.classes} classes, and this one has {classes}: choose another"
            )
        label = label.reshape(-1)
        low, high = int(label.min()), int(label.max())
        if low < 0 or high > classes:
            raise GentkError(f"labels are 0 to {classes - 1}, or {classes} for none, and a sample has {low if low < 0 else high}")
        return label

    def _share(self, name: str, hits: int, n: int) -> Score:
        share = hits / n
        return Score(name=name, value=share, better="higher", error=math.sqrt(share * (1 - share) / n))

    def _name(self, index: int) -> str:
        leaf = self.data.conditions.get("label")
        return leaf.names[index] if leaf is not None and leaf.names else str(index)


def information_of(p: Tensor) -> tuple[float, float]:
    """Mutual information of example and class, the mean KL(p ‖ p̄) in nats, and its standard error. p is (n, K): rows sum to 1.

    Delta method to second order. The first order is Var(KL)/n, which the error of p̄ itself raises by 2s. The second is s = tr((C/p̄)²)/(2n²)
    with the covariance C of p. It is all there is where every KL is the same: (K − 1)/(2n²) for classes that are even, as of a χ².
    """
    n = len(p)
    mean = p.mean(0)
    kl = p @ -mean.clamp(min=1e-300).log() - torch.special.entr(p).sum(1)  # the clamp touches only classes that no row has
    covariance = p.T @ p / n - torch.outer(mean, mean)
    scaled = covariance / mean.clamp(min=1e-300)[:, None]
    second = max(float((scaled * scaled.T).sum()), 0.0) / (2 * n * n)
    first = max(float(kl.var()) / n - 2 * second, 0.0)
    return max(float(kl.mean()), 0.0), math.sqrt(first + second)


class Accuracy(PerExample):
    """Share of real examples whose likeliest class, by what the model says itself, is their label; with the binomial error.

    Examples whose label is hidden (number K) are not counted.
    """

    def numbers(self, rows: Batch) -> Batch:
        known = rows["label"] < rows["log_label"].shape[1]
        log_p = rows["log_label"].double()  # −∞ of a class that never was; NaN is no answer, and stays one
        right = torch.where(log_p.isnan().any(1), torch.nan, (log_p.argmax(1) == rows["label"]).double())
        return {"right": right[known]}

    def compute(self) -> Score:
        (right,) = given(self, "real", "right", advice="a class has no number")
        share = float(right.mean())
        return Score(name="accuracy", value=share, better="higher", error=math.sqrt(share * (1 - share) / len(right)))
