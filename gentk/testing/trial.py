"""What the checks of a model share: its recipe, its data and a short training, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..errors import UsageError
from ..host import ModelSpec, lookup
from ..host.provenance import package_dir
from ..text import cause
from .registry import Failure, Skip
from .short import EXAMPLES, STOP, copied, no_downloads, quick, rounds, shortened, snapshot

if TYPE_CHECKING:
    from torch import Tensor

    from ..inference.sampling import Samples
    from ..recipes import Recipe

SMALL = 8  # batch size where the data are made up for a recipe that is not one for checks
N = 16  # samples drawn, examples asked about

T = TypeVar("T")


def once(make: Callable[[Any], T]) -> property:
    """A property that is made once; what making it raises is raised again each time."""

    @wraps(make)
    def get(self: Any) -> T:
        made = self.__dict__.setdefault("_once", {})
        if make.__name__ not in made:
            try:
                made[make.__name__] = make(self), None
            except Exception as error:
                made[make.__name__] = None, error
        value, failure = made[make.__name__]
        if failure is not None:
            raise failure
        return value  # type: ignore[no-any-return]

    return property(get)


class Found(NamedTuple):
    """What a model is tried with. `data`: the data set, of at most EXAMPLES examples."""

    recipe: Recipe
    data: Any


class Trained(NamedTuple):
    """A short training. `built`: the state of the fresh model; `before`: after its `start`; `after`: trained, not averaged. `state`: all
    that a next round would depend on; the folder `half` holds that of round `stopped`. `logs`: of each round. `model`: as it stands in
    memory, averaged; `weights`: its folder."""

    built: dict[str, Tensor]
    before: dict[str, Tensor]
    after: dict[str, Tensor]
    state: dict[str, dict[str, Tensor]]
    half: Path
    stopped: int
    logs: list[dict[str, float]]
    model: Any
    weights: Path


class ModelTrial:
    """A model of an installed plugin. What it makes on disk goes into `folder`.

    It is tried with `ModelSpec.check`, else with the plugin's first recipe for it; where that recipe's data cannot be had without a
    download, with synthetic data like those its weights were trained on. Attributes raise Skip where another check tells why they are not
    there.
    """

    def __init__(self, plugin: str, spec: ModelSpec, folder: Path) -> None:
        self.plugin, self.spec, self.folder, self.name = plugin, spec, folder, spec.name

    # ---- what there is to try it with
    @once
    def found(self) -> Found:
        """Raises Failure, in one line, where there is nothing to try it with; else what building the model raises."""
        recipe, own = self._recipe()
        recipe = shortened(recipe)
        try:
            found = self._with_data(recipe)
        except Exception as error:
            if own:
                raise
            found = self._made_up(recipe, cause(error))
        self._build(found)
        return found

    def _recipe(self) -> tuple[Recipe, bool]:
        """The recipe, checked, and whether it is one for checks."""
        from .. import recipes

        if self.spec.check:
            path = package_dir(lookup.host().load(self.plugin).entry_points[0]) / self.spec.check
            raw = recipes.read(path)
            model = raw.setdefault("model", {})
            model.setdefault("plugin", self.plugin)
            if (model["plugin"], model.setdefault("name", self.spec.name)) != (self.plugin, self.spec.name):
                raise Failure(f"{self.spec.check} is a recipe for {model['plugin']}/{model['name']}, not for {self.spec.name}")
            return recipes.check(raw, schema=lookup.schema, source=path.name), True
        for name in lookup.specs("recipes", self.plugin):
            recipe = lookup.recipe(self.plugin, name)
            if (recipe.model.plugin, recipe.model.name) == (self.plugin, self.spec.name):
                return recipe, False
        raise Failure(f"no recipe trains it: say one in ModelSpec(\"{self.spec.name}\", …, check=\"recipes/check.toml\")")

    def _with_data(self, recipe: Recipe) -> Found:
        """Its data, of which the first can be had. What was once downloaded is not looked at: checks find the same everywhere."""
        from ..examples import First, fetch

        part = recipe.dataset
        with no_downloads(self.folder):
            data = First(lookup.dataset(part.name, part.split, part.options, self.plugin), part.examples or EXAMPLES)
            fetch(data, range(min(2, len(data))))
        return Found(recipe, data)

    def _made_up(self, recipe: Recipe, why: str) -> Found:
        from ..weights.safety import read_config

        for spec in lookup.specs("recipes", self.plugin).values():
            if spec.weights and lookup.recipe(self.plugin, spec.name).model == recipe.model:
                recipe.dataset.name, recipe.dataset.split = "synthetic", "train"
                recipe.dataset.options = read_config(lookup.weights_path(self.plugin, spec.name))["data"]
                recipe.training.batch_size = min(recipe.training.batch_size, SMALL)
                return self._with_data(recipe)
        missing = f"its recipe's data '{recipe.dataset.name}' cannot be had here ({why})"
        raise Failure(f"{missing}: say another recipe in ModelSpec.check, on `synthetic`")

    def _build(self, found: Found) -> Any:
        import torch

        torch.manual_seed(0)
        part = found.recipe.model
        model = lookup.build_model(part.plugin, part.name, part.config, found.data.spec)
        if (decoder := getattr(found.data, "decoder", None)) is not None:
            model.latents = decoder.requires_grad_(False).eval()
        return model

    @property
    def recipe(self) -> Recipe:
        return self._there("has-recipe", lambda: self.found).recipe  # type: ignore[no-any-return]

    @property
    def data(self) -> Any:
        return self._there("has-recipe", lambda: self.found).data

    def build(self) -> Any:
        """The model with fresh weights, always the same."""
        return self._build(self._there("has-recipe", lambda: self.found))

    def examples(self, n: int = N, first: int = 0) -> dict[str, Tensor]:
        """Examples `first` … of the data set, n of them or all there are."""
        from ..examples import fetch

        return dict(fetch(self.data, range(first, min(first + n, len(self.data)))))

    # ---- trained
    def trainer(self) -> Any:
        """A trainer of the fresh model. Raises what it raises."""
        from ..training.trainer import Trainer

        return Trainer(self.build(), self.data, self.recipe.training)

    @once
    def training(self) -> Trained:
        """Raises what training raises."""
        from ..training import state
        from ..weights.folder import save

        trainer, logs, half = self.trainer(), [], self.folder / "half"
        built = snapshot(trainer.model)
        trainer.prepare()
        before = snapshot(trainer.model)
        stop = min(1, trainer.total - 1) if trainer.statistical else STOP
        if not stop:
            state.write(half, 0, *trainer.state())
        for progress in rounds(trainer):
            logs.append(progress.logs)
            if progress.step == stop:
                state.write(half, stop, *trainer.state())
        model, (tensors, _) = trainer.averaged, trainer.state()
        save(model, self.folder / "weights", sampler=self.recommended(model))
        after = snapshot(trainer.model)
        return Trained(built, before, after, copied(tensors), half, stop, logs, model, self.folder / "weights")

    def recommended(self, model: Any) -> Any:
        """The sampler that the weights shall recommend: the recipe's, or the default of what can be sampled."""
        from ..inference.sampling import default_sampler

        chosen = self.recipe.sampler
        if chosen.name:
            return lookup.sampler(chosen.name, self.plugin, **chosen.options)
        try:
            return default_sampler(model)
        except UsageError:
            return None

    @property
    def trained(self) -> Trained:
        self.recipe  # noqa: B018  # without one, it is not the training that fails
        found: Trained = self._there("trains-everything", lambda: self.training)
        return found

    def load(self) -> Any:
        """The trained model, read from its weights once more."""
        from ..weights.folder import read

        folder = self.trained.weights
        return self._there("weights-round-trip", lambda: read(folder))

    @once
    def model(self) -> Any:
        """The trained model, read from its weights."""
        return self.load()

    # ---- drawing
    @once
    def samplers(self) -> list[Any]:
        """The default sampler, the core's first for every other capability that the model has, and the plugin's own that fit. Raises Skip
        where there is none."""
        from ..host.builtin import gentk_samplers
        from ..host.specs import resolve
        from ..inference.sampling import default_sampler
        from ..protocols import can

        try:
            found = [default_sampler(self.model)]
        except UsageError as error:
            raise Skip(str(error)) from None
        for spec in gentk_samplers():
            kind = resolve(spec.target)
            if can(self.model, kind.needs) and all(kind.needs is not known.needs for known in found):
                found.append(kind())
        own = [resolve(spec.target) for spec in lookup.specs("samplers", self.plugin).values()]
        found += [kind() for kind in own if can(self.model, kind.needs) and all(type(known) is not kind for known in found)]
        return [quick(sampler) for sampler in found]

    def required(self, n: int = N) -> dict[str, Tensor]:
        """What must be told: each condition that has no default, as the examples have it."""
        needed = [name for name, condition in self.model.conditions.items() if condition.required]
        return {name: rows for name, rows in self.examples(n).items() if name in needed} if needed else {}

    def draw(self, n: int = N, *, sampler: Any, model: Any = None, cond: Mapping[str, Any] | None = None, **how: Any) -> Samples:
        """n samples; `how` as `gentk.sample` takes it (seed, batch_size)."""
        from ..inference.sampling import sample

        asked = {**self.required(), **(cond or {})}
        return sample(self.model if model is None else model, n, sampler=sampler, cond=asked, **how)

    @staticmethod
    def _there(check: str, get: Callable[[], Any]) -> Any:
        """What `get` gives. Raises Skip where it fails, which `check` tells about."""
        try:
            return get()
        except Skip:
            raise
        except Exception as error:
            raise Skip(f"see {check}: {cause(error) if not isinstance(error, Failure) else error}") from None
