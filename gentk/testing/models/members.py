"""Which members a model has, and whether they are those of the protocols: names, parameters, values."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import get_protocol_members

from ... import protocols
from ...protocols import Leaf, Model, can

CAPABILITIES: tuple[type, ...] = (
    protocols.GradientModel,
    protocols.StatisticsModel,
    protocols.Denoiser,
    protocols.Guide,
    protocols.Encoder,
    protocols.Decoder,
    protocols.LatentPrior,
    protocols.Blendable,
    protocols.Drawable,
    protocols.Likelihood,
    protocols.RateDistortion,
    protocols.Imputer,
    protocols.Forecaster,
    protocols.NextToken,
)


def own(capability: type) -> list[str]:
    """The members of a protocol, without those that every model has."""
    return sorted(set(get_protocol_members(capability)) - set(get_protocol_members(Model)))


def methods(capability: type) -> dict[str, list[str]]:
    """The methods of a protocol, and the names of their parameters."""
    found = {name: getattr(capability, name, None) for name in own(capability)}
    return {name: list(inspect.signature(method).parameters)[1:] for name, method in found.items() if inspect.isfunction(method)}


def called(method: Callable[..., Any], wanted: list[str]) -> str:
    """What is wrong with a method that is called with these parameters, in order; empty where nothing is."""
    signature = inspect.signature(method)
    try:
        signature.bind(*wanted)
    except TypeError:
        return f"{method.__name__}{_shown(signature)} cannot be called as {method.__name__}({', '.join(wanted)})"
    place = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
        return ""
    if [p.name for p in place[: len(wanted)]] != wanted:
        return f"{method.__name__}{_shown(signature)} names its parameters otherwise than {method.__name__}({', '.join(wanted)})"
    return ""


def _shown(signature: inspect.Signature) -> str:
    return f"({', '.join(signature.parameters)})"


def misfit(model: Any, capability: type) -> str:
    """What is wrong with the methods of a capability that the model has."""
    for name, wanted in methods(capability).items():
        method = getattr(model, name)
        if not callable(method):
            return f"{name} of a {capability.__name__} is a method; here it is a {type(method).__name__}"
        if why := called(method, wanted):
            return f"{capability.__name__}: {why}"
    return ""


def half(model: Any) -> str:
    """A capability of which the model has a method, with the protocol's parameters, and not the rest."""
    for capability in CAPABILITIES:
        if can(model, capability):
            continue
        for name, wanted in methods(capability).items():
            elsewhere = any(can(model, other) and name in own(other) for other in CAPABILITIES)
            if not elsewhere and callable(method := getattr(model, name, None)) and not called(method, wanted):
                missing = [other for other in own(capability) if not hasattr(model, other)]
                return f"it has {name}({', '.join(wanted)}) of a {capability.__name__}, and not its {' and '.join(missing)}"
    return ""


# ---------------------------------------------------------------- values: (model, value) → what is wrong, or nothing
def _conditions(model: Any, value: Any) -> str:
    from pydantic import ValidationError

    from ...conditions import CONDITIONS

    if not isinstance(value, Mapping):
        return "is no mapping of names to conditions"
    for name, condition in value.items():
        if name in model.data.leaves:
            return f"has '{name}', which is a leaf of its data: no name is both"
        try:
            again = CONDITIONS.validate_python({name: condition.model_dump(mode="json")})[name]
        except (ValidationError, AttributeError):
            return f"has '{name}', a {type(condition).__name__}, which config.json cannot hold: take those of gentk.conditions"
        if again != condition:
            return f"has '{name}', which comes back from JSON as another one"
    return ""


def _paths(model: Any, value: Any) -> str:
    known = {name for name, _ in model.named_modules()} | {name for name, _ in model.named_parameters()}
    missing = [path for path in value if path not in known]
    return f"names '{missing[0]}', which it has not" if missing else ""


def _phases(model: Any, value: Any) -> str:
    if not can(model, protocols.GradientModel) or called(value, []):
        return ""
    found = value()
    names = [phase.name for phase in found]
    if not names or len(set(names)) < len(names):
        return "gives no phase" if not names else f"gives two phases called '{next(n for n in names if names.count(n) > 1)}'"
    return next(filter(None, (_paths(model, phase.trains) for phase in found)), "")


def _times(model: Any, value: Any) -> str:
    sound = isinstance(value, tuple) and len(value) == 2 and 0 <= value[0] < value[1] <= 1
    return "" if sound or not can(model, protocols.Denoiser) else f"must be two times, 0 ≤ low < high ≤ 1, found {value!r}"


def _latent(model: Any, value: Any) -> str:
    return "" if isinstance(value, Leaf) or not can(model, protocols.Decoder) else f"must be a Leaf, found a {type(value).__name__}"


def _likelihood(model: Any, value: Any) -> str:
    return "" if value in ("exact", "bound", "estimate") else f"must be exact, bound or estimate, found {value!r}"


def _blends(model: Any, value: Any) -> str:
    missing = [name for name in value if name not in model.conditions]
    return f"names '{missing[0]}', which is no condition of it" if missing else ""


def _passes(model: Any, value: Any) -> str:
    return "" if isinstance(value, int) and value >= 1 else f"must be a number of passes, 1 or more, found {value!r}"


def _stop(model: Any, value: Any) -> str:
    if value is None or not can(model, protocols.NextToken):
        return ""
    leaf = model.data.leaves["x"]
    classes = leaf.classes or leaf.levels
    return "" if isinstance(value, int) and 0 <= value < classes else f"must be a token from 0 to {classes - 1}, or None, found {value!r}"


def _places(model: Any, value: Any) -> str:
    if not can(model, protocols.NextToken):
        return ""
    room = math.prod(model.data.shape)
    found = [int(place) for place in value.flatten()] if hasattr(value, "flatten") and not value.is_floating_point() else []
    return "" if sorted(found) == list(range(room)) else f"must hold each place of the flattened x, 0 to {room - 1}, once, as int64"


ATTRIBUTES: dict[str, Callable[[Any, Any], str]] = {
    "conditions": _conditions,
    "ema": _paths,
    "training_only": _paths,
    "phases": _phases,
    "times": _times,
    "latent": _latent,
    "likelihood": _likelihood,
    "blends": _blends,
    "passes": _passes,
    "stop": _stop,
    "places": _places,
}
