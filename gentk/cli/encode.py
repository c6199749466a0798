"""gentk encode"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ..modalities.arrays import save_arrays
from ..modalities.base import ARRAYS, writable
from . import choices, lines
from .drawing import fresh
from .examples import Dataset_, File, Split, examples
from .flags import Flag
from .out import out
from .subject import Subject, subject

if TYPE_CHECKING:
    from torch import Tensor


def encode(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    source: File = None,
    dataset: Dataset_ = None,
    split: Split = "test",
    n: Annotated[int, Option("-n", min=1, help="How many examples.")] = 16,
    steps: Annotated[int, Option(min=1, help="Denoisers: steps from data to noise.")] = 100,
    iterations: Annotated[int, Option(min=1, help="Denoisers: iterations of each step; 1 is plain DDIM inversion.")] = 5,
    out_: Annotated[Path | None, Option("--out", metavar="FILE.npz", help="Where to. \\[default: a new file here]")] = None,
    device: choices.Device = "auto",
    extra: dict[str, Any] = {},
) -> None:
    """What examples would be made from: the latents of an encoder, the noise of a denoiser. Says how well the way back ends."""
    from ..errors import UsageError

    found = subject(plugin, recipe, weights, None, model)
    path = out_ or fresh(f"{found.title.replace('/', '-')}-codes.npz")
    if path.suffix not in ARRAYS:
        raise UsageError(f"{path}: codes are saved as {' or '.join(ARRAYS)}")
    writable(path)
    batch = examples(found, source, dataset, split, n, extra)
    from ..encoding import encode as encoded
    from ..sampling import pick_device
    from ..weights.folder import read

    made = read(found.folder).to(pick_device(device))
    z = encoded(made, batch, steps=steps, iterations=iterations)
    save_arrays({**batch, "x": z}, made.data, path)
    missed = (returned(made, z, batch, steps) - batch["x"]).square().mean().sqrt()
    told: dict[str, Any] = {"file": str(path), "weights": found.title, "examples": len(z), "way_back_rms": float(missed)}
    told["sample"] = again(found, path, made, steps)
    out.result(told, lambda: people(told))


def returned(model: Any, z: Tensor, batch: Mapping[str, Tensor], steps: int) -> Tensor:
    """The examples that the codes give back."""
    from ..encoding import way
    from ..protocols import Denoiser, can
    from ..sampling import as_batch, evaluating, sample

    cond = {key: value for key, value in batch.items() if key in model.conditions}
    if can(model, Denoiser):
        return sample(model, len(z), sampler=way(model, steps), cond={**cond, "noise": z.cpu()})["x"]
    with evaluating(model):
        return as_batch(model.decode(z, cond))["x"].detach().cpu()


def again(found: Subject, path: Path, model: Any, steps: int) -> str | None:
    """The `gentk sample` line that walks back, where there is one."""
    from ..encoding import way
    from ..protocols import Denoiser, can

    if not can(model, Denoiser):
        return None
    sampler = way(model, steps)
    told: dict[str, Any] = {k: getattr(sampler, k) for k in sampler.model_fields_set if getattr(sampler, k) is not None and k != "clip"}
    words = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in told.items())
    return f"gentk sample --weights {found.title} --sampler euler {words} --no-clip --noise {path}"


def people(told: dict[str, Any]) -> str:
    from rich.markup import escape

    hint = f"\nback: {told['sample']} -n {told['examples']}" if told["sample"] else ""
    return escape(f"{told['file']}  {told['examples']} codes; the way back misses by {told['way_back_rms']:.2g} (rms){hint}")


def flags(found: Subject, words: Mapping[str, Any]) -> list[Flag]:
    return lines.condition_flags(encode, found)


def command(args: list[str], resilient: bool = False) -> Any:
    return lines.command(encode, args, resilient, flags)
