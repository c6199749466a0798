"""From the latent prior through the decoder: VAEs, GANs, normalizing flows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..protocols import LatentPrior, Noise, Step

if TYPE_CHECKING:
    from ..protocols import Batch


class Prior(BaseModel):
    """x = decode(τ z) with z from the model's prior; τ < 1 trades variety for quality (the flow literature's temperature)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    needs: ClassVar[type] = LatentPrior
    temperature: Annotated[float, Field(gt=0, le=10)] = Field(1.0, description="Scale of the latents; below 1 is safer and less varied.")

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        yield Step(1, 1, model.decode(self.temperature * model.prior(n, noise), cond))
