"""diffusers' scheduler_config.json ↔ the path, the prediction and the recommended sampler of a model. Light: no torch.

What the network was trained for (betas, prediction, range) is mapped exactly or refused. The rest only says how to draw: it goes into
the recommended sampler, and what has no counterpart there is warned of; its times may lie up to one step from theirs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from gentk.errors import GentkError
from gentk.gaussian.samplers import DDIM, Ancestral

from .diffusers_schedulers import CLASSES, DPMSolver, FlowMatchEuler, Scheduler

PREDICTIONS = {"epsilon": "eps", "sample": "x", "v_prediction": "v"}
SCHEDULES = {"linear": "linear", "scaled_linear": "scaled-linear"}  # the closed forms; all others become a table
BETAS = {"linear": (1e-4, 2e-2), "scaled-linear": (8.5e-4, 1.2e-2)}  # our defaults of low and high
OLD_NAMES = {"timesteps": "num_train_timesteps", "clip_predicted_image": "clip_sample"}
OLD_KEYS = ("tensor_format", "timestep_values")  # of the first releases, without a say in the numbers


class Path(NamedTuple):
    """The part of a DDPMConfig that a scheduler decides, and the recommended sampler."""

    config: dict[str, Any]
    sampler: str
    options: dict[str, Any]


# ---------------------------------------------------------------- reading
def checked(cls: type[BaseModel], config: Mapping[str, Any], where: str) -> Any:
    """`cls` from a foreign config. Raises GentkError that names the first wrong key, its value and what is supported."""
    try:
        return cls.model_validate(config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        loc, message = first["loc"], first["msg"].removeprefix("Value error, ").replace("Input", "it")
        if first["type"] == "extra_forbidden":
            message = "no such key is known here"
        key = ".".join(str(part) for i, part in enumerate(loc) if i == 0 or isinstance(part, int))
        found = "is missing" if first["type"] == "missing" else f"= {str(first['input'])[:60]!r}: {message}"
        raise GentkError(f"{where}: {key} {found}") from None


def read(raw: Mapping[str, Any], where: str) -> Path:
    """What a scheduler's config says. Raises GentkError in one line for a path that is not ours; warns of the sampler's differences."""
    name = str(raw.get("_class_name"))
    if name not in CLASSES:
        raise GentkError(f"{where}: _class_name = {name!r} is not supported; there is: {', '.join(CLASSES)}")
    cls = CLASSES[name]
    scheduler = checked(cls, _known(raw, cls), where)
    if isinstance(scheduler, FlowMatchEuler):
        options = {"steps": 50, "spacing": "shift", "shift": scheduler.shift, "clip": False}
        return Path({"schedule": "rectified", "prediction": "velocity"}, "euler", options)
    assert isinstance(scheduler, Scheduler)
    try:
        options, sampler = scheduler.sampling(), scheduler.ours
        schedule, about = _schedule(scheduler)
    except GentkError as error:
        raise GentkError(f"{where}: {error}") from None
    if isinstance(scheduler, DPMSolver) and scheduler.algorithm_type == "sde-dpmsolver++":
        sampler, scheduler.algorithm_type = "dpmpp-2m-sde", "dpmsolver++"
    _warn(name, scheduler, sampler)
    return Path({"schedule": schedule, "schedule_options": about, "prediction": PREDICTIONS[scheduler.prediction_type]}, sampler, options)


def _known(raw: Mapping[str, Any], cls: type[BaseModel]) -> dict[str, Any]:
    """The keys under their present names. Those of another class do nothing in this one: diffusers keeps them when it converts."""
    config = {OLD_NAMES.get(key, key): value for key, value in raw.items() if not key.startswith("_") and key not in OLD_KEYS}
    if "predict_epsilon" in config:
        config.setdefault("prediction_type", "epsilon" if config["predict_epsilon"] else "sample")
        del config["predict_epsilon"]
    others = {key for other in CLASSES.values() for key in other.model_fields} - set(cls.model_fields)
    return {key: value for key, value in config.items() if key not in others}


def _schedule(scheduler: Scheduler) -> tuple[str, dict[str, Any]]:
    """(name, options) of the path: a closed form where there is one, else the table in double precision."""
    steps, kind = scheduler.num_train_timesteps, scheduler.beta_schedule
    made: tuple[str, dict[str, Any]]
    if scheduler.trained_betas is not None:
        if len(scheduler.trained_betas) != steps:
            raise GentkError(f"trained_betas has {len(scheduler.trained_betas)} entries, num_train_timesteps = {steps}: they must agree")
        made = "betas", {"betas": scheduler.trained_betas}
    elif kind in SCHEDULES:
        made = SCHEDULES[kind], {"steps": steps, "low": scheduler.beta_start, "high": scheduler.beta_end}
    elif kind == "squaredcos_cap_v2":
        made = "betas", {"betas": capped_cosine(steps)}
    else:
        made = "betas", {"betas": sigmoid(steps, scheduler.beta_start, scheduler.beta_end)}
    return ("zero-terminal", {"schedule": made[0], "options": made[1]}) if scheduler.rescale_betas_zero_snr else made


def capped_cosine(steps: int, offset: float = 0.008, cap: float = 0.999) -> list[float]:
    """β_i = min(1 − ᾱ(t_{i+1})/ᾱ(t_i), cap) with ᾱ(t) = cos²(π/2 · (t + s)/(1 + s)) (Nichol & Dhariwal 2021, §3.2)."""
    kept = [math.cos(math.pi / 2 * (i / steps + offset) / (1 + offset)) ** 2 for i in range(steps + 1)]
    return [min(1 - after / before, cap) for before, after in pairwise(kept)]


def sigmoid(steps: int, low: float, high: float) -> list[float]:
    """β from `low` to `high` along a logistic curve over −6 … 6 (Xu et al. 2022, GeoDiff)."""
    places = [-6 + 12 * i / max(steps - 1, 1) for i in range(steps)]
    return [low + (high - low) / (1 + math.exp(-place)) for place in places]


def _warn(name: str, scheduler: Scheduler, sampler: str) -> None:
    """Say where the recommended sampler is not what the scheduler would have done."""
    if not scheduler.same:
        warnings.warn(f"gentk has no counterpart of {name}: sampler '{sampler}' is recommended instead", stacklevel=3)
    if scheduler.steps_offset and scheduler.timestep_spacing == "leading":
        warnings.warn(f"steps_offset = {scheduler.steps_offset} is left out: the sampler's times start at timestep 0", stacklevel=3)
    for key, value in scheduler.alike.items():
        if getattr(scheduler, key, value) != value:
            warnings.warn(f"{key} = {getattr(scheduler, key)!r} has no exact counterpart in sampler '{sampler}'", stacklevel=3)


# ---------------------------------------------------------------- writing
def write(config: Any, sampler: Any) -> dict[str, Any]:
    """The scheduler's config for a model's; `sampler`: its recommended one, a warning where no scheduler is written for it. Raises
    GentkError for a path that diffusers has not."""
    if (config.schedule, config.prediction) == ("rectified", "velocity"):
        shift = getattr(sampler, "shift", 1.0) if getattr(sampler, "spacing", "") == "shift" else 1.0
        return {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": shift}
    names = {ours: theirs for theirs, ours in PREDICTIONS.items()}
    if config.prediction not in names:
        raise GentkError(f"prediction '{config.prediction}' cannot be exported; diffusers takes {', '.join(names)}")
    spacing = getattr(sampler, "spacing", "")
    said = {
        **_betas(config.schedule, config.schedule_options),
        "prediction_type": names[config.prediction],
        "clip_sample": bool(getattr(sampler, "clip", True)),
        "timestep_spacing": spacing if spacing in ("linspace", "leading", "trailing") else "trailing",
    }
    if type(sampler) is DDIM and not sampler.eta:
        return {"_class_name": "DDIMScheduler", **said}
    if sampler and type(sampler) is not Ancestral:
        warnings.warn(f"sampler {type(sampler).__name__} is not exported: DDPMScheduler stands in its place", stacklevel=3)
    return {"_class_name": "DDPMScheduler", **said, "variance_type": getattr(sampler, "variance", "fixed-small").replace("-", "_")}


def _betas(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if name == "zero-terminal":
        return {**_betas(options.get("schedule", "linear"), options.get("options", {})), "rescale_betas_zero_snr": True}
    if name == "betas":
        return {"num_train_timesteps": len(options["betas"]), "trained_betas": list(options["betas"])}
    names = {ours: theirs for theirs, ours in SCHEDULES.items()}
    if name not in names:
        raise GentkError(f"schedule '{name}' cannot be exported; diffusers takes {', '.join([*names, 'betas', 'zero-terminal'])}")
    low, high = BETAS[name]
    about = {"beta_start": options.get("low", low), "beta_end": options.get("high", high)}
    return {"num_train_timesteps": options.get("steps", 1000), "beta_schedule": names[name], **about}
