"""Fake installed distributions: a folder for sys.path with package + dist-info. No installer needed."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent


def fake(
    site: Path,
    dist: str,
    name: str,
    code: str | None,
    *,
    requires: str = "gentk-core>=0.1",
    version: str = "1.0",
    group: str = "gentk",
    module: str | None = None,
) -> None:
    package = module or dist.replace("-", "_")
    if code is not None:
        (site / package).mkdir(parents=True, exist_ok=True)
        (site / package / "__init__.py").touch()
        (site / package / "plugin.py").write_text(dedent(code))
    info = site / f"{dist.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\nSummary: fake\nRequires-Dist: {requires}\nRequires-Dist: numpy\n"
    )
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {package}.plugin{':app' if group != 'gentk' else ''}\n")


@contextmanager
def installed(site: Path, forget: str = "") -> Iterator[None]:
    """What lies in `site` can be imported and is known to the host; afterwards no module of the package `forget` is left."""
    from gentk.host.lookup import configure

    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    configure()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        for name in [name for name in sys.modules if name.partition(".")[0] == forget]:
            del sys.modules[name]
        importlib.invalidate_caches()
        configure()


GOOD = """
from gentk.host import ModelSpec, hookimpl
@hookimpl
def gentk_models():
    yield ModelSpec({name!r}, "x.model:M", summary="fake")
"""

BROKEN = {  # name: (code, word that the reason must contain)
    "import-error": ("import no_such_module_xyz\n", "no_such_module_xyz"),
    "exits": ("import sys; sys.exit(3)\n", "SystemExit"),
    "no-module": (None, "ModuleNotFoundError"),
    "unknown-hook": ("from gentk.host import hookimpl\n@hookimpl\ndef gentk_modells(): return []\n", "did you mean 'gentk_models'"),
    "undecorated": ("def gentk_models(): return []\n", "lacks @gentk.hookimpl"),
    "hook-raises": (
        "from gentk.host import ModelSpec, hookimpl\n@hookimpl\ndef gentk_models():\n"
        "    yield ModelSpec('a','b:c')\n    raise RuntimeError('boom\\nsecond line')\n",
        "boom second line",
    ),
    "wrong-type": ("from gentk.host import hookimpl\n@hookimpl\ndef gentk_models(): return ['ddpm']\n", "not a ModelSpec"),
    "returns-none": ("from gentk.host import hookimpl\n@hookimpl\ndef gentk_models(): pass\n", ""),
    "wrong-args": ("from gentk.host import hookimpl\n@hookimpl\ndef gentk_models(config): return []\n", "config"),
    "syntax": ("def (:\n", "SyntaxError"),
    "recursion": ("def f(): f()\nf()\n", "RecursionError"),
}
