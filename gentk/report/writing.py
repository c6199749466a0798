"""Writing a comparison: the suffix of a file says the format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..errors import UsageError, did_you_mean
from ..files import replacing, save_picture
from ..modalities.base import writable

if TYPE_CHECKING:
    from ..evaluation.comparing import Comparison

SUFFIXES = (".html", ".md", ".png", ".csv", ".json")


def check(paths: Sequence[Path]) -> None:
    """Raises UsageError for a file that cannot be written, or whose suffix says no format. For before the work."""
    for path in paths:
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            guess = did_you_mean(suffix, SUFFIXES) if suffix else ""
            raise UsageError(f"{path}: a comparison is written as {', '.join(SUFFIXES)}{guess if 'mean' in guess else ''}")
        writable(path)
    if len({path.absolute() for path in paths}) < len(paths):
        raise UsageError("--out names the same file twice")


def write(found: Comparison, paths: Sequence[Path]) -> None:
    """Write each file, to a temporary name that is then renamed. Raises what `check` does, and where there is nothing to picture."""
    from . import formats, page, pictures

    check(paths)
    for path in paths:
        suffix = path.suffix.lower()
        if suffix == ".png":
            save_picture(pictures.whole(found), path)
            continue
        if suffix == ".html":
            text = page.page(found)
        elif suffix == ".md":
            beside = [other for other in paths if other.suffix.lower() == ".png" and other.parent == path.parent]
            text = formats.markdown(found, quote(beside[0].name) if beside else "")
        elif suffix == ".csv":
            text = formats.comma(found)
        else:
            text = json.dumps(formats.told(found), indent=2, ensure_ascii=False, default=str) + "\n"
        with replacing(path) as temporary:
            temporary.write_text(text, "utf-8", newline="\n", errors="backslashreplace")
