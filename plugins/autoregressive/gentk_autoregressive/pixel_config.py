"""Configurations of the pixel models. Apart from the models, so that a recipe is checked without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise ValueError(f"kernels must have odd sides, got {side}")
    return side


class PixelConfig(BaseModel):
    """What every pixel model has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label_dropout: float = Field(0.1, ge=0, lt=1, description="How often training leaves the label out, so that `none` works.")


class PatchConfig(PixelConfig):
    """A transformer over square patches, and a masked net over the numbers inside each patch."""

    patch: int = Field(4, ge=1, le=32, description="Side of a patch in pixels.")
    width: int = Field(192, ge=2, le=16_384, description="Features of a patch in the transformer.")
    heads: int = Field(3, ge=1, le=1024, description="Attention heads.")
    blocks: int = Field(4, ge=1, le=256, description="Transformer blocks.")
    expand: int = Field(4, ge=1, le=64, description="Hidden features of each block's MLP, in widths.")
    hidden: int = Field(24, ge=1, le=4096, description="Hidden units per number of a patch in the masked net.")
    mixture: int = Field(10, ge=1, le=1000, description="Logistics per number, above 32 levels.")
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _fits(self) -> PatchConfig:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads = {self.heads}, got {self.width}")
        return self


Odd = Annotated[int, Field(ge=3, le=63), AfterValidator(_odd)]


class RasterConfig(PixelConfig):
    """What the models of single pixels have."""

    first: Odd = Field(7, description="Kernel side of the first layer, odd.")
    hidden: int = Field(64, ge=1, le=16_384, description="Features of a pixel before the output.")
    mixture: int = Field(10, ge=1, le=1000, description="Logistics per pixel, of a mixture.")
    likelihood: Literal["auto", "categorical", "mixture"] = Field(
        "auto", description="categorical: a logit per level. mixture: of discretised logistics. auto: mixture above 32 levels."
    )


class PixelCNNConfig(RasterConfig):
    """Gated layers of two stacks."""

    width: int = Field(32, ge=1, le=16_384, description="Features of each stack.")
    layers: int = Field(12, ge=1, le=256, description="Gated layers.")
    kernel: Odd = Field(3, description="Kernel side of the gated layers, odd.")
    dropout: float = Field(0.0, ge=0, lt=1)


class PixelRNNConfig(RasterConfig):
    """Layers of LSTMs that run over the image."""

    lstm: Literal["row", "diagonal"] = Field(
        "diagonal", description="row: down the rows, each pixel sees a triangle. diagonal: both diagonals, each pixel sees all before it."
    )
    width: int = Field(16, ge=1, le=8192, description="Units of an LSTM; between the layers there are twice as many features.")
    layers: int = Field(7, ge=1, le=256, description="LSTM layers.")


class MADEConfig(PixelConfig):
    """Dense layers with masks."""

    widths: tuple[int, ...] = Field((500, 500), min_length=1, max_length=8, description="Units of the hidden layers.")
    order: Literal["raster", "random"] = Field("raster", description="In which order the numbers are predicted.")
    seed: int = Field(0, ge=0, lt=2**63, description="Of the masks, and of a random order.")
    mixture: int = Field(10, ge=1, le=1000, description="Logistics per number, above 32 levels.")
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _fits(self) -> MADEConfig:
        if wrong := [width for width in self.widths if not 0 < width <= 65_536]:
            raise ValueError(f"widths must be between 1 and 65536, got {wrong[0]}")
        return self
