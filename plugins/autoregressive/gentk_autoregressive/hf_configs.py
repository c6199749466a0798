"""config.json of transformers' GPT-2 and Llama families ↔ GPTConfig. Light: no torch.

What cannot be said exactly is refused in one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gentk.errors import GentkError

from .config import GPTConfig

GELUS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh"}
LLAMAS = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM", "mistral": "MistralForCausalLM"}
Token = int | list[int] | None


class GPT2(BaseModel):
    """The keys of a GPT2Config that decide what is computed. The defaults are those of its constructor; other keys are not looked at."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    vocab_size: int = Field(50_257, ge=2)
    n_positions: int = Field(1024, ge=2)
    n_embd: int = Field(768, ge=1)
    n_layer: int = Field(12, ge=1)
    n_head: int = Field(12, ge=1)
    n_inner: int | None = None
    activation_function: Literal["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast"] = "gelu_new"
    layer_norm_epsilon: float = 1e-5
    scale_attn_weights: Literal[True] = True
    scale_attn_by_inverse_layer_idx: Literal[False] = False
    add_cross_attention: Literal[False] = False
    tie_word_embeddings: bool = True
    bos_token_id: Token = 50_256
    eos_token_id: Token = 50_256

    @property
    def places(self) -> int:
        return self.n_positions

    def ours(self) -> dict[str, Any]:
        return {
            "layers": self.n_layer,
            "heads": self.n_head,
            "width": self.n_embd,
            "hidden": self.n_inner or 4 * self.n_embd,
            "activation": GELUS[self.activation_function],
            "norm": "layer",
            "eps": self.layer_norm_epsilon,
            "biases": "all",
            "positions": "learned",
            "qk_norm": "none",
            "tie": self.tie_word_embeddings,
        }


