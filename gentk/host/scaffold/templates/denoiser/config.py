"""What the model and the data set can be told. Light: a recipe is checked without torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TemplateConfig(BaseModel):
    """The path from data to noise, and the network on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: str = Field(default="cosine", description="A noise schedule: gentk schedules.")
    width: int = Field(default=64, ge=2, le=4096, description="Numbers in a hidden layer.")
    layers: int = Field(default=3, ge=1, le=64, description="Hidden layers.")
    label_dropout: float = Field(default=0.1, ge=0, lt=1, description="How often the label is left out, which guidance needs.")


class TemplateOptions(BaseModel):
    """The data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(default=4096, ge=1, description="Examples in the split.")
