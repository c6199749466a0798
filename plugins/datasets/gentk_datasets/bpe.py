"""Byte-pair encoding (Sennrich et al. 2016) over bytes (Radford et al. 2019), by the library `tokenizers`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gentk.errors import UsageError
from gentk.vocabulary import loaded

END = "<|endoftext|>"
"""The token behind each of several documents."""
SHORTER = "take fewer tokens, dataset.options.vocabulary, or more text"


def learnt(texts: Iterator[str], vocabulary: int) -> str:
    """The tokenizer of `vocabulary` tokens for these texts, as JSON: 256 bytes, `END`, and the pairs that are most frequent.

    It cuts words as GPT-2 does, and every text has tokens and comes back from them as it is. Raises UsageError without the library.
    """
    tokenizers = library()
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END], initial_alphabet=alphabet, show_progress=False, min_frequency=2
    )
    made.train_from_iterator(texts, trainer)
    return str(made.to_str())


def read(path: str) -> str:
    """A tokenizer.json. Raises UsageError in one line."""
    place = Path(path).expanduser()
    try:
        text = place.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the tokenizer {place}: {getattr(error, 'strerror', None) or error}") from None
    try:
        loaded(text)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None
    return text


def library() -> Any:
    """The module `tokenizers`. Raises UsageError where it is missing."""
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError:
        raise UsageError("unit = bpe wants the library tokenizers: install gentk-datasets[tokenizers]") from None
    return tokenizers
