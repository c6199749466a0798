"""The kinds of `gentk plot` that look at latents: where examples lie, and what lies where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ....errors import UsageError
from ....host import lookup
from ... import choices
from ...drawing import target
from ...examples import Dataset_, Split, dataset_of, from_dataset
from ...subject import Subject, subject
from ...waiting import waiting
from .looks import Label, Out, done, picture_path

if TYPE_CHECKING:
    from torch import Tensor


def latent(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    dataset: Dataset_ = None,
    split: Split = "test",
    n: Annotated[int, Option("-n", min=3, help="How many examples.")] = 2000,
    out_: Out = None,
) -> None:
    """Where an encoder puts examples, by class. More than two numbers: their first two principal components."""
    found = subject(plugin, recipe, weights, None, model)
    path = picture_path(out_, f"{found.title.replace('/', '-')}-latent.png")
    import torch

    from .... import style
    from ....inference.asking import parts
    from ....inference.sampling import evaluating
    from ....plots import latents
    from ....protocols import Encoder, can
    from ....weights.folder import read

    made = read(found.folder)
    if not can(made, Encoder):
        raise UsageError(f"{found.title} is no Encoder: it has no latents that examples lie in")
    source = dataset_of(found, dataset, split, labels=True)  # of what was trained without them too
    batch = from_dataset(source, made.data, n, found.title)
    with torch.no_grad(), evaluating(made), waiting(f"encoding by {found.title}"):
        z = torch.cat([made.encode(part).cpu() for part, _ in parts(made, batch)])
    if not z.is_floating_point():
        raise UsageError(f"the latents of {found.title} are codes, {tuple(z.shape[1:])} classes: they lie in no plane")
    flat = z.flatten(1).double().numpy()
    shown, held = latents.principal(flat) if flat.shape[1] > 2 else (flat, [])
    label = batch["label"].numpy() if "label" in batch else None
    names = source.spec.conditions["label"].names if "label" in source.spec.conditions else ()
    style.save(latents.latent(shown, titles(held), label, names), path)
    told: dict[str, Any] = {"variance": f"{sum(held):.0%} of it, in 2 of {flat.shape[1]} dimensions"} if held else {}
    more = f"; the two axes hold {sum(held):.0%} of the variance, in 2 of {flat.shape[1]} dimensions" if held else ""
    done(path, f"{len(z):,} examples in the latents of {found.title}{more}", weights=found.title, examples=len(z), **told)


def titles(held: list[float]) -> tuple[str, str]:
    """Of the axes: the latents themselves, or how much of the variance each component holds."""
    first, second = (f"principal component {i} ({share:.0%} of the variance)" for i, share in enumerate(held, 1)) if held else ("z₁", "z₂")
    return first, second


def manifold(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    label: Label = None,
    n: Annotated[int, Option("-n", min=2, max=100, help="Along each side.")] = 20,
    axes: Annotated[str, Option(metavar="I,J", help="Which two latents are walked; all others stay 0.")] = "0,1",
    out_: Annotated[Path | None, Option("--out", metavar="FILE", help="As for `gentk sample`. \\[default: a new file here]")] = None,
) -> None:
    """What lies where in the latents: decoded at the quantiles of their normal law, so that each cell is as likely as any other."""
    found = subject(plugin, recipe, weights, None, model)
    data = (found.config.get("latents") or found.config)["data"]
    kind = lookup.modality(data["modality"])
    path = target(out_, f"{found.title.replace('/', '-')}-manifold{kind.default_suffix}")
    kind.check_path(path)
    from ....files import save_picture
    from ....inference.interpolation import conditions_of, decoded
    from ....modalities.base import ARRAYS
    from ....protocols import LatentPrior, can
    from ....weights.folder import read

    made = read(found.folder)
    if not can(made, LatentPrior) or made.latent.classes:
        raise UsageError(f"{found.title} has no latents of a normal law that examples are decoded from: there is no manifold to walk")
    if label is not None and "label" not in made.conditions:
        raise UsageError(f"{found.title} knows no labels: leave out --label")
    z = quantiles(found, made.latent.shape, n, axes)
    try:
        cond = conditions_of(made, {} if label is None else {"label": label}, len(z))
    except ValueError as error:
        raise UsageError(f"--label: {error}") from None
    samples = decoded(made, z, cond)
    if path.suffix.lower() in ARRAYS or kind.is_folder(path) or path.suffix.lower() == ".csv":
        samples.save(path)
    else:
        save_picture(kind.picture(samples.batch, samples.data, n), path)
    said = f"{n}×{n} samples of {found.title}, along the latents {axes.replace(',', ' (to the right) and ')} (upwards)"
    done(path, said, weights=found.title, grid=f"{n}×{n}", axes=axes)


def quantiles(found: Subject, shape: tuple[int, ...], n: int, axes: str) -> Tensor:
    """(n², *shape): Φ⁻¹ of the midpoints (i + ½)/n in two numbers of the latent, 0 in the others. Row by row: the first grows to the
    right, the second upwards."""
    import math

    import torch

    size = math.prod(shape)
    try:
        first, second = (int(part) for part in axes.split(","))
    except ValueError:
        first = second = -1
    if size < 2:
        raise UsageError(f"the latent of {found.title} is one number: gentk interpolate walks it")
    if first == second or not (0 <= first < size and 0 <= second < size):
        raise UsageError(f"--axes wants two different numbers of 0 to {size - 1}, 0,1; got '{axes}'")
    steps = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n).float()
    z = torch.zeros(n * n, size)
    z[:, first] = steps.repeat(n)
    z[:, second] = steps.flip(0).repeat_interleave(n)
    return z.view(-1, *shape)
