"""Names → things. A name is looked up in the chosen plugin, then in the core, then wherever it is unique; `plugin/name` settles it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import GentkError, UsageError, did_you_mean
from .catalogue import offering
from .entries import package as package_of
from .manager import Host
from .provenance import package_dir
from .specs import resolve

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..protocols import Dataset, DataSpec, Sampler, Schedule
    from ..recipes import Recipe

CORE = ""  # the owner of what gentk itself offers
OURS = "gentk"  # its name in a config.json


class Found(NamedTuple):
    """A spec and the plugin that gave it."""

    plugin: str
    spec: Any


_building: ContextVar[str | None] = ContextVar("building", default=None)  # the plugin whose model is being built


@contextmanager
def _owned(plugin: str) -> Iterator[None]:
    token = _building.set(plugin)
    try:
        yield
    finally:
        _building.reset(token)


_settings: dict[str, Any] = {"disabled": frozenset(), "strict": False}


def configure(*, disabled: Iterable[str] = (), strict: bool = False) -> None:
    """Choose what the process-wide host blocks. The host is built when it is first asked."""
    _settings.update(disabled=frozenset(disabled), strict=strict)
    host.cache_clear()


@cache
def host() -> Host:
    """The process-wide host."""
    return Host(disabled=_settings["disabled"], strict=_settings["strict"])


def specs(kind: str, plugin: str | None = None) -> dict[str, Any]:
    """What one plugin (CORE: gentk itself) offers of a kind ("models", "samplers" …), by name, in its order."""
    if plugin is None:
        return {name: found.spec for name, found in _everywhere(kind).items()}
    answers = _core(kind) if plugin == CORE else host().ask(f"gentk_{kind}", plugin)
    return {spec.name: spec for spec in answers}


def one(kind: str) -> str:
    """The singular of a kind."""
    return "modality" if kind == "modalities" else "data set" if kind == "datasets" else kind[:-1]


def _core(kind: str) -> list[Any]:
    from . import builtin

    hook = getattr(builtin, f"gentk_{kind}", None)
    return list(hook()) if hook else []


def _everywhere(kind: str) -> dict[str, Found]:
    """Every usable plugin's and the core's; a name that two plugins offer needs `plugin/name`."""
    found: dict[str, Found] = {}
    several: dict[str, list[str]] = {}
    for plugin, spec in host().ask_all(f"gentk_{kind}"):
        several.setdefault(spec.name, []).append(plugin.name)
        found[spec.name] = Found(plugin.name, spec)
    for name, owners in several.items():
        if len(owners) > 1:
            del found[name]
            found.update({f"{owner}/{name}": Found(owner, specs(kind, owner)[name]) for owner in owners})
    for spec in _core(kind):
        found[spec.name] = Found(CORE, spec)
    return found


def _in_use(kind: str, name: str) -> Found | None:
    """What the plugins that are imported already offer under a name, if one of them alone does: they made the model at hand."""
    found = [Found(key, spec) for key, plugin in host().plugins.items() if plugin.status == "ok" and (spec := specs(kind, key).get(name))]
    return found[0] if len(found) == 1 else None


def find(kind: str, name: str, plugin: str | None = None) -> Found:
    """The spec called `name`. Raises UsageError with a suggestion."""
    owner, slash, rest = name.partition("/")
    if slash and owner in host().plugins:
        plugin, name = owner, rest
        here = specs(kind, owner)
        if name not in here:
            raise UsageError(f"plugin '{owner}' has no {one(kind)} '{name}'{did_you_mean(name, here)}")
        return Found(owner, here[name])
    if plugin and name in (here := specs(kind, plugin)):
        return Found(plugin, here[name])
    if name in (core := specs(kind, CORE)):
        return Found(CORE, core[name])
    if found := _in_use(kind, name):
        return found
    everywhere = _everywhere(kind)  # only now the other plugins are imported
    if name in everywhere:
        return everywhere[name]
    owners = [known.partition("/")[0] for known in everywhere if known.partition("/")[2] == name]
    if (entry := offering(kind, name)) is not None and entry.plugin in owners:  # ours, which weights and recipes of ours mean
        return everywhere[f"{entry.plugin}/{name}"]
    if owners:
        raise UsageError(f"{one(kind)} '{name}' is offered by {' and '.join(owners)}: say {owners[0]}/{name}")
    raise UsageError(f"no {one(kind)} '{name}'{_offered(kind, name) or did_you_mean(name, everywhere)}")


def _offered(kind: str, name: str) -> str:
    """Who offers what was not found, as follows the error on its line: a plugin to install, or one that is installed and cannot be used."""
    entry = offering(kind, name)
    if entry is None:
        return ""
    if plugin := host().plugins.get(entry.plugin):
        return f"; {entry.distribution} offers it, and is {plugin.status}" + (f": {plugin.reason}" if plugin.reason else "")
    return f"; {entry.distribution} offers it: gentk plugins install {entry.plugin}"


def model_spec(plugin: str, name: str = "") -> Any:
    """A model of one plugin; its first where no name is given."""
    known = specs("models", CORE if plugin == OURS else plugin)
    if not known:
        raise UsageError(f"plugin '{plugin}' offers no models")
    name = name or next(iter(known))
    if name not in known:
        raise UsageError(f"plugin '{plugin}' has no model '{name}'{did_you_mean(name, known)}")
    return known[name]


def config_class(spec: Any) -> type[BaseModel]:
    """The pydantic class of a model's config; without torch where the plugin says where it is."""
    found: type[BaseModel] = resolve(spec.config) if spec.config else resolve(spec.target).Config
    return found


