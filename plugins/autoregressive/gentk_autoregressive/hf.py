"""transformers' GPT-2 and Llama checkpoints ↔ `gpt`: config.json and safetensors, whole or in shards, read with care as any foreign file.

A text of ours has a start token before it, which counts as no token of it: theirs are the same where the token that begins texts is given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.modalities.cells import read_text
from gentk.protocols import DataSpec, Leaf
from gentk.vocabulary import loaded, size_of
from gentk.weights import safety
from gentk.weights.skeleton import skeleton

from . import hf_configs as configs
from .config import GPTConfig

if TYPE_CHECKING:
    from .gpt import GPT

MOST = 50_000_000  # bytes of a tokenizer
BUFFERS = re.compile(r"(h\.\d+\.attn\.(bias|masked_bias)|.*rotary_emb\.inv_freq)")  # held by some files, made anew by each net


class Piece(NamedTuple):
    """A tensor of ours (of `net`) and those of theirs that make it, one below another; `turned`: theirs is (inputs, outputs)."""

    ours: str
    theirs: tuple[tuple[str, int], ...]  # names, and rows of each
    turned: bool = False


def read(folder: Path) -> GPT:
    """The model of a folder as transformers saves it. Half precision is widened. Raises GentkError in one line."""
    from .gpt import GPT

    raw, where = safety.read_json(folder, "config.json"), str(folder / "config.json")
    found, config = configs.read(raw, where)
    tokenizer = _tokenizer(folder)
    if tokenizer and size_of(tokenizer) > found.vocab_size:
        raise GentkError(f"{folder}: the tokenizer has {size_of(tokenizer):,} tokens, and the net knows {found.vocab_size:,}")
    stop = configs.one(found.eos_token_id)
    if stop is not None and 0 <= stop < found.vocab_size:
        called = loaded(tokenizer).id_to_token(stop) if tokenizer else str(stop)
        config = config.model_copy(update={"stop": called})
    leaves = {
        "x": Leaf(shape=(found.places,), classes=found.vocab_size, tokenizer=tokenizer),
        "length": Leaf(classes=found.places + 1),
    }
    data = DataSpec(modality="text", leaves=leaves)
    header = safety.read_header(folder)
    plain = {_plain(name): name for name in header.tensors if not BUFFERS.fullmatch(_plain(name))}
    gpt2 = isinstance(found, configs.GPT2)
    if config.tie:
        plain.pop("lm_head.weight", None)
    with skeleton():
        wanted = GPT(config, data).net.state_dict()
    shapes = {name: tensor for piece in pieces(config, gpt2=gpt2) for name, tensor in _parts(piece, wanted[piece.ours]).items()}
    safety.compare(safety.Header(header.path, {new: header.tensors[old] for new, old in plain.items()}, header.bytes), shapes)
    tensors = safety.read_tensors(header)
    model = GPT(config, data)
    held = {name: tensors[old] for name, old in plain.items()}
    model.net.load_state_dict({piece.ours: _whole(piece, held) for piece in pieces(config, gpt2=gpt2)})
    return model.eval()


def write(model: Any, folder: Path) -> None:
    """config.json, model.safetensors in float32, and tokenizer.json where the model has one, as transformers reads them.

    Raises GentkError in one line for a net that it has not.
    """
    from safetensors.torch import save as serialised

    config = getattr(model, "config", None)
    if not isinstance(config, GPTConfig) or not hasattr(model, "vocabulary"):
        raise GentkError(f"a {type(model).__name__} cannot be exported to transformers, only model 'gpt'")
    if model.label is not None or hasattr(model, "latents"):
        raise GentkError("a model by class, or of another model's latents, cannot be exported: transformers' nets are of text alone")
    theirs = configs.write(config, model.vocabulary, model.length, model.stop)
    gpt2 = theirs["model_type"] == "gpt2"
    state = {name: tensor.detach().cpu().float() for name, tensor in model.net.state_dict().items()}
    before = "transformer." if gpt2 else ""
    tensors: dict[str, Tensor] = {}
    for piece in pieces(config, gpt2=gpt2):
        for name, tensor in _parts(piece, state[piece.ours]).items():
            tensors[name if name.startswith("lm_head") else before + name] = tensor.contiguous().clone()
    if tokenizer := model.data.leaves["x"].tokenizer:
        (folder / "tokenizer.json").write_text(tokenizer, "utf-8")
    (folder / "config.json").write_text(json.dumps(theirs, indent=2) + "\n", "utf-8")
    (folder / "model.safetensors").write_bytes(serialised(tensors, {"format": "pt"}))


# ---------------------------------------------------------------- tensors
def pieces(config: GPTConfig, *, gpt2: bool) -> Iterator[Piece]:
    """Each tensor of the net, and where it comes from. Names of theirs are without "transformer."."""
    every = _of_gpt2 if gpt2 else _of_llama
    yield from every(config)
    if not config.tie:
        yield Piece("head.weight", (("lm_head.weight", -1),))


def _of_gpt2(config: GPTConfig) -> Iterator[Piece]:
    yield Piece("token.weight", (("wte.weight", -1),))
    yield Piece("position.weight", (("wpe.weight", -1),))
    layers = {"attention.qkv": "attn.c_attn", "attention.out": "attn.c_proj", "mlp.up": "mlp.c_fc", "mlp.down": "mlp.c_proj"}
    for i in range(config.layers):
        for ours, theirs in layers.items():
            yield Piece(f"blocks.{i}.{ours}.weight", ((f"h.{i}.{theirs}.weight", -1),), turned=True)
            yield Piece(f"blocks.{i}.{ours}.bias", ((f"h.{i}.{theirs}.bias", -1),))
        for ours, theirs in (("norm1", "ln_1"), ("norm2", "ln_2")):
            for part in ("weight", "bias"):
                yield Piece(f"blocks.{i}.{ours}.{part}", ((f"h.{i}.{theirs}.{part}", -1),))
    for part in ("weight", "bias"):
        yield Piece(f"norm.{part}", ((f"ln_f.{part}", -1),))


def _of_llama(config: GPTConfig) -> Iterator[Piece]:
    yield Piece("token.weight", (("model.embed_tokens.weight", -1),))
    yield Piece("norm.weight", (("model.norm.weight", -1),))
    head = config.head_dim or config.width // config.heads
    rows = (("q_proj", config.heads * head), *((name, (config.kv_heads or config.heads) * head) for name in ("k_proj", "v_proj")))
    for i in range(config.layers):
        ours, theirs = f"blocks.{i}", f"model.layers.{i}"
        for part in ("weight", "bias") if config.biases == "qkv" else ("weight",):
            yield Piece(f"{ours}.attention.qkv.{part}", tuple((f"{theirs}.self_attn.{name}.{part}", size) for name, size in rows))
        gate = tuple((f"{theirs}.mlp.{name}.weight", config.hidden or 4 * config.width) for name in ("gate_proj", "up_proj"))
        yield Piece(f"{ours}.mlp.up.weight", gate)
        yield Piece(f"{ours}.attention.out.weight", ((f"{theirs}.self_attn.o_proj.weight", -1),))
        yield Piece(f"{ours}.mlp.down.weight", ((f"{theirs}.mlp.down_proj.weight", -1),))
        yield Piece(f"{ours}.norm1.weight", ((f"{theirs}.input_layernorm.weight", -1),))
        yield Piece(f"{ours}.norm2.weight", ((f"{theirs}.post_attention_layernorm.weight", -1),))
        if config.qk_norm == "channel":
            for name in ("q_norm", "k_norm"):
                yield Piece(f"{ours}.attention.{name}.weight", ((f"{theirs}.self_attn.{name}.weight", -1),))


def _parts(piece: Piece, tensor: Tensor) -> dict[str, Tensor]:
    """Theirs from ours."""
    if len(piece.theirs) == 1:
        return {piece.theirs[0][0]: tensor.T if piece.turned else tensor}
    return dict(zip((name for name, _ in piece.theirs), torch.split(tensor, [rows for _, rows in piece.theirs]), strict=True))


def _whole(piece: Piece, tensors: Mapping[str, Tensor]) -> Tensor:
    """Ours from theirs, float32."""
    found = [tensors[name].float() for name, _ in piece.theirs]
    return torch.cat(found) if len(found) > 1 else found[0].T if piece.turned else found[0]


def _plain(name: str) -> str:
    return name.removeprefix("transformer.")


# ---------------------------------------------------------------- tokens
def _tokenizer(folder: Path) -> str:
    """The tokenizer in a folder, as JSON: its tokenizer.json, or GPT-2's older pair of files; "" where there is none."""
    if (folder / "tokenizer.json").is_file():
        return json.dumps(safety.read_json(folder, "tokenizer.json", most=MOST), ensure_ascii=False)
    if not ((folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()):
        return ""
    vocabulary = safety.read_json(folder, "vocab.json", most=MOST)
    lines = read_text(folder / "merges.txt").split("\n")
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    merges = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    about: dict[str, Any] = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None}
    model = {"type": "BPE", "vocab": vocabulary, "merges": merges}
    return json.dumps({**about, "post_processor": None, "pre_tokenizer": bytes_, "decoder": bytes_, "model": model}, ensure_ascii=False)
