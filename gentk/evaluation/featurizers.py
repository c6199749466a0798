"""Which featurizer is meant, and the one that needs no plugin."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..errors import UsageError
from ..protocols import Batch, DataSpec


class Flat:
    """The numbers of x, one after the other."""

    id = "flat"

    def __init__(self, data: DataSpec) -> None:
        leaf = data.leaves.get("x")
        if leaf is None or leaf.classes:
            raise UsageError(f"the featurizer 'flat' wants numbers x, and these {data.modality} examples have none")

    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"features": batch["x"].double().flatten(1)}
