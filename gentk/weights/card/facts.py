"""What a folder of weights says of itself: everything that a card is written from. No torch, no network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...conditions import CONDITIONS
from ...errors import GentkError
from ...host import lookup
from ...protocols import Condition, DataSpec, StatisticsModel, can
from ...recipes import Recipe, validate
from ..files import PREVIEW, member, opened, read_toml
from ..safety import read_config, read_header
from .scores import Scores, scores_of

if TYPE_CHECKING:
    from ...host import ModelSpec
    from ..header import Header

RECIPE = "recipe.toml"
TAIL = 4_000_000  # bytes of a log that are read, from its end


@dataclass(frozen=True)
class Facts:
    """`repo`: what the commands of the card call the weights. `spec`: of a finished sample. `about`: what the plugin says of the model,
    where it is installed. `recipe` and its file, where one is known. `drawable`: whether samples can be drawn. `fitted`: in passes over
    the data, without gradients. `preview`: samples/preview.*, wherever it lies now."""

    repo: str
    config: Mapping[str, Any]
    header: Header
    spec: DataSpec
    conditions: Mapping[str, Condition]
    about: ModelSpec | None
    recipe: Recipe | None
    recipe_path: Path | None
    log: Sequence[Mapping[str, Any]]
    scores: Scores | None
    drawable: bool
    fitted: bool
    preview: Path | None

    @property
    def plugin(self) -> str:
        return str(self.config["plugin"])

    @property
    def model(self) -> str:
        return str(self.config["model"])

    @property
    def dataset(self) -> str:
        return dataset_name(self.recipe)

    @property
    def step(self) -> int | None:
        """How many rounds the log counts."""
        steps = [row["step"] for row in self.log if isinstance(row.get("step"), int)]
        return max(steps, default=None)


def gather(
    folder: Path,
    config: Mapping[str, Any] | None = None,
    *,
    repo: str = "",
    model: Any = None,
    drawable: bool | None = None,
    preview: Path | None = None,
) -> Facts:
    """`config`: that of the folder, where it was read already. `model`: the loaded model, `drawable`: whether it can be drawn from; left
    out, the config's word for it. Raises GentkError for a folder that is no sound one."""
    config = read_config(folder) if config is None else config
    about = _about(config)
    path = _recipe_path(folder, config)
    recipe = _recipe(path) if path else None
    log = _log(folder)
    said = bool((config.get("sampler") or {}).get("name") or (about and about.sampler))
    return Facts(
        repo=repo or f"USER/{folder.resolve().name}",
        config=config,
        header=read_header(folder),
        spec=DataSpec.model_validate((config.get("latents") or config)["data"]),
        conditions=CONDITIONS.validate_python(config.get("conditions") or {}),
        about=about,
        recipe=recipe,
        recipe_path=path,
        log=log,
        scores=scores_of(folder, log, dataset_name(recipe)),
        drawable=said if drawable is None else drawable,
        fitted=can(model, StatisticsModel) if model is not None else bool(log) and "log_likelihood" in log[-1] and "loss" not in log[-1],
        preview=preview or own_preview(folder),
    )


def own_preview(folder: Path) -> Path | None:
    """samples/preview.*, where the folder has one. Raises GentkError for one that lies elsewhere."""
    found = sorted(name for path in folder.glob("samples/preview.*") if PREVIEW.fullmatch(name := f"samples/{path.name}"))
    return member(folder, found[0]) if found else None


def dataset_name(recipe: Recipe | None) -> str:
    """The data set without what stands behind a colon: a place on somebody's machine."""
    return recipe.dataset.name.partition(":")[0] if recipe else ""


def _log(folder: Path) -> list[dict[str, Any]]:
    """The last rows of the log, from its last TAIL bytes; what is no row is passed over. Raises GentkError."""
    from ...runs import LOG

    if not os.path.lexists(folder / LOG):
        return []
    with opened(member(folder, LOG)) as file:
        left = max(0, os.fstat(file.fileno()).st_size - TAIL)
        file.seek(left)
        lines = file.read(TAIL).split(b"\n")[1 if left else 0 :]
    rows = []
    for line in lines:
        try:
            row = json.loads(line.decode("utf-8"), parse_int=_whole)
        except (UnicodeDecodeError, RecursionError) as error:
            raise GentkError(f"{folder / LOG} is no log of a run: {type(error).__name__}") from None
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _whole(digits: str) -> int:
    """An integer of 64 bits. Raises ValueError for any other."""
    if len(digits) > 20 or not -(1 << 63) <= (number := int(digits)) < 1 << 63:
        raise ValueError(f"{len(digits)} digits")
    return number


def _about(config: Mapping[str, Any]) -> ModelSpec | None:
    if config["plugin"] not in lookup.host().plugins:
        return None
    try:
        found: ModelSpec = lookup.model_spec(config["plugin"], config["model"])
    except GentkError:
        return None
    return found


def _recipe_path(folder: Path, config: Mapping[str, Any]) -> Path | None:
    """The folder's recipe, else the plugin's of the name that the config gives, if it is of this very model: a run may be called so."""
    if (folder / RECIPE).is_file():
        return folder / RECIPE
    plugin, name = config["plugin"], config.get("recipe")
    try:
        if not name or name not in lookup.specs("recipes", plugin):
            return None
        known = lookup.config_class(lookup.model_spec(plugin, config["model"]))
        recipe = lookup.recipe(plugin, name)
        same = recipe.model.name == config["model"] and known.model_validate(recipe.model.config) == known.model_validate(config["config"])
        return lookup.recipe_path(plugin, name) if same else None
    except (GentkError, ValueError):  # no such plugin here, or another version of it
        return None


def _recipe(path: Path) -> Recipe:
    """The recipe's frame; what only its plugin could check is not looked at."""
    try:
        found: Recipe = validate(Recipe, read_toml(path.parent, path.name), str(path))
    except GentkError as error:
        raise GentkError(" ".join(str(error).split())) from None
    return found
