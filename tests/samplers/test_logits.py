"""Each logit function beside that of transformers."""

import pytest
import torch
import transformers as hf

from gentk.protocols import Leaf
from gentk.samplers import logits as ours
from gentk.vocabulary import cut, joined, size_of

LOGITS = 3 * torch.randn(200, 50, generator=torch.Generator().manual_seed(0))
TOKENS = torch.randint(50, (200, 20), generator=torch.Generator().manual_seed(1))


def close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return torch.equal(found == -torch.inf, wanted == -torch.inf) and torch.allclose(found, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [0.3, 1.0, 2.5])
def test_temperature(value: float) -> None:
    assert close(ours.temperature(LOGITS, value), hf.TemperatureLogitsWarper(value)(TOKENS, LOGITS))


@pytest.mark.parametrize("k", [1, 7, 50, 60])
def test_top_k(k: int) -> None:
    assert close(ours.top_k(LOGITS, k), hf.TopKLogitsWarper(k)(TOKENS, LOGITS))


@pytest.mark.parametrize("p", [0.01, 0.5, 0.9, 0.999])
def test_top_p(p: float) -> None:
    assert close(ours.top_p(LOGITS, p), hf.TopPLogitsWarper(p)(TOKENS, LOGITS))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_min_p(share: float) -> None:
    assert close(ours.min_p(LOGITS, share), hf.MinPLogitsWarper(share)(TOKENS, LOGITS))


@pytest.mark.parametrize("penalty", [0.7, 1.0, 1.3, 5.0])
def test_repetition_penalty(penalty: float) -> None:
    found = ours.repetition_penalty(LOGITS, TOKENS, torch.full((200,), 20), penalty)
    assert close(found, hf.RepetitionPenaltyLogitsProcessor(penalty)(TOKENS, LOGITS.clone()))


def test_repetition_penalty_is_of_the_tokens_that_count() -> None:
    length = torch.arange(200) % 21
    found = ours.repetition_penalty(LOGITS, TOKENS, length, 1.3)
    for i in range(200):
        row = LOGITS[i : i + 1].clone()
        wanted = hf.RepetitionPenaltyLogitsProcessor(1.3)(TOKENS[i : i + 1, : length[i]], row) if length[i] else row
        assert close(found[i : i + 1], wanted)


def test_greedy_keeps_the_likeliest_alone() -> None:
    kept = ours.greedy(LOGITS).softmax(-1)
    assert torch.equal(kept.argmax(-1), LOGITS.argmax(-1)) and bool((kept.amax(-1) == 1).all())
    assert torch.equal(ours.temperature(LOGITS, 0), ours.greedy(LOGITS))


def test_texts_of_byte_pairs_stop_and_match() -> None:
    """A tokenizer's tokens are texts too: a stop text is found across tokens, and a pattern is met by parts of words."""
    from gentk.samplers.language import language
    from gentk.samplers.stops import Stops
    from gentk_datasets.bpe import learnt

    tokenizer = learnt(iter(["one two three, one two three. " * 20]), 280)
    leaf = Leaf(shape=(20,), classes=size_of(tokenizer), tokenizer=tokenizer)
    tokens = cut("one two three. four", (), tokenizer=tokenizer)
    kept = Stops(leaf, ["three"]).cut(tokens)
    assert kept is not None and joined(tokens[:kept], (), tokenizer=tokenizer) == "one two"
    digits = language("[0-9]{2}(one)?", leaf, None)
    state = digits.begin(1)
    for token in cut("12one", (), tokenizer=tokenizer):
        assert bool(digits.allowed(state, torch.tensor([9]))[0, token])
        state = digits.next(state, torch.tensor([token]))
    assert bool(digits.matches(state)[0])
    assert not bool(digits.allowed(digits.begin(1), torch.tensor([9]))[0, cut("one", (), tokenizer=tokenizer)[0]])
