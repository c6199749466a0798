"""gentk likelihood"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from .. import choices, lines
from ..examples import Dataset_, File, Part, examples
from ..flags import Flag
from ..out import out
from ..subject import Subject, subject
from ..waiting import waiting
from .sample import pairs

if TYPE_CHECKING:
    from torch import Tensor

    from ...protocols import DataSpec

Options = Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="Any option of the model's likelihood, by name.")]
Seed = Annotated[int, Option(min=0, max=2**63, help="Of what is random in it: dequantisation, probes, draws of latents.")]
Together = Annotated[int | None, Option("--batch-size", min=1, help="Examples taken together; changes no number.")]


def likelihood(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    source: File = None,
    dataset: Dataset_ = None,
    split: Part = None,
    n: Annotated[int | None, Option("-n", min=1, help="How many examples. \\[default: all of a file, 16 of a data set]")] = None,
    seed: Seed = 0,
    option: Options = [],
    batch_size: Together = None,
    device: choices.Device = "auto",
    extra: dict[str, Any] = {},
) -> None:
    """How likely a model finds examples: log p(x) in nats, and in bits per number; of texts also per character, and the perplexity."""
    found = subject(plugin, recipe, weights, None, model)
    options = pairs(option, {}, likelihood)
    from ...inference.likelihood import bits_per_dim, kind_of, log_prob
    from ...inference.sampling import pick_device
    from ...protocols import Likelihood, can
    from ...weights.folder import read

    made = read(found.folder).to(pick_device(device))
    free = found.conditions() if can(made, Likelihood) else ()  # a likelihood of its own sums over what is not said
    batch = examples(found, source, dataset, split, n, extra, few=16, optional=free)
    with waiting(f"likelihood of {found.title}"):
        nats = log_prob(made, batch, seed=seed, batch_size=batch_size, **options)
    sizes, count = numbers(batch), len(nats)
    size = float(sizes.mean())
    error = float(nats.std() / math.sqrt(count)) if count > 1 else None
    told = {
        "weights": found.title,
        "examples": count,
        "kind": kind_of(made),
        "nats": float(nats.mean()),
        "standard_error": error,
        "bits_per_dim": float(bits_per_dim(nats.mean(), size)),
        **of_texts(nats, sizes, batch, made.data),
        "each": nats.tolist(),
    }
    out.result(told, lambda: people(told, size))


def numbers(batch: Mapping[str, Tensor]) -> Tensor:
    """How many numbers of each example count, (n,): all that do not only pad it."""
    from ...padding import counted

    return counted(batch).flatten(1).sum(1).double()


def of_texts(nats: Tensor, sizes: Tensor, batch: Mapping[str, Tensor], spec: DataSpec) -> dict[str, float | None]:
    """Of texts, over all of them together: bits per character, and the perplexity, exp of the nats per token."""
    if spec.modality != "text":
        return {}
    from ...modalities.text import texts_of

    total, tokens = -float(nats.double().sum()), float(sizes.sum())
    characters = sum(map(len, texts_of(batch, spec)))
    rate = total / tokens if tokens else math.inf
    return {
        "bits_per_character": total / math.log(2) / characters if characters else None,
        "perplexity": math.exp(rate) if rate < 700 else None,  # float64 ends
    }


def people(told: dict[str, Any], size: float) -> str:
    from rich.markup import escape

    each = f"{told['bits_per_dim']:.4f} bits/dim of {size:.4g}"
    if told.get("bits_per_character") is not None and told.get("perplexity") is not None:
        each = f"{told['bits_per_character']:.4f} bits/character, perplexity {told['perplexity']:.4g} of {size:.4g} tokens"
    spread = f" ± {told['standard_error']:.3f}" if told["standard_error"] is not None else ""
    return escape(
        f"log p(x) = {told['nats']:.3f}{spread} nats per example ({told['kind']}), {each}; "
        f"{told['examples']} examples, {told['weights']}"
    )


def flags(found: Subject, words: Mapping[str, Any]) -> list[Flag]:
    return lines.condition_flags(likelihood, found)


def command(args: list[str], resilient: bool = False) -> Any:
    return lines.command(likelihood, args, resilient, flags)
