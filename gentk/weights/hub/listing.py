"""What the Hub says a repository holds at one commit, before anything of it is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import GentkError
from ..files import CONFIG, INDEX, MAX_CONFIG, MAX_RECIPE, PICKLES, PREVIEW, SHARD, TENSORS, shown
from ..shards import MAX_INDEX
from .cache import SHA, SHA256
from .client import client, patient, translated

MAX_FILES = 10_000
MAX_LARGE = 50_000_000
CAPS = {INDEX: MAX_INDEX, **dict.fromkeys((CONFIG, "README.md", "metrics.json"), MAX_CONFIG), "recipe.toml": MAX_RECIPE}
CAPS |= dict.fromkeys(("log.jsonl", "tokenizer.json", "loss.png"), MAX_LARGE)
_HOSTILE = re.compile(  # `..`, absolute, a drive, what a terminal obeys, what turns the order of letters, half a character
    r"(^|/)\.{0,2}(/|$)|^[A-Za-z]:|[\\\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def most(name: str) -> float:
    """How many bytes of a file are read; of the numbers of weights, as many as there are."""
    return MAX_LARGE if PREVIEW.fullmatch(name) else CAPS.get(name, float("inf"))


@dataclass(frozen=True)
class Entry:
    """A file: bytes, and the hash of its content (sha256 under LFS, else git's)."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True)
class Listing:
    """The files of `repo` at commit `sha`, which is where `revision` was."""

    repo: str
    revision: str | None
    sha: str
    files: Mapping[str, Entry]

    def size(self, names: Iterable[str]) -> int:
        return sum(self.files[name].size for name in names)

    def check_weights(self) -> None:
        """Raises GentkError where this is no repository of gentk weights, or none that is read."""
        if CONFIG not in self.files:
            foreign = "model_index.json" in self.files
            hint = f"; it looks like a diffusers pipeline: gentk import {self.repo} --plugin NAME" if foreign else ""
            raise GentkError(f"{self.repo} holds no {CONFIG}, so it is no repository of gentk weights{hint}")
        whole, indexed = TENSORS in self.files, INDEX in self.files
        if whole and indexed:
            raise GentkError(f"{self.repo} holds both {TENSORS} and {INDEX}, and nothing says which of them counts")
        if whole or indexed:
            return
        if any(SHARD.fullmatch(name) for name in self.files):
            raise GentkError(f"{self.repo} holds shards, but no {INDEX} that says what is in them: it was not pushed whole")
        pickles = sorted(name for name in self.files if name.endswith(PICKLES))
        if pickles:
            raise GentkError(
                f"{self.repo} has no safetensors weights, only {shown(pickles[0])}; gentk does not load pickle: convert and push again"
            )
        raise GentkError(f"{self.repo} has no {TENSORS}")


def ask(repo: str, revision: str | None) -> Listing:
    """One request: where the revision is, and its files with sizes and hashes. Raises GentkError, Missing, Unreachable."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    with translated(repo, revision):
        api = client()
        try:
            info = patient(lambda: api.model_info(repo, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT))
        except (HfHubHTTPError, HFValidationError):
            raise
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:  # no JSON, or other JSON
            raise GentkError(f"what answers at {constants.ENDPOINT} is no Hub: check HF_ENDPOINT, or a proxy") from error
    siblings, sha = info.siblings or [], info.sha or ""
    if not isinstance(sha, str) or not SHA.fullmatch(sha):
        raise GentkError(f"{repo}: the Hub at {constants.ENDPOINT} does not say which commit this is")
    if len(siblings) > MAX_FILES:
        raise GentkError(f"{repo} lists {len(siblings)} files; at most {MAX_FILES} are looked through")
    return Listing(repo, revision, sha, {entry.name: entry for entry in (_entry(repo, sibling) for sibling in siblings)})


def _entry(repo: str, sibling: Any) -> Entry:
    name, size, digest = sibling.rfilename, sibling.size, sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    if not isinstance(name, str) or type(size or 0) is not int or (size or 0) < 0 or not isinstance(digest or "", str):
        raise GentkError(f"{repo}: the Hub's listing gives no sound name, size and hash of '{shown(name)}': check HF_ENDPOINT")
    if _HOSTILE.search(name):
        raise GentkError(f"{repo} lists a file '{shown(name)}', which no honest repository does: nothing of it is fetched")
    entry = Entry(name, size or 0, digest if digest and (SHA.fullmatch(digest) or SHA256.fullmatch(digest)) else "")
    if entry.size > most(name):
        raise GentkError(f"{name} of {repo} is {entry.size / 1e6:.1f} MB; at most {most(name) / 1e6:g} MB are read")
    return entry
