"""Checks of the weights that a plugin ships: that they load, are what their recipe makes, and can be drawn from and published."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import GentkError, UsageError
from ..host import RecipeSpec, lookup
from .fitting import fits
from .registry import Failure, Skip, check

ROWS = 4


class WeightsTrial:
    """A recipe of a plugin with its bundled weights."""

    def __init__(self, plugin: str, spec: RecipeSpec) -> None:
        self.plugin, self.spec = plugin, spec

    @property
    def folder(self) -> Path:
        return lookup.weights_path(self.plugin, self.spec.name)

    @cached_property
    def config(self) -> dict[str, Any]:
        from ..weights.safety import read_config

        return read_config(self.folder)

    @cached_property
    def model(self) -> Any:
        from ..weights.folder import read

        return read(self.folder)


@check("weights")
def weights_load(trial: WeightsTrial) -> None:
    """The weights that a recipe names load as anybody's would: the config is sound, the tensors are those of the model that it describes,
    every value is finite."""
    try:
        _ = trial.model
    except GentkError as error:
        raise Failure(str(error)) from None


@check("weights")
def weights_match_recipe(trial: WeightsTrial) -> None:
    """config.json says what the recipe says: plugin, model, the model's config, the sampler and its options, the recipe's own name. Who
    trains the recipe then gets what was shipped, and `gentk sample` draws as its author meant."""
    recipe, config = lookup.recipe(trial.plugin, trial.spec.name), trial.config
    spec = lookup.model_spec(recipe.model.plugin, recipe.model.name)
    kind = lookup.config_class(spec)
    _equal("recipe", config.get("recipe"), trial.spec.name)
    _equal("plugin", config["plugin"], recipe.model.plugin)
    _equal("model", config["model"], spec.name)
    _equal("config", kind.model_validate(config["config"]), kind.model_validate(recipe.model.config))
    if recipe.sampler.name:
        chosen = config.get("sampler") or {"name": "", "options": {}}
        _equal("sampler.name", chosen["name"], recipe.sampler.name)
        options = lookup.sampler_class(recipe.sampler.name, trial.plugin)
        _equal("sampler.options", options(**chosen["options"]), options(**recipe.sampler.options))


def _equal(key: str, shipped: Any, wanted: Any) -> None:
    if shipped != wanted:
        raise Failure(f"config.json and recipe differ in {key}: {_differing(shipped, wanted)}")


def _differing(shipped: Any, wanted: Any) -> str:
    if not hasattr(shipped, "model_dump"):
        return f"{shipped!r}, and {wanted!r} in the recipe"
    ours, theirs = shipped.model_dump(), wanted.model_dump()
    key = next(key for key in ours if ours[key] != theirs.get(key))
    return f"{key} is {ours[key]!r}, and {theirs.get(key)!r} in the recipe"


@check("weights")
def weights_sample(trial: WeightsTrial) -> None:
    """A few samples from the shipped weights, drawn as they recommend, are finite and in the range of the data."""
    from ..inference.sampling import default_sampler, final_data, sample

    try:
        sampler = default_sampler(trial.model)
    except UsageError as why:
        raise Skip(str(why)) from None
    drawn = sample(trial.model, ROWS, sampler=sampler)
    fits(drawn.batch, final_data(trial.model).leaves, "samples", (ROWS,), drawn=True)


@check("weights")
def card_renders(trial: WeightsTrial) -> None:
    """The model card that `gentk push` writes for these weights, around a README.md beside them, can be written and read: its head
    is valid, names gentk as the library, and has the plugin among its tags, by which `gentk search` finds it."""
    from huggingface_hub import ModelCard

    from ..weights.card import card

    own = trial.folder / "README.md"
    text = card(trial.folder, trial.config, existing=own.read_text("utf-8") if own.is_file() else "")
    try:
        about: dict[str, Any] = ModelCard(text).data.to_dict()  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise Failure(f"the card's head is not what the Hub reads: {error}") from None
    if about.get("library_name") != "gentk":
        raise Failure(f"the card's library_name is {about.get('library_name')!r}, not 'gentk'")
    if missing := {"gentk", trial.config["plugin"]} - set(about.get("tags") or ()):
        raise Failure(f"the card lacks the tag '{min(missing)}'")
