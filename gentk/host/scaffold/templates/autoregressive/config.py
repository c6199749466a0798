"""What the model and the data set can be told. Light: a recipe is checked without torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TemplateConfig(BaseModel):
    """The network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(default=64, ge=1, le=4096, description="Numbers in the state.")


class TemplateOptions(BaseModel):
    """The data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(default=4096, ge=1, description="Examples in the split.")
