"""tokenizer.json: config.json says the digest of the tokenizer that cuts a model's texts, which is a file of its own. No torch.

Other libraries read and write the same file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import GentkError
from .files import CONFIG, TOKENIZER, read_bytes

MAX_TOKENIZER = 40_000_000


def taken_out(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """(the config with the digest in place of the tokenizer, {"tokenizer.json": the tokenizer} or {}). Raises GentkError for two."""
    found: dict[str, str] = {}

    def named(text: str) -> str:
        found[digest := "sha256:" + hashlib.sha256(text.encode()).hexdigest()] = text
        return digest

    short = _replaced(config, named)
    if len(found) > 1:
        raise GentkError(f"this model's texts are cut by {len(found)} tokenizers; a folder of weights holds one")
    return short, ({TOKENIZER: found.popitem()[1]} if found else {})


def put_back(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The config with the tokenizer of the folder's tokenizer.json wherever its digest stands. Raises GentkError where that is another."""
    text: list[str] = []

    def read(digest: str) -> str:
        if not text:
            raw = read_bytes(folder, TOKENIZER, MAX_TOKENIZER, "a tokenizer")
            try:
                text.append(raw.decode("utf-8"))
            except ValueError:
                raise GentkError(f"{folder / TOKENIZER} is no UTF-8") from None
        if digest != "sha256:" + hashlib.sha256(text[0].encode()).hexdigest():
            raise GentkError(f"{folder / TOKENIZER} is not the one that {CONFIG} names: its SHA-256 differs")
        return text[0]

    return _replaced(config, read)


def _replaced(config: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """A config with every tokenizer in `data` and `conditions` changed, also of the model whose latents the data are."""

    def leaf(about: Any) -> Any:
        known = isinstance(about, Mapping) and isinstance(about.get("tokenizer"), str) and about["tokenizer"]
        return {**about, "tokenizer": change(about["tokenizer"])} if known else about

    def leaves(several: Any) -> Any:
        return {name: leaf(about) for name, about in several.items()} if isinstance(several, Mapping) else several

    found = dict(config)
    if isinstance(data := config.get("data"), Mapping):
        found["data"] = {key: leaves(value) if key in ("leaves", "conditions") else value for key, value in data.items()}
    if "conditions" in config:
        found["conditions"] = leaves(config["conditions"])
    if isinstance(config.get("latents"), Mapping):
        found["latents"] = _replaced(config["latents"], change)
    return found
