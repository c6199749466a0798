"""gentk plot density: how dense a model finds each place of a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ....errors import UsageError
from ... import choices
from ...examples import Dataset_, Split, dataset_of
from ...subject import Subject, subject
from ...waiting import waiting
from .axes import Axes, Shown, rows_of, shown
from .clouds import fresh, told
from .looks import Label, Out, Seed, done, picture_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from ....protocols import Column, Leaf
    from ....style import Limits

FEW, MANY = 1000, 10_000  # points that are asked about together
FINE, COARSE = 90, 40  # cells along each side where log p(x) is asked, and of a histogram


@dataclass(frozen=True)
class Asked:
    """What is to be drawn: the model, which of its numbers, the data to lay on top, one class or all."""

    found: Subject
    model: Any
    which: Shown
    real: dict[str, Tensor]
    classes: Leaf | None  # of the data's labels
    label: str | None
    grid: int | None

    @property
    def chosen(self) -> dict[str, Tensor]:
        """The data, of the one class where that is asked for."""
        if self.label is None or "label" not in self.real:
            return self.real
        kept = self.real["label"] == grounds(self.found, self.label, 1)["label"][0]
        return {key: value[kept] for key, value in self.real.items()}

    @property
    def title(self) -> str:
        if self.label is None:
            return self.found.title
        names, k = self.found.conditions()["label"].names, int(grounds(self.found, self.label, 1)["label"][0])
        return f"{self.found.title}, class {names[k] if k < len(names) else self.label}"


def density(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    label: Label = None,
    axes: Axes = None,
    dataset: Dataset_ = None,
    split: Split = "test",
    grid: Annotated[int | None, Option(min=10, max=1000, help="Points along each side. \\[default: 90; 40 of a histogram]")] = None,
    n: Annotated[int, Option("-n", min=100, help="How many draws a histogram is of.")] = 20_000,
    seed: Seed = 0,
    out_: Out = None,
) -> None:
    """How dense a model finds each place of a plane, with the data on top. Of one that knows classes: that of each, and where Bayes' rule
    decides for another; --label: one class, or "none". Of more than two numbers: a histogram of draws, over the two of --axes."""
    from ....protocols import DataSpec

    found = subject(plugin, recipe, weights, None, model)
    data = DataSpec.model_validate(rows_of(found))
    which = shown(data, found.title, axes, "a density")
    path = picture_path(out_, f"{found.title.replace('/', '-')}-density.png")
    if label is not None and "label" not in found.conditions():
        raise UsageError(f"{found.title} knows no labels: leave out --label")
    exact = which.whole and not found.config.get("latents") and all(column.kind == "number" for column in which.columns)
    if exact or label is not None:
        grounds(found, label, 1)  # a class that is none is refused before anything is loaded
    from .... import style
    from ....weights.folder import read

    source = dataset_of(found, dataset, split)
    if source.spec.shape != data.shape:
        raise UsageError(f"{dataset or 'this data set'} holds examples of shape {source.spec.shape}, and {found.title} makes {data.shape}")
    ask = Asked(found, read(found.folder), which, told(source, 2000), source.spec.conditions.get("label"), label, grid)
    picture, said, about = formula(ask) if exact else histogram(ask, n, seed)
    style.save(picture, path)
    done(path, said, weights=found.title, **about)


# ---------------------------------------------------------------- log p(x) over a grid
def formula(ask: Asked) -> tuple[Figure, str, dict[str, Any]]:
    """The model's own density. What is said of it: how much of the probability lies in the picture."""
    import torch

    from ....style import limits

    grid, which = ask.grid or FINE, ask.which
    span = limits([which.of(ask.real["x"])], equal=not which.units)
    x = torch.zeros(grid * grid, 2, dtype=torch.float64)
    x[:, list(which.places)] = lattice(span, grid)
    points = {"x": x, **grounds(ask.found, ask.label, grid * grid)}
    each = "label" in ask.found.conditions() and ask.label is None
    classes = ask.model.conditions["label"].classes if each else 1
    with waiting(f"density of {ask.title}"):
        picture, total = (by_class if each else at_once)(ask, points, span)
    share = total * (span[0][1] - span[0][0]) * (span[1][1] - span[1][0]) / (grid - 1) ** 2
    said = f"density of {ask.title}{f', of each of {classes} classes' if each else ''}; {held(share)}"
    return picture, said, {**({"classes": classes} if each else {}), "probability_in_picture": round(share, 4)}


def held(share: float) -> str:
    """How much of the probability a picture holds, as a sum over its grid."""
    if share > 1.02:
        return f"its grid is too coarse to be exact: the probability in it adds up to {share:.0%} (a finer --grid helps)"
    return f"{min(share, 1):.1%} of the probability lies in the picture"


def together(model: Any) -> int:
    """How many points are asked about together. A denoiser's ODE costs as much for a few as for many."""
    from ....protocols import Likelihood, can

    return FEW if can(model, Likelihood) else MANY


