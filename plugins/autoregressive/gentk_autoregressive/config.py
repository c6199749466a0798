"""The configuration of `gpt`. Apart from the model, so that a recipe is checked without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class GPTConfig(BaseModel):
    """A decoder-only transformer. The defaults suit small models of characters; GPT-2's and Llama's nets are others of the same words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: int = Field(4, ge=1, le=1024, description="Blocks.")
    heads: int = Field(3, ge=1, le=1024, description="Attention heads.")
    kv_heads: int = Field(0, ge=0, le=1024, description="Heads of keys and values that the others share (GQA); 0: as many as heads.")
    width: int = Field(192, ge=1, le=65_536, description="Numbers of the residual stream.")
    head_dim: int = Field(0, ge=0, le=4096, description="Numbers of a head; 0: width / heads.")
    hidden: int = Field(0, ge=0, le=1 << 20, description="Numbers between the layers of the feed-forward part; 0: 4 · width.")
    activation: Literal["gelu", "gelu_tanh", "silu", "relu2", "swiglu", "geglu"] = Field("relu2", description="gelu: exact (erf).")
    norm: Literal["rms", "layer"] = "rms"
    gain: bool = Field(False, description="Norms have learned scales.")
    eps: float = Field(1e-6, gt=0, lt=1, description="Of the norms.")
    biases: Literal["none", "qkv", "all"] = Field("none", description="Of the linear layers and of LayerNorm; qkv: of that layer alone.")
    positions: Literal["rotary", "learned"] = "rotary"
    theta: float = Field(10_000.0, gt=1, description="rotary: base of the angles' wavelengths.")
    window: int = Field(0, ge=0, description="Tokens that attention sees; 0: all before.")
    qk_norm: Literal["none", "head", "channel"] = Field("head", description="RMSNorm of queries and keys, and what is learned of it.")
    value_residual: bool = Field(True, description="Values are mixed with those of the first block.")
    input_residual: bool = Field(True, description="The stream is mixed with the embeddings before each block.")
    shift: int = Field(3, ge=0, le=64, description="Earlier tokens that each channel sees before attention.")
    bigram: int = Field(
        0, ge=0, le=4096, description="Numbers of an embedding of neighbouring tokens; 0: none. Beyond 65,521 pairs some share one."
    )
    embedding_norm: bool = Field(True, description="Norm of the embeddings.")
    tie: bool = Field(False, description="The last layer has the weights of the embedding.")
    softcap: float = Field(20.0, ge=0, description="Logits stay within ± so much, by tanh; 0: they are free.")
    init: Literal["zero", "gpt2", "mup"] = Field(
        "zero", description="zero: each residual branch starts at zero. gpt2: N(0, .02²), scaled by depth. mup: scaled by width."
    )
    base_width: int = Field(64, ge=1, description="mup: the width at which it is as the plain net, from which rates carry over.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Of the embeddings and each residual branch, in 256ths.")
    label_dropout: float = Field(0.1, ge=0, lt=1, description="By class: share of labels left out in training, for guidance.")
    start: int | None = Field(None, ge=0, description="The token before the first; none: one of its own, learned.")
    stop: str | None = Field(None, description="The token that ends a text, as the data call it.")

    @model_validator(mode="after")
    def _fits(self) -> GPTConfig:
        if not self.head_dim and self.width % self.heads:
            raise ValueError(f"heads = {self.heads} does not divide width = {self.width}: change one, or say head_dim")
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(f"kv_heads = {self.kv_heads} does not divide heads = {self.heads}")
        if self.positions == "rotary" and (self.head_dim or self.width // self.heads) % 2:
            raise ValueError(f"rotary positions want an even head_dim, got {self.head_dim or self.width // self.heads}")
        return self
