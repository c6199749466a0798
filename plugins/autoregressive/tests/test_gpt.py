"""gpt: causality, the cache, likelihoods, and each option against closed forms."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

import gentk
from gentk.errors import UsageError
from gentk.nets import transformer as blocks
from gentk.nets.transformer import rotary, rotated
from gentk.protocols import DataSpec, Leaf
from gentk.samplers.autoregressive import AutoRegressive
from gentk_autoregressive.config import GPTConfig
from gentk_autoregressive.gpt import GPT
from gentk_autoregressive.net import Transformer

SMALL: dict[str, Any] = {"layers": 2, "heads": 4, "width": 32, "bigram": 8}
KINDS: dict[str, dict[str, Any]] = {
    "modern": {},
    "gpt2": {"positions": "learned", "norm": "layer", "gain": True, "biases": "all", "activation": "gelu_tanh", "qk_norm": "none",
             "tie": True, "shift": 0, "value_residual": False, "input_residual": False, "bigram": 0, "embedding_norm": False,
             "softcap": 0, "init": "gpt2"},
    "llama": {"gain": True, "activation": "swiglu", "qk_norm": "channel", "kv_heads": 2, "shift": 0, "bigram": 0, "biases": "qkv"},
    "window": {"window": 3, "shift": 2},
    "mup": {"init": "mup", "base_width": 16, "activation": "geglu"},
}  # fmt: skip


def built(length: int = 12, classes: int = 5, label: int = 0, leaf: Leaf | None = None, **options: Any) -> GPT:
    """A net whose every parameter is redrawn, so that none is silent."""
    torch.manual_seed(0)
    leaves = {"x": leaf or Leaf(shape=(length,), classes=classes)}
    conditions = {"label": Leaf(classes=label)} if label else {}
    model = GPT(GPTConfig.model_validate(SMALL | options), DataSpec(modality="text", leaves=leaves, conditions=conditions)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn_like(p) * 0.4 + (p.ndim == 1) * 0.7)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_logits_see_the_tokens_before_them_and_no_others(kind: str) -> None:
    model = built(**KINDS[kind])
    x = torch.randint(5, (1, 12))
    embedded = torch.randn(1, 12, 32, requires_grad=True)
    model.net.token.forward = lambda input: embedded  # type: ignore[method-assign]
    for t in (0, 5, 11):
        (grad,) = torch.autograd.grad(model.net(x)[0, t].square().sum(), embedded)
        seen = grad[0].abs().sum(1) > 0
        assert not seen[t + 1 :].any()
        assert seen[max(0, t - 2) : t + 1].all()
        if "window" not in KINDS[kind]:
            assert seen[: t + 1].all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_changes_no_logit(kind: str) -> None:
    """A prefill of several tokens, single tokens, and rows that stand at different places, against one pass without a cache."""
    model = built(length=90, label=3, **KINDS[kind])
    x, label = torch.randint(5, (3, 90)), torch.tensor([0, 2, 3])
    with torch.no_grad():
        whole = model.logits({"x": x}, label)
        lengths = torch.tensor([7, 0, 3])
        prompt = torch.where(torch.arange(90) < lengths[:, None], x, -1)
        begun = model.begin(3, {"prompt": prompt, "label": label})
        rows = torch.arange(3)
        assert torch.allclose(begun.logits, whole[rows, lengths], atol=1e-5)
        assert torch.equal(begun.length, lengths)
        cache, at = begun.cache, lengths.clone()
        for count in (1, 5, 1, 40, 1):
            tokens = x[rows[:, None], at[:, None] + torch.arange(count)]
            model.next((tokens + 1) % 5, cache, at)  # what might have been leaves the old cache as it was
            out, cache = model.next(tokens, cache, at)
            at = at + count
            assert torch.allclose(out, whole[rows[:, None], (at - count + 1)[:, None] + torch.arange(count)], atol=1e-5)
        taken = {name: value[[2, 0]] for name, value in cache.items()}
        out, _ = model.next(x[[2, 0], at[[2, 0]]][:, None], taken, at[[2, 0]])
        assert torch.allclose(out[:, 0], whole[[2, 0], at[[2, 0]] + 1], atol=1e-5)
        back, _ = model.next(x[rows, lengths][:, None], cache, lengths)  # taken back to an earlier place
        assert torch.allclose(back[:, 0], whole[rows, lengths + 1], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_draft_changes_no_greedy_text(kind: str) -> None:
    """Through caches that grow, rows of several lengths, and proposals that are taken back."""
    model, draft = built(length=80, **KINDS[kind]), built(length=80, **KINDS["modern"], layers=1)
    prompt = torch.full((4, 80), -1)
    for row, known in enumerate((0, 1, 7, 30)):
        prompt[row, :known] = torch.arange(known) % 5
    sampler = AutoRegressive(temperature=0, ahead=3)
    found = [gentk.sample(m, 4, sampler=sampler, prompt=prompt)["x"] for m in (model, gentk.drafted(model, draft))]
    assert torch.equal(*found)
    assert torch.equal(found[0][3, :30], prompt[3, :30])


def test_rows_of_one_length_step_as_rows_of_several() -> None:
    model = built()
    x = torch.randint(5, (2, 12))
    with torch.no_grad():
        whole, begun = model.logits({"x": x}), model.begin(2, {})
        cache, length = begun.cache, begun.length
        for i in range(11):
            out, cache = model.next(x[:, i : i + 1], cache, length + i)
            assert torch.allclose(out[:, 0], whole[:, i + 1], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_probabilities_of_all_texts_add_up_to_one(kind: str) -> None:
    model = built(length=4, classes=3, **KINDS[kind])
    x = torch.tensor(list(itertools.product(range(3), repeat=4)))
    with torch.no_grad():
        assert float(model.log_prob({"x": x}).exp().sum()) == pytest.approx(1, abs=1e-5)


def test_padding_counts_neither_in_the_loss_nor_in_the_likelihood() -> None:
    model = built()
    x, length = torch.randint(5, (4, 12)), torch.tensor([12, 3, 0, 7])
    other = torch.where(torch.arange(12) < length[:, None], x, 4 - x)
    with torch.no_grad():
        a, b = (model.log_prob({"x": rows, "length": length}) for rows in (x, other))
        assert torch.allclose(a, b, atol=1e-5) and a[2] == 0
        told = model.loss({"x": x, "length": length}, "main", 0)
        assert float(told["weight"]) == 22
        assert float(told["loss"]) == pytest.approx(-float(a.sum()) / 22, abs=1e-5)
        whole = model.loss({"x": x}, "main", 0)
        assert float(whole["loss"]) * whole["weight"] == pytest.approx(-float(model.log_prob({"x": x}).sum()), rel=1e-5)


def test_grey_levels_and_codes_of_any_shape_are_tokens() -> None:
    leaf = Leaf(shape=(1, 3, 3), range=(-1, 1), levels=5)
    model = built(leaf=leaf)
    tokens = torch.randint(5, (6, 9))
    x = (tokens.float() / 2 - 1).view(6, 1, 3, 3)
    assert torch.equal(model.tokens(x), tokens)
    codes = built(leaf=Leaf(shape=(3, 3), classes=5))
    with torch.no_grad():
        assert torch.allclose(model.log_prob({"x": x}), codes.log_prob({"x": tokens.view(6, 3, 3)}), atol=1e-5)
        assert model.begin(2, {}).given.shape == (2, 9)


def test_a_label_says_something_and_none_is_a_class_of_its_own() -> None:
    model = built(label=2)
    x = torch.randint(5, (1, 12))
    with torch.no_grad():
        laws = [model.log_prob({"x": x, "label": torch.tensor([c])}) for c in range(3)]
        assert len({round(float(law), 4) for law in laws}) == 3
        assert torch.equal(model.log_prob({"x": x}), laws[2])


def test_attention_with_groups_is_that_of_repeated_heads() -> None:
    q, k, v = torch.randn(2, 7, 6, 8), torch.randn(2, 7, 2, 8), torch.randn(2, 7, 2, 8)
    out = blocks.attended(q, k, v, None, causal=True, scale=0.3)
    for head in range(6):
        scores = 0.3 * torch.einsum("ntd,nsd->nts", q[:, :, head], k[:, :, head // 3])
        law = scores.masked_fill(torch.ones(7, 7).triu(1).bool(), -math.inf).softmax(-1)
        assert torch.allclose(out[:, :, head], law @ v[:, :, head // 3], atol=1e-5)


def test_two_products_are_the_fused_kernel() -> None:
    q, k, v = (torch.randn(2, 3, 9, 8) for _ in range(3))
    mask = torch.ones(9, 9).tril().bool() & ~torch.ones(9, 9).tril(-4).bool()
    for given, causal in ((None, True), (mask, False)):
        fused = torch.nn.functional.scaled_dot_product_attention(q, k, v, given, is_causal=causal, scale=0.4)
        assert torch.allclose(blocks._by_products(q, k, v, given, causal=causal, scale=0.4), fused, atol=1e-5)


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    q, k = torch.randn(1, 1, 1, 16).double(), torch.randn(1, 1, 1, 16).double()

    def score(i: int, j: int) -> Tensor:
        return (rotated(q, *(a.double() for a in rotary(torch.tensor([[i]]), 16, 100.0)))
                * rotated(k, *(a.double() for a in rotary(torch.tensor([[j]]), 16, 100.0)))).sum()  # fmt: skip

    assert torch.allclose(score(9, 4), score(25, 20), atol=1e-5)
    assert not torch.allclose(score(9, 4), score(9, 5), atol=1e-3)


def test_dropout_keeps_the_mean_and_the_share() -> None:
    torch.manual_seed(0)
    drawn = blocks.random_bytes(1000, 1001, device=torch.device("cpu"))
    out = blocks.dropped(torch.ones(1000, 1001), drawn, 0.25)
    assert float((out == 0).float().mean()) == pytest.approx(0.25, abs=3e-3)
    assert float(out.mean()) == pytest.approx(1, abs=4e-3)


def test_a_branch_starts_at_zero_and_gpt2_is_scaled_by_depth() -> None:
    data = DataSpec(modality="text", leaves={"x": Leaf(shape=(8,), classes=5)})
    zero = GPT(GPTConfig.model_validate(SMALL), data)
    assert not any(p.any() for name, p in zero.named_parameters() if name.endswith((".out.weight", ".down.weight")))
    torch.manual_seed(0)
    net = Transformer(GPTConfig.model_validate({"layers": 8, "heads": 4, "width": 256, "init": "gpt2"}), 50, 8)
    weights = dict(net.named_parameters())
    assert float(weights["blocks.3.mlp.down.weight"].detach().std()) == pytest.approx(0.02 / 4, rel=0.02)
    assert float(weights["blocks.3.mlp.up.weight"].detach().std()) == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize("width", [64, 256])
def test_mup_keeps_the_size_of_a_step_whatever_the_width(width: int) -> None:
    """Yang et al. 2022: with Adam's rate of hidden matrices ∝ 1/width, logits move as much in nets of any width."""
    torch.manual_seed(0)
    net = Transformer(GPTConfig.model_validate({"layers": 1, "heads": width // 16, "width": width, "init": "mup", "shift": 0}), 20, 8)
    tokens = torch.randint(20, (4, 8))
    assert not net(tokens).any()
    loss = torch.nn.functional.cross_entropy(net(tokens).flatten(0, 1), tokens.flatten())
    (grad,) = torch.autograd.grad(loss, net.head.weight)
    with torch.no_grad():
        net.head.weight -= 0.01 * grad.sign()
        assert 0.03 < float(net(tokens).std()) < 0.6


def test_what_it_cannot_be_is_said_in_one_line() -> None:
    with pytest.raises(UsageError, match="wants tokens"):
        built(leaf=Leaf(shape=(3,)))
    with pytest.raises(UsageError, match=r"start = 9: these data have 5 tokens"):
        built(start=9)
    with pytest.raises(UsageError, match="is no token"):
        built(stop="q")
    with pytest.raises(ValueError, match="does not divide"):
        GPTConfig.model_validate({"width": 10, "heads": 3})


def test_pairs_of_a_large_vocabulary_share_rows() -> None:
    """Of 4,096 tokens all pairs would take 17 million rows; of characters each pair has its own."""
    large, small = (Transformer(GPTConfig.model_validate(SMALL), v, 8) for v in (4096, 60))
    assert large.pair.num_embeddings == 65_521 and small.pair.num_embeddings == 61**2
    tokens = torch.tensor([[4095, 4095, 0]])
    assert bool(large(tokens).isfinite().all())
