"""That a model is what `gentk.protocols` says: there is a way to try it, it has the members, and it is rebuilt from its config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ...host import lookup
from ...protocols import GradientModel, StatisticsModel, can
from ..registry import Failure, Skip, check
from ..short import snapshot
from ..trial import ModelTrial
from .answers import answers, differ
from .members import ATTRIBUTES, CAPABILITIES, half, misfit


@check("model")
def has_recipe(trial: ModelTrial) -> None:
    """There is a recipe that trains the model on data that need no download, and the model can be built from it. `ModelSpec.check` names
    it; without one it is the plugin's first recipe for this model, on synthetic data like those of its weights where its own are not here.
    All other checks of a model use it."""
    _ = trial.found


@check("model")
def members(trial: ModelTrial) -> None:
    """The model has `Config`, `config`, `data` and `conditions`, is trained by `phases` and `loss` or by `statistics` and `update`, and for
    each capability it has all members, with the parameters of the protocol. Commands ask for capabilities by their members, so half of one
    would silently be none."""
    model = trial.build()
    if not isinstance(getattr(type(model), "Config", None), type) or not issubclass(type(model).Config, BaseModel):
        raise Failure("it has no Config, the pydantic class of its configuration")
    if type(getattr(model, "config", None)) is not type(model).Config:
        raise Failure(f"config is a {type(getattr(model, 'config', None)).__name__}, not the {type(model).Config.__name__} it was given")
    if getattr(model, "data", None) != trial.data.spec:
        raise Failure("data is not the DataSpec it was given")
    if not can(model, GradientModel) and not can(model, StatisticsModel):
        raise Failure(half(model) or "it cannot be trained: it has neither phases and loss nor statistics, update and passes")
    for name, wrong in ATTRIBUTES.items():
        if hasattr(model, name) and (why := wrong(model, getattr(model, name))):
            raise Failure(f"{name} {why}")
    for capability in CAPABILITIES:
        if can(model, capability) and (why := misfit(model, capability)):
            raise Failure(why)
    if why := half(model):
        raise Failure(why)


@check("model")
def config_round_trip(trial: ModelTrial) -> None:
    """The config comes back from its JSON as it was, and a key that it does not know is refused. It is stored in config.json and written in
    recipes: what changes on the way builds another model, and a misspelt key that is ignored trains another."""
    config = trial.build().config
    cls = type(config)
    text = config.model_dump_json()
    try:
        again = cls.model_validate_json(text)
    except ValidationError as error:
        raise Failure(f"{cls.__name__} does not read its own JSON: {error.errors()[0]['msg']}") from None
    if again != config:
        changed = [name for name in cls.model_fields if getattr(again, name) != getattr(config, name)]
        raise Failure(f"{cls.__name__} comes back from JSON with another {', '.join(changed) or 'state'}")
    wrong = "gentk_no_such_key"
    try:
        cls.model_validate({**json.loads(text), wrong: 1})
    except ValidationError as error:
        if any(e["type"] == "extra_forbidden" and e["loc"] == (wrong,) for e in error.errors()):
            return
    raise Failure(f"{cls.__name__} ignores a key that it does not know: model_config = ConfigDict(extra=\"forbid\")")


@check("model")
def builds_on_meta(trial: ModelTrial) -> None:
    """Built under `torch.device("meta")`, every tensor of its state is a meta tensor with the name, shape and type of the real one. Weights
    are compared with such a skeleton before anything large is made, and no config, however absurd, costs memory."""
    from ...weights.skeleton import skeleton

    real = trial.build().state_dict()
    part = trial.recipe.model
    with skeleton():
        bones = lookup.build_model(part.plugin, part.name, part.config, trial.data.spec).state_dict()
    real = {name: tensor for name, tensor in real.items() if not name.startswith("latents.")}
    if wrong := sorted(set(real) ^ set(bones)):
        raise Failure(f"its state {'lacks' if wrong[0] in real else 'also has'} '{wrong[0]}' when it is built on the meta device")
    for name, tensor in bones.items():
        if not tensor.is_meta:
            raise Failure(f"'{name}' is made on {tensor.device} when the model is built on the meta device: make it without a device")
        if (tensor.shape, tensor.dtype) != (real[name].shape, real[name].dtype):
            there, here = (f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in (tensor, real[name]))
            raise Failure(f"'{name}' is {there} on the meta device and {here} else")


@check("model")
def weights_round_trip(trial: ModelTrial) -> None:
    """Saved and loaded, the trained model has the same numbers to the last bit, the same config, data, conditions and sampler, and answers
    alike; what is `training_only` stays behind. All that training changes must be parameters and buffers: whatever else a model remembers
    is lost on the way."""
    from ...weights.folder import kept, read, save

    trained = trial.trained
    again = read(trained.weights)
    _same_numbers(kept(trained.model), kept(again), "the trained model")
    copy = Path(trial.folder) / "copy"
    save(again, copy)
    second = read(copy)
    _same_numbers(kept(again), kept(second), "the model saved twice")
    for name in ("config", "data", "conditions"):
        if getattr(trained.model, name) != getattr(second, name):
            raise Failure(f"{name} is another one after saving and loading")
    if (wanted := trial.recommended(trained.model)) != getattr(second, "recommended_sampler", None):
        raise Failure(f"its sampler {type(wanted).__name__} is not what its weights recommend: offer it in gentk_samplers")
    if wrong := differ(answers(trial, trained.model), answers(trial, again)):
        raise Failure(f"{wrong} after saving and loading: training changed what is neither a parameter nor a buffer")


def _same_numbers(one: dict[str, Any], other: dict[str, Any], what: str) -> None:
    import torch

    for name, tensor in one.items():
        if name not in other or tensor.dtype != other[name].dtype or not torch.equal(tensor, other[name]):
            raise Failure(f"'{name}' of {what} is another one when it is read")


@check("model")
def facts(trial: ModelTrial) -> None:
    """`facts()`, where there is one, gives what JSON can hold, and changes nothing: `gentk inspect --facts` prints it."""
    model = trial.model
    if not hasattr(model, "facts"):
        raise Skip("it tells no facts")
    before = snapshot(model)
    try:
        json.dumps(model.facts(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Failure(f"facts() are no JSON: {error}") from None
    _same_numbers(before, snapshot(model), "the model that told its facts")
