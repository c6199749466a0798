"""What each model and each data set can be told. Light: checked without torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """No key but the ones below it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MixtureConfig(Part):
    components: int = Field(8, ge=1, le=1000)


class AdversarialConfig(Part):
    latent: int = Field(4, ge=1, description="Numbers in the latent.")
    width: int = Field(32, ge=1)
    critic_steps: int = Field(2, ge=1, description="Critic steps for one of the generator.")
    penalty: float = Field(10.0, ge=0, description="Weight of the gradient penalty.")


class EnergyConfig(Part):
    width: int = Field(32, ge=1)
    sigma: float = Field(0.3, gt=0, description="Deviation of the noise that the loss adds.")
    steps: int = Field(20, ge=1, description="Langevin steps of a draw.")
    step: float = Field(0.02, gt=0, description="Their size.")


class CounterConfig(Part):
    width: int = Field(24, ge=2)
    layers: int = Field(2, ge=1)
    heads: int = Field(2, ge=1)
    stop: int | None = Field(0, description="The token that ends a text; none: texts fill the whole row.")


class ChainConfig(Part):
    width: int = Field(32, ge=1)


class VAEConfig(Part):
    latent: int = Field(4, ge=1)
    width: int = Field(32, ge=1)
    samples: int = Field(4, ge=1, description="Draws of the importance-weighted bound.")


class LatentFlowConfig(Part):
    width: int = Field(32, ge=2)
    blocks: int = Field(2, ge=1)
    label_dropout: float = Field(0.1, ge=0, lt=1, description="How often the label is left out, which guidance needs.")


class Ring(Part):
    size: int = Field(2000, ge=1, description="Examples in the split.")
    labels: bool = Field(True, description="Give the Gaussian as the condition `label`.")


class Counting(Part):
    size: int = Field(2**20, ge=1, description="Examples in the split.")


class Chains(Part):
    size: int = Field(2**20, ge=1, description="Examples in the split.")


class Tiles(Part):
    size: int = Field(4096, ge=1, description="Examples in the split.")


class Codes(Part):
    weights: str = Field(description="The folder of an encoder's weights.")
    size: int = Field(4096, ge=1, description="Examples in the split.")