def build_model(plugin: str, name: str, config: Mapping[str, Any], data: DataSpec) -> Any:
    """A new model with fresh weights, those of convolutions in channels-last order, which is a tenth faster and more on every device.

    Raises UsageError for a config that its plugin refuses.
    """
    import torch

    from ..recipes import validate

    spec = model_spec(plugin, name)
    checked = validate(config_class(spec), dict(config), f"config of {plugin}/{spec.name}")
    with _owned(plugin):
        return resolve(spec.target)(checked, data).to(memory_format=torch.channels_last)


def identify(model: Any) -> tuple[str, str]:
    """(plugin, model name) of a model, by its class. Asks only plugins whose package the class could come from."""
    kind = type(model)
    package = kind.__module__.partition(".")[0]
    for spec in _core("models") if package == OURS else ():
        if resolve(spec.target) is kind:
            return OURS, spec.name
    for name, plugin in host().plugins.items():
        if any(package_of(ep) == package for ep in plugin.entry_points):
            offered = specs("models", name).values()
            here = f"{kind.__module__}:{kind.__qualname__}"
            # By name first: another model of the plugin may not be importable, or only slowly.
            for spec in sorted(offered, key=lambda spec: spec.target != here):
                if resolve(spec.target) is kind:
                    return name, spec.name
    raise GentkError(f"{kind.__module__}.{kind.__qualname__} is a model of no installed plugin, so its weights could not be read back")


def schedule(name: str, /, **options: Any) -> Schedule:
    """A schedule by name; a model that asks while it is built means its own plugin's first.

    Raises UsageError for an unknown one or a wrong option.
    """
    found = find("schedules", name, _building.get())
    try:
        made: Schedule = resolve(found.spec.target)(**options)
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise UsageError(f"schedule '{name}': {' '.join(str(error).split())[:200]}") from None
    return made


def sampler_class(name: str, plugin: str | None = None) -> Any:
    return resolve(find("samplers", name, plugin).spec.target)


def sampler(name: str, plugin: str | None = None, /, **options: Any) -> Sampler:
    """A sampler with its options, checked. Raises UsageError."""
    from ..recipes import validate

    made: Sampler = validate(sampler_class(name, plugin), options, f"sampler '{name}'")
    return made


def modality(name: str) -> Any:
    """The modality that knows how to check, save and picture examples of this kind: of a plugin in use, the core's, else any plugin's.

    Other plugins are imported only for a name that neither has. One that nobody has is saved as arrays.
    """
    from ..modalities import CORE as ours
    from ..modalities import modality as core

    if found := _in_use("modalities", name):
        return resolve(found.spec.target)()
    if name in ours:
        return core(name)
    elsewhere = _everywhere("modalities").get(name)
    return core(name) if elsewhere is None else resolve(elsewhere.spec.target)()


def dataset_spec(name: str, plugin: str | None = None) -> tuple[Any, dict[str, Any]]:
    """A data set's spec, and the option that the text behind a colon gives (`folder:PATH`)."""
    head, colon, argument = name.partition(":")
    spec = find("datasets", head, plugin).spec
    if colon and not spec.argument:
        raise UsageError(f"data set '{head}' takes nothing behind a colon, got '{name}'")
    if not colon and spec.argument:
        raise UsageError(f"data set '{head}' wants {head}:{spec.argument.upper()}")
    return spec, {spec.argument: argument} if colon else {}


