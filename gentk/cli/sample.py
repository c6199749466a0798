"""gentk sample"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Option

from ..errors import UsageError, did_you_mean
from . import choices
from .drawing import Request, draw
from .flags import Flag, complaint, condition_flag, option_flags, own_names, selectors
from .flags import command as typer_command
from .subject import Subject, subject


def sample(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: Annotated[
        str | None, Option("--weights", "-w", metavar="FOLDER|NAME", help="A folder of weights, a run, or PLUGIN/RECIPE.")
    ] = None,
    n: Annotated[int, Option("-n", min=1, help="How many.")] = 16,
    seed: Annotated[int, Option(min=0, max=2**63, help="Sample i of a seed is always the same sample.")] = 0,
    sampler: choices.Sampler = None,
    option: Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="Any option of the sampler, by name.")] = [],
    out_: Annotated[
        Path | None, Option("--out", metavar="FILE|DIR", help="Format by suffix: .png .gif .npz … \\[default: a new file here]")
    ] = None,
    trajectory: Annotated[Path | None, Option(metavar="FILE.gif", help="The way there, as an animation.")] = None,
    batch_size: Annotated[int | None, Option(min=1, help="Samples drawn together; changes no sample.")] = None,
    device: choices.Device = "auto",
    dtype: Annotated[Literal["float32", "float64", "bfloat16"], Option(help="What the network computes in.")] = "float32",
    compile: Annotated[bool, Option("--compile", help="Compile the network first; pays for long runs.")] = False,
    extra: dict[str, Any] = {},
) -> None:
    """Draw samples from a model.

    The flags in the last panels belong to the chosen weights and sampler: they change with --plugin, --recipe, --weights and --sampler.
    """
    found = subject(plugin, recipe, weights, sampler, model)
    conditions = {key: extra.pop(key) for key in list(extra) if key in found.config.get("conditions", {})}
    options = {**found.options, **extra, **pairs(option, extra)}
    draw(found, Request(check(found, options), conditions, n, seed, out_, trajectory, batch_size, device, dtype, compile))


def command(args: list[str], resilient: bool = False) -> Any:
    """The command for this line: parse once for what it talks about, then once more with its flags."""
    chosen = selectors(sample, args)
    try:
        found = subject(*(chosen.get(k) for k in ("plugin", "recipe", "weights", "sampler", "model")))
        return typer_command(sample, flags(found), about=f"{found.title} with sampler {found.sampler.name}")
    except Exception:
        if resilient:  # completion must not fail because a plugin does
            return typer_command(sample)
        raise


def flags(found: Subject) -> list[Flag]:
    """What the weights can be asked for, and what the sampler can be told."""
    from rich.markup import escape

    from ..conditions import CONDITIONS

    conditions = CONDITIONS.validate_python(found.config.get("conditions", {}))
    about, taken = f"What {escape(found.title)} can be asked for", own_names(sample)
    made = [condition_flag(key, condition, about, taken) for key, condition in conditions.items()]
    return made + option_flags(found.sampler_class(), dict(found.options), f"Sampler {found.sampler.name}")


def pairs(given: list[str], flags: dict[str, Any]) -> dict[str, Any]:
    """`-o key=value …`; the value is read as TOML where it is TOML."""
    from ..recipes import literal

    values: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise UsageError(f"-o wants key=value, got '{text}'")
        if key in flags or key in values:
            raise UsageError(f"{key} is given twice")
        values[key] = literal(value)
    return values


def check(found: Subject, options: dict[str, Any]) -> Any:
    """The sampler with its options; pydantic's complaints in one line."""
    from pydantic import ValidationError

    kind = found.sampler_class()
    try:
        return kind(**options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise UsageError(f"sampler '{found.sampler.name}' has no option '{key}'{did_you_mean(key, kind.model_fields)}") from None
        raise UsageError(f"option '{key}': {complaint(first)}") from None
