"""Whether image files can be read, told from their headers and ends: thousands of them in seconds. Light: no torch."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .pictures import reason


def trouble(path: Path) -> str:
    """Why an image file cannot be read, told from its header and its end; "" where nothing speaks against it.

    A file that is damaged in between is found when it is decoded.
    """
    from PIL import Image

    try:
        size = path.stat().st_size
        if not size:
            return "it is empty"
        with path.open("rb") as file:
            head = file.read(16)
            file.seek(max(0, size - 64))
            tail = file.read()
        if path.name.startswith("._") and head.startswith(b"\0\5\26\7"):
            return "macOS left it beside the real file"
        with Image.open(path) as image:
            if not (image.width and image.height):
                return "it has no pixels"
            kind = image.format or ""
            whole = not _beyond(image, size) if kind == "TIFF" else kind not in _ENDS or _ENDS[kind](head, tail, size)
            if not whole:  # or something stands behind its end, as some cameras write it
                image.load()
    except OSError as error:
        return reason(path, error)
    except (ValueError, SyntaxError, Image.DecompressionBombError, struct.error, MemoryError) as error:
        return reason(path, error)
    return ""


def _beyond(image: Any, size: int) -> bool:
    """Whether a TIFF's strips or tiles go on behind the file's end."""
    tags = image.tag_v2
    for offsets, counts in ((273, 279), (324, 325)):
        if offsets in tags and counts in tags:
            return any(start + count > size for start, count in zip(tags[offsets], tags[counts], strict=False))
    return False


_ENDS: dict[str, Callable[[bytes, bytes, int], bool]] = {
    "PNG": lambda head, tail, size: b"IEND" in tail,
    "JPEG": lambda head, tail, size: b"\xff\xd9" in tail or tail.rstrip(b"\0").endswith(b"\xff\xd9"),
    "GIF": lambda head, tail, size: b";" in tail,
    "WEBP": lambda head, tail, size: int.from_bytes(head[4:8], "little") + 8 <= size,
    "BMP": lambda head, tail, size: int.from_bytes(head[2:6], "little") <= size,
}
"""Whether (the first bytes, the last ones, the length) are those of a whole file."""
