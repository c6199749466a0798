"""The name that installers know the core by: `gentk-core`.

The import package and the command are `gentk`; on package registries that name belongs to another project.
"""

from __future__ import annotations

from importlib import metadata

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
