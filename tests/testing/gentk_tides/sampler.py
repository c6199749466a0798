"""A sampler of the plugin's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from gentk.protocols import Batch, Noise, Step

if TYPE_CHECKING:
    from torch import Tensor


class Tidal(Protocol):
    """Heights with a mean and a deviation."""

    mean: Tensor
    deviation: Tensor


class Ebb(BaseModel):
    """The deviation shrinks from `high` times to once the model's."""

    model_config = ConfigDict(extra="forbid")
    needs: ClassVar[type] = Tidal
    steps: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="States from high water to low.")
    high: Annotated[float, Field(ge=1)] = Field(2.0, description="The deviation at high water.")

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        z = noise.normal(*model.mean.shape)
        for i in range(self.steps + 1):
            level = 1 + (self.high - 1) * (1 - i / self.steps)
            yield Step(i, self.steps, model.mean + level * model.deviation * z)
