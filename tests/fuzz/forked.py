"""A command line in a child of this process: torch is imported once, and nothing that a line does outlives it."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SECONDS = 60
MEMORY = 1_200_000_000  # bytes at the peak, of a process that has imported what a command does
IMPORTED = 400_000_000  # of them; what this process holds at the fork instead depends on the tests that ran in it before
CODES = {0, 1, 2, 130}
NO_NETWORK = "error: AssertionError: a test "  # what the tests' own guard says of a line that wants to download


class Done(NamedTuple):
    """What came of a line. `code` −n: killed by signal n."""

    code: int
    out: str
    err: str
    peak: int
    strayed: list[str]

    @property
    def wrong(self) -> str:
        """What no line may do, or the empty string."""
        if self.code not in CODES:
            return f"exit code {self.code}"
        if ("Traceback" in self.err or "bug" in self.err) and NO_NETWORK not in self.err:
            return self.err[-300:]
        if "error: \n" in self.err or self.err.endswith("error:"):
            return "an error without words"
        if any(c in self.out + self.err for c in "\x1b\x9b"):
            return "control characters"
        if self.peak > MEMORY:
            return f"{self.peak / 1e6:.0f} MB"
        return f"wrote {self.strayed[0]}" if self.strayed else ""


def run(words: Sequence[str], folder: Path, home: Path) -> Done:
    """`gentk WORDS` in `folder`, with `home` for caches. What is written beside `folder` counts as strayed."""
    out, err = home / "out", home / "err"
    watched = [folder.parent, home]
    before, held = _files(watched, folder), _resident()
    child = os.fork()
    if not child:
        _live(words, folder, home, out, err)
    code, most = _wait(child)
    peak = IMPORTED + max(0, most - held)
    strayed = sorted(path for path in _files(watched, folder) - before if Path(path).name not in ("out", "err", "cache"))
    return Done(code, out.read_text("utf-8", "replace"), err.read_text("utf-8", "replace"), peak, strayed)


def _resident() -> int:
    """Bytes of memory that this process holds: a child begins with them."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _files(folders: Sequence[Path], but: Path) -> set[str]:
    return {str(path) for folder in folders for path in folder.iterdir() if path != but}


def _wait(child: int) -> tuple[int, int]:
    end = time.monotonic() + SECONDS
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def _live(words: Sequence[str], folder: Path, home: Path, out: Path, err: Path) -> None:
    """The child's whole life."""
    code = 99
    try:
        os.chdir(folder)
        os.environ.update(HOME=str(home), GENTK_DATA=str(home / "cache"), HF_HOME=str(home / "cache"), HF_ENDPOINT="http://127.0.0.1:9")
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000_000, 200_000_000))
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        for stream, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), stream)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        sys.argv = ["gentk", *words]
        from gentk.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 98
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
