"""From a name on the Hub to files on this machine: first what describes the weights, much later, if ever, their numbers.

One request says which commit a name means and what is in it; all that is fetched afterwards is of that commit. A commit named in full
that is in the cache needs no request.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from ... import text
from ...errors import GentkError
from .. import shards
from ..files import CONFIG, INDEX, TENSORS, TOKENIZER, opened
from ..safety import files_of
from . import cache, guard
from .client import client, translated
from .listing import MAX_LARGE, Entry, Listing, ask, most
from .progress import bar
from .refusals import Missing, Unreachable

RECIPE = "recipe.toml"
LARGE = 1_000_000  # bytes from which on a person is told
_NAME = re.compile(r"(\w[\w.-]{0,95}/\w[\w.-]{0,95})(?:@(\w[\w.+/-]{0,200}))?", re.ASCII)
_only_cache: ContextVar[bool] = ContextVar("only_cache", default=False)
_answers: ContextVar[dict[tuple[str, str | None], Held] | None] = ContextVar("answers", default=None)
_listings: dict[Path, Listing] = {}  # of snapshots that this process has asked about; a commit never changes


class Held(NamedTuple):
    """A snapshot's folder in the cache, and what the Hub says is in that commit, where it was asked."""

    folder: Path
    listing: Listing | None


def repository(name: str) -> tuple[str, str | None] | None:
    """(user/repo, revision) of `user/repo` or `user/repo@revision`; None for anything else."""
    found = _NAME.fullmatch(name)
    if not found or ".." in name or "--" in found[1] or any(part.endswith((".", "-", ".git")) for part in found[1].split("/")):
        return None
    return found[1], found[2]


@contextmanager
def cache_only() -> Iterator[None]:
    """Inside, nothing is asked of the Hub: for help and completion."""
    token = _only_cache.set(True)
    try:
        yield
    finally:
        _only_cache.reset(token)


@contextmanager
def once() -> Iterator[None]:
    """Inside, a name is asked of the Hub once and means the same commit throughout: for one command line."""
    outer = _answers.get()
    token = _answers.set({} if outer is None else outer)
    try:
        yield
    finally:
        _answers.reset(token)


# ---------------------------------------------------------------- weights
def describe(repo: str, revision: str | None = None) -> Path:
    """The snapshot folder with config.json, and recipe.toml and tokenizer.json if there are any, as the Hub has them: no numbers yet.

    Raises GentkError: Missing where there is no such repository or revision, Unreachable where nobody answers and nothing is cached.
    """
    if revision and cache.SHA.fullmatch(revision) and cache.whole(folder := cache.snapshot(repo, revision)):
        _check_present(folder, repo, [RECIPE, TOKENIZER, CONFIG])
        return folder
    folder, listing = held(repo, revision)
    if listing:
        listing.check_weights()
        fetch(listing, [name for name in (RECIPE, TOKENIZER, CONFIG) if name in listing.files])
        if cache.known(repo, revision) is None:
            cache.remember(repo, revision, listing.sha)
    elif not (folder / CONFIG).is_file():
        raise Missing(f"{repo} is in the cache only in part (no {CONFIG}), and the Hub is not asked")
    else:
        _check_present(folder, repo, [RECIPE, TOKENIZER, CONFIG])
    return folder


def complete(folder: Path) -> Path:
    """Weights in the client's cache whose numbers are not here yet get them; any other folder stays as it is. Raises GentkError."""
    found = cache.owner(folder) if folder.parent.name == "snapshots" else None
    if found is None:
        return folder
    repo, sha = found
    listing = None if _silent() else _listings.get(folder)
    if listing is None and cache.whole(folder):
        _check_present(folder, repo, [TOKENIZER, *(path.name for path in _numbers(folder))])
        return folder
    if _silent():
        raise Missing(f"the numbers of {repo} at {sha[:12]} are not in the cache, and {_why()}")
    listing = listing or ask(repo, sha)
    listing.check_weights()
    fetch(listing, [name for name in (TOKENIZER, INDEX) if name in listing.files])
    names = shards.read_index(folder) if INDEX in listing.files else [TENSORS]
    if lacking := [name for name in names if name not in listing.files]:
        raise GentkError(f"{INDEX} of {repo} lists {lacking[0]}, which is not there: it was not pushed whole")
    fetch(listing, names)
    cache.remember(repo, listing.revision, sha)
    return folder


def _numbers(folder: Path) -> list[Path]:
    return [*files_of(folder), *([folder / INDEX] if (folder / INDEX).is_file() else [])]


