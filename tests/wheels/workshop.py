"""Real environments without a network: wheels of gentk and its plugins, and stubs of everything that they depend on.

A stub has the name and version of a distribution of this environment and no code; the stub of torch adds a folder of links to the real
packages to the path. So an installer resolves, installs and uninstalls as ever, in milliseconds, and gentk is only what its wheel brought.
Every process of such an environment is refused any connection but to this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = ("gentk", "__pycache__", "_virtualenv", "pip-", "pip")
FOREIGN = ("UV", "PIP_", "HF_", "GENTK_", "PYTEST", "COV_")
GUARD = """
import sys

def loopback_only(event, arguments):
    place = arguments[1] if event == "socket.connect" else arguments if event == "socket.getaddrinfo" else None
    if isinstance(place, tuple) and place[0] and not str(place[0]).startswith(("127.", "::1", "localhost")):
        raise RuntimeError(f"a test connects to {place[0]}")

sys.addaudithook(loopback_only)
"""


def find_uv() -> str | None:
    """The uv that runs the tests, or one on PATH."""
    return os.environ.get("UV") or shutil.which("uv")


def wheel(folder: Path, name: str, version: str = "1.0", files: Mapping[str, str] = {}, requires: Sequence[str] = ()) -> Path:
    """A wheel written by hand: `files` by their place in site-packages, `entry_points.txt` among them goes to the metadata."""
    stem = f"{name.replace('-', '_').replace('.', '_')}-{version}"
    info = f"{stem}.dist-info"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {r}\n" for r in requires)
    told = "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    all_files = {f"{info}/METADATA": about, f"{info}/WHEEL": told}
    all_files |= {f"{info}/{path}" if path == "entry_points.txt" else path: text for path, text in files.items()}
    all_files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*all_files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in all_files.items():
            archive.writestr(place, text)
    return path


def plugin_wheel(folder: Path, distribution: str, name: str, code: str, version: str = "1.0", requires: str = "gentk-core") -> Path:
    """A wheel that offers one plugin."""
    package = f"{distribution.replace('-', '_')}"
    files = {f"{package}/__init__.py": "", f"{package}/plugin.py": code, "entry_points.txt": f"[gentk]\n{name} = {package}.plugin\n"}
    return wheel(folder, distribution, version, files, [requires])


@dataclass(frozen=True)
class Installed:
    """An environment in which gentk is installed."""

    prefix: Path
    env: Mapping[str, str] = field(repr=False)
    cwd: Path

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    @property
    def site(self) -> Path:
        return next(self.prefix.glob("lib/python*/site-packages"))

    def gentk(self, *words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """A command line of this environment's gentk, as a process."""
        return self.run(self.prefix / "bin" / "gentk", *words, **env)

    def run(self, *words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*map(str, words)], capture_output=True, text=True, cwd=self.cwd, env={**self.env, **env})


@dataclass(frozen=True)
class Workshop:
    """What environments are made from, below one temporary folder."""

    folder: Path
    uv: str

    @cached_property
    def env(self) -> dict[str, str]:
        """Nothing of this process's own environment, a cache of its own (wheels of one name differ between runs), no network."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN) and key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        path = f"{Path(self.uv).parent}{os.pathsep}{kept.get('PATH', '')}"
        uv = {"UV": self.uv, "UV_OFFLINE": "1", "UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never"}
        uv |= {"UV_CACHE_DIR": str(self.folder / "cache")}
        pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1"}
        hub = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(self.folder / "hf")}
        return {**kept, **uv, **pip, **hub, "PATH": path, "OMP_NUM_THREADS": "1"}

    @cached_property
    def wheels(self) -> Path:
        """gentk and every plugin of the repository, built as for a release."""
        made = self.folder / "wheels"
        self._uv("build", "--wheel", "--all-packages", "--out-dir", str(made), str(ROOT))
        return made

    @cached_property
    def stubs(self) -> Path:
        """A stub for everything that gentk and its plugins depend on, extras included."""
        real = self.folder / "third"
        real.mkdir()
        for site in {sysconfig.get_paths()[key] for key in ("purelib", "platlib")}:
            for path in Path(site).iterdir():
                if not path.name.startswith(OURS) and path.suffix != ".pth":
                    (real / path.name).symlink_to(path)
        wanted = {Requirement(text).name for dist in distributions() if dist.name.startswith("gentk") for text in dist.requires or ()}
        for dist in distributions(path=[str(real)]):
            if canonicalize_name(dist.name) in {canonicalize_name(name) for name in wanted}:
                files = {"stub.pth": f"{real}\nimport _guard\n", "_guard.py": GUARD} if dist.name == "torch" else {}
                wheel(self.folder / "stubs", dist.name, dist.version, files)
        return self.folder / "stubs"

    @property
    def flags(self) -> list[str]:
        """What makes an installer look nowhere else."""
        return ["--no-index", "--find-links", str(self.wheels), "--find-links", str(self.stubs)]

    def environment(self, folder: Path, *what: str | Path) -> Installed:
        """A new virtual environment with gentk and `what` besides, made by uv: it holds no pip."""
        return self.empty(folder, "gentk-core", *what)

    def empty(self, folder: Path, *what: str | Path) -> Installed:
        """The same with nothing but `what`."""
        self._uv("venv", "--python", sys.executable, str(folder))
        made = Installed(folder, self.env, folder.parent)
        self._uv("pip", "install", "--python", str(made.python), *self.flags, *map(str, what))
        return made

    def tool(self, folder: Path, *words: str) -> Installed:
        """`uv tool install WORDS…` into folder/tools/gentk-core."""
        env = {**self.env, "UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
        self._uv("tool", "install", "--python", sys.executable, *self.flags, *words, env=env)
        return Installed(folder / "tools" / "gentk-core", env, folder)

    def project(self, folder: Path, text: str) -> Installed:
        """A uv project, synced."""
        folder.mkdir()
        (folder / "pyproject.toml").write_text(text)
        self._uv("sync", "--python", sys.executable, "--project", str(folder), *self.flags)
        return Installed(folder / ".venv", self.env, folder)

    def _uv(self, *words: str, env: Mapping[str, str] | None = None) -> None:
        done = subprocess.run([self.uv, *words], capture_output=True, text=True, env=env or self.env, cwd=self.folder)
        assert done.returncode == 0, done.stderr


def bundled_pip() -> Iterator[Path]:
    """The wheel of pip that Python itself carries."""
    import ensurepip

    yield from (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
