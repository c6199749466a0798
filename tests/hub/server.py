"""A Hub on the loopback, for the real `huggingface_hub` client: repositories with a history, LFS, tokens, and faults on demand.

It speaks the requests that the client makes for models (reading, searching, pushing with LFS, pull requests), and for reading data sets,
whose names begin with "datasets/" here, and no others: one that it does not know is kept in `unknown`. Files under LFS are served by a
second server of another origin, as by the Hub's CDN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from tests.hub.handler import Asked, Handler, blob_id


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose method and path fit."""

    kind: str  # status, cut, flip, lie, say, endless, drip, slow head
    path: str
    times: int
    method: str = ""
    status: int = 0
    at: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Repo:
    """A repository: every commit is the whole of its files."""

    name: str
    private: bool = False
    gated: bool = False
    tags: list[str] = field(default_factory=lambda: ["gentk"])
    downloads: int = 0
    likes: int = 0
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)  # branches, tags, refs/pr/N → sha
    labels: set[str] = field(default_factory=set)  # those of `refs` that are tags
    admitted: set[str] = field(default_factory=set)  # tokens that a gated repository lets in

    def commit(self, files: Mapping[str, bytes], message: str = "", branch: str = "main", delete: tuple[str, ...] = ()) -> str:
        """Add or replace files, remove those of `delete` (a folder ends in "/"); the new commit's sha."""
        before = self.refs.get(branch, self.refs.get("main", ""))
        kept = {k: v for k, v in self.commits.get(before, {}).items() if k not in delete and not k.startswith(delete_folders(delete))}
        content = {**kept, **files}
        said = [before, message, *(f"{path} {blob_id(content[path])}" for path in sorted(content))]
        sha = hashlib.sha1("\n".join([self.name, str(len(self.commits)), *said]).encode()).hexdigest()
        self.commits[sha], self.messages[sha], self.refs[branch] = content, message, sha
        return sha

    def tag(self, name: str, revision: str = "main") -> None:
        self.refs[name] = self.sha(revision)
        self.labels.add(name)

    def sha(self, revision: str = "main") -> str:
        """The commit that a revision means; "" where it means none."""
        return revision if revision in self.commits else self.refs.get(revision, "")

    def files(self, revision: str = "main") -> dict[str, bytes]:
        return self.commits[self.sha(revision)]


def delete_folders(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name.endswith("/"))


class Hub:
    """The server with its repositories. `url` is what HF_ENDPOINT must be; a context manager."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.tokens = {"hf_good": "user", "hf_other": "other"}
        self.asked: list[Asked] = []
        self.told = 0  # of those, how many `requests` has told
        self.unknown: list[str] = []
        self.faults: list[Fault] = []
        self.stored: dict[str, bytes] = {}  # LFS objects that were put, by sha256
        self.lock = Lock()
        self.quiet = Event()  # set: answers without an end stop
        self.page = 1000  # entries of a listing before the next page
        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self})) for _ in range(2)]
        self.running = False
        self.url = f"http://127.0.0.1:{self.servers[0].server_port}"
        self.cdn = f"http://localhost:{self.servers[1].server_port}"

    def __enter__(self) -> Hub:
        for server in self.servers:
            server.daemon_threads = True
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.running = True
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """From now on connections are refused."""
        self.quiet.set()
        if self.running:
            self.running = False
            for server in self.servers:
                server.shutdown()
                server.server_close()

    # ---------------------------------------------------------------- for tests
    def repo(self, name: str, files: Mapping[str, bytes] | Path | None = None, **settings: Any) -> Repo:
        """A new repository, with a first commit of `files` (a folder: all that is in it)."""
        made = self.repos[name] = Repo(name, **settings)
        if isinstance(files, Path):
            files = {p.relative_to(files).as_posix(): p.read_bytes() for p in sorted(files.rglob("*")) if p.is_file()}
        made.commit(files if files is not None else {".gitattributes": b""}, "initial commit")
        return made

    def fail(self, status: int, times: int = 10**9, path: str = "", method: str = "", **headers: str) -> None:
        """Answer `status` to the next requests whose path holds `path`; `Retry_After="3"` is a header."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.faults.append(Fault("status", path, times, method, status=status, headers=named))

    def cut(self, path: str, at: int, times: int = 1) -> None:
        """Close the connection after `at` bytes of a body."""
        self.faults.append(Fault("cut", path, times, "GET", at=at))

    def flip(self, path: str, times: int = 1) -> None:
        """Change one byte in the middle of a body."""
        self.faults.append(Fault("flip", path, times, "GET"))

    def lie(self, path: str, method: str = "HEAD", **headers: str) -> None:
        """Put these headers in place of the true ones."""
        named = {key.replace("_", "-").lower(): value for key, value in headers.items()}
        self.faults.append(Fault("lie", path, 10**9, method, headers=named))

    def say(self, path: str, body: bytes, method: str = "") -> None:
        """Answer with this, whatever was asked."""
        self.faults.append(Fault("say", path, 10**9, method, body=body))

    def hold(self, kind: str, path: str, method: str = "GET") -> None:
        """Answers without an end: "endless", "drip" or "slow head"."""
        self.faults.append(Fault(kind, path, 10**9, method))

    def requests(self) -> list[str]:
        """What was asked since the last call."""
        with self.lock:
            first, self.told = self.told, len(self.asked)
            return [str(asked) for asked in self.asked[first:]]

    # ---------------------------------------------------------------- for the handler
    def fault(self, method: str, path: str, *kinds: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.kind in kinds and fault.times > 0 and fault.path in path and fault.method in ("", method):
                    fault.times -= 1
                    return fault
        return None

    def content(self, sha256: str) -> bytes | None:
        """An LFS object, wherever it is."""
        if sha256 in self.stored:
            return self.stored[sha256]
        every = (content for repo in self.repos.values() for files in repo.commits.values() for content in files.values())
        return next((content for content in every if hashlib.sha256(content).hexdigest() == sha256), None)