# ---------------------------------------------------------------- any files
def fetched(repo: str, revision: str | None, wanted: Callable[[str], bool]) -> Held:
    """A snapshot with all files whose name is `wanted`, each as the Hub has it. From the cache, where the Hub cannot be asked: what is
    there. Raises GentkError."""
    folder, listing = held(repo, revision)
    if listing:
        fetch(listing, [name for name in listing.files if wanted(name)])
        cache.remember(repo, revision, listing.sha)
    else:
        here = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
        _check_present(folder, repo, [name for name in here if wanted(name)])
    return Held(folder, listing)


def fetch_text(repo: str, path: str, revision: str | None = None) -> str:
    """A text file as the Hub has it now, "" where there is no such file or repository. The network is asked, never the cache."""
    try:
        listing = ask(repo, revision)
    except Unreachable:
        raise
    except Missing:
        return ""
    if path not in listing.files:
        return ""
    place = fetch(listing, [path]) / path
    with opened(place) as file:
        raw = file.read(MAX_LARGE + 1)
    if len(raw) > MAX_LARGE:
        raise GentkError(f"{path} of {repo} is larger than {MAX_LARGE / 1e6:g} MB, too much for a text")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise GentkError(f"{path} of {repo} is no UTF-8 text") from None


def held(repo: str, revision: str | None) -> Held:
    """The commit that a revision means: asked of the Hub, or, where that is not to be or does not answer, as it was last seen."""
    answers = _answers.get()
    if answers is not None and (repo, revision) in answers:
        return answers[repo, revision]
    if _silent():
        found = _last_seen(repo, revision)
        if found is None:
            raise Missing(f"{repo}{f'@{revision}' if revision else ''} is not in the cache, and {_why()}")
        return found
    try:
        listing = ask(repo, revision)
        found = Held(cache.snapshot(repo, listing.sha), listing)
        _listings[found.folder] = listing
    except Unreachable as error:
        found = _last_seen(repo, revision)
        if found is None:
            raise
        print(f"{error}; using the copy of {repo} at {found.folder.name[:12]} in the cache", file=sys.stderr)
    if answers is not None:
        answers[repo, revision] = found
    return found


def _last_seen(repo: str, revision: str | None) -> Held | None:
    sha = cache.known(repo, revision)
    folder = cache.snapshot(repo, sha) if sha else None
    return Held(folder, None) if folder and folder.is_dir() else None


def _silent() -> bool:
    from huggingface_hub import constants

    return _only_cache.get() or bool(constants.HF_HUB_OFFLINE)


def _why() -> str:
    return "help and completion ask nothing of the Hub" if _only_cache.get() else "the client is offline"


def _check_present(folder: Path, repo: str, names: Iterable[str]) -> None:
    """Cached files against the hashes in their own names."""
    for name in names:
        if (folder / name).is_file():
            cache.check(folder / name, repo)


def fetch(listing: Listing, names: Iterable[str]) -> Path:
    """These files of a commit, in this order, each compared with the listing. Raises GentkError; also before the disk would be full."""
    folder, names = cache.snapshot(listing.repo, listing.sha), list(names)
    lacking = [name for name in names if not (folder / name).exists()]
    needed, free = listing.size(lacking), cache.free(folder)
    if needed > free:
        sizes = f"needs {text.size(needed)}, and {text.size(free)} are free"
        raise GentkError(f"{listing.repo} {sizes} at {cache.root()}: make room, or set HF_HUB_CACHE")
    if needed > LARGE:
        print(f"fetching {needed / 1e6:.1f} MB of {listing.repo} at {listing.sha[:12]}", file=sys.stderr)
    for name in names:
        entry = listing.files[name]
        path = _downloaded(listing, entry)
        if not entry.digest and not cache.own_name(path):
            raise GentkError(f"the Hub gives no hash of {name} of {listing.repo}, so nobody can say whether it is whole")
        cache.check(path, listing.repo, entry.digest)
    return folder


def _downloaded(listing: Listing, entry: Entry) -> Path:
    repo, sha, size = listing.repo, listing.sha, entry.size or most(entry.name)
    file = guard.File(entry.name, repo, sha, entry.digest, entry.size)
    with translated(repo, sha):
        api, shown = client(), bar(entry.size > LARGE)
        path = guard.bounded(
            lambda: api.hf_hub_download(repo, entry.name, revision=sha, tqdm_class=shown), file=file, transfer=entry.size, most=size
        )
    return Path(path)
