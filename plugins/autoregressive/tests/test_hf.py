"""Checkpoints of transformers: the same numbers, the same logits, the same texts, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gentk.errors import GentkError
from gentk.noise import Philox
from gentk.protocols import DataSpec, Leaf
from gentk.samplers.autoregressive import AutoRegressive
from gentk_autoregressive import hf
from gentk_autoregressive.config import GPTConfig
from gentk_autoregressive.gpt import GPT

transformers = pytest.importorskip("transformers")

LLAMA: dict[str, Any] = {
    "vocab_size": 97, "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    "attn_implementation": "eager",
}  # fmt: skip
GPT2: dict[str, Any] = {
    "vocab_size": 97, "n_positions": 64, "n_embd": 32, "n_layer": 3, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2,
    "attn_implementation": "eager",
}  # fmt: skip
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", GPT2),
    "gpt2-erf": ("GPT2", GPT2 | {"activation_function": "gelu", "n_inner": 80, "layer_norm_epsilon": 1e-3}),
    "llama": ("Llama", LLAMA | {"rope_theta": 500.0, "rms_norm_eps": 1e-4}),
    "smollm": ("Llama", LLAMA | {"tie_word_embeddings": True}),
    "qwen2": ("Qwen2", LLAMA | {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", LLAMA | {"head_dim": 16}),
    "mistral": ("Mistral", LLAMA | {"sliding_window": 5, "head_dim": 8}),
}


def saved(kind: str, folder: Path, **how: Any) -> Any:
    """A net of theirs whose every parameter is redrawn, and its folder."""
    name, options = KINDS[kind]
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**options)
    theirs = getattr(transformers, f"{name}{'LMHeadModel' if name == 'GPT2' else 'ForCausalLM'}")(config).eval()
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.randn_like(p) * 0.15 + (p.ndim == 1) * 0.5)
    theirs.save_pretrained(folder, **how)
    return theirs


@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_are_theirs(kind: str, tmp_path: Path) -> None:
    theirs, ours = saved(kind, tmp_path), hf.read(tmp_path)
    tokens = torch.randint(97, (2, 40))
    with torch.no_grad():
        wanted = theirs(tokens).logits
        assert float((ours.net(tokens) - wanted).abs().max()) <= 1e-5
        start = torch.ones(2, 1, dtype=torch.int64)
        law = theirs(torch.cat([start, tokens[:, :-1]], 1)).logits.log_softmax(-1).gather(2, tokens[..., None]).sum((1, 2))
        padded = torch.cat([tokens, torch.zeros(2, 24, dtype=torch.int64)], 1)
        told = ours.log_prob({"x": padded, "length": torch.tensor([40, 40])})
        assert torch.allclose(told.float(), law, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_forty_greedy_tokens_are_theirs(kind: str, tmp_path: Path) -> None:
    theirs, ours = saved(kind, tmp_path), hf.read(tmp_path)
    ours.stop = None
    prompt = [1, 50, 7, 33]
    tokens = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(40):
            tokens = torch.cat([tokens, theirs(tokens).logits[:, -1].argmax(-1, keepdim=True)], 1)
        cond = {"prompt": ours.conditions["prompt"].prepare([prompt[1:]], 1)}
        *_, last = AutoRegressive.model_validate({"temperature": 0, "length": 43})(ours, 1, noise=Philox(0, [0]), cond=cond)
    assert dict(last.x)["x"][0, :43].tolist() == tokens[0, 1:].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_back_is_exact(kind: str, tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    again.mkdir()
    theirs = saved(kind, first)
    hf.write(hf.read(first), again)
    one, other = load_file(first / "model.safetensors"), load_file(again / "model.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    back = type(theirs).from_pretrained(again, attn_implementation="eager").eval()
    tokens = torch.randint(97, (2, 40))
    with torch.no_grad():
        assert torch.equal(back(tokens).logits, theirs(tokens).logits)


def test_shards_half_precision_and_old_names_are_read(tmp_path: Path) -> None:
    """Files without "transformer." and with the buffers that old releases saved; shards; float16, which float32 holds exactly."""
    old, cut, half = (tmp_path / name for name in ("old", "cut", "half"))
    theirs = saved("gpt2", old)
    theirs.save_pretrained(cut, max_shard_size="20KB")
    assert len(list(cut.glob("*.safetensors"))) > 1
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(old / "model.safetensors").items()}
    made = {"bias": torch.ones(1, 1, 64, 64), "masked_bias": torch.tensor(-1e4)}
    buffers = {f"h.{i}.attn.{name}": value.clone() for i in range(3) for name, value in made.items()}
    save_file(tensors | buffers | {"lm_head.weight": tensors["wte.weight"].clone()}, old / "model.safetensors")
    theirs.half().save_pretrained(half)
    a, b, c = (dict(hf.read(folder).net.state_dict()) for folder in (old, cut, half))
    assert a.keys() == b.keys() == c.keys()
    assert all(torch.equal(a[name], b[name]) and torch.equal(a[name].half().float(), c[name]) for name in a)


def test_the_tokenizer_comes_along_both_ways(tmp_path: Path) -> None:
    """GPT-2's pair of files and tokenizer.json cut alike, and an export holds it."""
    saved("gpt2", tmp_path / "old")
    (tmp_path / "old" / "vocab.json").write_text(json.dumps({"a": 0, "b": 1, "ab": 2, "Ġ": 3, "c": 4}))
    (tmp_path / "old" / "merges.txt").write_text("#version: 0.2\na b\n")
    ours = hf.read(tmp_path / "old")
    prompt = ours.conditions["prompt"].prepare("abc b", 1)[0]
    assert prompt[prompt >= 0].tolist() == [2, 4, 3, 1] and ours.stop == 2 and ours.net.start == 1
    (tmp_path / "new").mkdir()
    hf.write(ours, tmp_path / "new")
    again = hf.read(tmp_path / "new")
    assert torch.equal(again.conditions["prompt"].prepare("abc b", 1)[0], prompt) and again.stop == 2


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model_type": "bert"}, "model_type = 'bert'"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"activation_function": "relu"}, "activation_function = 'relu'"),
        ({"n_head": 5}, "does not divide"),
        ({"n_embd": 64}, "do not fit the config"),
        ({"n_layer": 4}, "lack"),
        ({"bos_token_id": None, "eos_token_id": None}, "bos_token_id"),
    ],
)
def test_what_is_not_theirs_is_refused_in_one_line(change: dict[str, Any], word: str, tmp_path: Path) -> None:
    saved("gpt2", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(GentkError) as caught:
        hf.read(tmp_path)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_other_positions_are_refused(tmp_path: Path) -> None:
    saved("llama", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
    (tmp_path / "config.json").write_text(json.dumps(config | {"rope_scaling": scaled, "rope_parameters": scaled}))
    with pytest.raises(GentkError, match="type 'linear' are not read"):
        hf.read(tmp_path)


def test_a_net_that_is_not_theirs_is_not_written(tmp_path: Path) -> None:
    data = DataSpec(modality="text", leaves={"x": Leaf(shape=(8,), classes=5)})
    plain = {"shift": 0, "bigram": 0, "value_residual": False, "input_residual": False, "embedding_norm": False, "softcap": 0}
    for options, word in (({}, "value_residual"), (plain, "learned start"), (plain | {"start": 0}, "without gains")):
        with pytest.raises(GentkError, match=word):
            hf.write(GPT(GPTConfig.model_validate({"layers": 1, "heads": 2, "width": 8} | options), data), tmp_path)


def test_a_cache_of_theirs_and_of_ours_agree(tmp_path: Path) -> None:
    theirs, ours = saved("qwen3", tmp_path), hf.read(tmp_path)
    tokens = torch.randint(97, (2, 12))
    with torch.no_grad():
        wanted: Tensor = theirs(torch.cat([torch.ones(2, 1, dtype=torch.int64), tokens], 1)).logits
        begun = ours.begin(2, {})
        cache = begun.cache
        assert torch.allclose(begun.logits, wanted[:, 0], atol=1e-5)
        for i in range(12):
            out, cache = ours.next(tokens[:, i : i + 1], cache, begun.length + i)
            assert torch.allclose(out[:, 0], wanted[:, i + 1], atol=1e-5)
