"""What the model and the data set can be told. Light: a recipe is checked without torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TemplateConfig(BaseModel):
    """The model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    components: int = Field(default=4, ge=1, le=1000, description="Directions in which the data vary beyond noise.")


class TemplateOptions(BaseModel):
    """The data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(default=4096, ge=1, description="Examples in the split.")
    noise: float = Field(default=0.1, gt=0, description="Deviation of each hour's own noise.")
