"""The models' configurations. Apart from the models, so that a recipe is checked without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Width = Annotated[int, Field(ge=1, le=16_384)]


class AEConfig(BaseModel):
    """The networks, and what the decoder says of each number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latent: int = Field(20, ge=1, le=4096, description="Numbers in z.")
    net: Literal["conv", "dense"] = Field("conv", description="conv: images. dense: numbers of any shape.")
    widths: tuple[int, ...] = Field((32, 64), min_length=1, max_length=8, description="Channels, finest level first; dense: hidden layers.")
    blocks: int = Field(2, ge=0, le=16, description="conv: residual blocks per level.")
    patch: int = Field(2, ge=1, le=16, description="conv: side of the pixel squares that the stem folds into channels.")
    groups: int = Field(8, ge=1, description="conv: of the group norms.")
    dropout: float = Field(0.0, ge=0, lt=1)
    likelihood: Literal["auto", "bernoulli", "logistic", "gaussian"] = Field(
        "auto", description="p(x | z). auto: bernoulli for two levels, discretised logistic for more, else gaussian."
    )
    sigma: float | None = Field(None, gt=0, description="gaussian: its deviation, in the data's units; none: one that is learned.")

    @model_validator(mode="after")
    def _fits(self) -> AEConfig:
        fold = self.groups if self.net == "conv" else 1
        if wrong := [width for width in self.widths if not 0 < width <= 16_384 or width % fold]:
            raise ValueError(f"widths must be positive multiples of {'groups = ' if fold > 1 else ''}{fold}, got {wrong[0]}")
        return self


class VAEConfig(AEConfig):
    """What is added to the reconstruction."""

    beta: float = Field(1.0, ge=0, description="Weight of the KL divergence; 1 is the ELBO.")
    free_bits: float = Field(0.0, ge=0, description="Nats of KL that each latent has for nothing.")
    warmup: int = Field(0, ge=0, description="Rounds over which the weight of the KL rises from 0.")
    importance: int = Field(1, ge=1, le=1000, description="Draws of z per example in training; more than 1 is the IWAE objective.")

    @model_validator(mode="after")
    def _one_objective(self) -> VAEConfig:
        if self.importance > 1 and (self.beta != 1 or self.free_bits or self.warmup):
            raise ValueError("importance > 1 bounds log p(x) itself: beta, free_bits and warmup have no place in it")
        return self


class BetaVAEConfig(VAEConfig):
    beta: float = Field(4.0, ge=0, description="Weight of the KL divergence; 1 is the ELBO.")


class M2Config(VAEConfig):
    classifier: float = Field(50.0, ge=0, description="Weight of log q(label | x) of the labelled examples (the paper's α).")


class WAEConfig(AEConfig):
    penalty: float = Field(10.0, ge=0, description="λ: how much the latents' law counts, against squared errors summed over an example.")


class WAEMMDConfig(WAEConfig):
    penalty: float = Field(100.0, ge=0, description="λ: how much the latents' law counts, against squared errors summed over an example.")
    scales: tuple[float, ...] = Field((0.1, 0.2, 0.5, 1, 2, 5, 10), min_length=1, description="Of the inverse multiquadratic kernels.")


class WAEGANConfig(WAEConfig):
    critic: tuple[Width, ...] = Field((256, 256), min_length=1, max_length=8, description="Hidden layers of the critic of latents.")


class VAEGANConfig(VAEConfig):
    gamma: float = Field(1e-2, ge=0, description="Weight of the feature error against the adversarial loss, in the decoder.")
    discriminator: tuple[Width, ...] = Field((32, 64), min_length=1, max_length=8, description="Channels of its levels, finest first.")


class VQVAEConfig(AEConfig):
    latent: int = Field(32, ge=1, le=4096, description="Numbers in each code's vector.")
    codes: int = Field(256, ge=2, le=65_536, description="K, the size of the codebook.")
    commitment: float = Field(0.25, ge=0, description="Weight of the distance from the encoder's output to its code.")
    decay: float = Field(0.99, ge=0, lt=1, description="Of the codebook's moving averages.")
    dead: float = Field(0.05, ge=0, lt=1, description="A code used less than this share of the mean is placed anew.")
    start_size: int = Field(4096, ge=2, description="Examples whose outputs the codebook starts from.")
