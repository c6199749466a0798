"""The kinds of `gentk plot` that look at a model: its path forward and back, single ways, clouds, densities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ..errors import UsageError
from ..host import lookup
from . import choices
from .drawing import target
from .examples import Dataset_, Split, dataset_of
from .out import out
from .sample import check, pairs
from .subject import Subject, subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from ..modalities.points import Limits


Out = Annotated[Path | None, Option("--out", metavar="FILE.png", help="Where to. \\[default: a new file here]")]
Seed = Annotated[int, Option(min=0, max=2**63, help="Of the noise.")]
Options = Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="Any option of the sampler, by name: steps=20.")]
Columns = Annotated[int, Option(min=2, max=40, help="How many states are shown.")]
Label = Annotated[str | None, Option(metavar="CLASS", help="Condition of this name: as for `gentk sample`.")]


def picture_path(path: Path | None, default: str) -> Path:
    """Where a picture goes; refused before any work where it cannot."""
    from ..modalities.base import writable
    from ..plots.style import SUFFIXES

    path = target(path, default)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a picture is saved as {', '.join(SUFFIXES)}")
    writable(path)
    return path


def done(path: Path, **about: Any) -> None:
    from rich.markup import escape

    told = "  ".join(f"{key} {', '.join(value) if isinstance(value, list) else value}" for key, value in about.items())
    out.result({"file": str(path), **about}, lambda: escape(f"{path}  {told}"))


def plane(found: Subject, what: str) -> None:
    """Refuses what does not live in a plane."""
    data = found.config["data"]
    if data["modality"] != "points" or list(data["leaves"]["x"]["shape"]) != [2]:
        kind, shape = data["modality"], data["leaves"]["x"]["shape"]
        many = f"{kind} of {shape[0]} dimensions" if kind == "points" else kind
        raise UsageError(f"{what} are drawn of points in a plane, and {found.title} makes {many}: see gentk sample or gentk plot reverse")


def loaded(found: Subject, capability: type) -> Any:
    from ..protocols import can
    from ..weights.folder import read

    model = read(found.folder)
    if not can(model, capability):
        raise UsageError(f"{found.title} is no {capability.__name__}: nothing lies between its noise and its data")
    return model


def cloud(found: Subject, name: str | None, split: str, n: int) -> dict[str, Tensor]:
    from ..training.order import fetch, some

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
    n: Annotated[int | None, Option("-n", min=1, help="How many examples. \\[default: 6 pictures, 2000 points]")] = None,
    times: Columns = 8,
    seed: Seed = 0,
    out_: Out = None,
) -> None:
    """Examples at increasing noise. Points: with the ways of single ones."""
    found = subject(plugin, recipe, weights, None, model)
    path = picture_path(out_, f"{(schedule or found.title).replace('/', '-')}-forward.png")
    import torch

    from ..noise import Philox
    from ..plots import planes, states, style
    from ..protocols import Denoiser

    source = dataset_of(found, dataset, split)
    points = len(source.spec.shape) == 1
    batch = cloud(found, dataset, split, n or (2000 if points else 6))
    path_of = lookup.schedule(schedule) if schedule else loaded(found, Denoiser).schedule
    x, when = batch["x"], visible(path_of, times)
    eps = Philox(seed, range(len(x))).normal(*x.shape[1:])
    seen = [states.viewable(s, path_of, t) for s, t in zip(states.noised(x, eps, path_of, when), when, strict=True)]
    cond = {key: value for key, value in batch.items() if key in source.spec.conditions}
    picture = states.strip(seen, [states.title(path_of, t) for t in when], lookup.modality(source.spec.modality), source.spec, cond)
    if points and x.shape[1] == 2:
        fine = visible(path_of, 101)
        ways = [states.viewable(s, path_of, t) for s, t in zip(states.noised(x[:24], eps[:24], path_of, fine), fine, strict=True)]
        ways_picture = style.drawn(planes.paths(torch.stack(ways).numpy(), x.numpy(), "from data to noise"))
        picture = stacked(picture, ways_picture)
    style.save(picture, path)
    done(path, **({"schedule": schedule} if schedule else {"weights": found.title}), examples=len(x))


def visible(schedule: Any, count: int) -> list[float]:
    """Times from 0 to 1 at equal steps of the angle whose tangent is σ/α: at equal steps of what is seen, on every path."""
    import math

    from ..gaussian.circle import angle
    from ..gaussian.schedules import when

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
    from ..plots import states, style
    from ..protocols import Denoiser
    from ..sampling import final_data

    made = loaded(found, Denoiser)
    data = final_data(made)
    count = n or (2000 if len(data.shape) == 1 else 6)
    seen = walked(made, chosen, count, seed, asked(label), columns, preview)
    cond = seen[-1][1] if seen else {}
    kind = lookup.modality(data.modality)
    style.save(states.strip([x for x, _, _ in seen], [title for _, _, title in seen], kind, data, cond), path)
    done(path, weights=found.title, samples=count, columns=len(seen))


def walked(model: Any, sampler: Any, n: int, seed: int, cond: dict[str, Any], columns: int, preview: bool) -> list[tuple[Any, Any, str]]:
    """(state, conditions, title) at evenly chosen steps. States are scaled to be seen, where they lie on a path whose times are known."""
    from ..plots import states
    from ..sampling import as_batch, finish, stream

    found: list[tuple[Any, Any, str]] = []
    times = sampler.times(model) if hasattr(sampler, "times") else None
    for step in stream(model, n, seed=seed, sampler=sampler, cond=cond):
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
    n: Annotated[int, Option("-n", min=1, help="How many points.")] = 60,
    seed: Seed = 0,
    out_: Out = None,
) -> None:
    """The ways of single points from noise to data."""
    found = subject(plugin, recipe, weights, sampler, model)
    plane(found, "paths")
    path = picture_path(out_, f"{found.title.replace('/', '-')}-paths.png")
    chosen = check(found, {**found.options, **pairs(option, {})})
    import torch

    from ..plots import planes, style
    from ..protocols import Denoiser
    from ..sampling import sample

    made = loaded(found, Denoiser)
    seen = walked(made, chosen, n, seed, asked(label), 10_001, preview=False)
    many = sample(made, 2000, seed=seed + 1, sampler=chosen, cond=asked(label), batch_size=2000)["x"]
    style.save(planes.paths(torch.stack([x for x, _, _ in seen]).numpy(), many.numpy(), "from noise to data"), path)
    done(path, weights=found.title, points=n, steps=len(seen) - 1)


def scatter(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    samples: Annotated[str | None, Option(metavar="FILE", help="Points from a file (.csv, .npz) in place of fresh samples.")] = None,
    dataset: Dataset_ = None,
    split: Split = "test",
    n: Annotated[int, Option("-n", min=1, help="How many of each.")] = 2000,
    seed: Seed = 0,
    out_: Out = None,
) -> None:
    """Real points and generated ones."""
    if samples and dataset and not (plugin or recipe or model or weights):
        found: Subject | None = None  # two clouds, no model
        path = picture_path(out_, f"{Path(samples).stem}-scatter.png")
    else:
        found = subject(plugin, recipe, weights, None, model)
        plane(found, "scatters")
        path = picture_path(out_, f"{found.title.replace('/', '-')}-scatter.png")
    from ..plots import planes, style
    from ..sampling import sample
    from ..training.order import fetch, some
    from ..weights.folder import read

    source = dataset_of(found, dataset, split) if found else lookup.dataset(str(dataset), split)
    if source.spec.shape != (2,):
        raise UsageError(
            f"scatters are drawn of points in a plane, and {dataset or 'this data set'} holds {source.spec.modality} of "
            f"{' × '.join(map(str, source.spec.shape))} numbers: see gentk plot data"
        )
    real = fetch(source, some(len(source), n))["x"].numpy()
    if samples:
        made = lookup.modality("points").read(samples, (2,))[:n]
    elif found:
        made = sample(read(found.folder), n, seed=seed, batch_size=2000)["x"].numpy()
    style.save(planes.scatter(real, made, ("data", "samples")), path)
    done(path, **({"samples": samples} if samples else {"weights": found.title if found else ""}), real=len(real), generated=len(made))


def density(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    label: Label = None,
    dataset: Dataset_ = None,
    split: Split = "test",
    grid: Annotated[int, Option(min=10, max=1000, help="Points along each side.")] = 90,
    out_: Out = None,
) -> None:
    """log p(x) of a model of points in the plane, with the data on top. Of one that knows classes: that of each, and where Bayes' rule
    decides for another; --label: one class, or "none"."""
    found = subject(plugin, recipe, weights, None, model)
    plane(found, "densities")
    path = picture_path(out_, f"{found.title.replace('/', '-')}-density.png")
    if label is not None and "label" not in found.conditions():
        raise UsageError(f"{found.title} knows no labels: leave out --label")
    from ..modalities.points import limits
    from ..plots import style
    from ..weights.folder import read

    made = read(found.folder)
    real = cloud(found, dataset, split, 2000)
    span = limits([real["x"].numpy()])
    points = {"x": lattice(span, grid), **grounds(found, label, grid * grid)}
    each = "label" in found.conditions() and label is None
    picture, mass = (by_class if each else at_once)(made, points, span, real, label, found.title)
    style.save(picture, path)
    cell = (span[0][1] - span[0][0]) * (span[1][1] - span[1][0]) / (grid - 1) ** 2
    told: dict[str, Any] = {"classes": made.conditions["label"].classes} if each else {}
    done(path, weights=found.title, **told, mass=round(mass * cell, 4))


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


def at_once(
    model: Any, points: dict[str, Tensor], span: Limits, real: dict[str, Tensor], label: str | None, title: str
) -> tuple[Figure, float]:
    """The picture of log p(x), or log p(x | label), and the sum of the density over the grid."""
    from ..likelihood import log_prob
    from ..plots import planes

    n = len(points["x"])
    nats = log_prob(model, points, batch_size=n)
    shown = real["x"] if label is None or "label" not in real else real["x"][real["label"] == points["label"][0]]
    name = f"log p(x{'' if label is None else f' | {label}'}), {title}"
    side = round(n**0.5)
    return planes.density(nats.reshape(side, side).numpy(), span, shown.numpy(), name), float(nats.exp().sum())


def by_class(
    model: Any, points: dict[str, Tensor], span: Limits, real: dict[str, Tensor], label: str | None, title: str
) -> tuple[Figure, float]:
    """The picture of log p(x | y) of every class y, and the sum of Σ p(x | y) p(y) over the grid."""
    from ..classification import log_joint, log_prior
    from ..plots import planes

    n = len(points["x"])
    prior, joint = log_prior(model), log_joint(model, points, batch_size=n)
    given = (joint - prior).nan_to_num(nan=-float("inf")).T.reshape(len(prior), round(n**0.5), -1)  # of a class never seen, nothing
    names = model.conditions["label"].names or [str(k) for k in range(len(prior))]
    label_of = real["label"].numpy() if "label" in real else None
    picture = planes.classes(given.numpy(), prior.numpy(), span, real["x"].numpy(), label_of, f"log p(x | y), {title}", names)
    return picture, float(joint.exp().sum())


def lattice(span: Limits, grid: int) -> Tensor:
    """(grid², 2): row by row, upwards."""
    import torch

    across, up = (torch.linspace(*side, grid, dtype=torch.float64) for side in span)
    return torch.stack([across.repeat(grid), up.repeat_interleave(grid)], dim=1)
