"""What a plugin says about itself. Light on purpose: strings name the code, nothing here imports it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from ..errors import GentkError
from ..text import cause


def resolve(target: str) -> Any:
    """`"package.module:attribute"` → the object. The only place where a plugin's heavy code is imported. Raises GentkError."""
    from pkgutil import resolve_name

    try:
        return resolve_name(target)
    except (GentkError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise GentkError(f"{target} cannot be imported: {cause(error)}") from error


def wrong(spec: Any) -> str:
    """What no spec can hold, as "name is None"; or nothing."""
    kinds = get_type_hints(type(spec))
    for field in fields(spec):
        value = getattr(spec, field.name)
        if not isinstance(value, _plain(kinds[field.name])):
            return f"{field.name} is a {type(value).__name__}"
        if isinstance(value, tuple) and not all(isinstance(one, str) for one in value):
            return f"{field.name} holds more than texts"
    if hasattr(spec, "name") and not (spec.name.strip() and spec.name.isprintable() and len(spec.name) <= 100):
        return f"name is {spec.name[:60]!r}: at most 100 characters that can be printed"
    return ""


def _plain(kind: Any) -> Any:
    return tuple if getattr(kind, "__origin__", None) is tuple else kind


@dataclass(frozen=True)
class ModelSpec:
    """`target`: "module:Class", an nn.Module. `config`: "module:PydanticModel", importable without torch (else `target.Config`
    is used, at torch's price). `sampler`: the name of the default sampler, where it is not the first that fits. `check`: a recipe inside
    the package that trains in seconds without a download: what `gentk plugins check` tries the model with."""

    name: str
    target: str
    config: str | None = None
    summary: str = ""
    paper: str = ""
    sampler: str | None = None
    check: str | None = None


@dataclass(frozen=True)
class RecipeSpec:
    """`path` and `weights` are inside the plugin's package: "recipes/mnist.toml", "weights/mnist"."""

    name: str
    path: str
    weights: str | None = None
    summary: str = ""


@dataclass(frozen=True)
class DatasetSpec:
    """`target`: "module:callable"; called as `target(split=…, **options)` it returns a Dataset. `options`: "module:PydanticModel" of
    its options. `argument`: the option that the text behind a colon fills (`folder:PATH` → path=PATH)."""

    name: str
    target: str
    modality: str = ""
    options: str | None = None
    argument: str | None = None
    splits: tuple[str, ...] = ("train", "test")
    summary: str = ""


@dataclass(frozen=True)
class SamplerSpec:
    """`target`: "module:Class", a pydantic model whose fields are the options; keep torch out of its module's top."""

    name: str
    target: str
    summary: str = ""
    paper: str = ""


@dataclass(frozen=True)
class ScheduleSpec:
    """`target`: "module:Class"; called with its options it gives a Schedule."""

    name: str
    target: str
    summary: str = ""
    paper: str = ""


@dataclass(frozen=True)
class MetricSpec:
    """`target`: "module:Class", a `gentk.protocols.Metric` made as `Class(data, **options)`; or, for short, "module:function",
    `(generated: Batch, real: Batch) -> float`: all rows of both sides, on the host. `needs`: of "samples", "features", "logits", "labels"
    (the condition "label"), "training" (rows of the training split too), "log_prob", "log_label" and "reconstruction" (what a model says
    of real examples: no samples then); without them the metric is passed over. `modalities`: which it is for; none: all. `options`:
    "module:PydanticModel". `asked`: measured only where it is asked for by name, for what is slow or downloads. `examples`: how many a
    published figure takes. A model's `watch` and `training.evaluate_metrics` may name it."""

    name: str
    target: str
    summary: str = ""
    paper: str = ""
    needs: tuple[str, ...] = ("samples",)
    modalities: tuple[str, ...] = ()
    options: str | None = None
    asked: bool = False
    examples: int = 10_000


@dataclass(frozen=True)
class FeaturizerSpec:
    """`target`: "module:callable", `(data: DataSpec) -> gentk.protocols.Featurizer`; raises GentkError for data that it cannot take, and
    where it has to download and cannot. `datasets`: by name, those that it is the default for; `modalities`: those whose other data sets it
    is the default for."""

    name: str
    target: str
    summary: str = ""
    paper: str = ""
    datasets: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModalitySpec:
    """`target`: "module:Class", see `gentk.modalities.Modality`."""

    name: str
    target: str
    summary: str = ""


@dataclass(frozen=True)
class ImporterSpec:
    """A foreign format. `target`: "module:callable", `(folder: Path) -> model`, a built model of this plugin with its numbers and its
    `recommended_sampler`; `export`: "module:callable", `(model, folder: Path) -> None`, the way back into an empty folder. Both raise
    GentkError in one line for what they cannot say exactly, and `warnings.warn` of a sampler that is only close."""

    name: str
    target: str
    export: str | None = None
    summary: str = ""


@dataclass(frozen=True)
class ExpectedFailure:
    """A check of `gentk plugins check` that this plugin is known to fail for a good reason. `subject`: the model, data set, sampler,
    schedule or recipe it fails for, or the plugin's own name. `reason` is shown; a check that passes although excused has failed."""

    check: str
    subject: str
    reason: str
