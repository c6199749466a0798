"""gentk classify"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ...errors import UsageError
from ...modalities.base import writable
from .. import choices, lines
from ..drawing import target
from ..examples import Dataset_, File, Part, examples
from ..flags import Flag
from ..out import out
from ..subject import Subject, subject
from ..waiting import waiting
from .likelihood import Options, Seed, Together
from .sample import pairs

if TYPE_CHECKING:
    from torch import Tensor

SHOWN = 20  # rows that a terminal gets


def classify(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    source: File = None,
    dataset: Dataset_ = None,
    split: Part = None,
    n: Annotated[int | None, Option("-n", min=1, help="How many examples. \\[default: all of a file, 1,000 of a data set]")] = None,
    seed: Seed = 0,
    option: Options = [],
    batch_size: Together = None,
    out_: Annotated[Path | None, Option("--out", metavar="FILE.csv", help="Each example's class and probabilities, as a table.")] = None,
    device: choices.Device = "auto",
    extra: dict[str, Any] = {},
) -> None:
    """The likeliest class by Bayes' rule: p(y|x) ∝ p(x|y) p(y). Where the labels are known, how often it is right."""
    found = subject(plugin, recipe, weights, None, model)
    options = pairs(option, {}, classify)
    out_ = target(out_, "classes.csv") if out_ else None
    if out_ and out_.suffix.lower() != ".csv":
        raise UsageError(f"{out_}: classes are saved as .csv")
    if out_:
        writable(out_)
    from ...inference.classification import classify as log_posteriors
    from ...inference.classification import log_prior
    from ...inference.likelihood import kind_of
    from ...inference.sampling import pick_device
    from ...weights.folder import read

    made = read(found.folder).to(pick_device(device))
    log_prior(made)  # refuses a model that cannot, before any data are fetched
    batch = examples(found, source, dataset, split, n, extra, few=1000, optional=("label",))
    with waiting(f"classes by {found.title}"):
        joint = log_posteriors(made, batch, seed=seed, batch_size=batch_size, **options)
    names = getattr(made.conditions["label"], "names", ()) or tuple(map(str, range(joint.shape[1])))
    label = batch.get("label")
    by = "own" if hasattr(made, "log_label") else kind_of(made)
    told = {"weights": found.title, "examples": len(joint), "kind": by, "file": str(out_) if out_ else None}
    told |= {"classes": list(names), **rows(joint)}
    if label is not None and bool((label < len(names)).any()):
        told |= score(joint[label < len(names)], label[label < len(names)])
    if out_:
        table(out_, joint, names, label)
    out.result(told, lambda: people(told))


def rows(joint: Tensor) -> dict[str, Any]:
    """The class of each example, and how probable it is."""
    best = joint.log_softmax(1).max(1)
    return {"found": best.indices.tolist(), "probability": best.values.exp().tolist()}


def score(joint: Tensor, label: Tensor) -> dict[str, Any]:
    """How often the likeliest class is the true one, of all and of each class, and −log p(true | x) in nats. Confusion: a row per truth."""
    from ...inference.classification import confusion, log_evidence

    right, nats = log_evidence(joint, label)
    share, counts = float(right.double().mean()), confusion(label, joint.argmax(1), joint.shape[1])
    each = [float(row[k] / row.sum()) if row.sum() else None for k, row in enumerate(counts)]
    about = {"accuracy": share, "standard_error": math.sqrt(share * (1 - share) / len(label)), "labelled": len(label)}
    return {**about, "nats": float(-nats.mean()), "accuracy_of_class": each, "confusion": counts.tolist()}


def table(path: Path, joint: Tensor, names: Sequence[str], label: Tensor | None) -> None:
    """A row per example: the class found, its true one where it is known, and the probability of each."""
    import csv

    from ...files import replacing

    best = joint.argmax(1).tolist()
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["found", *([] if label is None else ["label"]), *(f"p_{name}" for name in names)])
        for i, row in enumerate(joint.softmax(1).tolist()):
            truth = [] if label is None else [named(names, int(label[i]))]
            writer.writerow([names[best[i]], *truth, *(f"{p:.6g}" for p in row)])


def named(names: Sequence[str], label: int) -> str:
    return names[label] if label < len(names) else ""


def people(told: dict[str, Any]) -> str:
    from rich.markup import escape

    names = told["classes"]
    lines = [f"{told['file']}  {told['examples']} examples"] if told["file"] else []
    if "accuracy" in told:
        by = "by the model's own classifier" if told["kind"] == "own" else f"{told['kind']} likelihood"
        sure = f"{told['accuracy']:.4f} ± {told['standard_error']:.4f}"
        lines.append(f"accuracy {sure}, −log p(y|x) = {told['nats']:.4f} nats ({by}); {told['labelled']} examples")
        each = [f"{name} {share:.3f}" for name, share in zip(names, told["accuracy_of_class"], strict=True) if share is not None]
        lines.append("of each class: " + ", ".join(each[:SHOWN]) + (" …" if len(each) > SHOWN else ""))
    elif not told["file"]:
        pairs = list(zip(told["found"], told["probability"], strict=True))
        lines += [f"{i}  {names[k]}  {p:.4f}" for i, (k, p) in enumerate(pairs[:SHOWN])]
        lines += [f"… {len(pairs) - SHOWN} more: give --out FILE.csv"] if len(pairs) > SHOWN else []
    return escape("\n".join(lines))


def flags(found: Subject, words: Mapping[str, Any]) -> list[Flag]:
    return [flag for flag in lines.condition_flags(classify, found) if flag.key != "label"]


def command(args: list[str], resilient: bool = False) -> Any:
    return lines.command(classify, args, resilient, flags)
