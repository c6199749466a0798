"""gentk sample"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Option

from ...errors import UsageError, did_you_mean
from ...text import plain
from ...weights.names import locate
from .. import choices, lines
from ..drawing import Request, draw
from ..flags import Flag, complaint, condition_flag, option_flags, own_names
from ..streaming import streaming
from ..subject import Subject, subject


def sample(
    plugin: choices.Plugin = None,
    recipe: choices.Recipe = None,
    model: choices.Model = None,
    weights: choices.Weights = None,
    n: Annotated[int | None, Option("-n", min=1, help="How many. \\[default: 16; of texts that come in a terminal 1]")] = None,
    seed: Annotated[int, Option(min=0, max=2**63, help="Sample i of a seed is always the same sample.")] = 0,
    sampler: choices.Sampler = None,
    option: Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="Any option of the sampler, by name.")] = [],
    guide: Annotated[
        str | None, Option(metavar="FOLDER|NAME", help="Weights that steer: a classifier of noisy examples, or a weaker model.")
    ] = None,
    scale: Annotated[float | None, Option(help="How strongly. \\[default: 1 for a classifier, 2 for a denoiser, 1.5 for tokens]")] = None,
    draft: Annotated[
        str | None, Option(metavar="FOLDER|NAME", help="Weights of a smaller model of the same tokens, which proposes them: faster.")
    ] = None,
    out_: Annotated[
        Path | None, Option("--out", metavar="FILE|DIR", help="Format by suffix: .png .gif .npz …; -: stdout \\[default: a new file here]")
    ] = None,
    trajectory: Annotated[Path | None, Option(metavar="FILE.gif", help="The way there, as an animation.")] = None,
    batch_size: Annotated[int | None, Option(min=1, help="Samples drawn together; changes no sample.")] = None,
    device: choices.Device = "auto",
    dtype: Annotated[Literal["float32", "float64", "bfloat16"], Option(help="What the network computes in.")] = "float32",
    compile: Annotated[bool, Option("--compile", help="Compile the network's blocks first; pays for long runs.")] = False,
    extra: dict[str, Any] = {},
) -> None:
    """Draw samples from a model.

    The flags in the last panels belong to the chosen weights and sampler: they change with --plugin, --recipe, --weights and --sampler.
    """
    found = subject(plugin, recipe, weights, sampler, model)
    if scale is not None and guide is None:
        raise UsageError("--scale says how strongly --guide steers: give both")
    if draft and not getattr(found.sampler_class(), "drafts", False):
        raise UsageError(f"--draft: sampler '{found.sampler.name}' has no use for a draft; it is for models that draw token by token")
    known = {**found.sampler_conditions(), **found.conditions(guide)}
    conditions = {key: extra.pop(key) for key in list(extra) if key in known}
    options = {**found.options, **extra, **pairs(option, extra)}
    steering = (locate(guide).folder, scale) if guide else None
    drafting = locate(draft).folder if draft else None
    chosen = check(found, options)
    n = n or (1 if out_ is None and streaming(found, chosen, 1) else 16)
    settings = (n, seed, out_, trajectory, batch_size, device, dtype, compile, steering, drafting)
    draw(found, Request(chosen, conditions, *settings))


def command(args: list[str], resilient: bool = False) -> Any:
    return lines.command(sample, args, resilient, flags)


def flags(found: Subject, words: Mapping[str, Any]) -> list[Flag]:
    """What the weights and the sampler can be asked for, and what the sampler can be told."""
    taken, panel = own_names(sample), f"Sampler {plain(found.sampler.name)}"
    asked = [condition_flag(key, condition, panel, taken) for key, condition in found.sampler_conditions().items()]
    mine = lines.condition_flags(sample, found, words.get("guide"))
    return [*mine, *asked, *option_flags(found.sampler_class(), dict(found.options), panel)]


def pairs(given: list[str], flags: Mapping[str, Any], command: Callable[..., Any] | None = None) -> dict[str, Any]:
    """`-o key=value …`; the value is read as TOML where it is TOML.

    `command`: the command whose options go to a model's method. Raises UsageError for a key that the command itself fills, naming the flag
    that does.
    """
    from ...recipes import literal

    values: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise UsageError(f"-o wants key=value, got '{text}'")
        if key in flags or key in values:
            raise UsageError(f"{key} is given twice")
        if command and (flag := "--" + key.replace("_", "-")) in own_names(command):
            raise UsageError(f"no option '{key}' for -o: say {flag}")
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
