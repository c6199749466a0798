"""A recipe on other data than its own, or for another model: what it says for these gives way where model or data refuse it, and is named.

Also of a recipe as it is, the sampler that its weights will recommend is tried once: what cannot be sampled as it will be saved is refused
before the training, not after it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from ..errors import GentkError, UsageError
from ..examples import First, fetch, some
from ..host import lookup, resolve
from ..inference.sampling import default_sampler, stream
from ..protocols import Dataset, DataSpec, StatisticsModel, can
from ..recipes import Recipe
from ..text import cause, one_line
from ..weights.skeleton import skeleton
from .fitting import fitting, statistical
from .resolving import resolved

STEPS = 2  # of a sampler, in which it meets what it was told
LOOKED_AT = 256  # examples in which a hidden label would be found


def adapted(recipe: Recipe, *, own: str, given: Collection[str] = ()) -> tuple[Recipe, Dataset]:
    """The recipe as it can be trained, and its data set. `own`: the data set that the recipe was written for; `given`: the keys that the
    user set, which never give way. Says on stderr what does.

    Raises UsageError for what cannot be trained, or not be sampled afterwards.
    """
    part = recipe.dataset
    dataset = lookup.dataset(part.name, part.split, part.options, recipe.model.plugin)
    kind = resolve(lookup.model_spec(recipe.model.plugin, recipe.model.name).target)
    refuse_hidden(recipe, kind, dataset)
    recipe = resolved(recipe, dataset)
    seen = fitting(First(dataset, part.examples) if part.examples else dataset, kind)
    config = _config(recipe, seen.spec, own, given)
    options = _options(recipe, config, seen, given)
    model, sampler = recipe.model.model_copy(update={"config": config}), recipe.sampler.model_copy(update={"options": options})
    return recipe.model_copy(update={"model": model, "sampler": sampler}), dataset


def refuse_hidden(recipe: Recipe, kind: type, dataset: Dataset) -> None:
    """Raises UsageError where labels are hidden (class number `classes`) from a model that does not know hidden labels."""
    if getattr(kind, "hidden_labels", False) or not len(dataset):
        return
    batch = fetch(dataset, some(len(dataset), LOOKED_AT))
    for key, leaf in dataset.spec.conditions.items():
        if leaf.classes and bool((batch[key] >= leaf.classes).any()):
            specs = lookup.specs("models", recipe.model.plugin)
            others = [name for name, spec in specs.items() if getattr(resolve(spec.target), "hidden_labels", False)]
            remedy = f"; --model {others[0]} does" if others else ""
            raise UsageError(f"{recipe.model.plugin}/{recipe.model.name} does not know examples whose {key} is hidden{remedy}")


# ---------------------------------------------------------------- the model
def _config(recipe: Recipe, spec: DataSpec, own: str, given: Collection[str]) -> dict[str, Any]:
    """The model's config without what was said for other data: keys that say so of themselves (`of_data`), and those without which the
    model can be built."""
    part, config = recipe.model, dict(recipe.model.config)
    fields: Mapping[str, Any] = getattr(lookup.config_class(lookup.model_spec(part.plugin, part.name)), "model_fields", {})
    free = [key for key in config if f"model.config.{key}" not in given and not _plain(fields.get(key), config[key])]
    if recipe.dataset.name != own:
        marked = [key for key in free if (getattr(fields.get(key), "json_schema_extra", None) or {}).get("of_data")]
        config = _without(config, marked)
        free = [key for key in free if key not in marked]
        _say(marked, {key: recipe.model.config[key] for key in marked}, "model.config", "is said for other data than these")

    def wrong(left: Mapping[str, Any]) -> str:
        try:
            with skeleton():
                lookup.build_model(part.plugin, part.name, left, spec)
        except UsageError as error:
            return str(error)
        except Exception as error:  # shapes that do not fit: a convolution of points
            return cause(error)
        return ""

    return _yielding(config, free, wrong, "model.config")


def _plain(field: Any, value: Any) -> bool:
    """Whether a value is its field's default."""
    return field is not None and not field.is_required() and field.get_default(call_default_factory=True) == value


# ---------------------------------------------------------------- the sampler
def _options(recipe: Recipe, config: Mapping[str, Any], dataset: Dataset, given: Collection[str]) -> dict[str, Any]:
    """The sampler's options without those that a model of these data refuses."""
    part, options = recipe.model, dict(recipe.sampler.options)
    kind = resolve(lookup.model_spec(part.plugin, part.name).target)
    if statistical(kind) or can(kind, StatisticsModel):  # draws nothing before it is fitted, and has no options
        return options
    model = lookup.build_model(part.plugin, part.name, config, dataset.spec)
    if (decoder := getattr(dataset, "decoder", None)) is not None:
        model.latents = decoder

    def wrong(left: Mapping[str, Any]) -> str:
        try:
            sampler = lookup.sampler(recipe.sampler.name, part.plugin, **left) if recipe.sampler.name else default_sampler(model)
            if not can(model, sampler.needs):
                return f"{part.plugin}/{part.name} cannot be sampled by {recipe.sampler.name or type(sampler).__name__}"
            for _ in islice(stream(model, 1, sampler=sampler), STEPS):
                pass
        except GentkError as error:
            return "" if not recipe.sampler.name else str(error)
        except Exception as error:  # a model may need its first round before it can draw: no reason not to train it
            print(f"no sample could be drawn before the training ({cause(error)})", file=sys.stderr)
        return ""

    if not recipe.sampler.name:
        return options
    fields = lookup.sampler_class(recipe.sampler.name, part.plugin).model_fields
    free = [key for key in options if f"sampler.options.{key}" not in given and not _plain(fields.get(key), options[key])]
    return _yielding(options, free, wrong, "sampler.options")


# ---------------------------------------------------------------- giving way
def _yielding(
    values: dict[str, Any], free: list[str], wrong: Callable[[Mapping[str, Any]], str], where: str
) -> dict[str, Any]:
    """`values` without as few of the `free` keys as are in the way. Raises UsageError where that does not help."""
    if not (said := wrong(values)):
        return values
    for dropped in _fewest(free):
        left = _without(values, dropped)
        if not wrong(left):
            _say(dropped, values, where, said)
            return left
    raise UsageError(said)


def _fewest(free: list[str]) -> Iterator[list[str]]:
    """One key, then those from the first on, one more each time, then all."""
    yield from ([key] for key in free)
    yield from (free[:count] for count in range(2, len(free) + 1))


def _without(values: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def _say(keys: Collection[str], values: Mapping[str, Any], where: str, why: str) -> None:
    for key in keys:
        print(f"the recipe's {where}.{key} = {str(values[key])[:60]} gives way: {one_line(why)}", file=sys.stderr)
