"""Which featurizer is meant, and the one that needs no plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..errors import GentkError, UsageError
from ..host import lookup, resolve
from ..protocols import Batch, DataSpec, Featurizer
from ..text import cause


class Flat:
    """The numbers of x, one after the other."""

    id = "flat"

    def __init__(self, data: DataSpec) -> None:
        leaf = data.leaves.get("x")
        if leaf is None or leaf.classes or any(column.kind == "category" or column.missing for column in leaf.columns):
            raise UsageError(f"the featurizer 'flat' wants numbers x, none of them missing, and these {data.modality} examples have others")

    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"features": batch["x"].double().flatten(1)}


class OfWeights:
    """A model's own features: of weights that somebody trained as a featurizer, on whatever device they are."""

    def __init__(self, model: Any, id: str) -> None:
        if not hasattr(model, "features"):
            raise UsageError(f"{id}: {type(model).__name__} gives no features; gentk train --plugin metrics makes weights that do")
        self.model, self.id = model, id

    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        found: Mapping[str, Tensor] = self.model.features(batch)
        return found


def featurizer(name: str | None, data: DataSpec, dataset: str = "") -> Featurizer:
    """The featurizer called `name`, or that of the weights that it names; else the default for this data set, then for its modality, where
    a plugin's goes before the core's. Raises UsageError where there is none, and what the featurizer raises for these data."""
    if name is None:
        owner, spec = _default(data, dataset)
    elif "/" in name or name not in lookup.specs("featurizers"):
        return _of_weights(name)
    else:
        owner, spec = lookup.find("featurizers", name)
    try:
        made: Featurizer = resolve(spec.target)(data)
    except GentkError:
        raise
    except Exception as error:
        raise GentkError(f"featurizer '{spec.name}' of {owner or 'gentk'}: {cause(error)}") from error
    return made


def _default(data: DataSpec, dataset: str) -> lookup.Found:
    everywhere = [lookup.Found(plugin.name, spec) for plugin, spec in lookup.host().ask_all("gentk_featurizers")]
    everywhere += [lookup.Found(lookup.CORE, spec) for spec in lookup.specs("featurizers", lookup.CORE).values()]
    for found in everywhere:
        if dataset.partition(":")[0] in found.spec.datasets:
            return found
    for found in everywhere:
        if data.modality in found.spec.modalities:
            return found
    raise UsageError(f"no featurizer for {data.modality} examples is installed: gentk plugins install metrics, or give --featurizer")


def _of_weights(name: str) -> Featurizer:
    from ..weights.folder import read
    from ..weights.names import locate
    from .rows import key_of

    found = locate(name)
    model = read(found.folder)
    return OfWeights(model, f"{found.title}@{key_of(model)[:8]}")
