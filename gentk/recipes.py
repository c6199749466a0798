"""Recipes: TOML in, overrides, checked against the schemas of whoever owns each part, TOML out. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import UsageError, did_you_mean


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


Int = Annotated[int, BeforeValidator(_no_bool)]  # pydantic reads true as 1; a recipe should not
Float = Annotated[float, BeforeValidator(_no_bool)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_default=True)


class ModelPart(_Part):
    plugin: str
    name: str = ""  # empty: the plugin's first
    config: dict[str, Any] = {}  # checked by the model's own Config


class DatasetPart(_Part):
    name: str
    split: str = "train"
    examples: Annotated[Int, Field(ge=1, description="Only the first so many of the training examples.")] | None = None
    options: dict[str, Any] = {}


class OptimizerPart(_Part):
    """Settings of one optimizer, for `[training.optimizers.NAME]`; what is left out is the recipe's."""

    optimizer: Literal["adamw", "muon"] | None = None
    lr: Annotated[Float, Field(gt=0)] | None = None
    adam_lr: Annotated[Float, Field(gt=0)] | None = None
    betas: tuple[Float, Float] | None = None
    weight_decay: Annotated[Float, Field(ge=0)] | None = None


class TrainingPart(_Part):
    steps: Annotated[Int, Field(ge=1, description="Rounds; each sees one batch.")] = 10_000
    batch_size: Annotated[Int, Field(ge=1, description="Examples per round, over all ranks and micro-batches.")] = 64
    accumulate: Annotated[Int, Field(ge=1, description="Micro-batches per rank and round.")] = 1
    optimizer: Literal["adamw", "muon"] = "adamw"
    lr: Annotated[Float, Field(gt=0)] = 1e-3
    adam_lr: Annotated[Float, Field(gt=0, description="With muon: AdamW's rate for all that is no matrix.")] = 3e-3
    betas: tuple[Float, Float] = (0.9, 0.999)
    weight_decay: Annotated[Float, Field(ge=0)] = 0.0
    optimizers: dict[str, OptimizerPart] = {}
    warmup: Annotated[Float, Field(ge=0, lt=1, description="Share of the steps over which the rate rises.")] = 0.02
    lr_schedule: Literal["constant", "linear", "cosine", "flat-linear"] = "flat-linear"
    flat: Annotated[Float, Field(ge=0, le=1, description="flat-linear: share of the steps before the rate falls.")] = 0.3
    clip: Annotated[Float, Field(gt=0)] | None = None
    ema_decay: Annotated[Float, Field(gt=0, lt=1, description="Average's decay per step.")] | None = None
    ema_share: Annotated[Float, Field(gt=0, lt=1, description="Else: the window as a share of the steps so far.")] = 0.04
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: Annotated[Int, Field(ge=0, lt=2**63)] = 0
    tolerance: Annotated[Float, Field(ge=0, description="Statistics models: stop when log_likelihood gains less.")] = 1e-6
    log_every: Annotated[Int, Field(ge=1)] = 10
    checkpoint_every: Annotated[Int, Field(ge=1)] = 1000
    preview_every: Annotated[Int, Field(ge=0, description="0: never.")] = 1000
    evaluate_every: Annotated[Int, Field(ge=0, description="Rounds between validation losses; 0: never.")] = 500
    evaluate_metrics: Annotated[list[str], Field(description="Metrics measured at validations; `best/` is kept by the first.")] = []
    metrics_every: Annotated[Int, Field(ge=0, description="Rounds between them; 0: at every validation.")] = 0
    metrics_samples: Annotated[Int, Field(ge=2, description="Samples that they are measured on.")] = 1000
    patience: Annotated[Int, Field(ge=0, description="Validations without improvement after which training ends; 0: never.")] = 0
    weights_dtype: Literal["float32", "float16"] = "float32"


class SamplerPart(_Part):
    name: str = ""  # empty: the model's default
    options: dict[str, Any] = {}


class Recipe(_Part):
    model: ModelPart
    dataset: DatasetPart
    training: TrainingPart = TrainingPart()
    sampler: SamplerPart = SamplerPart()


Schema = Callable[[str, Recipe], "type[BaseModel] | None"]


def read(path: Path) -> dict[str, Any]:
    """The tables of a TOML file."""
    import tomllib

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"no recipe file {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error


def override(recipe: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """`a.b=c` set in a copy. The value is read as TOML where it is TOML (`2e-4`, `[1, 2]`, `true`), else as text; `a.b=` unsets the key."""
    from copy import deepcopy

    changed = deepcopy(dict(recipe))
    for text in assignments:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise UsageError(f"--set wants key.path=value, got '{text}'")
        *parents, last = path.strip().split(".")
        node = changed
        for key in parents:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise UsageError(f"--set {path}: {key} is a value, not a table")
        if not value.strip():
            node.pop(last, None)
            continue
        if last == "name" and node.get("name") != value:  # another sampler does not take this one's options
            node.pop("options", None)
            node.pop("config", None)
        node[last] = literal(value)
    return changed


def literal(text: str) -> Any:
    """A TOML value, or the text itself."""
    import tomllib

    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def check(raw: Mapping[str, Any], *, schema: Schema, source: str) -> Recipe:
    """The recipe, every part validated: the frame by `Recipe`, `model.config`, `dataset.options` and `sampler.options` by their owners."""
    recipe: Recipe = validate(Recipe, dict(raw), source)
    for part in ("model.config", "dataset.options", "sampler.options"):
        head, tail = part.split(".")
        owner, holder = schema(part, recipe), getattr(recipe, head)
        if owner is not None:
            setattr(holder, tail, validate(owner, getattr(holder, tail), source, (head, tail)).model_dump(mode="json", exclude_none=True))
    return recipe


def validate(cls: type[BaseModel], data: Any, source: str, where: tuple[str, ...] = ()) -> Any:
    """`cls` from `data`; pydantic's complaints as one line each, with the key's full path. Raises UsageError."""
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        lines = []
        for e in error.errors(include_url=False):
            loc = [*where, *(str(k) for k in e["loc"])]
            key = ".".join(loc)
            if e["type"] == "extra_forbidden":
                lines.append(f"{key}: no such key{did_you_mean(str(loc[-1]), _fields(cls, e['loc'][:-1]))}")
            elif e["type"] == "missing":
                lines.append(f"{key}: is missing")
            else:
                said = ": ".join(filter(None, [key, e["msg"].removeprefix("Input ").removeprefix("Value error, ")]))
                lines.append(f"{said}, got {str(e['input'])[:80]!r}" if e["loc"] else said)  # what is wrong with the whole names its keys
        raise UsageError(f"{source}: " + "; ".join(lines[:3])) from error


def _fields(cls: Any, loc: tuple[Any, ...]) -> list[str]:
    try:
        for key in loc:
            cls = cls.model_fields[key].annotation
        return list(cls.model_fields)
    except (AttributeError, KeyError):  # inside a dict or a list: nothing to suggest
        return []


def write(recipe: Recipe, path: Path, *, comment: str = "") -> None:
    """TOML that `read` and `check` accept again. Written to a temporary name, then renamed."""
    import os

    import tomli_w

    text = (f"# {comment}\n" if comment else "") + tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True))
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, path)
