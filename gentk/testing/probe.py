"""What a plugin does when it is merely looked at, seen from a process of its own that listens to the interpreter's audit events."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

HEAVY = ("torch", "numpy", "scipy", "pandas", "sklearn", "matplotlib", "torchvision", "transformers", "diffusers", "huggingface_hub",
         "jax", "tensorflow")  # fmt: skip
SECONDS = 60
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_FILES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_NETWORK = {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}
_PROCESSES = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"}


class Seen(NamedTuple):
    """What was seen. `error`: why the plugin could not be imported and asked. `heavy`: where, and which heavy modules it imported.
    `touched`: files written, sockets, processes. `printed`: what it wrote to stdout."""

    error: str
    heavy: list[tuple[str, list[str]]]
    touched: list[str]
    printed: str


def look(name: str) -> Seen:
    """Import the installed plugin `name` and ask all its hooks, in a new process that sees what this one can import."""
    code = "from gentk.testing.probe import main; main()"
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    with TemporaryDirectory() as scratch:
        report, stdout, stderr = (Path(scratch) / name for name in ("report", "stdout", "stderr"))
        try:
            with stdout.open("wb") as out, stderr.open("wb") as err:  # no pipes: a process that the plugin leaves behind would hold them
                done = subprocess.run([sys.executable, "-B", "-P", "-c", code, name, str(report)], stdout=out, stderr=err, timeout=SECONDS,
                                      env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL)  # fmt: skip
        except subprocess.TimeoutExpired:
            return Seen(f"importing it took more than {SECONDS} s", [], [], "")
        if not report.exists():
            last = (stderr.read_text("utf-8", "replace").strip().splitlines() or [""])[-1]
            return Seen(f"the process that imported it ended with exit code {done.returncode} {last}".strip(), [], [], "")
        found, printed = json.loads(report.read_text("utf-8")), stdout.read_text("utf-8", "replace")
    return Seen(found["error"], [(where, modules) for where, modules in found["heavy"]], found["touched"], printed)


def main() -> None:
    """In the new process: argv[1] is the plugin's name, argv[2] the file that the report goes to."""
    from ..host.entries import entries
    from ..host.hookspecs import PRODUCES
    from ..host.specs import resolve
    from ..text import cause

    name, place = sys.argv[1:3]
    del sys.argv[2:]  # where the report goes is not the plugin's to know
    (entry,) = entries("gentk", name)
    touched, heavy, error, specs = _listen(), _Heavy(), "", []
    try:
        module = entry.load()
        heavy.since(entry.module)
        for hook in PRODUCES:
            specs += list((getattr(module, hook, None) or list)() or ())
            heavy.since(hook)
    except (Exception, SystemExit) as raised:
        error = cause(raised)
    report = {"error": error, "heavy": heavy.found, "touched": list(touched)}
    if not error:
        for text in filter(None, map(_light, specs)):
            try:
                resolve(text)
            except (Exception, SystemExit):  # told by another check
                continue
            heavy.since(text)
    Path(place).write_text(json.dumps(report), "utf-8")


def _light(spec: Any) -> str | None:
    """What of a spec is imported to list it and to read its options from a command line."""
    kind = type(spec).__name__
    found: str | None = {"ModelSpec": "config", "DatasetSpec": "options", "SamplerSpec": "target"}.get(kind)
    return getattr(spec, found) if found else None


class _Heavy:
    """Which heavy modules came since it was last asked."""

    def __init__(self) -> None:
        self.known = set(HEAVY) & set(sys.modules)
        self.found: list[tuple[str, list[str]]] = []

    def since(self, where: str) -> None:
        if new := sorted((set(HEAVY) & set(sys.modules)) - self.known):
            self.known |= set(new)
            self.found.append((where, new))


def _listen() -> list[str]:
    """Everything from here on that leaves a trace outside the process. The network is refused besides."""
    touched: list[str] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = args
            if isinstance(path, (str, bytes)) and flags & _WRITES and os.fsdecode(path) != os.devnull:
                touched.append(f"opens {os.fsdecode(path)} for writing")
        elif event in _FILES:
            touched.append(f"{event} {args[0]}")
        elif event in _PROCESSES:
            touched.append(f"starts a process ({event} {args[0] if args else ''})".replace(" )", ")"))
        elif event in _NETWORK:
            where = args[-1] if event in ("socket.connect", "socket.bind", "socket.sendto") else args[0]
            touched.append(f"reaches for the network ({event} {where})")
            raise OSError("no network while a plugin is listed")

    sys.addaudithook(hook)
    return touched
