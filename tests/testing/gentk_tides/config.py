"""The options of everything in gentk-tides. Light."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TidesConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    floor: float = Field(0.01, gt=0, description="The least deviation.")


class GaugeOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")
    swell: float = Field(0.1, ge=0, description="Deviation around the tide.")


class LevelOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")
    scale: float = Field(1.0, gt=0, description="The unit of the features.")
