"""Models that know how to draw by themselves: mixtures, chains, translators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from ..errors import UsageError
from ..known_rows import conditions
from ..protocols import Drawable, Imputer, Noise, Step, can

if TYPE_CHECKING:
    from ..protocols import Batch, Condition, DataSpec


class Direct(BaseModel):
    """x = draw(n): one call, no options. Of a table, `known` are rows of which some columns stay as they are: x = impute(rows)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    needs: ClassVar[type] = Drawable
    most: ClassVar[int] = 1 << 17  # what is drawn by formulas costs less a sample, the more there are

    @staticmethod
    def conditions(data: DataSpec) -> dict[str, Condition]:
        return conditions(data)

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        if "known" not in cond or "known" in model.conditions:
            yield Step(1, 1, model.draw(n, noise, cond))
            return
        if not can(model, Imputer):
            raise UsageError(f"{type(model).__name__} cannot draw some columns given others: it does not impute")
        rows = cond["known"]
        given = {**{key: value for key, value in cond.items() if key != "known"}, "x": rows.nan_to_num()}
        yield Step(1, 1, model.impute(given, ~rows.isnan(), noise))
