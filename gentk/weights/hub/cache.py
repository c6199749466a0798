"""The client's cache on disk, as all programs share it:

    models--USER--REPO/refs/BRANCH      the commit that a branch or tag was last seen at
    models--USER--REPO/snapshots/SHA/…  the files of a commit: links to
    models--USER--REPO/blobs/HASH       their contents, named by git's sha1, or by their sha256 under LFS
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from ...errors import GentkError
from .. import safety
from ..files import CONFIG, opened

SHA = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
_sound: set[tuple[int | str, ...]] = set()  # files that this process has compared, as they were


def root() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def home(repo: str) -> Path:
    return root() / ("models--" + repo.replace("/", "--"))


def snapshot(repo: str, sha: str) -> Path:
    return home(repo) / "snapshots" / sha


def owner(folder: Path) -> tuple[str, str] | None:
    """(repository, sha) of a snapshot's folder; None for any other folder."""
    user, dashes, name = folder.parent.parent.name.removeprefix("models--").partition("--")
    shaped = folder.parent.name == "snapshots" and SHA.fullmatch(folder.name) and folder.parent.parent.name.startswith("models--")
    if not shaped or not dashes or folder.parents[2].resolve() != root().resolve():
        return None
    return f"{user}/{name}", folder.name


def known(repo: str, revision: str | None) -> str | None:
    """The commit that a revision was last seen at."""
    if revision and SHA.fullmatch(revision):
        return revision
    try:
        with opened(home(repo) / "refs" / (revision or "main")) as file:
            sha = file.read(100).decode("ascii").strip()
    except (GentkError, ValueError):
        return None
    return sha if SHA.fullmatch(sha) else None


def remember(repo: str, revision: str | None, sha: str) -> None:
    """Where a branch or tag is, for when the Hub cannot be asked."""
    if known(repo, revision) == sha:
        return
    path = home(repo) / "refs" / (revision or "main")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(sha, "ascii")
        os.replace(temporary, path)
    except OSError:
        pass  # a cache that may only be read still serves


def whole(folder: Path) -> bool:
    """Whether the weights are all there: what describes them, and every file of numbers. Those are fetched last."""
    try:
        return (folder / CONFIG).is_file() and all(path.is_file() for path in safety.files_of(folder))
    except (GentkError, OSError):
        return False


def free(path: Path) -> int:
    """Bytes free where `path` is, or will be."""
    import shutil

    place = next(parent for parent in (path, *path.parents) if parent.exists())
    return shutil.disk_usage(place).free


# ---------------------------------------------------------------- contents
def own_name(path: Path) -> str:
    """The hash that a cached file's content is stored under; "" where links are not used."""
    name = os.path.basename(os.readlink(path)) if path.is_symlink() else ""
    return name if SHA.fullmatch(name) or SHA256.fullmatch(name) else ""


def digest(path: Path, like: str) -> str:
    """The content's hash, of the kind of `like`: sha256, or git's sha1 of "blob SIZE\\0" and the content."""
    with opened(path) as file:
        if SHA256.fullmatch(like):
            made = hashlib.sha256()
        else:
            made = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size, usedforsecurity=False)
        while chunk := file.read(1 << 20):
            made.update(chunk)
    return made.hexdigest()


def check(path: Path, repo: str, wanted: str = "") -> None:
    """Compare a cached file with the hash that the Hub gives, or the one in its own name. A damaged one is removed, wherever it lies in
    the cache, so that the next try fetches it. Raises GentkError."""
    try:
        wanted, facts = wanted or own_name(path), path.stat()
    except OSError as error:  # another program cleans the cache
        raise GentkError(f"cannot read {path}: {error.strerror or error}; run it again") from None
    key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, wanted)
    if not wanted or key in _sound:
        return
    if digest(path, wanted) == wanted:
        _sound.add(key)
        return
    discard(path, home(repo), wanted)
    kind = "sha256" if SHA256.fullmatch(wanted) else "git hash"
    raise GentkError(
        f"{kind} of {path.name} of {repo} differs from the Hub's: it was damaged on the way or on this disk, and is removed; run it again"
    )


def discard(path: Path, home: Path, blob: str) -> None:
    """Remove a cached file: its link, its blob, and what a blob that several repositories share points to; nothing outside the cache.
    Raises GentkError where that may only be read."""
    chain = [path]
    while chain[-1].is_symlink() and len(chain) < 8:
        chain.append(Path(os.path.normpath(chain[-1].parent / os.readlink(chain[-1]))))
    inside = (home.resolve(), root().resolve())
    for step in (*chain, home / "blobs" / blob):
        if any(step.parent.resolve().is_relative_to(place) for place in inside):
            try:
                step.unlink(missing_ok=True)
            except OSError as error:
                why = error.strerror or error
                raise GentkError(f"{step} is damaged, and cannot be removed ({why}): delete it, or set HF_HUB_CACHE") from None
