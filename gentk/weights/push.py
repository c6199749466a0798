"""Publishing weights on the Hub: one commit, made of what changed, on top of what was looked at."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import GentkError, UsageError
from . import hub
from .card.usage import first_command
from .files import fresh, shown
from .hub import cache
from .hub.listing import ask
from .parcel import CARD, Parcel, packed, same

_UNMADE = (429, 503)  # answers after which a commit was certainly not made


@dataclass(frozen=True)
class Pushed:
    """`url`: the repository's page, or the pull request's. `commit`: its sha; the head's where there was nothing to push.
    `files`, `deleted`: what the commit wrote and took away; both empty where there was nothing. `bytes`: of `files`. `command`: what a
    stranger would try first."""

    url: str
    commit: str
    files: Sequence[str]
    deleted: Sequence[str]
    bytes: int
    command: str
    notes: Sequence[str]


def push(
    folder: str | Path, repo: str, *, private: bool = False, create_pr: bool = False, message: str = "", license: str = ""
) -> Pushed:
    """Publish a folder of weights, or weights by name, as `user/repo`: the repository is made where there is none.

    The weights are read first as anybody would read them. Sent are the files that weights consist of, never a run's state; a preview is
    drawn where there is none, and the model card keeps what a person wrote. Without changes no commit is made. `create_pr`: propose the
    change instead. `license`: an identifier of the Hub. Raises UsageError for wrong words, GentkError for unsound weights and for
    whatever the Hub refuses.
    """
    with packed(folder, repo, license=license) as parcel:
        if parcel.remote is None and create_pr:
            raise UsageError(f"there is no repository {repo} to propose a change of, or it is private: push without --create-pr")
        if parcel.remote and private and not _private(repo):
            raise UsageError(f"{repo} is there already, and public: make it private in its settings first, or push without --private")
        if parcel.remote and not parcel.changed and not parcel.gone:
            _keep(parcel, folder)
            return Pushed(_page(repo), parcel.remote.sha, (), (), 0, first_command(parcel.facts), parcel.notes)
        done = _committed(parcel, message.strip() or parcel.message, private, create_pr)
        if not create_pr:  # a proposal may come to nothing
            _keep(parcel, folder)
        return done


def _private(repo: str) -> bool:
    with hub.translated(repo):
        return bool(hub.patient(lambda: hub.client().model_info(repo)).private)


def _page(repo: str) -> str:
    return f"{hub.client().endpoint}/{repo}"


def _committed(parcel: Parcel, message: str, private: bool, create_pr: bool) -> Pushed:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    repo, api = parcel.repo, hub.client()
    with hub.translated(repo), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        if parcel.remote is None:
            with _refused(f"this token may not make a repository of '{repo.partition('/')[0]}': use a token that may"):
                hub.patient(lambda: api.create_repo(repo, private=private or None, exist_ok=True), busy=())
        head = parcel.remote.sha if parcel.remote else ask(repo, None).sha
        changes: list[Any] = [CommitOperationAdd(name, str(parcel.files[name])) for name in parcel.changed]
        changes += [CommitOperationDelete(name, is_folder=False) for name in parcel.gone]
        summary, _, rest = message.partition("\n")
        about: dict[str, Any] = {"commit_message": summary, "commit_description": rest.strip()}
        propose = "; use another token" if create_pr else ": propose the change with --create-pr, or use another token"
        with _refused(f"this token may not write to {repo}{propose}", f"{repo} changed meanwhile: push again"):
            added = [change for change in changes if isinstance(change, CommitOperationAdd)]
            size = parcel.bytes()
            hub.patient(lambda: api.preupload_lfs_files(repo, added, create_pr=create_pr, free_memory=False), transfer=size)
            try:
                made = hub.patient(
                    lambda: api.create_commit(repo, changes, parent_commit=head, create_pr=create_pr, **about), busy=_UNMADE, transfer=size
                )
                page, sha = shown(made.pr_url or _page(repo), 400), made.oid
                if not isinstance(sha, str) or not cache.SHA.fullmatch(sha):
                    raise TypeError("no commit")
            except Exception as error:
                if not _lost(error):
                    raise
                page, sha = _page(repo), "" if create_pr else _landed(parcel)
                if not sha:
                    where = f"{page}/discussions" if create_pr else page
                    raise GentkError(f"the Hub's answer was lost: look at {where} before pushing again") from error
    notes = [*parcel.notes, *(" ".join(str(warning.message).split()) for warning in warned if warning.category is UserWarning)]
    command = first_command(parcel.facts)
    return Pushed(page, sha, tuple(parcel.changed), tuple(parcel.gone), parcel.bytes(), command, notes)


def _lost(error: Exception) -> bool:
    """Whether the commit may have been made all the same: it was sent, and what came back does not say."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if isinstance(error, (GentkError, AttributeError, KeyError, TypeError, RecursionError)):  # too late, too long, or of no Hub
        return True
    if isinstance(error, ValueError):
        return "README.md" not in str(error) and not isinstance(error, HFValidationError)
    if isinstance(error, HfHubHTTPError):
        status, asked = error.response.status_code, str(error.response.request.url)
        return "/commit/" in asked and (status == 408 or status >= 500) and status not in _UNMADE
    kinds = {kind.__name__ for kind in type(error).__mro__}  # as in hub.translated: of an HTTP library that changes
    return "TransportError" in kinds and not kinds & {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}


def _landed(parcel: Parcel) -> str:
    """The repository's head, where it is what was to be pushed; else ""."""
    try:
        now = ask(parcel.repo, None)
    except GentkError:
        return ""
    whole = all(same(path, name, now) for name, path in parcel.files.items()) and not set(parcel.gone) & set(now.files)
    return now.sha if whole else ""


@contextmanager
def _refused(forbidden: str, raced: str = "") -> Iterator[None]:
    """What the Hub refuses of a push in particular, in one line."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status == 403:
            raise GentkError(forbidden) from error
        if raced and status in (409, 412):
            raise GentkError(raced) from error
        raise
    except HFValidationError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:  # of the card, or no answer of a Hub
        if "README.md" not in str(error):
            raise GentkError(f"what answers at {constants.ENDPOINT} is no Hub: check HF_ENDPOINT, or a proxy") from error
        raise GentkError(f"the Hub refuses the card: {shown(' '.join(str(error).split()), 300)}") from error


def _keep(parcel: Parcel, named: str | Path) -> None:
    """The card beside the weights, where the folder is its author's own: not inside a plugin, nor in the client's cache."""
    folder = Path(named).expanduser()
    if not parcel.keep or folder != parcel.located.folder or cache.owner(folder.resolve()):
        return
    temporary = folder / f".{CARD}.tmp"
    try:
        with fresh(temporary) as file:
            file.write(parcel.card)
        os.replace(temporary, folder / CARD)
    except OSError:
        with suppress(OSError):  # a folder that may only be read was still pushed
            temporary.unlink(missing_ok=True)
