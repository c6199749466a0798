"""What is asked, from what a person has in hand: weights by name, a model, samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..inference.samples import Samples
from ..inference.sampling import default_sampler, final_data, pick_device
from ..protocols import Batch, Sampler
from ..weights.folder import read
from ..weights.hub import complete
from ..weights.names import locate
from ..weights.origin import trained_on
from ..weights.safety import read_config
from .evaluate import Evaluation, evaluated
from .material import Request
from .reference import Reference, reference

if TYPE_CHECKING:
    from ..recipes import DatasetPart


def evaluate(
    what: Any,
    *,
    reference: str | None = None,
    split: str = "test",
    metrics: Sequence[str] = (),
    n: int | None = None,
    seed: int = 0,
    sampler: Sampler | None = None,
    cond: Mapping[str, Any] | None = None,
    featurizer: str | None = None,
    device: str = "auto",
    cached: bool = True,
    **options: Any,
) -> Evaluation:
    """How good weights (by name, as for `gentk.load`), a model, or samples are, each number beside its floor, as `gentk evaluate` says it.

    `reference`: a data set by name; weights know theirs. `n`: how many samples (1,000 at most, a quick look). `metrics`: by name; without,
    all that apply. `options`: of the metrics. Samples and features are kept in ~/.cache/gentk unless `cached` is False. Raises UsageError
    for what does not fit, and GentkError.
    """
    more: dict[str, Any] = {"metrics": metrics, "n": n, "seed": seed, "featurizer": featurizer, "cached": cached, "options": options}
    if isinstance(what, Samples):
        if reference is None:
            raise UsageError("say what the samples are measured beside: reference=\"mnist\"")
        return evaluated(of_samples(what.batch, "samples", beside(reference, split), **more))
    drawing: dict[str, Any] = {"sampler": sampler, "cond": cond or {}, **more}
    if isinstance(what, str | Path):
        found = locate(str(what))
        return evaluated(of_weights(found.folder, found.title, reference, split, device, **drawing))
    if reference is None:
        raise UsageError("a model does not say what it was trained on: reference=\"mnist\"")
    return evaluated(Request(type(what).__name__, beside(reference, split), final_data(what), model=what, **drawing))


def beside(name: str, split: str, plugin: str | None = None) -> Reference:
    """A reference by its name alone."""
    return reference(name, {}, split, plugin)


def of_samples(batch: Batch, title: str, source: Reference, **more: Any) -> Request:
    """Rows in hand; all of them where they are fewer than n."""
    data = source.open().spec
    return Request(title, source, data, samples=batch, **more)


def of_weights(folder: Path, title: str, name: str | Reference | None, split: str, device: str, **more: Any) -> Request:
    """Weights, beside the reference that is given or what they were trained on. Raises UsageError where nobody knows that."""
    source = name if isinstance(name, Reference) else source_of(folder, title, name, split)
    plugin = str(read_config(folder)["plugin"])
    trained, _ = _trained(folder, title)
    complete(folder)
    model = read(folder).to(pick_device(device))
    own = Reference(trained.name, "test", trained.options, plugin) if trained else None
    return Request(title, source, final_data(model), model=model, own=own, plugin=plugin, **more)


def source_of(folder: Path, title: str, name: str | None, split: str) -> Reference:
    """The reference of this name, else what the weights were trained on; of a model of latents, what their encoder was trained on, as that
    is what it makes. Raises UsageError where nobody knows that. Loads no model."""
    plugin = str(read_config(folder)["plugin"])
    if name is not None:
        return beside(name, split, plugin)
    trained, why = _trained(folder, title)
    if trained is None:
        raise UsageError(why)
    kind, _, encoder = trained.name.partition(":")
    if kind == "latents":
        found = locate(encoder or str(trained.options.get("weights", "")))
        return source_of(found.folder, found.title, trained.options.get("dataset") or None, split)
    return reference(trained.name, trained.options, split, plugin)


def _trained(folder: Path, title: str) -> tuple[DatasetPart | None, str]:
    """What the weights were trained on, or why nobody knows."""
    try:
        return trained_on(folder, read_config(folder), title), ""
    except UsageError as error:
        return None, str(error).replace("--dataset", "--reference")


def drawable(model: Any) -> bool:
    """Whether samples can be drawn from it."""
    try:
        default_sampler(model)
    except UsageError:
        return False
    return True
