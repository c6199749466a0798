"""What a push would send: the files of a folder that weights consist of, a preview, the card, and what of it the Hub has already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import GentkError, UsageError
from . import hub
from .card import edits, front
from .card.facts import Facts, gather
from .card.writing import written
from .config import check_plugins, read_config
from .files import ABOUT, CONFIG, INDEX, MAX_CONFIG, allowed, copied, member, read_bytes, shown, size_of
from .folder import read
from .hub import cache
from .hub.listing import Listing, ask, most
from .hub.reading import fetch
from .names import Located, locate
from .preview import drawn, found, sampler_of, suffix_of
from .safety import files_of

CARD, RECIPE = "README.md", "recipe.toml"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}", re.ASCII)


@dataclass(frozen=True)
class Parcel:
    """`files`: name in the repository → where the content is. `remote`: the repository at its head, None where there is none yet.
    `changed`: those of `files` that it does not have like this. `gone`: those of its own that are no longer part of the weights."""

    repo: str
    located: Located
    facts: Facts
    files: Mapping[str, Path]
    remote: Listing | None
    changed: Sequence[str]
    gone: Sequence[str]
    keep: bool  # whether the card may take the place of the folder's own
    notes: list[str] = field(default_factory=list)

    def bytes(self, names: Sequence[str] | None = None) -> int:
        return sum(size_of(self.files[name]) for name in (self.changed if names is None else names))

    @property
    def card(self) -> str:
        return self.files[CARD].read_text("utf-8")

    @property
    def message(self) -> str:
        """What a commit is called where nobody says."""
        done = f" after {self.facts.step:,} {'passes' if self.facts.fitted else 'rounds'}" if self.facts.step else ""
        return f"{self.facts.plugin}/{self.facts.model}{done}"


@contextmanager
def packed(weights: str | Path, repo: str, *, license: str = "", trial: bool = False) -> Iterator[Parcel]:
    """The weights called `weights`, read as a stranger would read them, as they would be pushed to `repo`; while the context lasts.

    `trial`: a Hub that does not answer is passed over, and no token is needed. Raises UsageError for a wrong name or licence,
    GentkError for weights that are not sound and for whatever the Hub refuses.
    """
    check(repo, license)
    located = locate(str(weights))
    config = read_config(located.folder)
    check_plugins(config)
    notes: list[str] = []
    remote = _remote(repo, notes, trial)
    folder = hub.complete(located.folder)
    with TemporaryDirectory() as scratch:
        yield _packed(Located(folder, located.title), config, repo, license, remote, notes, Path(scratch))


def check(repo: str, license: str) -> None:
    """The words of the line. Raises UsageError."""
    named = hub.repository(repo)
    if named is None or named[1] is not None:
        raise UsageError(f"'{repo}' is no name of a repository: write USER/REPO, with letters, digits, -, _ and .")
    if license and not _LICENCE.fullmatch(license):
        raise UsageError(f"'{license}' is no identifier of a licence: write apache-2.0, mit, cc-by-4.0, other …")


def _remote(repo: str, notes: list[str], trial: bool) -> Listing | None:
    """The repository as it is; None where there is none. Raises GentkError where nothing could be pushed at all."""
    from huggingface_hub import constants, get_token

    if not trial:
        if constants.HF_HUB_OFFLINE:
            raise GentkError("HF_HUB_OFFLINE is set, and pushing needs the Hub: unset it")
        if not get_token():
            raise GentkError("pushing needs a token: `hf auth login`, or set HF_TOKEN")
    elif constants.HF_HUB_OFFLINE:
        notes.append(f"the client is offline: shown as if there were no {repo} yet")
        return None
    try:
        return ask(repo, None)
    except hub.Unreachable as error:
        if not trial:
            raise
        notes.append(f"{error}: shown as if there were no {repo} yet")
    except hub.Missing:
        pass
    return None


def _packed(
    located: Located, config: Mapping[str, Any], repo: str, license: str, remote: Listing | None, notes: list[str], scratch: Path
) -> Parcel:
    from ..inference.sampling import pick_device

    folder = located.folder
    model = read(folder, device=str(pick_device("auto")))
    sampler = sampler_of(model)
    files = {name: path for name in _names(folder) if _fits(path := member(folder, name), name, notes)}
    preview = found(folder, suffix) if (suffix := suffix_of(model)) else None
    if preview and not _fits(preview, f"samples/preview{preview.suffix}", notes):
        preview = None
    elif preview is None and sampler and suffix:
        preview = _kept(files, f"samples/preview{suffix}", remote)
        if preview is None:
            preview, why = drawn(model, sampler, scratch)
            notes += [why] if why else []
    if preview:
        name = f"samples/preview{preview.suffix}"
        preview = files[name] = preview if preview.parent == scratch else copied(preview, scratch / f"preview{preview.suffix}")
    facts = replace(gather(folder, config, repo=repo, model=model, drawable=sampler is not None, preview=preview), preview=preview)
    if facts.recipe_path:
        files.setdefault(RECIPE, facts.recipe_path)
    existing, keep = _existing(folder, remote, notes)
    (scratch / CARD).write_text(written(facts, existing, license), "utf-8", newline="")
    files[CARD] = scratch / CARD
    notes += remarks(facts, (scratch / CARD).read_text("utf-8"))
    files = {name: path for name, path in files.items() if _fits(path, name, notes)}  # also what was made here
    changed = [name for name in files if not same(files[name], name, remote)]
    gone = [name for name in remote.files if allowed(name) and name not in files] if remote else []
    return Parcel(repo, located, facts, files, remote, changed, gone, keep, notes)


def _fits(path: Path, name: str, notes: list[str]) -> bool:
    """Whether a file is small enough to be read back; asked before anything of it is read. Else a note says that it is not sent."""
    if size_of(path) <= most(name):
        return True
    notes.append(f"{name} stays here: of more than {most(name) / 1e6:g} MB it would not be read back")
    return False


def _names(folder: Path) -> list[str]:
    """The files of a folder that are sent as they are: of shards, those that the index lists; never a state, never anything else."""
    numbers = [path.name for path in files_of(folder)]
    named = [CONFIG, *numbers, *(name for name in (INDEX, *ABOUT) if name != CARD and (folder / name).exists())]
    return [name for name in named if allowed(name)]


def _kept(files: Mapping[str, Path], name: str, remote: Listing | None) -> Path | None:
    """The repository's preview, where it shows these very weights: drawn elsewhere, it would differ by its rounding."""
    weights = [file for file in files if file not in ABOUT]
    if remote is None or name not in remote.files or not all(same(files[file], file, remote) for file in weights):
        return None
    return fetch(remote, [name]) / name


