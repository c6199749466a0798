"""gentk plot scatter: real points and generated ones, in the plane of two of their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ....errors import UsageError
from ....host import lookup
from ... import choices
from ...examples import Dataset_, Split, dataset_of, from_file
from ...subject import Subject, subject
from ...waiting import waiting
from ..sample import check
from .axes import Axes, Shown, hint, rows_of, shown
from .looks import Label, Out, Seed, asked, done, picture_path

if TYPE_CHECKING:
    from torch import Tensor

    from ....protocols import DataSpec

MATRIX = 4  # numbers that are shown against each other where nobody says which two


def scatter(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    label: Label = None,
    axes: Axes = None,
    samples: Annotated[str | None, Option(metavar="FILE", help="Points from a file (.csv, .npz) in place of fresh samples.")] = None,
    dataset: Dataset_ = None,
    split: Split = "test",
    n: Annotated[int, Option("-n", min=1, help="How many of each.")] = 2000,
    seed: Seed = 0,
    out_: Out = None,
) -> None:
    """Real points and generated ones, classes in their colours. Of more than two numbers: --axes, or the first ones against each other."""
    from ....protocols import DataSpec

    found: Subject | None = None
    if samples and dataset and not (plugin or recipe or model or weights):  # two clouds, no model
        title, source = Path(samples).stem, lookup.dataset(dataset, split)
        which = shown(source.spec, dataset, axes, "a scatter", most=MATRIX)
        path = picture_path(out_, f"{title}-scatter.png")
    else:
        found = subject(plugin, recipe, weights, None, model)
        title, data = found.title, DataSpec.model_validate(rows_of(found))
        which = shown(data, title, axes, "a scatter", most=MATRIX)
        path = picture_path(out_, f"{title.replace('/', '-')}-scatter.png")
        source = dataset_of(found, dataset, split)
        if source.spec.shape != data.shape:
            held = f"{source.spec.modality} of {' × '.join(map(str, source.spec.shape))} numbers"
            raise UsageError(f"{dataset or 'this data set'} holds {held}, and {title} makes {' × '.join(map(str, data.shape))}")
    if label is not None and (not found or samples or "label" not in found.conditions()):
        raise UsageError(f"--label: {'a file has the classes that it has' if samples else f'{title} knows no labels'}: leave it out")
    real, made = told(source, n), from_file(samples, source.spec, n, True) if samples else fresh(found, n, seed, label)
    if label is not None and "label" in real and "label" in made:
        kept = real["label"] == made["label"][0] if len(set(made["label"].tolist())) == 1 else real["label"] >= 0
        real = {key: value[kept] for key, value in real.items()}
    from .... import style

    style.save(drawn_of(which, real, made, source.spec), path)
    of = f"from {samples}" if samples else f"samples of {title}"
    said = f"{len(real['x']):,} real examples and {len(made['x']):,} {of}{words(which)}"
    about: dict[str, Any] = {"samples": samples} if samples else {"weights": title}
    done(path, said, **about, real=len(real["x"]), generated=len(made["x"]), axes=list(which.names))


def words(which: Shown) -> str:
    """Which of how many numbers are shown, where that is not clear."""
    if which.whole and len(which.places) == 2 and not which.units:
        return ""
    told = f"; {' against '.join(which.names)}" if len(which.places) == 2 else f"; {', '.join(which.names)} against each other"
    more = f", {len(which.places)} of {len(which.columns)} dimensions" if not which.whole else ""
    return told + more + ("" if len(which.places) == 2 else f" (two of them: {hint(which.columns, which.places)})")


def told(source: Any, n: int) -> dict[str, Tensor]:
    """Some examples of a data set, always the same ones."""
    from ....training.order import fetch, some

    return dict(fetch(source, some(len(source), n)))


def fresh(found: Subject | None, n: int, seed: int, label: str | None) -> dict[str, Tensor]:
    """Samples as `gentk sample` would draw them, with the conditions they were drawn for."""
    from ....inference.sampling import sample
    from ....weights.folder import read

    assert found
    sampler, made = check(found, dict(found.options)), read(found.folder)
    with waiting(f"drawing from {found.title}"):
        return dict(sample(made, n, seed=seed, sampler=sampler, cond=asked(label), batch_size=2000).batch)


def drawn_of(which: Shown, real: dict[str, Tensor], made: dict[str, Tensor], data: DataSpec) -> Any:
    """Three panels of two numbers; a panel for each pair of more."""
    from ....plots import planes

    titles = ("data", "samples")
    if len(which.places) > 2:
        clouds = [part["x"].double().numpy()[:, list(which.places)] for part in (real, made)]
        return planes.matrix(clouds[0], clouds[1], titles, which.names)
    clouds = [which.of(part["x"]) for part in (real, made)]
    if not all(map(len, clouds)):
        raise UsageError(f"there is no example that has both {' and '.join(which.names)}")
    labels = [part["label"].numpy()[which.there(part["x"])] if "label" in part else None for part in (real, made)]
    classes = (labels[0], labels[1], data.conditions["label"]) if labels[0] is not None and "label" in data.conditions else None
    return planes.scatter(clouds[0], clouds[1], titles, names=which.titles, equal=not which.units, classes=classes)
