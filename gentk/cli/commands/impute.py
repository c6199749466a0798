"""gentk impute"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ...errors import UsageError
from ...host import lookup
from .. import choices, lines
from ..drawing import target
from ..examples import Dataset_, File, Part, dataset_of, examples
from ..flags import Flag
from ..out import out
from ..subject import Subject, subject
from ..waiting import waiting
from .likelihood import Together
from .sample import pairs

if TYPE_CHECKING:
    from torch import Tensor

    from ...protocols import Column, DataSpec, Leaf

MEAN_OF = 10_000  # examples of the data set that the baseline is the mean of


def impute(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    source: File = None,
    dataset: Dataset_ = None,
    split: Part = None,
    missing: Annotated[float | None, Option(min=0, max=1, help="Hide each number with this probability.")] = None,
    known_mask: Annotated[str | None, Option(metavar="FILE", help="What is known: white, or above 0.")] = None,
    n: Annotated[int | None, Option("-n", min=1, help="How many examples. \\[default: all of a file, 10 of a data set]")] = None,
    draws: Annotated[int, Option(min=1, help="Take the mean of so many draws: nearer to the truth, but no longer an example.")] = 1,
    seed: Annotated[int, Option(min=0, max=2**63, help="Of what is hidden, and of what is drawn in its place.")] = 0,
    option: Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="Any option of what fills in, by name.")] = [],
    batch_size: Together = None,
    out_: Annotated[
        Path | None, Option("--out", metavar="FILE|DIR", help="Format by suffix; a picture shows all stages. \\[default: a new file here]")
    ] = None,
    device: choices.Device = "auto",
    extra: dict[str, Any] = {},
) -> None:
    """Fill in what is missing: empty cells of a table, what a mask hides, or numbers hidden at random to see how well it goes."""
    found = subject(plugin, recipe, weights, None, model)
    options = pairs(option, {}, impute)
    from ...protocols import DataSpec

    data = DataSpec.model_validate(found.rows())
    kind = lookup.modality(data.modality)
    path = target(out_, f"{found.title.replace('/', '-')}-filled{kind.default_suffix}")
    kind.check_path(path)
    if not source and missing is None and known_mask is None:
        raise UsageError("of a data set nothing is missing: say what to hide, --missing 0.5 or --known-mask FILE")
    from ...inference import imputation
    from ...inference.sampling import pick_device
    from ...weights.folder import read

    made = read(found.folder).to(pick_device(device))
    imputation.check(made)  # before any data are fetched
    batch = examples(found, source, dataset, split, n, extra, few=10, optional=found.conditions(), gaps=True)
    case = cut(batch, data, missing, known_mask, seed)
    with waiting(f"filling in by {found.title}"):
        x = filled(made, case, draws, seed=seed, batch_size=batch_size, **options)
    save(path, case, x, batch, data, kind)
    told: dict[str, Any] = {"file": str(path), "weights": found.title, "examples": len(x), "filled": int((~case.known).sum())}
    truth = None if source else mean_of(found, dataset, data)
    told |= score(case, x, truth, data.leaves["x"])
    out.result(told, lambda: people(told))


@dataclass(frozen=True)
class Case:
    """What is given: x holds zeros where it is not known."""

    given: dict[str, Tensor]
    known: Tensor  # (n, …) bool
    truth: Tensor  # (n, …), where `judged`
    judged: Tensor  # (n, …) bool: hidden, though the truth is known


def cut(batch: Mapping[str, Tensor], data: DataSpec, share: float | None, mask: str | None, seed: int) -> Case:
    """Hides what a mask and chance say; what is missing (NaN) is hidden already, and what only pads an example never is."""
    from ...inference.imputation import hidden_at_random
    from ...padding import counted

    x = batch["x"]
    there = ~x.isnan()
    hidden = ~there
    if mask is not None:
        hidden = hidden | ~shown_by(mask, data, len(x))
    if share is not None:
        hidden = hidden | hidden_at_random(x.shape, share, seed)
    hidden = hidden & counted(batch)
    if not bool(hidden.any()):
        raise UsageError("nothing is missing: leave cells empty, or say what to hide, --missing 0.5 or --known-mask FILE")
    given = x.masked_fill(hidden, 0).nan_to_num()
    given = given.long() if data.leaves["x"].classes else given
    return Case({**batch, "x": given}, ~hidden, x, hidden & there)


def shown_by(mask: str, data: DataSpec, n: int) -> Tensor:
    """(n, …) bool, broadcasting over the channels of pictures: what a file says is known. Fewer masks than examples cycle."""
    from ...conditions import File as Mask
    from ...inference.opening import contents

    shape = (1, *data.shape[1:]) if len(data.shape) == 3 else data.shape
    said = Mask(shape=shape, modality=data.modality, mask=True)
    try:
        return said.prepare(contents(mask, said)["x"], n) > 0
    except ValueError as error:
        raise UsageError(f"--known-mask: {error}") from None


def filled(model: Any, case: Case, draws: int, /, **asking: Any) -> Tensor:
    """One draw of what is missing, or the mean of several; of classes the commonest."""
    from ...inference.imputation import impute as fill

    if draws == 1:
        return fill(model, case.given, case.known, **asking)
    many = {key: value.repeat_interleave(draws, 0) for key, value in case.given.items()}
    x = fill(model, many, case.known.repeat_interleave(draws, 0), **asking).view(-1, draws, *case.known.shape[1:])
    return case.given["x"].where(case.known, x.mean(1) if x.is_floating_point() else x.mode(1).values)


def mean_of(found: Subject, dataset: str | None, data: DataSpec) -> Tensor | None:
    """What a fill without a model would be: each number's mean over the training split, its commonest class where it is one.

    What is missing or only pads an example does not count; where no example has a number, the mean of all stands for it.
    """
    from ...training.order import fetch, some

    source = dataset_of(found, dataset, "train")
    batch = fetch(source, some(len(source), MEAN_OF))
    if tuple(batch["x"].shape[1:]) != data.shape:
        return None
    leaf = data.leaves["x"]
    if leaf.columns and not leaf.classes:
        return of_columns(batch, leaf.columns)
    return commonest(batch, leaf.classes) if leaf.classes else mean(batch)


def of_columns(batch: Mapping[str, Tensor], columns: Sequence[Column]) -> Tensor:
    """Of each column of x (n, V): its mean, or its commonest state; (V,) float64."""
    import torch

    middle = mean(batch)
    for j, column in enumerate(columns):
        if column.kind == "category":
            there = batch["x"][:, j][~batch["x"][:, j].isnan()]
            middle[j] = torch.mode(there).values if len(there) else 0.0
    return middle


def mean(batch: Mapping[str, Tensor]) -> Tensor:
    """Of each number of x (n, …) over the examples that have it, (…) float64."""
    from ...padding import counted

    x = batch["x"].double()
    there = counted(batch) & ~x.isnan()
    total, count = x.where(there, 0.0).sum(0), there.sum(0)
    return (total / count).where(count > 0, total.sum() / count.sum().clamp(min=1))


def commonest(batch: Mapping[str, Tensor], classes: int) -> Tensor:
    """The class that each number of x (n, …) most often has, the lowest of several."""
    import torch

    from ...padding import counted

    x, there = batch["x"].long().flatten(1), counted(batch).flatten(1)
    counts = torch.zeros(x.shape[1], classes, dtype=torch.int64)
    counts.scatter_add_(1, x.T, there.T.long())
    counts[counts.sum(1) == 0] = counts.sum(0)
    return counts.argmax(1).view(batch["x"].shape[1:])


def score(case: Case, x: Tensor, mean: Tensor | None, leaf: Leaf) -> dict[str, Any]:
    """How far what was filled in is from the truth, where that is known, and how far the mean of the data is from it."""
    if not bool(case.judged.any()):
        return {}
    if leaf.columns and not leaf.classes:
        return {"columns": scores(case, x, mean, leaf.columns)}
    truth = case.truth[case.judged].double()

    def error(filled: Tensor) -> float:
        chosen = filled.expand_as(case.truth)[case.judged].double()
        return float((chosen != truth).double().mean()) if leaf.classes else float((chosen - truth).square().mean().sqrt())

    name = "wrong" if leaf.classes else "rmse"
    return {name: error(x), **({} if mean is None else {f"{name}_of_mean": error(mean)})}


def scores(case: Case, x: Tensor, mean: Tensor | None, columns: Sequence[Column]) -> dict[str, dict[str, float]]:
    """`score` of each column by itself: rmse of numbers (of dates in days), the share that is wrong of categories."""
    told: dict[str, dict[str, float]] = {}
    for j, column in enumerate(columns):
        judged = case.judged[:, j]
        if bool(judged.any()):
            truth, filled = case.truth[judged, j], {"": x[judged, j], **({} if mean is None else {"_of_mean": mean[j]})}
            name = "wrong" if column.kind == "category" else "rmse"
            apart = {key: (truth != value).double() if name == "wrong" else (truth - value).square() for key, value in filled.items()}
            told[column.name] = {name + key: float(a.mean() if name == "wrong" else a.mean().sqrt()) for key, a in apart.items()}
    return told


def save(path: Path, case: Case, x: Tensor, batch: Mapping[str, Tensor], data: DataSpec, kind: Any) -> None:
    """What is a picture by itself: the examples, what was given of them, and what they were filled up to, in rows. Else: the examples."""
    from ... import style
    from ...modalities.base import ARRAYS
    from ...plots.rows import rows

    if len(data.shape) == 3 and not kind.is_folder(path) and path.suffix.lower() not in ARRAYS:
        style.save(rows([case.truth, case.truth.masked_fill(~case.known, float("nan")), x], kind, data), path)
    else:
        kind.save({**batch, "x": x}, data, path)


def people(told: dict[str, Any]) -> str:
    from rich.markup import escape

    words = f"{told['file']}  {told['filled']} numbers of {told['examples']} examples filled in, {told['weights']}"
    for name, text in (("rmse", "{:.4g} rms from the truth"), ("wrong", "{:.2%} wrong")):
        if name in told:
            words += "; " + text.format(told[name])
            words += f", the mean of the data {text.format(told[f'{name}_of_mean'])}" if f"{name}_of_mean" in told else ""
    for column, found in told.get("columns", {}).items():
        shown = [f"{value:.2%} wrong" if name.startswith("wrong") else f"{value:.4g} rms" for name, value in found.items()]
        words += f"\n  {column}: {shown[0]}" + (f", the mean or commonest of the data {shown[1]}" if len(shown) > 1 else "")
    return escape(words)


def flags(found: Subject, words: Mapping[str, Any]) -> list[Flag]:
    return lines.condition_flags(impute, found)


def command(args: list[str], resilient: bool = False) -> Any:
    return lines.command(impute, args, resilient, flags)
