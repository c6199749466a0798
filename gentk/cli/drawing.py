"""Drawing what a `gentk sample` line asks for: load, step with progress, save, say what was done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GentkError, UsageError
from ..host import lookup
from ..weights.hub import complete
from .out import out
from .progress import progress
from .streaming import streaming
from .subject import Subject

if TYPE_CHECKING:
    from ..distributed import Ranks
    from ..inference.sampling import Samples
    from ..protocols import Step

MOST_FRAMES = 60  # of an animation: more cannot be told apart


@dataclass(frozen=True)
class Request:
    """A `gentk sample` line, checked."""

    sampler: Any
    conditions: dict[str, Any]
    n: int
    seed: int
    out: Path | None
    trajectory: Path | None
    batch_size: int | None
    device: str
    dtype: str
    compile: bool
    guide: tuple[Path, float | None] | None  # the weights that steer, and how strongly
    draft: Path | None  # the weights that propose tokens


def draw(found: Subject, request: Request) -> None:
    """Everything that can be refused is refused before the first step."""
    data = (found.config.get("latents") or found.config)["data"]
    modality = lookup.modality(data["modality"])
    path = target(request.out, f"{found.title.replace('/', '-')}-{request.seed}{modality.default_suffix}")
    modality.check_path(path)
    if request.trajectory:
        modality.check_animation(request.trajectory)
    from ..distributed import Ranks

    ranks = Ranks()
    for folder in filter(None, (found.folder, request.guide and request.guide[0], request.draft)):
        complete(folder)  # before our bar, as a download has its own
    writing = streaming(found, request.sampler, request.n)
    with progress(found.title, request.n, silent=not ranks.first or writing is not None) as advance:
        model = prepared(found, request)
        start = time.perf_counter()
        told = writing.step if writing else advance
        samples, frames = (compiled if request.compile else run)(model, request, told, ranks)
        seconds = time.perf_counter() - start
    if not ranks.first:
        return
    samples.save(path)
    if request.trajectory:
        modality.animate(frames, samples.data, request.trajectory)
    if writing:
        writing.end(samples.batch)
    report(found, request, path, seconds, None if writing else modality.words(samples.batch, samples.data))


def prepared(found: Subject, request: Request) -> Any:
    """The model on its device, in its number format."""
    from ..inference.sampling import pick_device
    from ..weights.folder import read

    model = read(found.folder)
    if request.guide:
        from ..inference.steering import guided

        model = guided(model, read(request.guide[0]), request.guide[1])
    if request.draft:
        from ..samplers.speculative import drafted

        model = drafted(model, read(request.draft))
    model = model.to(pick_device(request.device))
    if request.dtype == "float64":
        if next((p.device.type for p in model.parameters()), "cpu") == "mps":
            raise UsageError("--dtype float64: this device has no float64; use --device cpu")
        model = model.double()
    return model


def compiled(model: Any, request: Request, advance: Callable[[Step, int], None], ranks: Ranks) -> tuple[Samples, list[Any]]:
    """`run` with the network compiled, or without where that fails."""
    from ..compiling import Compiled

    network = Compiled(getattr(model, "inner", model))  # of a guided model, the one that is guided
    try:
        return run(model, request, advance, ranks)
    except GentkError:
        raise
    except Exception as error:
        network.give_up(error)
        return run(model, request, advance, ranks)


def run(model: Any, request: Request, advance: Callable[[Step, int], None], ranks: Ranks) -> tuple[Samples, list[Any]]:
    """The samples, each rank's share drawn by itself and gathered, and the first batch's states where an animation is wanted."""
    import torch

    from ..inference.sampling import finish, sample

    frames: list[Any] = []

    def on_step(step: Step, first: int) -> None:
        advance(step, first)
        if request.trajectory and first == 0:
            every = max(1, step.total // MOST_FRAMES)
            if step.index % every == 0 or step.index == step.total:
                frames.append({k: v.cpu() for k, v in finish(model, step.x).items()})

    autocast = torch.bfloat16 if request.dtype == "bfloat16" else None
    given = {"seed": request.seed, "sampler": request.sampler, "cond": request.conditions, "batch_size": request.batch_size}
    drawn = sample(model, request.n, **given, rows=ranks.share_of(request.n), autocast=autocast, on_step=on_step)
    return replace(drawn, batch=ranks.gathered(drawn.batch)), frames


def target(given: Path | None, default: str) -> Path:
    """The file to write: `--out`, else a new one here, called `default`. Raises UsageError."""
    return out.target(given, default) if given else fresh(default)


def fresh(name: str) -> Path:
    """A file of this name in the current folder, numbered where there is one already."""
    path, k = Path(name), 1
    while path.exists():
        path, k = Path(name).with_stem(f"{Path(name).stem}-{k}"), k + 1
    return path


def report(found: Subject, request: Request, path: Path, seconds: float, words: str | None = None) -> None:
    data = {
        "file": str(path),
        "trajectory": str(request.trajectory) if request.trajectory else None,
        "weights": found.title,
        "plugin": found.plugin,
        "model": found.config["model"],
        "sampler": found.sampler.name,
        "options": request.sampler.model_dump(mode="json"),
        "conditions": request.conditions,
        "n": request.n,
        "seed": request.seed,
        "seconds": round(seconds, 2),
    }
    out.result(data, lambda: people(data, words, telling(request.sampler)))


def telling(sampler: Any) -> dict[str, Any]:
    """The options that say how these samples were drawn: how many steps, and what is not as it is by default."""
    fields = type(sampler).model_fields
    told = {key: getattr(sampler, key) for key in fields}
    return {key: value for key, value in told.items() if key == "steps" or value != fields[key].get_default(call_default_factory=True)}


def people(data: dict[str, Any], words: str | None = None, options: dict[str, Any] | None = None) -> Any:
    """A table for a terminal; `options`: those worth telling."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column(overflow="fold")
    table.add_row("file", f"[bold]{escape(data['file'])}[/]  ({data['n']} sample{'s' * (data['n'] > 1)})")
    if data["trajectory"]:
        table.add_row("trajectory", escape(data["trajectory"]))
    weights = f"{data['weights']} ({data['plugin']}/{data['model']})" + "".join(f", {k} {short(v)}" for k, v in data["conditions"].items())
    table.add_row("weights", escape(weights))
    table.add_row("sampler", escape(", ".join([data["sampler"], *(f"{k} {v}" for k, v in (options or {}).items() if v is not None)])))
    table.add_row("seed", str(data["seed"]))
    rate = f", {data['n'] / data['seconds']:.1f} samples/s" if data["seconds"] else ""  # of no time at all, nobody asks
    table.add_row("time", f"{data['seconds']:.1f} s{rate}")
    return Group(Text(words), Text(""), table) if words else table


def short(value: Any) -> str:
    if isinstance(value, list):
        return ",".join("none" if v is None else str(v) for v in value)
    return str(value)
