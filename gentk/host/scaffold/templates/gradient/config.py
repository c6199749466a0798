"""What the model and the data set can be told. Light: a recipe is checked without torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TemplateConfig(BaseModel):
    """The flow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: int = Field(default=8, ge=2, le=100, description="Couplings, each of which moves half of the numbers.")
    width: int = Field(default=64, ge=1, le=4096, description="Numbers in the hidden layers of a coupling.")


class TemplateOptions(BaseModel):
    """The data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(default=8192, ge=1, description="Examples in the split.")
    thickness: float = Field(default=0.3, gt=0, description="Deviation of the points from the wave.")
