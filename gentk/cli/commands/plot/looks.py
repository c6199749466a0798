"""The kinds of `gentk plot` that look at a model on its way: its path forward and back, and the ways of single points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ....errors import UsageError
from ....host import lookup
from ... import choices
from ...drawing import target
from ...examples import Dataset_, Split, dataset_of
from ...out import out
from ...subject import Subject, subject
from ...waiting import waiting
from ..sample import check, pairs
from .axes import Axes, rows_of, shown, vectors

if TYPE_CHECKING:
    from torch import Tensor


Out = Annotated[Path | None, Option("--out", metavar="FILE.png", help="Where to. \\[default: a new file here]")]
Seed = Annotated[int, Option(min=0, max=2**63, help="Of the noise.")]
Options = Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="Any option of the sampler, by name: steps=20.")]
Columns = Annotated[int, Option(min=2, max=40, help="How many states are shown.")]
Label = Annotated[str | None, Option(metavar="CLASS", help="Condition of this name: as for `gentk sample`.")]

LEVEL = "; σ/α: how strong the noise is beside the data"


def picture_path(path: Path | None, default: str, tables: tuple[str, ...] = ()) -> Path:
    """Where a picture, or one of these tables, goes; refused before any work where it cannot."""
    from ....modalities.base import writable
    from ....style import SUFFIXES

    path = target(path, default)
    if path.suffix.lower() not in (*SUFFIXES, *tables):
        more = f", and the numbers as {', '.join(tables)}" if tables else ""
        raise UsageError(f"{path}: a picture is saved as {', '.join(SUFFIXES)}{more}")
    writable(path)
    return path


def done(path: Path, said: str = "", **about: Any) -> None:
    """The file and what is in it: `said` to people, else `about`, which is what --json gets."""
    from rich.markup import escape

    told = said or "  ".join(f"{key} {', '.join(value) if isinstance(value, list) else value}" for key, value in about.items())
    out.result({"file": str(path), **about}, lambda: escape(f"{path}  {told}"))


def loaded(found: Subject, capability: type) -> Any:
    from ....protocols import can
    from ....weights.folder import read

    model = read(found.folder)
    if not can(model, capability):
        raise UsageError(f"{found.title} is no {capability.__name__}: nothing lies between its noise and its data")
    return model


def cloud(found: Subject, name: str | None, split: str, n: int) -> dict[str, Tensor]:
    from ....training.order import fetch, some

    source = dataset_of(found, name, split)
    return dict(fetch(source, some(len(source), n)))


def asked(label: str | None) -> dict[str, Any]:
    return {} if label is None else {"label": label}


def forward(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    schedule: Annotated[
        str | None, Option(metavar="NAME", help="Another schedule than that of the weights.", autocompletion=choices.schedules)
    ] = None,
    dataset: Dataset_ = None,
    split: Split = "test",
    axes: Axes = None,
    n: Annotated[int | None, Option("-n", min=1, help="How many examples. \\[default: 6 pictures, 2000 points]")] = None,
    times: Columns = 8,
    seed: Seed = 0,
    out_: Out = None,
) -> None:
    """Examples at increasing noise. Points: with the ways of single ones."""
    found = subject(plugin, recipe, weights, None, model)
    path = picture_path(out_, f"{(schedule or found.title).replace('/', '-')}-forward.png")
    import torch

    from .... import style
    from ....noise import Philox
    from ....plots import planes, states
    from ....protocols import Denoiser

    source = dataset_of(found, dataset, split)
    points, which = len(source.spec.shape) == 1, vectors(source.spec, dataset or "this data set", axes, "a state")
    batch = cloud(found, dataset, split, n or (2000 if points else 6))
    path_of = lookup.schedule(schedule) if schedule else loaded(found, Denoiser).schedule
    x, when = batch["x"], visible(path_of, times)
    eps = Philox(seed, range(len(x))).normal(*x.shape[1:])
    seen = [states.viewable(s, path_of, t) for s, t in zip(states.noised(x, eps, path_of, when), when, strict=True)]
    cond = {key: value for key, value in batch.items() if key in source.spec.conditions}
    kind, two = lookup.modality(source.spec.modality), (which.places, which.titles, which.units) if which else None
    picture = states.strip(seen, [states.title(path_of, t) for t in when], kind, source.spec, cond, two)
    if which:
        fine = visible(path_of, 101)
        ways = [states.viewable(s, path_of, t) for s, t in zip(states.noised(x[:24], eps[:24], path_of, fine), fine, strict=True)]
        places, equal = list(which.places), not which.units
        lines = planes.paths(torch.stack(ways).numpy()[..., places], x.numpy()[:, places], "from data to noise", which.titles, equal=equal)
        picture = stacked(picture, style.drawn(lines))
    style.save(picture, path)
    said = f"{len(x):,} examples at {times} levels of noise of {schedule or found.title}{which.said if which else ''}{LEVEL}"
    done(path, said, **({"schedule": schedule} if schedule else {"weights": found.title}), examples=len(x))


def visible(schedule: Any, count: int) -> list[float]:
    """Times from 0 to 1 at equal steps of the angle whose tangent is σ/α: at equal steps of what is seen, on every path."""
    import math

    from ....gaussian.circle import angle
    from ....gaussian.schedules import when

    top = angle(schedule, 1.0)
    inner = [when(schedule, math.tan(top * i / (count - 1))) for i in range(1, count - 1)]
    return [0.0, *inner, 1.0]


def stacked(upper: Any, lower: Any) -> Any:
    """Two pictures below each other, each in the middle."""
    from PIL import Image

    sheet = Image.new("RGB", (max(upper.width, lower.width), upper.height + lower.height), "white")
    sheet.paste(upper, ((sheet.width - upper.width) // 2, 0))
    sheet.paste(lower, ((sheet.width - lower.width) // 2, upper.height))
    return sheet


def reverse(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    sampler: choices.Sampler = None,
    option: Options = [],
    label: Label = None,
    axes: Axes = None,
    n: Annotated[int | None, Option("-n", min=1, help="How many samples. \\[default: 6 pictures, 2000 points]")] = None,
    columns: Columns = 8,
    preview: Annotated[bool, Option("--preview", help="Show what the model guesses of the data at each state.")] = False,
    seed: Seed = 0,
    out_: Out = None,
) -> None:
    """Samples on their way from noise to data, side by side."""
    found = subject(plugin, recipe, weights, sampler, model)
    path = picture_path(out_, f"{found.title.replace('/', '-')}-reverse.png")
    chosen = check(found, {**found.options, **pairs(option, {})})
    from .... import style
    from ....inference.sampling import final_data
    from ....plots import states
    from ....protocols import Denoiser

    made = loaded(found, Denoiser)
    data = final_data(made)
    count = n or (2000 if len(data.shape) == 1 else 6)
    which = vectors(data, found.title, axes, "a state")
    seen = walked(made, chosen, count, seed, asked(label), columns, preview, found.title)
    cond = seen[-1][1] if seen else {}
    kind = lookup.modality(data.modality)
    two = (which.places, which.titles, which.units) if which else None
    style.save(states.strip([x for x, _, _ in seen], [title for _, _, title in seen], kind, data, cond, two), path)
    said = f"{count:,} samples of {found.title} in {len(seen)} states from noise to data{which.said if which else ''}{LEVEL}"
    done(path, said, weights=found.title, samples=count, columns=len(seen))


def walked(
    model: Any, sampler: Any, n: int, seed: int, cond: dict[str, Any], columns: int, preview: bool, title: str = ""
) -> list[tuple[Any, Any, str]]:
    """(state, conditions, title) at evenly chosen steps. States are scaled to be seen, where they lie on a path whose times are known."""
    from ....inference.sampling import as_batch, finish, stream
    from ....plots import states

    found: list[tuple[Any, Any, str]] = []
    times = sampler.times(model) if hasattr(sampler, "times") else None
    with waiting(f"drawing from {title or type(model).__name__}") as tell:
        for step in stream(model, n, seed=seed, sampler=sampler, cond=cond):
            tell(step.index / max(step.total, 1))
            if step.index not in states.chosen(step.total, columns):
                continue
            given = {key: value.cpu() for key, value in as_batch(step.x).items() if key in model.conditions}
            state = as_batch(step.preview if preview and step.preview is not None else step.x)["x"]
            title = f"step {step.index}"
            if times is not None and len(times) == step.total + 1:
                time = float(times[step.index])
                state = state if preview and step.preview is not None else states.viewable(state, model.schedule, time)
                title += "\n" + states.title(model.schedule, time).split("\n")[1]
            found.append((finish(model, state)["x"].cpu(), given, title))
    return found


def paths(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    sampler: choices.Sampler = None,
    option: Options = [],
    label: Label = None,
    axes: Axes = None,
    n: Annotated[int, Option("-n", min=1, help="How many points.")] = 60,
    seed: Seed = 0,
    out_: Out = None,
) -> None:
    """The ways of single points from noise to data."""
    from ....protocols import DataSpec

    found = subject(plugin, recipe, weights, sampler, model)
    which = shown(DataSpec.model_validate(rows_of(found)), found.title, axes, "a path", most=2)
    path = picture_path(out_, f"{found.title.replace('/', '-')}-paths.png")
    chosen = check(found, {**found.options, **pairs(option, {})})
    import torch

    from .... import style
    from ....inference.sampling import sample
    from ....plots import planes
    from ....protocols import Denoiser

    made = loaded(found, Denoiser)
    seen = walked(made, chosen, n, seed, asked(label), 10_001, False, found.title)
    many = sample(made, 2000, seed=seed + 1, sampler=chosen, cond=asked(label), batch_size=2000)["x"]
    states, cloud = torch.stack([x for x, _, _ in seen]).numpy()[..., list(which.places)], which.of(many)
    style.save(planes.paths(states, cloud, "from noise to data", which.titles, equal=not which.units), path)
    done(path, f"{n} points of {found.title}, {len(seen) - 1} steps from noise to data{which.said}", weights=found.title, points=n,
         steps=len(seen) - 1)  # fmt: skip
