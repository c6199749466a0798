"""gentk evaluate"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ...errors import UsageError
from ...host import lookup
from .. import choices, lines
from ..examples import from_file, there
from ..flags import Flag, condition_flag, option_flags, own_names, selectors
from ..flags import command as plain_command
from ..out import out
from ..subject import Subject, subject
from ..waiting import waiting
from .plot.looks import picture_path
from .sample import check, pairs

if TYPE_CHECKING:
    from ...evaluation.evaluate import Evaluation
    from ...evaluation.material import Request

Which = Annotated[str | None, Argument(metavar="WEIGHTS", help="A folder or run, a plugin, PLUGIN/RECIPE, or USER/REPO of the Hub.")]
Beside = Annotated[
    str | None,
    Option("--reference", metavar="DATASET", help="Real examples. \\[default: what the weights were trained on]",
           autocompletion=choices.datasets),
]  # fmt: skip
Split = Annotated[str, Option(metavar="NAME", help="Which part of the reference.")]
Wanted = Annotated[
    list[str],
    Option("--metrics", metavar="NAME,…", help="Which. \\[default: all that apply and are quick]",
           autocompletion=lambda: list(lookup.specs("metrics"))),
]  # fmt: skip
Features = Annotated[
    str | None,
    Option("--featurizer", metavar="NAME|WEIGHTS", help="What distances are measured in. \\[default: that of the data]",
           autocompletion=lambda: list(lookup.specs("featurizers"))),
]  # fmt: skip


def evaluate(
    which: Which = None,
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    samples: Annotated[
        str | None, Option("--samples", metavar="FILE|DIR", help="What somebody made, in place of a model's draws.", callback=there)
    ] = None,
    reference: Beside = None,
    split: Split = "test",
    metrics: Wanted = [],
    featurizer: Features = None,
    n: Annotated[int | None, Option("-n", min=2, help="How many samples. \\[default: 1000 at most, a quick look; all of a file]")] = None,
    seed: Annotated[int, Option(min=0, max=2**63, help="Of the samples.")] = 0,
    sampler: choices.Sampler = None,
    option: Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="Any option of the metrics, by name.")] = [],
    save: Annotated[
        bool | None, Option("--save/--no-save", help="Write metrics.json beside the weights. \\[default: in a folder of yours]")
    ] = None,
    nearest: Annotated[
        Path | None, Option("--nearest", metavar="FILE.png", help="A picture: samples above the training examples they are nearest to.")
    ] = None,
    cached: Annotated[bool, Option("--cache/--no-cache", help="Keep samples and features, and use those that are kept.")] = True,
    device: choices.Device = "auto",
    extra: dict[str, Any] = {},
) -> None:
    """Measure how good a model is, or samples: each value beside the floor, what real examples get when they are measured the same way.

    The flags in the last panels belong to the chosen weights and sampler, as those of gentk sample.
    """
    from ...distributed import Ranks
    from ...evaluation.evaluate import evaluated
    from ...evaluation.record import record, told

    names = [name for text in metrics for name in text.split(",") if name]
    given = {"seed": seed, "metrics": names, "options": pairs(option, {}), "featurizer": featurizer, "cached": cached}
    if samples:
        if which or weights or plugin or recipe or model:
            raise UsageError("--samples are measured in place of a model's: leave out the weights")
        if save:
            raise UsageError("--save writes beside weights, and --samples have none: --json prints what was measured")
        request, folder = of_file(samples, reference, split, n, given), None
    else:
        if which and (weights or plugin):
            raise UsageError("the weights are named twice: leave out --weights and --plugin")
        found = subject(plugin, recipe, which or weights, sampler, model)
        request, folder = of_subject(found, reference, split, device, extra, {**given, **({"n": n} if n else {})}), found.folder
    if nearest is not None:
        picture_path(nearest, "")
    with waiting(f"measuring {request.title}"):
        result = evaluated(request)
    if not Ranks().first:
        return
    if folder is not None and (save if save is not None else own(folder)):
        record(folder, result)
    if nearest is not None:
        save_nearest(result, nearest)
    out.result(told(result), lambda: people(result))


def save_nearest(result: Evaluation, path: Path) -> None:
    """Raises UsageError where no metric looked for copies, and for what has no picture in rows."""
    from ... import style
    from ...plots.rows import rows

    if result.nearest is None:
        raise UsageError("--nearest draws what the metric memorisation finds, which was not measured")
    data = result.reference.open().spec
    kind = lookup.modality(data.modality)
    made, seen = result.nearest
    if len(data.shape) != 3:
        raise UsageError(f"--nearest draws images; {data.modality} examples have no picture in rows")
    style.save(rows([made["x"], seen["x"]], kind, data), path)


def of_file(path: str, name: str | None, split: str, n: int | None, given: Mapping[str, Any]) -> Request:
    """Samples in a file, all of them where n is not said."""
    from ...evaluation.requests import beside, of_samples

    if name is None:
        raise UsageError("say what the samples are measured beside: --reference DATASET")
    source = beside(name, split)
    batch = from_file(path, source.open().spec, n, gaps=False)
    return of_samples(batch, path, source, n=len(next(iter(batch.values()))), **given)


def of_subject(
    found: Subject, name: str | None, split: str, device: str, extra: dict[str, Any], given: Mapping[str, Any]
) -> Request:
    """Weights with the conditions and the sampler's options that stand on the line."""
    from dataclasses import replace

    from ...evaluation.requests import drawable, of_weights

    request = of_weights(found.folder, found.title, name, split, device, **given)
    known = {**found.sampler_conditions(), **found.conditions()}
    cond = {key: extra.pop(key) for key in list(extra) if key in known}
    if not drawable(request.model):
        return request
    return replace(request, sampler=check(found, {**found.options, **extra}), cond=cond)


