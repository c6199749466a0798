"""What has to be known to read a comparison, as sentences of plain text: what strangers wrote is on one line, and not yet escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..evaluation.comparing import Comparison, Entry
from ..evaluation.measuring import HALVES
from ..host import lookup
from ..inference.samples import Samples
from ..legends import name as class_name
from ..text import one_line
from .numbers import count
from .table import columns_of, rows_of

NAMED = 40  # labels that a sentence names


def title(found: Comparison) -> str:
    """ "Comparison of ddpm/mnist and vae/mnist"."""
    return f"Comparison of {listed([entry.name for entry in found.entries])}"


def subject(found: Comparison) -> str:
    """What was measured, in one sentence."""
    source = found.reference
    sizes = {entry.result.n for entry in found.entries}
    many = f"{count(min(sizes))} samples of each" if len(sizes) == 1 else f"up to {count(max(sizes))} samples of each"
    features = {entry.result.featurizer for entry in found.entries} - {""}
    space = f" Distances are measured by the featurizer {listed(sorted(features))}." if features else ""
    return f"{many}, seed {found.seed}, beside real examples of {one_line(source.name)}, split {one_line(source.split)}.{space}"


def reading(found: Comparison) -> str:
    """How to read a cell of the table."""
    return (
        "Each cell holds the value ± one standard error, its multiple of the floor, and its rank among the models. The floor is what real "
        "examples get when they are measured in place of samples. ★ marks the best value of a column, ☆ values that may be as good."
    )


def listed(names: Sequence[str]) -> str:
    """ "A, B and C", each on one line."""
    names = [one_line(name, 60) for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def notes(found: Comparison) -> list[str]:
    """How the numbers came about, a sentence or two each."""
    return [*_errors(found), *_ranks(found), *_floors(found), *_bounds(found), *_sizes(found), *_costs(found)]


def missing(found: Comparison) -> list[tuple[str, list[str]]]:
    """(models, sentences) of what was not measured: "all models", or their names."""
    owners: dict[str, list[str]] = {}
    for entry in found.entries:
        for line in _lacking(entry):
            owners.setdefault(line, []).append(entry.name)
    told: dict[str, list[str]] = {}
    for line, names in owners.items():
        told.setdefault("all models" if len(names) == len(found.entries) else listed(names), []).append(line)
    return list(told.items())


def _lacking(entry: Entry) -> Iterator[str]:
    yield from (f"{one_line(name, 60)} gave no number: {one_line(why, 400)}" for name, why in entry.result.failed.items())
    reasons: dict[str, list[str]] = {}
    for name, why in entry.result.passed_over.items():
        reasons.setdefault(why, []).append(name)
    yield from (f"{listed(names)} not measured: {one_line(why, 400)}" for why, names in reasons.items())


def _errors(found: Comparison) -> Iterator[str]:
    halved = {name for entry in found.entries for name in entry.result.halves}
    known = [name for name in found.metrics if name not in halved and any(s.error is not None for s in _scores(found, name))]
    if halved:
        yield (
            f"Errors are the spread of the value over {HALVES} random halves of samples and of examples (delete-half jackknife). A half "
            "is drawn without repetition: the copies of rows in a bootstrap would be nearest neighbours of each other. The halves are the "
            "same for all models."
        )
    if known:
        yield f"{listed(known)}: {'each metric knows its' if len(known) > 1 else 'the metric knows its'} own error."


def _ranks(found: Comparison) -> Iterator[str]:
    if not found.ranks:
        return
    ways = {rank.by for ranks in found.ranks.values() for rank in ranks.values()}
    yield (
        "A rank such as 1 (1–2), 80 % reads: the value has rank 1, at least 90 % of the redrawn ranks lie between 1 and 2, and 80 % of "
        "them are 1. Equal values share a rank."
    )
    if "halves" in ways:
        yield (
            "Values are redrawn as the deviations on the halves, half by half for all models together, so that what a half does to all of "
            "them changes no rank."
        )
    if "error" in ways:
        yield (
            "Where a metric knows its own error, values are redrawn as 2,000 Gaussians of a fixed seed, each model by itself; models that "
            "are measured on the same examples are ranked more surely than this says."
        )
    if found.apart:
        yield (
            f"{listed(found.apart)}: not ranked. Each model was asked about the data that it was trained on, and these differ, or only "
            "some of the models were told the label of an example."
        )


def _floors(found: Comparison) -> Iterator[str]:
    without = [column.name for i, column in enumerate(columns_of(found))
               if column.floor is not None and all(row.cells[i].ratio is None for row in rows_of(found))]  # fmt: skip
    if without:
        yield f"{listed(without)}: no multiple of the floor, which is 0 or not clearly above."


def _bounds(found: Comparison) -> Iterator[str]:
    bounds = [name for name in found.metrics if any(score.kind == "bound" for score in _scores(found, name))]
    if bounds:
        yield f"{listed(bounds)}: values with ≤ or ≥ are bounds, and the model may be better than its rank."


def _sizes(found: Comparison) -> Iterator[str]:
    specs = lookup.specs("metrics")
    many = max((specs[name].examples for name in found.metrics if name in specs), default=0)
    least = min(entry.result.n for entry in found.entries)
    if least < many:
        yield f"This is a quick look: published figures take up to {count(many)} samples, and values of different numbers do not compare."


def _costs(found: Comparison) -> Iterator[str]:
    if any(entry.result.seconds is not None for entry in found.entries):
        yield "Seconds per sample are those of this machine, of samples drawn in batches, with whatever else it did."
    if any(entry.cost.steps is not None for entry in found.entries):
        yield "The cost of training is what the log of the run says, on the machine that trained it."


def shown(found: Comparison) -> Iterator[str]:
    drawn = [entry for entry in found.entries if entry.samples is not None]
    if not drawn:
        return
    size = len(found.examples)
    command = f"gentk sample -n {size} --seed {found.seed}"
    which = f"samples 0 to {size - 1}" if found.examples.data.modality in ("image", "points") else "the first samples"
    yield f"Shown are {which} of seed {found.seed}, as {command} draws them{_asked(found, drawn)}"


def _asked(found: Comparison, drawn: Sequence[Entry]) -> str:
    labelled = [entry.name for entry in drawn if entry.labelled]
    if not labelled:
        return "; no model was asked for a label." if found.labels else "."
    whose = "all of them" if len(labelled) == len(drawn) else listed(labelled)
    short = f" ({labels(found)})" if len(found.labels) <= NAMED else ""
    return f". Sample i has the label of the real example i{short} for {whose}."


def labels(found: Comparison) -> str:
    """The labels of what is shown, by name: "zero, one, two"."""
    about = found.examples.data.conditions.get("label")
    if about is not None and about.names:
        return ", ".join(one_line(class_name(k, about), 30) for k in found.labels)
    return ", ".join(map(str, found.labels))


def described(samples: Samples, name: str, found: Comparison, labelled: bool) -> str:
    """What a picture shows, for who does not see it."""
    kinds = {"image": "images", "points": "points", "series": "series"}
    text = f"{len(samples)} {kinds.get(samples.data.modality, 'examples')}, {one_line(name, 60)}"
    return f"{text}, with the labels {labels(found)}" if labelled and len(found.labels) <= NAMED else text


def _scores(found: Comparison, name: str) -> list:  # type: ignore[type-arg]
    return [score for entry in found.entries if (score := entry.score(name)) is not None]
