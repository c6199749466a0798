"""The kind of `gentk plot` that compares bounds on log p(x) by their two parts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from ....errors import GentkError, UsageError
from ... import choices
from ...examples import Dataset_, Split, examples
from ...subject import Subject, subject
from ...waiting import waiting
from .looks import Out, done, picture_path

if TYPE_CHECKING:
    from torch import Tensor

    from ....protocols import Leaf

Seed = Annotated[int, Option(min=0, max=2**63, help="Of the draws of z.")]


def rate_distortion(
    weights: Annotated[list[str], typer.Argument(metavar="WEIGHTS...", help="Folders or runs, PLUGIN/RECIPE, or USER/REPO of the Hub.")],
    dataset: Dataset_ = None,
    split: Split = "test",
    n: Annotated[int, Option("-n", min=1, help="How many examples, the same for each model.")] = 1000,
    seed: Seed = 0,
    device: choices.Device = "auto",
    out_: Out = None,
) -> None:
    """Rate-distortion plot of VAEs: KL against reconstruction error, nats per held-out example, a point for each model.

    Dashed lines join equal negative ELBO, which is the sum. A larger β moves a model to less rate and more distortion.
    """
    path = picture_path(out_, "rate-distortion.png")
    found = [subject(None, None, word, None) for word in weights]
    names = named(found, weights)
    from ....protocols import DataSpec

    leaves = [DataSpec.model_validate(one.rows()).leaves.get("x") for one in found]
    batches = [examples(one, None, dataset, split, n, {}) for one in found]
    for name, leaf, batch in zip(names, leaves, batches, strict=True):
        assert leaf is not None  # `examples` has refused what is no x
        comparable(name, leaf, batch["x"], names[0], leaves[0], batches[0]["x"])
    points = [measured(*each, seed, device) for each in zip(found, names, batches, strict=True)]
    from .... import style
    from ....plots import latents

    style.save(latents.rate_distortion([(titled(point), point["rate"], point["distortion"]) for point in points]), path)
    count = len(batches[0]["x"])
    lines = [f"{titled(p)}: rate {shown(p, 'rate')}, distortion {shown(p, 'distortion')}, −ELBO {shown(p, 'nelbo')}" for p in points]
    done(path, "\n".join([f"{count:,} examples, nats per example", *lines]), examples=count, points=points)


def named(found: list[Subject], words: list[str]) -> list[str]:
    """A name for each: its title, or what was typed where two have the same title. Raises UsageError for weights that are given twice."""
    titles = [one.title for one in found]
    names = [title if titles.count(title) == 1 else word for title, word in zip(titles, words, strict=True)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{twice} is given twice: a point would hide the other")
    return names


def comparable(name: str, leaf: Leaf, x: Tensor, other: str, first: Leaf | None, those: Tensor) -> None:
    """Raise UsageError unless nats of `x` under the model called `name` mean what those of the first model mean: the same examples,
    with values of the same levels."""
    if first is None or (leaf.shape, leaf.levels, leaf.range) != (first.shape, first.levels, first.range):
        raise UsageError(f"{name} and {other} know examples of other shapes or levels: their nats cannot be compared")
    if leaf.levels and leaf.range:
        low, high = leaf.range
        place = (x.double() - low) / (high - low) * (leaf.levels - 1)
        if float((place - place.round()).abs().max()) > 1e-3:
            raise UsageError(f"these examples have values between the {leaf.levels} levels that {name} knows: leave out --dataset")
    if x.shape != those.shape or bool((x != those).any()):
        raise UsageError(f"{name} and {other} were trained on different data: say with --dataset which examples all are asked about")


def measured(found: Subject, name: str, batch: dict[str, Tensor], seed: int, device: str) -> dict[str, Any]:
    """Means over the examples, with their standard errors. Raises UsageError for a model without rate and distortion, GentkError where a
    mean is not finite."""
    from ....inference.likelihood import rate_distortion as parts
    from ....inference.sampling import pick_device
    from ....weights.folder import read

    model = read(found.folder).to(pick_device(device))
    with waiting(f"rate and distortion of {name}"):
        rate, distortion = (nats.double() for nats in parts(model, batch, seed=seed))
    told: dict[str, Any] = {"weights": name}
    if isinstance(beta := found.config.get("config", {}).get("beta"), int | float):
        told["beta"] = float(beta)
    for key, nats in (("rate", rate), ("distortion", distortion), ("nelbo", rate + distortion)):
        told[key] = float(nats.mean())
        told[f"{key}_error"] = float(nats.std()) / math.sqrt(len(nats)) if len(nats) > 1 else None
        if not math.isfinite(told[key]):
            raise GentkError(f"the {key} of {name} is {told[key]}: its weights, or these examples, are beyond the numbers")
    return told


def titled(point: dict[str, Any]) -> str:
    return f"{point['weights']} (β = {point['beta']:g})" if "beta" in point else str(point["weights"])


def shown(point: dict[str, Any], key: str) -> str:
    error = point[f"{key}_error"]
    return f"{point[key]:.2f}" + ("" if error is None else f" ± {error:.2f}")
