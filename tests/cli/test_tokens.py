"""`gentk sample` of models that draw token by token: drafts, patterns, stop texts, a text on a terminal as it comes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gentk
from gentk.cli import run
from gentk.host.lookup import build_model, sampler
from gentk.protocols import DataSpec, Leaf

NAMES = ("a", "b", " ", "\n")
DATA = DataSpec(modality="text", leaves={"x": Leaf(shape=(12,), classes=4, names=NAMES), "length": Leaf(classes=13)})


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two Markov chains: of order 2, and of order 1."""
    folders = []
    for order in (2, 1):
        model: Any = build_model("classical", "markov", {"order": order}, DATA)
        x = torch.randint(4, (200, 12), generator=torch.Generator().manual_seed(order))
        model.update(model.statistics({"x": x, "length": torch.full((200,), 12)}))
        folders.append(str(tmp_path_factory.mktemp("weights") / f"order-{order}"))
        gentk.save(model, folders[-1], sampler=sampler("autoregressive"))
    return folders


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield


def test_a_draft_draws_what_its_plain_law_says_whatever_the_batch(weights: list[str]) -> None:
    for name, size in (("a", "30"), ("b", "7")):
        line = ["sample", "--weights", weights[0], "--draft", weights[1], "-n", "30", "--out", f"{name}.npz", "--batch-size", size]
        assert run(line) == 0
    one, other = np.load("a.npz"), np.load("b.npz")
    assert (one["x"] == other["x"]).all() and (one["length"] == other["length"]).all()
    model = gentk.drafted(*map(gentk.load, weights))
    assert (gentk.sample(model, 30)["x"].numpy() == one["x"]).all()


def test_texts_match_their_pattern_and_end_before_a_stop_text(weights: list[str]) -> None:
    assert run(["sample", "--weights", weights[0], "-n", "20", "--pattern", "(ab )*a", "--out", "a.txt", "--draft", weights[1]]) == 0
    import re

    assert all(re.fullmatch("(ab )*a", line) for line in Path("a.txt").read_text().splitlines())
    assert run(["sample", "--weights", weights[0], "-n", "20", "-o", 'stop=["b", "aa"]', "--out", "b.jsonl"]) == 0
    texts = [json.loads(line)["text"] for line in Path("b.jsonl").read_text().splitlines()]
    assert len(set(texts)) > 2 and not any("b" in text or "aa" in text for text in texts)
    assert run(["sample", "--weights", weights[0], "-n", "20", "--choices", "ab,ba", "--out", "c.txt"]) == 0
    assert set(Path("c.txt").read_text().splitlines()) == {"ab", "ba"}


def test_what_does_not_fit_is_said(weights: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    lines = {
        ("--draft", "ddpm/mnist"): "predicts no next token",
        ("--sampler", "beam", "--draft", weights[1]): "sampler 'beam' has no use for a draft",
        ("--pattern", "c"): "can write no text",
    }
    for words, said in lines.items():
        assert run(["sample", "--weights", weights[0], *words]) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1


@pytest.mark.parametrize("more, n", [([], 1), (["--sampler", "beam"], 16), (["--out", "a.txt"], 16)])
def test_a_terminal_gets_one_text_and_a_file_sixteen(
    weights: list[str], more: list[str], n: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless -n says how many. Beam search has no text to show until its end."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["sample", "--weights", weights[0], *more]) == 0
    assert f"({n} sample" in capsys.readouterr().out


@pytest.mark.parametrize("more", [[], ["--stop", "ab"], ["--draft", "DRAFT"], ["--draft", "DRAFT", "--stop", "ab"]])
def test_one_text_on_a_terminal_comes_token_by_token(
    weights: list[str], more: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every piece is printed once and never taken back."""
    pieces: list[str] = []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    written = sys.stdout.write
    monkeypatch.setattr(sys.stdout, "write", lambda text: (pieces.append(text), written(text))[1])
    words = [weights[1] if word == "DRAFT" else word for word in more]
    assert run(["sample", "--weights", weights[0], "-n", "1", "--seed", "3", "--out", "a.txt", *words]) == 0
    text = Path("a.txt").read_text().removesuffix("\n").removesuffix("%").rstrip("\n")
    assert len(text) > 1 and "".join(pieces).startswith(text)
    if not more:
        assert pieces[0] == text[0]
