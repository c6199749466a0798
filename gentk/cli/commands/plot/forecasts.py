"""The kinds of `gentk plot` that look at a model of series: its forecast, and what it leaves unexplained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from typer import Option

from ....errors import UsageError
from ... import choices
from ...examples import Dataset_, Part, dataset_of
from ...subject import Subject, subject
from .looks import Out, done, picture_path

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ....protocols import Clock, DataSpec

TEXT = (".csv", ".tsv")
"""What a forecast is written as, where it is to be no picture."""

Source = Annotated[str | None, Option("--source", metavar="FILE", help="The series, in the units of the training data: .csv, .npz.")]
OfTraining = Annotated[str | None, Option("--split", metavar="NAME", help="Which part of the data set. \\[default: train]")]
Example = Annotated[int, Option(min=0, help="Which series, where there are several.")]
Interval = Annotated[float, Option(min=0.01, max=0.9999, help="Share of what may come that the band is to hold.")]


class Given(NamedTuple):
    """One series: a batch of it, its values, and how it is called."""

    batch: dict[str, Tensor]
    x: Any  # (T, D) float64 array, without padding
    title: str
    names: tuple[str, ...]  # of the channels; () where nobody named them
    clock: Clock | None  # when its steps are
    start: int  # the number of its first step

    def drawn(self) -> dict[str, Any]:
        """What a picture needs to name axes."""
        return {"title": self.title, "names": self.names, "clock": self.clock, "start": self.start}


def forecaster(found: Subject) -> Any:
    """The model, if it can forecast. Raises UsageError."""
    from ....protocols import Forecaster, can
    from ....weights.folder import read

    if found.config["data"]["modality"] != "series":
        raise UsageError(f"forecasts are of series, and {found.title} makes {found.config['data']['modality']}")
    model = read(found.folder)
    if not can(model, Forecaster):
        raise UsageError(f"{found.title} is no Forecaster: it does not say how a series goes on")
    return model


def given(found: Subject, source: str | None, dataset: str | None, split: str | None, example: int, usual: str = "test") -> Given:
    """The series that is looked at, from a file or a data set. Raises UsageError."""
    import torch

    from ....modalities.steps import counted
    from ....protocols import DataSpec
    from ....training.order import fetch

    channels = found.config["data"]["leaves"]["x"]["shape"][1]
    if source and dataset:
        raise UsageError("--source and --dataset both say what the series is: give one")
    if source and split:
        raise UsageError("--split says which part of a data set: leave it out with --source")
    if source:
        many, names, clock = from_table(source, DataSpec.model_validate(found.config["data"]))
    else:
        many = dataset_of(found, dataset, split or usual)
        leaf = many.spec.leaves["x"]
        names, clock = tuple(column.name for column in leaf.columns), leaf.clock
    if example >= len(many):
        raise UsageError(f"--example: there is no series {example}, they are numbered 0 to {len(many) - 1}")
    rest = {} if source else dict(fetch(many, [example]))
    x = many[example] if source else counted(rest)[0]
    if x.ndim != 2 or x.shape[1] != channels:
        raise UsageError(f"this is {x.shape}, {found.title} knows series of {channels} channel{'s' * (channels > 1)}")
    batch = {**rest, "x": torch.as_tensor(x)[None], "length": torch.tensor([len(x)])}
    start = int(rest["time"][0]) if "time" in rest else 0
    return Given(batch, x.astype("float64"), f"{found.title}, {source or dataset or f'{split or usual} split'}", names, clock, start)


def from_table(source: str, data: DataSpec) -> tuple[Any, tuple[str, ...], Clock | None]:
    """The series of a file, what their channels are called, and their clock where the file has dates in equal steps."""
    from ....dates import clock_of
    from ....modalities.steps import measured

    read = measured(source, spec=data)
    clock, gaps = clock_of(read.clock, read.times) if read.times else (None, 0)
    return [one.astype("float32") for one in read.series], read.names, None if gaps else clock


def forecast(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    source: Source = None,
    dataset: Dataset_ = None,
    split: Part = None,
    example: Example = 0,
    steps: Annotated[int, Option(min=1, max=100_000, help="How far to look ahead.")] = 24,
    held: Annotated[
        int | None,
        Option(min=0, help="How many of the last steps to hold back and compare. \\[default: --steps of a data set, 0 of a file]"),
    ] = None,
    interval: Interval = 0.95,
    out_: Out = None,
) -> None:
    """How a series goes on: history, one-step fit, forecast with its interval, and what really came. --out FILE.csv: as a table."""
    found = subject(plugin, recipe, weights, None, model)
    path = picture_path(out_, f"{found.title.replace('/', '-')}-forecast.png", TEXT)
    import numpy as np
    import torch

    made = forecaster(found)
    series = given(found, source, dataset, split, example)
    known = len(series.x) - ((0 if source else steps) if held is None else held)
    if known < 1:
        raise UsageError(f"of {len(series.x)} steps {len(series.x) - known} are held back: give fewer --held or --steps")
    from .... import style
    from ....plots import series as plots

    x = series.batch["x"].clone()
    x[:, known:] = 0
    batch = {**series.batch, "x": x, "length": torch.tensor([known])}
    with torch.no_grad():
        told, fit = made.forecast(batch, steps), made.fitted(batch)[0, :known].double().cpu().numpy()
    mean, std = (value[0].double().cpu().numpy() for value in told)
    came = series.x[known : known + steps]
    if path.suffix.lower() in TEXT:
        table(path, series, known, mean, plots.width_of(interval) * std, came)
    else:
        style.save(plots.forecast(series.x[:known], fit, mean, std, came, interval=interval, **series.drawn()), path)
    about: dict[str, Any] = {"weights": found.title, "history": known, "steps": steps}
    said = f"{steps} steps after the {known} that {found.title} was shown"
    if len(came):
        error = came - mean[: len(came)]
        right = np.abs(error) <= plots.width_of(interval) * std[: len(came)]
        about["rmse"] = figure(np.sqrt((error**2).mean()))
        about["inside"] = figure(right.mean())
        many = "value" if came.size == 1 else "values"
        said += f"; of {came.size} {many} that came {int(right.sum())} lie in the {100 * interval:g} % interval, "
        said += f"and the forecast misses them by {about['rmse']:g} (root of the mean square)"
    done(path, said, **about)


def table(path: Path, series: Given, known: int, mean: Any, half: Any, came: Any) -> None:
    """A row per step ahead: when, and of each channel the forecast, the ends of its interval and, where it is known, what came."""
    import csv

    from ....dates import time_of
    from ....files import replacing

    names = series.names or tuple(f"x{d}" for d in range(mean.shape[1]))
    ends = [f"{name}{end}" for name in names for end in ("", "_low", "_high", *(["_came"] if len(came) else []))]
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        writer.writerow([series.clock.name if series.clock else "time", *ends])
        for t, row in enumerate(mean):
            step = series.start + known + t
            cells = [time_of(series.clock, step) if series.clock else str(step)]
            for d, value in enumerate(row):
                cells += [f"{number:.10g}" for number in (value, value - half[t, d], value + half[t, d])]
                cells += [f"{came[t, d]:.10g}" if t < len(came) else ""] if len(came) else []
            writer.writerow(cells)


def residuals(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    source: Source = None,
    dataset: Dataset_ = None,
    split: OfTraining = None,
    example: Example = 0,
    lags: Annotated[int, Option(min=1, max=10_000, help="How many lags of the autocorrelation are shown.")] = 24,
    interval: Interval = 0.95,
    out_: Out = None,
) -> None:
    """What a model of series leaves unexplained: over time, as a histogram, and its autocorrelation."""
    found = subject(plugin, recipe, weights, None, model)
    path = picture_path(out_, f"{found.title.replace('/', '-')}-residuals.png")
    import numpy as np
    import torch

    made = forecaster(found)
    series = given(found, source, dataset, split, example, usual="train")
    from .... import style
    from ....plots import series as plots

    with torch.no_grad():
        left = series.x - made.fitted(series.batch)[0, : len(series.x)].double().cpu().numpy()
    counts = np.isfinite(left).all(1)
    if counts.sum() < 3:
        raise UsageError(f"{series.title}: {int(counts.sum())} residuals are too few to look at: the series has {len(left)} steps")
    style.save(plots.residuals(left, lags=lags, interval=interval, **series.drawn()), path)
    kept = left[counts]
    band = plots.width_of(interval) / np.sqrt(len(kept))
    shown = min(lags, len(kept) - 1)
    outside = int(sum((np.abs(plots.autocorrelation(channel, shown)[1:]) > band).sum() for channel in kept.T))
    expected = (1 - interval) * shown * kept.shape[1]
    said = f"{len(kept)} residuals of {found.title}, their standard deviation {figure(kept.std()):g}; {outside} of {shown * kept.shape[1]} "
    said += f"autocorrelations lie outside the {100 * interval:g} % band (of residuals without a memory, about {expected:.2g} would)"
    done(path, said, weights=found.title, residuals=len(kept), std=figure(kept.std()), lags=shown, outside=outside)


def figure(value: Any) -> float:
    """A number to be read: four digits of it."""
    return float(f"{value:.4g}")
