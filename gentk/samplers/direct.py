"""Models that know how to draw by themselves: mixtures, chains, translators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from ..protocols import Drawable, Noise, Step

if TYPE_CHECKING:
    from ..protocols import Batch


class Direct(BaseModel):
    """x = draw(n): one call, no options."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    needs: ClassVar[type] = Drawable
    most: ClassVar[int] = 1 << 17  # what is drawn by formulas costs less a sample, the more there are

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        yield Step(1, 1, model.draw(n, noise, cond))
