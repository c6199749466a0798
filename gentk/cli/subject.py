"""What a command line talks about, found from metadata, TOML and JSON: plugin, recipe, the weights' config, sampler. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..host import SamplerSpec, lookup, resolve
from ..weights.names import bundled, locate
from ..weights.safety import check_plugins, read_config

DEFAULT = "ddpm"  # the one name that the core knows: what is meant where nothing is said


@dataclass(frozen=True)
class Subject:
    """Weights and the sampler that is to draw from them."""

    title: str
    folder: Path
    config: Mapping[str, Any]
    sampler: SamplerSpec
    options: Mapping[str, Any]  # what the weights recommend for this sampler

    @property
    def plugin(self) -> str:
        return str(self.config["plugin"])

    def sampler_class(self) -> Any:
        return resolve(self.sampler.target)

    def rows(self) -> Any:
        """The spec of an example as a person has it: of a model behind the core's encoding, that of the table."""
        latents = self.config.get("latents")
        return latents["data"] if latents and latents["plugin"] == lookup.OURS else self.config["data"]

    def conditions(self, guide: str | None = None) -> dict[str, Any]:
        """What the weights can be asked for, and the weights that guide them."""
        from ..conditions import CONDITIONS

        guiding = read_config(locate(guide).folder).get("conditions", {}) if guide else {}
        return {**CONDITIONS.validate_python(guiding), **CONDITIONS.validate_python(self.config.get("conditions", {}))}

    def sampler_conditions(self) -> dict[str, Any]:
        """What the sampler itself can be asked for."""
        from .. import known_rows
        from ..protocols import DataSpec

        kind, data = self.sampler_class(), self.config["data"]
        if not hasattr(kind, "conditions"):
            return {}
        if (rows := self.rows()) is not data:  # behind the core's encoding
            return known_rows.conditions(DataSpec.model_validate(rows))
        return dict(kind.conditions(DataSpec.model_validate(data)))


def subject(plugin: str | None, recipe: str | None, weights: str | None, sampler: str | None, model: str | None = None) -> Subject:
    """What the words on the line mean. Raises UsageError with a suggestion."""
    if weights and (plugin or recipe or model):
        raise UsageError("--weights names a folder by itself: leave out --plugin, --recipe and --model")
    if model and not recipe:
        recipe = recipe_of(plugin or DEFAULT, model)
    found = locate(weights) if weights else bundled(plugin or DEFAULT, recipe)
    config = read_config(found.folder)
    check_plugins(config)
    if model and config["model"] != model:
        raise UsageError(f"{found.title} holds weights of the model '{config['model']}', not of '{model}': leave out --model or --recipe")
    recommended = config.get("sampler") or {}
    name = sampler or recommended.get("name") or first_sampler(config)
    spec = lookup.find("samplers", name, config["plugin"]).spec
    options = recommended.get("options", {}) if name == recommended.get("name") else {}
    return Subject(found.title, found.folder, config, spec, options)


def recipe_of(plugin: str, model: str, *, shipped: bool = True) -> str:
    """The first recipe of this model; `shipped`: the first that comes with weights."""
    lookup.model_spec(plugin, model)
    for name, spec in lookup.specs("recipes", plugin).items():
        if lookup.trained_by(plugin, name) == model and (spec.weights or not shipped):
            return name
    if shipped:
        raise UsageError(f"plugin '{plugin}' ships no weights of its model '{model}': train it, then use --weights")
    raise UsageError(f"plugin '{plugin}' has no recipe of its model '{model}': write one and give it as --recipe FILE.toml")


def first_sampler(config: Mapping[str, Any]) -> str:
    """For weights that recommend none: what the plugin says of the model, else the core's first."""
    spec = lookup.model_spec(config["plugin"], config["model"])
    return str(
        spec.sampler or next(iter(lookup.specs("samplers", config["plugin"])), None) or next(iter(lookup.specs("samplers", lookup.CORE)))
    )
