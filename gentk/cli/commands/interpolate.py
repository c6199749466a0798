"""gentk interpolate"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ...errors import UsageError
from ...host import lookup
from ...text import plain
from .. import choices, lines
from ..drawing import target
from ..examples import Dataset_, File, Part, examples
from ..flags import Flag, option_flags
from ..out import out
from ..subject import Subject, subject
from ..waiting import waiting
from .sample import check, pairs

if TYPE_CHECKING:
    from ...inference.sampling import Samples


def interpolate(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    seeds: Annotated[str | None, Option(metavar="0,1,2", help="Between the samples of these seeds. \\[default: 0,1,2,3]")] = None,
    labels: Annotated[
        str | None, Option(metavar="3,8", help="From class to class, each seed a row; for models that take shares of classes.")
    ] = None,
    source: File = None,
    dataset: Dataset_ = None,
    split: Part = None,
    n: Annotated[int | None, Option("-n", min=2, help="With --source or --dataset: between so many examples. \\[default: 4]")] = None,
    frames: Annotated[int, Option(min=2, help="Pictures from one end to the next, both included.")] = 10,
    sampler: choices.Sampler = None,
    option: Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="Any option of the sampler, by name.")] = [],
    out_: Annotated[
        Path | None, Option("--out", metavar="FILE|DIR", help="A grid, a pair per row; .gif and .webp move. \\[default: a new file here]")
    ] = None,
    device: choices.Device = "auto",
    extra: dict[str, Any] = {},
) -> None:
    """From one sample to another through what both are made from: between seeds, between examples, which are encoded first, or between
    labels."""
    found = subject(plugin, recipe, weights, sampler, model)
    if labels and (source or dataset):
        raise UsageError("--labels goes between classes, --source and --dataset between examples: give one")
    of_seeds = {"--seeds": seeds, "--sampler": sampler, "-o": option}
    of_examples = {"-n": n, "--split": split}
    if lost := [flag for flag, value in (of_seeds if source or dataset else of_examples).items() if value]:
        way_of = "samples of seeds" if source or dataset else "examples (--source, --dataset)"
        raise UsageError(f"{lost[0]} is of ways between {way_of}: leave it out")
    way = classes(found, labels) if labels else None
    asked = {key: extra.pop(key) for key in list(extra) if key in found.conditions()}
    if way and "label" in asked:
        raise UsageError("--label is the class of every picture, --labels goes from class to class: give one")
    if extra and (source or dataset):
        raise UsageError(f"--{min(extra).replace('_', '-')} is of the sampler, and examples are encoded and decoded: leave it out")
    chosen = check(found, {**found.options, **extra, **pairs(option, extra)})
    kind = lookup.modality(found.config["data"]["modality"])
    path = target(out_, f"{found.title.replace('/', '-')}-between{kind.default_suffix}")
    moving = path.suffix.lower() in kind.animated
    (kind.check_animation if moving else kind.check_path)(path)
    from ...files import save_picture
    from ...inference import interpolation
    from ...inference.sampling import pick_device
    from ...weights.folder import read

    made = read(found.folder).to(pick_device(device))
    if source or dataset:
        ends: Any = examples(found, source, dataset, split, n, asked, few=4, whole=False)
        with waiting(f"interpolation by {found.title}"):
            samples = interpolation.interpolate(made, ends, frames)
    else:
        these = numbers(seeds or "0,1,2,3", least=1 if way else 2)
        ends = interpolation.seeds(made, these)
        cond = asked if way else interpolation.conditions_at(made, these, asked)
        told_of(made, cond if not way else {})
        with waiting(f"interpolation by {found.title}"):
            samples = interpolation.interpolate(made, ends, frames, labels=way, sampler=chosen, cond=cond)
    if moving:
        kind.animate(one_by_one(samples, frames), samples.data, path)
    elif path.suffix.lower() == ".png":
        save_picture(kind.picture(samples.batch, samples.data, frames), path)
    else:
        samples.save(path)
    told = {"file": str(path), "weights": found.title, "pairs": len(samples) // frames, "frames": frames}
    out.result(told, lambda: people(told))


def told_of(model: Any, cond: Mapping[str, Any]) -> None:
    """Say on stderr between which classes the ways go, where the ends have several."""
    from ...inference.interpolation import blends

    for key, values in cond.items():
        classes = values.tolist()
        if getattr(model.conditions[key], "classes", 0) and len(set(classes)) > 1:
            names = model.conditions[key].names
            shown = " → ".join(names[c] if c < len(names) else str(c) for c in classes)
            how = "blended on the way" if blends(model, key) else "which changes half way"
            print(f"{key}: {shown}, {how}; --{key.replace('_', '-')} asks for one", file=sys.stderr)


def numbers(text: str, least: int = 2) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) < least or min(found) < 0:
        raise UsageError(f"--seeds wants {'one or more seeds' if least == 1 else 'two or more seeds'}, 0,1,2; got '{text}'")
    return found


def classes(found: Subject, text: str) -> list[int]:
    """The classes to go between."""
    condition = found.conditions().get("label")
    if condition is None:
        raise UsageError(f"{found.title} knows no labels: leave out --labels")
    try:
        chosen = condition.parse(text)
    except ValueError as error:
        raise UsageError(f"--labels: {error}") from None
    if len(chosen) < 2 or None in chosen:
        raise UsageError(f"--labels wants two or more classes, 3,8; got '{text}'")
    return list(chosen)


def one_by_one(samples: Samples, frames: int) -> list[dict[str, Any]]:
    """The states of an animation: all pairs side by side, forth and back."""
    forth = [{key: value[i::frames] for key, value in samples.batch.items()} for i in range(frames)]
    return [*forth, *forth[-2:0:-1]]


def people(told: dict[str, Any]) -> str:
    from rich.markup import escape

    return escape(f"{told['file']}  {told['pairs']} ways of {told['frames']} pictures, {told['weights']}")


def flags(found: Subject, words: Mapping[str, Any]) -> list[Flag]:
    options = option_flags(found.sampler_class(), dict(found.options), f"Sampler {plain(found.sampler.name)}")
    return [*lines.condition_flags(interpolate, found), *options]


def command(args: list[str], resilient: bool = False) -> Any:
    return lines.command(interpolate, args, resilient, flags)
