"""gentk reconstruct"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ...errors import UsageError
from ...host import lookup
from .. import choices, lines
from ..drawing import target
from ..examples import Dataset_, File, Part, examples
from ..flags import Flag
from ..out import out
from ..subject import Subject, subject
from ..waiting import waiting
from .likelihood import Together

if TYPE_CHECKING:
    from torch import Tensor

    from ...protocols import DataSpec


def reconstruct(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    source: File = None,
    dataset: Dataset_ = None,
    split: Part = None,
    n: Annotated[int | None, Option("-n", min=1, help="How many examples. \\[default: 20]")] = None,
    batch_size: Together = None,
    out_: Annotated[
        Path | None, Option("--out", metavar="FILE", help="A picture (originals above), .npz or .safetensors. \\[default: a new file here]")
    ] = None,
    device: choices.Device = "auto",
    extra: dict[str, Any] = {},
) -> None:
    """Examples through the latents and back: originals above what an autoencoder makes of them, and how far these are."""
    found = subject(plugin, recipe, weights, None, model)
    shape = found.config["data"]["leaves"].get("x", {}).get("shape", ())
    path = target(out_, f"{found.title.replace('/', '-')}-reconstructed{'.png' if drawable(shape) else '.npz'}")
    check_path(path, shape)
    from ...inference import reconstruction
    from ...inference.sampling import pick_device
    from ...padding import counted
    from ...weights.folder import read

    made = read(found.folder).to(pick_device(device))
    reconstruction.check(made)  # before any data are fetched
    batch = examples(found, source, dataset, split, n, extra, few=20, whole=False)
    with waiting(f"{found.title}, there and back"):
        other = reconstruction.reconstruct(made, batch, batch_size=batch_size)
    save(path, batch, other, made.data)
    leaf, inside = made.data.leaves["x"], counted(batch)
    told: dict[str, Any] = {"file": str(path), "weights": found.title, "examples": len(other)}
    if leaf.classes:
        told["wrong"] = float((other != batch["x"])[inside].double().mean())
    else:
        told["mse"] = float(reconstruction.mse(batch["x"], other, inside).mean())
    if leaf.range:
        told["psnr"] = float(reconstruction.psnr(batch["x"], other, leaf, inside).mean())
    out.result(told, lambda: people(told))


def drawable(shape: Any) -> bool:
    """Whether a pair of examples has a picture: pictures do, and points in a plane."""
    return len(shape) == 3 or list(shape) == [2]


def check_path(path: Path, shape: Any) -> None:
    """Raises UsageError for a file that pairs of examples cannot be written to."""
    from ...modalities.base import ARRAYS, writable

    known = [*([".png", ".webp"] if drawable(shape) else []), *ARRAYS]
    if path.suffix.lower() not in known:
        raise UsageError(f"{path}: pairs of examples are saved as {', '.join(known)}")
    writable(path)


def save(path: Path, batch: Mapping[str, Tensor], other: Tensor, data: DataSpec) -> None:
    from ... import style
    from ...modalities.arrays import save_arrays
    from ...modalities.base import ARRAYS, leaf
    from ...plots import planes
    from ...plots.rows import rows

    if path.suffix.lower() in ARRAYS:
        save_arrays({**batch, "reconstruction": other}, data, path)
    elif len(data.shape) == 3:
        style.save(rows([batch["x"], other], lookup.modality(data.modality), data), path)
    else:
        style.save(planes.scatter(leaf(batch), leaf({"x": other}), ("examples", "reconstructions")), path)


def people(told: dict[str, Any]) -> str:
    from rich.markup import escape

    missed = f"MSE {told['mse']:.5g} per number" if "mse" in told else f"{told['wrong']:.2%} wrong"
    noise = f", PSNR {told['psnr']:.2f} dB" if "psnr" in told else ""
    return escape(f"{told['file']}  {told['examples']} examples, {missed}{noise}, {told['weights']}")


def flags(found: Subject, words: Mapping[str, Any]) -> list[Flag]:
    return lines.condition_flags(reconstruct, found)


def command(args: list[str], resilient: bool = False) -> Any:
    return lines.command(reconstruct, args, resilient, flags)
