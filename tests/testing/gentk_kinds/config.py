"""The configurations. Light."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    width: int = Field(16, ge=2, description="Of the hidden layer, or of what stands for one.")
    name: tuple[str, ...] = ()
