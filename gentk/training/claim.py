"""One training at a time in a run's folder: a lock of the operating system, which dies with the process that holds it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import stat
import time
import weakref
from pathlib import Path
from typing import IO

from ..errors import UsageError
from ..runs import BEST, LOCK, SAMPLES, STATE, Run

FOLDERS = (STATE, SAMPLES, BEST)
_held: weakref.WeakSet[Claim] = weakref.WeakSet()


class Claim:
    """The right to write into a run's folder, from construction to `close`. The folder is made where there is none.

    Raises UsageError, in one line, if another training holds it, if a new run finds files or a resumed one finds no run, if a part of
    the run is a file where a folder belongs (or the reverse), and if the folder cannot be written to.
    """

    def __init__(self, run: Run, *, resume: bool) -> None:
        self._lock: IO[bytes] | None = None
        self._folder, self._mine = run.folder, False
        try:
            if not (run.folder / LOCK).exists():  # a folder that is no run is left as it is
                _check(run, resume)
            run.folder.mkdir(parents=True, exist_ok=True)
            self._take(run.folder)
            _check(run, resume)
            _sweep(run)
        except OSError as error:
            self.close()
            raise UsageError(f"cannot train in {run.folder}: {error.strerror or error}; choose another --out") from error
        except BaseException:
            self.close()
            raise

    def _take(self, folder: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(folder / LOCK, flags, 0o644)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise UsageError(f"{folder / LOCK} is not a regular file: remove it, or choose another --out")
        self._lock = os.fdopen(handle, "r+b")
        if not (_locked(self._lock) and _named(self._lock, folder / LOCK)):
            raise UsageError(f"{folder} is being trained in{_holder(self._lock)}: wait until it is done, or choose another --out")
        self._mine = True
        about = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        self._lock.truncate(0)
        self._lock.write(json.dumps(about).encode())
        self._lock.flush()
        _held.add(self)

    def close(self) -> None:
        """Let others train here. A folder that holds nothing but the lock goes as well."""
        if self._lock is None:
            return
        if self._mine:
            with contextlib.suppress(OSError):
                (self._folder / LOCK).unlink()  # while it is held: who has opened it meanwhile finds that its name is gone
                self._folder.rmdir()
        self._lock.close()
        self._lock = None

    def forget(self) -> None:
        """Close the lock's file in a child process; the parent holds it on."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _locked(file: IO[bytes]) -> bool:
    """Whether the lock is ours now. It belongs to the open file: a second claim in this process is refused too."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _named(file: IO[bytes], path: Path) -> bool:
    """Whether the open file is still the one of that name: a training that ended meanwhile has removed it."""
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())


def _holder(file: IO[bytes]) -> str:
    """Who wrote into the lock, in words; nothing where that cannot be read."""
    try:
        about = json.loads(file.read(1000))
        words = f" by process {int(about['pid'])} on {str(about['host'])[:60]} since {str(about['since'])[:20]}"
    except (ValueError, TypeError, KeyError, OSError):
        return ""
    return words if words.isprintable() else ""


def _check(run: Run, resume: bool) -> None:
    """Raise UsageError unless the folder is what a new run, or a resumed one, needs."""
    if resume:
        if not run.exists:
            raise UsageError(f"{run.folder} holds no run to resume")
        for path in (run.log_file, *(run.folder / name for name in FOLDERS)):
            want, kind = ("file", stat.S_ISREG) if path == run.log_file else ("folder", stat.S_ISDIR)
            with contextlib.suppress(FileNotFoundError):
                if not kind(path.stat().st_mode):
                    raise UsageError(f"{path} is no {want}: the run is damaged; move it away, then resume")
    elif run.folder.exists() and any(not _ours(path) for path in run.folder.iterdir()):
        raise UsageError(f"{run.folder} is not empty: choose another --out, or --resume to go on with it")


def _ours(path: Path) -> bool:
    """The lock, or what a killed training was writing."""
    return path.name == LOCK or path.suffix == ".tmp" or (path.name.startswith(".") and ".tmp" in path.name)


def _sweep(run: Run) -> None:
    """Remove what killed trainings left under temporary names. Nobody else writes here while the lock is held."""
    for folder in (run.folder, *(run.folder / name for name in FOLDERS)):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name != LOCK and _ours(path):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _after_fork() -> None:
    """A child made by fork would keep the lock alive after its parent's death."""
    for claim in list(_held):
        claim.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def fresh(path: Path) -> Path:
    """Make a new empty folder of this name, numbered where it is taken: two trainings that start at once get two."""
    for k in range(10_000):
        found = path.with_name(f"{path.name}-{k}") if k else path
        try:
            found.parent.mkdir(parents=True, exist_ok=True)
            found.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(f"cannot make {found}: {error.strerror or error}; choose a folder with --out") from error
        return found
    raise UsageError(f"{path} and 9,999 numbered ones are taken: choose a folder with --out")
