"""The name that installers know the core by: `gentk-core`.

The import package and the command are `gentk`; on package registries that name belongs to another project.
"""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec

from .errors import UsageError

NAME = "gentk-core"
FOREIGN = "gentk"  # another project of the same import name


def version() -> str:
    """The installed version of gentk-core; "unknown" where its metadata is gone."""
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "unknown"


def foreign() -> str:
    """What is wrong, in one line, where the other project is installed too; else the empty string."""
    try:
        there = metadata.distribution(FOREIGN)
    except metadata.PackageNotFoundError:
        return ""
    remedy = f"pip uninstall {FOREIGN}, then pip install --force-reinstall --no-deps {NAME}"
    return f"the distribution '{FOREIGN}' {there.version} is another project whose files overwrite those of {NAME}: {remedy}"


def require(package: str, what: str) -> None:
    """Raise UsageError, saying what to install, unless `package` can be imported. `what` needs it; the extra of its name brings it along.

    Looks for the package without importing it. A folder of that name in the current folder is no package.
    """
    try:
        spec = find_spec(package)
        there = spec is not None and spec.origin is not None
    except ValueError:  # a module that was not made by the import system, and is loaded already
        there = True
    if not there:
        raise UsageError(f"{what} needs the package {package}: uv pip install '{NAME}[{package}]'")