def same(path: Path, name: str, remote: Listing | None) -> bool:
    """Whether the repository has this very content under this name."""
    entry = remote.files.get(name) if remote else None
    return bool(entry and entry.digest and entry.size == size_of(path) and cache.digest(path, entry.digest) == entry.digest)


# ---------------------------------------------------------------- the card
def _existing(folder: Path, remote: Listing | None, notes: list[str]) -> tuple[str, bool]:
    """The card to go on from, and whether it may replace the folder's own.

    The repository's counts. The folder's does where somebody changed it since it was written there, and nobody the other.
    """
    own = _text(folder) if (folder / CARD).exists() else ""
    theirs = _text(fetch(remote, [CARD])) if remote and CARD in remote.files else ""
    head, body = front.split(theirs)
    if not body.strip():
        return _joined(head, own), True
    if not own.strip() or edits.untouched(own) or edits.normal(own) == edits.normal(theirs):
        return theirs, True
    if edits.base(own) and edits.base(own) == edits.base(theirs) and edits.untouched(theirs):
        return own, True
    notes.append(f"README.md in {folder} and the card on the Hub were both changed: the Hub's is kept, without what the folder's says")
    return theirs, False


def _text(folder: Path) -> str:
    try:
        return read_bytes(folder, CARD, MAX_CONFIG, "a card").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise GentkError(f"{folder / CARD} is no UTF-8 text") from None


def _joined(head: str, own: str) -> str:
    """The folder's card under what the Hub asked for when the repository was made: a licence, say."""
    if not head:
        return own
    mine, body = front.split(own)
    return front.joined({**front.read(head), **front.read(mine)}) + body


def remarks(facts: Facts, card: str) -> list[str]:
    """What its author may want to know before others read it."""
    said = []
    if not front.read(front.split(card)[0]).get("license"):
        said.append("no licence is stated, so nobody knows what may be done with these weights: --license apache-2.0, say")
    name = facts.recipe.dataset.name if facts.recipe else ""
    if set(name.partition(":")[2]) & {"/", "\\", "~"}:
        said.append(f"recipe.toml tells where the data lie on this machine: {shown(name)}")
    return said
