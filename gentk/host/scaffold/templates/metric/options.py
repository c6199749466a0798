"""What the metric can be told. Light: a command line is checked without torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TemplateOptions(BaseModel):
    """The metric; each is an option -o of gentk evaluate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    root: bool = Field(default=True, description="The distance; false: its square.")
