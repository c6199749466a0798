"""gentk encode"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from ...modalities.arrays import save_arrays
from ...modalities.base import ARRAYS, writable
from .. import choices, lines
from ..drawing import target
from ..examples import Dataset_, File, Part, examples
from ..flags import Flag
from ..out import out
from ..subject import Subject, subject
from ..waiting import waiting
from .sample import pairs


def encode(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    source: File = None,
    dataset: Dataset_ = None,
    split: Part = None,
    n: Annotated[int | None, Option("-n", min=1, help="How many examples. \\[default: all of a file, 16 of a data set]")] = None,
    option: Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="Any option of the model's encoding, by name.")] = [],
    out_: Annotated[Path | None, Option("--out", metavar="FILE.npz", help="Where to. \\[default: a new file here]")] = None,
    device: choices.Device = "auto",
    extra: dict[str, Any] = {},
) -> None:
    """What examples would be made from: the latents of an encoder, the noise of a denoiser. Says how well the way back ends."""
    from ...errors import UsageError

    found = subject(plugin, recipe, weights, None, model)
    options = pairs(option, {}, encode)
    path = target(out_, f"{found.title.replace('/', '-')}-codes.npz")
    if path.suffix not in ARRAYS:
        raise UsageError(f"{path}: codes are saved as {' or '.join(ARRAYS)}")
    writable(path)
    batch = examples(found, source, dataset, split, n, extra, few=16)
    from ...inference.encoding import encode as encoded
    from ...inference.encoding import returned
    from ...inference.sampling import pick_device
    from ...padding import counted
    from ...weights.folder import read

    made = read(found.folder).to(pick_device(device))
    with waiting(f"encoding by {found.title}"):
        z = encoded(made, batch, **options)
    save_arrays({**batch, "x": z}, made.data, path)
    back = {key: value for key, value in options.items() if key == "steps"}
    cond = {key: value for key, value in batch.items() if key in made.conditions}
    with waiting(f"the way back of {found.title}"):
        x = returned(made, z, cond, **back)
    told: dict[str, Any] = {"file": str(path), "weights": found.title, "examples": len(z)}
    if x is not None and made.data.leaves["x"].classes:
        told["way_back_wrong"] = float((x != batch["x"])[counted(batch)].double().mean())
    elif x is not None:
        told["way_back_rms"] = float((x.double() - batch["x"].double())[counted(batch)].square().mean().sqrt())
    told["sample"] = again(found, path, made, **back)
    out.result(told, lambda: people(told))


def again(found: Subject, path: Path, model: Any, **back: Any) -> str | None:
    """The `gentk sample` line that walks back, where there is one."""
    from ...inference.encoding import STEPS, way
    from ...protocols import Denoiser, Encoder, can

    if can(model, Encoder) or not can(model, Denoiser):
        return None
    sampler = way(model, **{"steps": STEPS, **back})
    told: dict[str, Any] = {k: getattr(sampler, k) for k in sampler.model_fields_set if getattr(sampler, k) is not None and k != "clip"}
    words = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in told.items())
    return f"gentk sample --weights {found.title} --sampler euler {words} --no-clip --noise {path}"


def people(told: dict[str, Any]) -> str:
    from rich.markup import escape

    hint = f"\nback: {told['sample']} -n {told['examples']}" if told["sample"] else ""
    missed = f"; the way back misses by {told['way_back_rms']:.2g} (rms)" if "way_back_rms" in told else ""
    missed += f"; on the way back {told['way_back_wrong']:.1%} are wrong" if "way_back_wrong" in told else ""
    return escape(f"{told['file']}  {told['examples']} codes{missed}{hint}")


def flags(found: Subject, words: Mapping[str, Any]) -> list[Flag]:
    return lines.condition_flags(encode, found)


def command(args: list[str], resilient: bool = False) -> Any:
    return lines.command(encode, args, resilient, flags)
