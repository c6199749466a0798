"""The folder itself: a model to config.json and model.safetensors, and back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialised
from torch import Tensor, nn

from ..errors import GentkError
from ..host import lookup
from ..host.provenance import origin
from ..protocols import DataSpec
from . import safety
from .safety import CONFIG, TENSORS
from .skeleton import skeleton

FORMAT = 1


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
    return {"gentk": bound(version("gentk")), made.distribution: bound(made.version)}


def name_of(sampler: Any, plugin: str) -> str:
    """A sampler's name, by its class: in the plugin, then in the core."""
    from ..host.specs import resolve

    for owner in (plugin, lookup.CORE):
        for name, spec in lookup.specs("samplers", owner).items():
            if resolve(spec.target) is type(sampler):
                return name
    return ""


def save(model: Any, folder: str | Path, *, sampler: Any = None, recipe: str = "", dtype: str = "float32") -> None:
    """Write `model` as it is now. `dtype` "float16" halves the floats; other files in the folder (a card, a log) stay.

    Each file is written to a temporary name and renamed. Raises GentkError for a model of no installed plugin.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    about = describe(model)
    sampler = sampler or getattr(model, "recommended_sampler", None)
    chosen = {"name": name_of(sampler, about["plugin"]), "options": sampler.model_dump(mode="json")} if sampler else {}
    config = {"format": FORMAT, "requires": requirements(about["plugin"]), **about, "sampler": chosen, "recipe": recipe}
    tensors = {}
    for name, tensor in kept(model).items():
        value = tensor.detach().cpu()
        if dtype == "float16" and value.dtype == torch.float32:
            value = value.half()
        tensors[name] = value.contiguous().clone()  # a clone, as tied weights may share memory and the file may not
    (target / f".{TENSORS}.tmp").write_bytes(serialised(tensors, {"format": "pt"}))  # save_file would make it private to its owner
    (target / f".{CONFIG}.tmp").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for name in (TENSORS, CONFIG):
        os.replace(target / f".{name}.tmp", target / name)


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
    header = safety.read_header(place)
    with skeleton():
        wanted = kept(build(config))
    safety.compare(header, wanted)
    tensors = safety.read_tensors(header)
    model = build(config)
    model.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in tensors.items()}, strict=False)
    chosen = config.get("sampler") or {}
    if chosen.get("name"):
        model.recommended_sampler = lookup.sampler(chosen["name"], config["plugin"], **chosen["options"])
    return model.eval().to(device)


def fill(model: nn.Module, folder: str | Path) -> None:
    """Start from other weights: copy every tensor whose name and shape fit. Raises GentkError where none does."""
    place = Path(folder)
    safety.read_config(place)
    tensors = safety.read_tensors(safety.read_header(place))
    own = model.state_dict()
    fitting = {name: tensor.to(own[name].dtype) for name, tensor in tensors.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise GentkError(f"{place}: no tensor fits this model")
    model.load_state_dict(fitting, strict=False)
