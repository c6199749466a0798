"""The folder itself: a model to config.json and model.safetensors, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..distribution import NAME, version
from ..errors import GentkError
from ..host import lookup
from ..host.provenance import origin
from ..protocols import DataSpec
from ..text import cause
from . import hub, safety, shards
from .config import FORMAT
from .files import CONFIG, MAX_CONFIG, shown
from .skeleton import skeleton
from .tokenizer import taken_out


def kept(model: nn.Module) -> dict[str, Tensor]:
    """What goes into the file: the state without the submodules that only training needs."""
    left_out = tuple(getattr(model, "training_only", ()))
    return {k: v for k, v in model.state_dict().items() if not any(k == p or k.startswith(p + ".") for p in left_out)}


def describe(model: Any) -> dict[str, Any]:
    """What rebuilds a model: plugin, model, config, data, conditions, and the same of the model whose latents its data are."""
    plugin, name = lookup.identify(model)
    config = {
        "plugin": plugin,
        "model": name,
        "config": model.config.model_dump(mode="json"),
        "data": model.data.model_dump(mode="json"),
        "conditions": {key: condition.model_dump(mode="json") for key, condition in model.conditions.items()},
    }
    return config | ({"latents": describe(model.latents)} if hasattr(model, "latents") else {})


def requirements(plugin: str) -> dict[str, str]:
    """The distributions that can read these weights, from the versions that wrote them on."""

    def bound(text: str) -> str:
        release = re.match(r"\d+(\.\d+)?", text)
        return f">={release.group()}" if release else ""

    made = origin(lookup.host().plugins[plugin].entry_points[0])
    return {NAME: bound(version()), made.distribution: bound(made.version)}


def name_of(sampler: Any, plugin: str) -> str:
    """A sampler's name, by its class: in the plugin, then in the core."""
    from ..host.specs import resolve

    for owner in (plugin, lookup.CORE):
        for name, spec in lookup.specs("samplers", owner).items():
            if resolve(spec.target) is type(sampler):
                return name
    return ""


def save(
    model: Any, folder: str | Path, *, sampler: Any = None, recipe: str = "", dtype: str = "float32", shard_bytes: int = shards.LIMIT
) -> None:
    """Write `model` as it is now. `dtype` "float16" halves the floats; above `shard_bytes` the numbers lie in several files. Other files
    in the folder (a card, a log) stay.

    Each file is written to a temporary name and renamed. Raises GentkError for a model of no installed plugin.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    about = describe(model)
    sampler = sampler or getattr(model, "recommended_sampler", None)
    chosen = {"name": name_of(sampler, about["plugin"]), "options": sampler.model_dump(mode="json")} if sampler else {}
    config = {"format": FORMAT, "requires": requirements(about["plugin"]), **about, "sampler": chosen, "recipe": recipe}
    tensors = kept(model)

    def stored(name: str) -> torch.dtype:
        narrow = dtype == "float16" and tensors[name].dtype == torch.float32
        return torch.float16 if narrow else tensors[name].dtype

    def fetch(names: Sequence[str]) -> dict[str, Tensor]:
        return {name: tensors[name].detach().to("cpu", stored(name)).contiguous() for name in names}

    sizes = {name: tensor.numel() * stored(name).itemsize for name, tensor in tensors.items()}
    config, beside = taken_out(config)
    shards.write(target, {**beside, CONFIG: text_of(config)}, sizes, fetch, shard_bytes)


def text_of(config: Mapping[str, Any]) -> str:
    """config.json. Raises GentkError for one that could not be read back."""
    try:
        text = json.dumps(config, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise GentkError(f"this model's config is no JSON: {error}") from None
    if len(text.encode()) > MAX_CONFIG:
        raise GentkError(f"this model's config takes {len(text.encode()) / 1e6:.1f} MB as {CONFIG}; at most 1 MB is read back")
    return text


def build(config: Mapping[str, Any]) -> Any:
    """The model that a checked config describes, with fresh weights; the model of its latents attached and frozen."""
    model = lookup.build_model(config["plugin"], config["model"], config["config"], DataSpec.model_validate(config["data"]))
    if config.get("latents"):
        model.latents = build(config["latents"]).requires_grad_(False)
    return model


def read(folder: str | Path, *, device: str = "cpu") -> Any:
    """The model in a folder, in eval mode. Raises GentkError, in one line, for anything that is not sound weights."""
    place = Path(folder)
    config = safety.read_config(place)
    safety.check_plugins(config)
    place = hub.complete(place)
    header = measured(place, config)
    with described_by(place / CONFIG):
        sampler, model = recommended(config), build(config)
    for part in safety.parts(header):
        model.load_state_dict(part, strict=False)  # not strict: what only training needs is in no file; the names were compared
    if sampler:
        model.recommended_sampler = sampler
    return model.eval().to(device)


def measured(folder: Path, config: Mapping[str, Any]) -> safety.Header:
    """What the folder's weights hold, which is what the model of a checked config wants: to the last name, shape and type, and found out
    without making one. Raises GentkError."""
    header = safety.read_header(folder)
    with described_by(folder / CONFIG), skeleton():
        empty = build(config)
    safety.compare(header, kept(empty))
    safety.check_size(header, empty)
    safety.check_example(header, DataSpec.model_validate(config["data"]))
    return header


@contextmanager
def described_by(path: Path) -> Iterator[None]:
    """What a plugin says of a config that somebody else wrote, in one line that names the file."""
    try:
        yield
    except GentkError as error:
        raise GentkError(f"{path}: {shown(' '.join(str(error).split()), 400)}") from error
    except Exception as error:  # whatever a model's code meets: a shape without meaning, a number without bounds
        raise GentkError(f"{path} describes no model that can be built: {shown(cause(error), 400)}") from error


def recommended(config: Mapping[str, Any]) -> Any:
    """The sampler that weights recommend, or None."""
    chosen = config.get("sampler") or {}
    return lookup.sampler(chosen["name"], config["plugin"], **chosen.get("options", {})) if chosen.get("name") else None


def fill(model: nn.Module, folder: str | Path) -> None:
    """Start from other weights: copy every tensor whose name and shape fit. Raises GentkError where none does."""
    place = Path(folder)
    safety.read_config(place)
    place = hub.complete(place)
    tensors = safety.read_tensors(safety.read_header(place))
    own = model.state_dict()
    fitting = {name: tensor.to(own[name].dtype) for name, tensor in tensors.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise GentkError(f"{place}: no tensor fits this model")
    model.load_state_dict(fitting, strict=False)