def dataset_options(name: str, plugin: str | None = None) -> type[BaseModel] | None:
    """The pydantic class of a data set's options, where it has one."""
    spec, _ = dataset_spec(name, plugin)
    return resolve(spec.options) if spec.options else None


def dataset(name: str, split: str = "train", options: Mapping[str, Any] | None = None, plugin: str | None = None) -> Dataset:
    """A data set by name. Raises UsageError for an unknown name, split or option, GentkError where the data cannot be had."""
    from ..recipes import validate

    spec, given = dataset_spec(name, plugin)
    if split not in spec.splits:
        raise UsageError(f"data set '{name}' has no split '{split}'{did_you_mean(split, spec.splits)}")
    chosen = {**dict(options or {}), **given}
    if spec.options:
        chosen = validate(resolve(spec.options), chosen, f"data set '{name}'").model_dump()
    elif options:
        raise UsageError(f"data set '{name}' takes no options, got {min(options)}")
    made: Dataset = resolve(spec.target)(split=split, **chosen)
    return made


def _inside(plugin: str, path: str) -> Path:
    return package_dir(host().load(plugin).entry_points[0]) / path


def recipe_spec(plugin: str, recipe: str | None) -> Any:
    """A recipe of one plugin; its first where none is named."""
    known = specs("recipes", plugin)
    if not known:
        raise UsageError(f"plugin '{plugin}' has no recipes")
    name = recipe or next(iter(known))
    if name not in known:
        raise UsageError(f"plugin '{plugin}' has no recipe '{name}'{did_you_mean(name, known)}")
    return known[name]


def recipe_path(plugin: str, recipe: str | None) -> Path:
    return _inside(plugin, recipe_spec(plugin, recipe).path)


def weights_path(plugin: str, recipe: str | None) -> Path:
    """The folder of a recipe's bundled weights. Raises UsageError where it has none."""
    spec = recipe_spec(plugin, recipe)
    if not spec.weights:
        raise UsageError(f"recipe '{plugin}/{spec.name}' comes without weights: gentk train --plugin {plugin} --recipe {spec.name}")
    return _inside(plugin, spec.weights)


def schema(part: str, recipe: Recipe) -> type[BaseModel] | None:
    """Who owns a part of a recipe. Light modules, no torch."""
    if part == "model.config":
        spec = model_spec(recipe.model.plugin, recipe.model.name)
        recipe.model.name = spec.name
        return config_class(spec)
    if part == "dataset.options":
        spec, given = dataset_spec(recipe.dataset.name, recipe.model.plugin)
        return None if given or not spec.options else resolve(spec.options)
    if not recipe.sampler.name:
        return None
    kind: type[BaseModel] = sampler_class(recipe.sampler.name, recipe.model.plugin)
    return kind


def recipe(plugin: str, name: str | None = None, assignments: Iterable[str] = ()) -> Recipe:
    """A plugin's recipe, or a TOML file's, with `assignments` (`training.lr=1e-3`) applied, every part checked."""
    return checked(recipe_tables(plugin, name), assignments, recipe_place(plugin, name).name)


def recipe_tables(plugin: str, name: str | None = None) -> dict[str, Any]:
    """A plugin's recipe, or a TOML file's, as it is written."""
    from .. import recipes

    return recipes.read(recipe_place(plugin, name))


def trained_by(plugin: str, recipe: str) -> str:
    """The model that a recipe trains: the plugin's first where it names none."""
    named: str = recipe_tables(plugin, recipe).get("model", {}).get("name", "")
    return named or str(model_spec(plugin).name)


def checked(raw: Mapping[str, Any], assignments: Iterable[str] = (), source: str = "recipe") -> Recipe:
    """A recipe of these tables with `assignments` applied, every part checked."""
    from .. import recipes

    return recipes.check(recipes.override(raw, assignments), schema=schema, source=source)


def recipe_place(plugin: str, name: str | None) -> Path:
    """The file of a recipe: a plugin's, or the TOML file that `name` is."""
    return Path(name) if name and name.endswith(".toml") else recipe_path(plugin, name)