def at_once(ask: Asked, points: dict[str, Tensor], span: Limits) -> tuple[Figure, float]:
    """The picture of log p(x), or log p(x | label), and the sum of the density over the grid."""
    from ....inference.likelihood import log_prob
    from ....plots import planes

    nats = log_prob(ask.model, points, batch_size=together(ask.model))
    side = round(len(nats) ** 0.5)
    cloud = ask.which.of(ask.chosen["x"])
    picture = planes.density(nats.reshape(side, side).numpy(), span, cloud, f"density of {ask.title}", ask.which.titles)
    return picture, float(nats.exp().sum())


def by_class(ask: Asked, points: dict[str, Tensor], span: Limits) -> tuple[Figure, float]:
    """The picture of log p(x | y) of every class y, and the sum of Σ p(x | y) p(y) over the grid."""
    from ....inference.classification import log_joint, log_prior
    from ....legends import name, shortened
    from ....plots import planes
    from ....protocols import Leaf

    prior = log_prior(ask.model)
    joint = log_joint(ask.model, points, batch_size=together(ask.model))
    side = round(len(joint) ** 0.5)
    given = (joint - prior).nan_to_num(nan=-float("inf")).T.reshape(len(prior), side, side)  # of a class never seen, nothing
    about = Leaf(classes=len(prior), names=tuple(ask.model.conditions["label"].names))
    names = [shortened(name(k, about)) for k in range(len(prior))]
    labels = ask.real["label"].numpy()[ask.which.there(ask.real["x"])] if "label" in ask.real else None
    cloud, title = ask.which.of(ask.real["x"]), f"density of each class, {ask.title}"
    picture = planes.classes(given.numpy(), prior.numpy(), span, cloud, labels, title, names, ask.which.titles)
    return picture, float(joint.exp().sum())


def grounds(found: Subject, label: str | None, n: int) -> dict[str, Tensor]:
    """The conditions of n points: what is asked for, else "none". Raises UsageError for one that is neither."""
    given: dict[str, Tensor] = {}
    for key, condition in found.conditions().items():
        if key == "label" and label is None:
            continue
        try:
            value = condition.prepare(label, n) if key == "label" else condition.null(n)
        except ValueError as error:
            raise UsageError(f"--label: {error}") from None
        if value is None:
            raise UsageError(f"say which {key}: --{key}")
        if key == "label" and len(set(value.tolist())) > 1:
            raise UsageError(f"--label: a density is that of one class, got '{label}'")
        given[key] = value
    return given


def lattice(span: Limits, grid: int) -> Tensor:
    """(grid², 2): row by row, upwards."""
    import torch

    across, up = (torch.linspace(*side, grid, dtype=torch.float64) for side in span)
    return torch.stack([across.repeat(grid), up.repeat_interleave(grid)], dim=1)


# ---------------------------------------------------------------- a histogram of draws
def histogram(ask: Asked, n: int, seed: int) -> tuple[Figure, str, dict[str, Any]]:
    """How often a draw falls into each cell of two of its numbers, whatever the others are: the marginal, and no slice of the density."""
    import numpy as np

    from ....plots import planes
    from ....style import limits

    which, real = ask.which, ask.chosen
    draws, cloud = which.of(fresh(ask.found, n, seed, ask.label)["x"]), which.of(real["x"])
    if not len(draws):
        raise UsageError(f"no draw of {ask.found.title} has both {' and '.join(which.names)}")
    span = limits([draws, *([cloud] if len(cloud) else [])], equal=not which.units)
    sides = [edges(*side, ask.grid or COARSE, which.columns[j]) for side, j in zip(span, which.places, strict=True)]
    counts = np.histogram2d(draws[:, 0], draws[:, 1], bins=sides)[0].T
    labels = real["label"].numpy()[which.there(real["x"])] if "label" in real and ask.label is None else None
    others = f", whatever the other {len(which.columns) - 2} are" if len(which.columns) > 2 else ""
    title = f"{ask.title}: {' and '.join(which.names)}{others}\na histogram of {len(draws):,} draws"
    picture = planes.histogram(counts / len(draws), sides, cloud, title, which.names, labels, ask.classes)
    said = f"a histogram of {len(draws):,} draws of {ask.title}: {' and '.join(which.names)}{others}"
    return picture, said, {"axes": list(which.names), "dimensions": len(which.columns), "draws": len(draws)}


def edges(low: float, high: float, count: int, column: Column) -> Any:
    """About `count` cells from `low` to `high`. Each holds as many of the values that a column can have as any other, or stripes that are
    none of the model's would be seen."""
    import math

    import numpy as np

    from ....columns import resolution

    step = resolution(column) or (10.0**-column.decimals if column.decimals is not None else 0.0)
    if not step:
        return np.linspace(low, high, count + 1)
    width = step * max(1, math.ceil((high - low) / count / step - 1e-9))
    first = (math.floor(low / step) - 0.5) * step
    return first + width * np.arange(math.ceil((high - first) / width) + 1)
