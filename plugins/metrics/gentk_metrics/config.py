"""The featurizer's configuration. Apart from the model, so that a recipe is checked without torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FeaturizerConfig(BaseModel):
    """A convolutional network that halves the image's sides at every level. The defaults are those of the weights 'digits'."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: tuple[int, ...] = Field((32, 64), min_length=1, max_length=8, description="Of each level, finest first.")
    features: int = Field(64, ge=1, le=4096, description="Numbers in the last hidden layer: what distances are measured in.")
    dropout: float = Field(0.25, ge=0, lt=1, description="Before the last hidden layer.")
    shift: int = Field(2, ge=0, le=16, description="Training images move by up to so many pixels each way; edges are repeated.")
    mirror: bool = Field(False, description="Half of the training images are swapped left to right.")