class Llama(BaseModel):
    """The keys of the Llama, Qwen2, Qwen3 and Mistral configs that decide what is computed; other keys are not looked at."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    model_type: Literal["llama", "qwen2", "qwen3", "mistral"]
    vocab_size: int = Field(ge=2)
    hidden_size: int = Field(ge=1)
    intermediate_size: int = Field(ge=1)
    num_hidden_layers: int = Field(ge=1)
    num_attention_heads: int = Field(ge=1)
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    hidden_act: Literal["silu"] = "silu"
    max_position_embeddings: int = Field(2048, ge=2)
    rms_norm_eps: float = 1e-6
    rope_theta: float | None = None
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None
    attention_bias: Literal[False] | None = None
    mlp_bias: Literal[False] = False
    use_sliding_window: Literal[False] = False
    sliding_window: int | None = None
    tie_word_embeddings: bool = False
    bos_token_id: Token = None
    eos_token_id: Token = None

    @property
    def places(self) -> int:
        return self.max_position_embeddings

    def ours(self) -> dict[str, Any]:
        rope = self.rope_parameters or self.rope_scaling or {}
        if (kind := rope.get("rope_type", rope.get("type", "default"))) != "default":
            raise GentkError(f"rotary positions of type {kind!r} are not read, only 'default'")
        if float(rope.get("partial_rotary_factor", 1.0)) != 1.0:
            raise GentkError("rotary positions of a part of each head are not read")
        return {
            "layers": self.num_hidden_layers,
            "heads": self.num_attention_heads,
            "kv_heads": self.num_key_value_heads or self.num_attention_heads,
            "width": self.hidden_size,
            "head_dim": self.head_dim or self.hidden_size // self.num_attention_heads,
            "hidden": self.intermediate_size,
            "activation": "swiglu",
            "norm": "rms",
            "eps": self.rms_norm_eps,
            "biases": "qkv" if self.model_type == "qwen2" else "none",
            "positions": "rotary",
            "theta": float(rope.get("rope_theta") or self.rope_theta or 10_000.0),
            "window": (self.sliding_window or 0) if self.model_type == "mistral" else 0,
            "qk_norm": "channel" if self.model_type == "qwen3" else "none",
            "tie": self.tie_word_embeddings,
        }


PLAIN = {"value_residual": False, "input_residual": False, "shift": 0, "bigram": 0, "embedding_norm": False, "softcap": 0.0}
BOTH = {**PLAIN, "gain": True, "init": "gpt2"}
"""What no net of theirs has."""


def read(raw: Mapping[str, Any], where: str) -> tuple[GPT2 | Llama, GPTConfig]:
    """Their config, and ours without the tokens. Raises GentkError that names the first wrong key, its value and what is supported."""
    kind = raw.get("model_type")
    if kind != "gpt2" and kind not in LLAMAS:
        raise GentkError(f"{where}: model_type = {str(kind)[:40]!r}: only gpt2, {', '.join(LLAMAS)} are read")
    try:
        found: GPT2 | Llama = GPT2.model_validate(raw) if kind == "gpt2" else Llama.model_validate(raw)
        return found, GPTConfig.model_validate({**BOTH, **found.ours(), "start": _start(found), "stop": None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "the net"
        told = "is missing" if first["type"] == "missing" else f"= {str(first['input'])[:60]!r}: {first['msg']}"
        raise GentkError(f"{where}: {key} {told}") from None
    except GentkError as error:
        raise GentkError(f"{where}: {error}") from None


def one(token: Token) -> int | None:
    """A token, or the first of several."""
    return (token[0] if token else None) if isinstance(token, list) else token


def _start(found: GPT2 | Llama) -> int:
    """The token before every text: the one that begins texts, else the one that ends them, which stands between two."""
    begins, ends = one(found.bos_token_id), one(found.eos_token_id)
    start = begins if begins is not None else ends
    if start is None or not 0 <= start < found.vocab_size:
        raise GentkError(f"bos_token_id = {begins}, eos_token_id = {ends}: one of them must be a token that begins texts")
    return start


def write(config: GPTConfig, vocabulary: int, places: int, stop: int | None) -> dict[str, Any]:
    """The config.json of a net of theirs. Raises GentkError in one line for what none of them does."""
    for name, value in PLAIN.items():
        if getattr(config, name) != value:
            raise GentkError(f"{name} = {getattr(config, name)} cannot be exported: no GPT-2 and no Llama has it")
    if config.start is None or config.init == "mup" or not config.gain:
        what = "a learned start token" if config.start is None else "norms without gains" if not config.gain else "init = mup"
        raise GentkError(f"{what} cannot be exported: no GPT-2 and no Llama has it")
    out: dict[str, Any] = {"bos_token_id": config.start, "eos_token_id": stop, "torch_dtype": "float32", "vocab_size": vocabulary}
    if config.norm == "layer":
        return out | _gpt2(config, places)
    return out | _llama(config, places)


def _gpt2(config: GPTConfig, places: int) -> dict[str, Any]:
    wanted = {"biases": "all", "positions": "learned", "qk_norm": "none", "window": 0}
    for name, value in wanted.items():
        if getattr(config, name) != value:
            raise GentkError(f"{name} = {getattr(config, name)} with LayerNorm cannot be exported: a GPT-2 has {value}")
    act = {"gelu": "gelu", "gelu_tanh": "gelu_new"}.get(config.activation)
    grouped = config.kv_heads not in (0, config.heads) or config.head_dim not in (0, config.width // config.heads)
    if act is None or grouped:
        what = f"activation = {config.activation}" if act is None else "heads of another size or number for keys"
        raise GentkError(f"{what} with LayerNorm cannot be exported: no GPT-2 has it")
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_positions": places,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": config.hidden or None,
        "activation_function": act,
        "layer_norm_epsilon": config.eps,
        "tie_word_embeddings": config.tie,
    }


def _llama(config: GPTConfig, places: int) -> dict[str, Any]:
    kinds = {("none", "none"): "mistral" if config.window else "llama", ("qkv", "none"): "qwen2", ("none", "channel"): "qwen3"}
    kind = kinds.get((config.biases, config.qk_norm))
    if kind is None or config.positions != "rotary" or config.activation != "swiglu" or (config.window and kind != "mistral"):
        raise GentkError("this net cannot be exported: with RMSNorm, the Llama family has rotary positions, swiglu, and no other biases")
    head = config.head_dim or config.width // config.heads
    if kind == "qwen2" and head * config.heads != config.width:
        raise GentkError(f"head_dim = {head} cannot be exported: a Qwen2 has width / heads")
    return {
        "model_type": kind,
        "architectures": [LLAMAS[kind]],
        "hidden_size": config.width,
        "intermediate_size": config.hidden or 4 * config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads or config.heads,
        "head_dim": head,
        "hidden_act": "silu",
        "max_position_embeddings": places,
        "rms_norm_eps": config.eps,
        "rope_theta": config.theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.theta},
        "tie_word_embeddings": config.tie,
        **({"sliding_window": config.window} if kind == "mistral" else {}),
    }
