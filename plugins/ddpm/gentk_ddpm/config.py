"""The models' configurations. Apart from the models, so that a recipe is checked without torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PathConfig(BaseModel):
    """The path, and at which times a network on it is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: str = Field("linear", description="A schedule of `gentk schedules`.")
    schedule_options: dict[str, Any] = {}
    times: Literal["uniform", "lognormal"] = Field("uniform", description="Which times are trained: equally, or ln σ/α normal.")
    times_mean: float = Field(-1.2, description="lognormal: the mean of ln σ/α.")
    times_std: float = Field(1.2, gt=0, description="lognormal: its standard deviation.")
    sigma_data: float = Field(0.5, gt=0, description="edm: the data's standard deviation.")


class DenoisingConfig(PathConfig):
    """What the network predicts on the path."""

    prediction: Literal["eps", "x", "v", "velocity", "score", "edm"] = "eps"
    sigma_min: float = Field(0.002, gt=0, description="edm: the lowest noise level that the network is for.")
    label_dropout: float = Field(0.1, ge=0, lt=1, description="How often the label is left out, which guidance needs.")


class DDPMConfig(DenoisingConfig):
    """A U-Net. The defaults are those of Ho et al. 2020 for CIFAR-10, 35.7 million weights."""

    channels: tuple[int, ...] = Field((128, 256, 256, 256), min_length=1, max_length=8, description="Of each level, finest first.")
    layers: int = Field(2, ge=1, le=16, description="Residual blocks per level.")
    attention: tuple[bool, ...] = Field((False, True, False, False), description="Which levels attend.")
    middle_attention: bool = True
    middle_norm: bool = Field(True, description="The middle attention has a norm.")
    middle_groups: int = Field(0, ge=0, description="Groups of that norm; 0: as groups.")
    head_dim: int | None = Field(None, ge=1, description="Channels per attention head; none: one head.")
    groups: int = Field(32, ge=1)
    eps: float = Field(1e-6, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    scale_shift: bool = Field(False, description="The time scales and shifts (FiLM) instead of being added.")
    downsample_padding: Literal[0, 1] = 0
    patch: int = Field(1, ge=1, le=16, description="Side of the pixel squares that the stem folds into channels.")
    frequencies_end: bool = Field(True, description="The time's lowest frequency is 1/10000 exactly, not one step above it.")
    cosine_first: bool = Field(False, description="The time's cosines stand before its sines.")
    augment: float = Field(
        0.0, ge=0, le=1, description="How often a training image is mirrored, zoomed, turned …, each; told the network, so samples are not."
    )
    centre: bool = Field(False, description="The network's input is moved from [0, 1] to [-1, 1].")

    @model_validator(mode="after")
    def _fits(self) -> DDPMConfig:
        if len(self.attention) != len(self.channels):
            raise ValueError(f"attention says something of {len(self.attention)} levels, channels of {len(self.channels)}")
        for width in self.channels:
            if not 0 < width <= 16_384 or width % self.groups:
                raise ValueError(f"channels must be positive multiples of groups = {self.groups}, got {width}")
        attending = [width for width, wanted in zip(self.channels, self.attention, strict=True) if wanted]
        for width in [*attending, *self.channels[-1:]] if self.middle_attention else attending:
            if self.head_dim and width % self.head_dim:
                raise ValueError(f"channels that attend must be multiples of head_dim = {self.head_dim}, got {width}")
        if self.middle_groups and self.channels[-1] % self.middle_groups:
            raise ValueError(f"the coarsest level's channels must be a multiple of middle_groups = {self.middle_groups}")
        return self


class PointsConfig(DenoisingConfig):
    """A residual MLP for vectors."""

    width: int = Field(128, ge=2, le=16_384)
    blocks: int = Field(3, ge=1, le=64)


class ClassifierConfig(PathConfig):
    """A convolutional network that pools at the end."""

    channels: tuple[int, ...] = Field((32, 64, 96), min_length=1, max_length=8, description="Of each level, finest first.")
    groups: int = Field(8, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    sigma_min: float = Field(0.01, gt=0, description="The lowest noise level that is trained; below it the answer for this one is given.")

    @model_validator(mode="after")
    def _fits(self) -> ClassifierConfig:
        if wrong := [width for width in self.channels if not 0 < width <= 16_384 or width % self.groups]:
            raise ValueError(f"channels must be positive multiples of groups = {self.groups}, got {wrong[0]}")
        return self
