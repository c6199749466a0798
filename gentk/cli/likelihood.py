"""gentk likelihood"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from typer import Option

from . import choices, lines
from .examples import Dataset_, File, Split, examples
from .flags import Flag
from .out import out
from .subject import Subject, subject


def likelihood(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    source: File = None,
    dataset: Dataset_ = None,
    split: Split = "test",
    n: Annotated[int, Option("-n", min=1, help="How many examples.")] = 16,
    seed: Annotated[int, Option(min=0, max=2**63, help="Of what is random in it: dequantisation, probes.")] = 0,
    steps: Annotated[int | None, Option(min=1, help="Denoisers: steps of the ODE, four evaluations each. \\[default: 50]")] = None,
    probes: Annotated[
        int | None, Option(min=1, help="Denoisers: probes of the divergence. \\[default: 1, exact for points]")
    ] = None,
    batch_size: Annotated[int | None, Option(min=1, help="Examples taken together; changes no number.")] = None,
    device: choices.Device = "auto",
    extra: dict[str, Any] = {},
) -> None:
    """How likely a model finds examples: log p(x) in nats, and in bits per number."""
    found = subject(plugin, recipe, weights, None, model)
    batch = examples(found, source, dataset, split, n, extra)
    from ..likelihood import bits_per_dim, kind_of, log_prob
    from ..sampling import pick_device
    from ..weights.folder import read

    made = read(found.folder).to(pick_device(device))
    options = {key: value for key, value in (("steps", steps), ("probes", probes)) if value is not None}
    nats = log_prob(made, batch, seed=seed, batch_size=batch_size, **options)
    size, count = batch["x"][0].numel(), len(nats)
    error = float(nats.std() / math.sqrt(count)) if count > 1 else None
    told = {
        "weights": found.title,
        "examples": count,
        "kind": kind_of(made),
        "nats": float(nats.mean()),
        "standard_error": error,
        "bits_per_dim": float(bits_per_dim(nats, size).mean()),
        "each": nats.tolist(),
    }
    out.result(told, lambda: people(told, size))


def people(told: dict[str, Any], size: int) -> str:
    from rich.markup import escape

    spread = f" ± {told['standard_error']:.3f}" if told["standard_error"] is not None else ""
    return escape(
        f"log p(x) = {told['nats']:.3f}{spread} nats per example ({told['kind']}), {told['bits_per_dim']:.4f} bits/dim of {size}; "
        f"{told['examples']} examples, {told['weights']}"
    )


def flags(found: Subject, words: Mapping[str, Any]) -> list[Flag]:
    return lines.condition_flags(likelihood, found)


def command(args: list[str], resilient: bool = False) -> Any:
    return lines.command(likelihood, args, resilient, flags)