def own(folder: Path) -> bool:
    """Whether it is the user's to write in: no plugin's package, and no place in the Hub's cache."""
    from ...weights.hub import cache

    inside = any(folder.resolve().is_relative_to(place.resolve()) for place in packages())
    return not inside and not cache.owner(folder.resolve())


def packages() -> list[Path]:
    from ...host.provenance import package_dir

    return [package_dir(ep) for plugin in lookup.host().plugins.values() for ep in plugin.entry_points[:1]]


def people(result: Evaluation) -> Any:
    """A table; what was not measured, and how far the numbers can be trusted, stands below."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head, justify in (("metric", "left"), ("value", "right"), ("±", "right"), ("floor", "right"), ("better", "left"), ("n", "right")):
        table.add_column(head, justify=justify)  # type: ignore[arg-type]
    for score in result.scores:
        unit = f" {score.unit}" if score.unit else ""
        bound = "≤ " if score.kind == "bound" and score.better == "lower" else ""
        table.add_row(
            Text(score.name + unit, "bold"), bound + number(score.value), number(score.error), number(score.floor),
            {"floor": "near the floor"}.get(score.better, score.better), f"{score.examples:,}" if score.examples else "",
        )  # fmt: skip
    return Group(table, Text(""), *(Text.from_markup(f"[dim]{escape(line)}[/]") for line in notes(result)))


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def notes(result: Evaluation) -> list[str]:
    """What has to be known to read the table."""
    source, speed = result.reference, f", {result.seconds:.3g} s a sample" if result.seconds else ""
    features = f", distances in {result.featurizer}" if result.featurizer else ""
    lines = [f"{result.title} beside {source.name}, split {source.split}{features}; seed {result.seed}{speed}"]
    lines.append("floor: what real examples get, measured the same way beside other real ones")
    many = max((lookup.find("metrics", name).spec.examples for name in measured_by(result)), default=0)
    if result.n < (most := min(many, len(source.open()))):
        lines.append(f"a quick look (-n {most} takes more): published figures take up to n = {many:,}, and different n do not compare")
    lines += [f"{name} gave no number: {why}" for name, why in result.failed.items()]
    reasons: dict[str, list[str]] = {}
    for name, why in result.passed_over.items():
        reasons.setdefault(why, []).append(name)
    return lines + [f"not measured: {', '.join(names)}: {why}" for why, names in reasons.items()]


def measured_by(result: Evaluation) -> list[str]:
    """The metrics of gentk's listing among what was measured."""
    return [score.name for score in result.scores if score.name in lookup.specs("metrics")]


def flags(found: Subject, words: Mapping[str, Any]) -> list[Flag]:
    """As gentk sample: conditions of the weights and the sampler, and the sampler's options."""
    taken, panel = own_names(evaluate), f"Sampler {found.sampler.name}"
    asked = [condition_flag(key, condition, panel, taken) for key, condition in found.sampler_conditions().items()]
    return [*lines.condition_flags(evaluate, found), *asked, *option_flags(found.sampler_class(), dict(found.options), panel)]


def command(args: list[str], resilient: bool = False) -> Any:
    if selectors(evaluate, args).get("samples"):
        return plain_command(evaluate)
    return lines.command(evaluate, args, resilient, flags)
