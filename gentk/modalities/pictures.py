"""Image files as people have them, whatever their depth: one way to read them, for every command and data set. Light: no torch."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    import PIL.Image

DEEP = {"F", "I"}  # modes that hold more than bytes; "I;16" and its like begin with the same letter
_said: set[str] = set()


def picture(path: Path) -> PIL.Image.Image:
    """The (first) image of a file, upright: RGBA, or F with values 0 … 255 and all their digits where it is deeper than bytes.

    16 bits are read by their depth; floats within [0, 1], [0, 255] or [0, 65535] by that range, others by their own, which is said once.
    Raises UsageError, in one line with the reason, for what cannot be read, and for numbers that are none.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
            return _deep(upright, path) if upright.mode[0] in DEEP else upright.convert("RGBA")
    except FileNotFoundError:
        raise UsageError(f"no file {path}") from None
    except UsageError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, struct.error, MemoryError) as error:
        raise UsageError(f"{path} is no readable image ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split())
    if "cannot identify" in said:
        return "its content is that of no known format"
    if "truncated" in said.lower() or "Truncated" in said:
        return "it is truncated"
    return said[:120] or type(error).__name__


def _deep(image: PIL.Image.Image, path: Path) -> PIL.Image.Image:
    """Values of 16 or 32 bits as 0 … 255, without rounding."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image, np.float64)
    if not np.isfinite(values).all():
        raise UsageError(f"{path} holds NaN or infinity: an image is of numbers from black to white")
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        top = 65535.0
    else:
        tops = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
        top = next((top for top in tops if low >= 0 and high <= top), 0.0)
    if top:
        scaled = values * (255 / top)
    else:
        _say(f"{path}: its values, {low:g} to {high:g}, are read as black to white; so are others of its kind, each by its own range")
        scaled = (values - low) * (255 / (high - low) if high > low else 0.0)
    return Image.fromarray(scaled.astype(np.float32))


def _say(text: str) -> None:
    kind = text.partition("are read")[2]
    if kind not in _said:
        _said.add(kind)
        print(text, file=sys.stderr)


def fitted(path: Path, channels: int, height: int, width: int, *, resample: Any = None) -> Any:
    """(channels, height, width) float32 in [0, 255]: on white where transparent, resized, its centre kept. A whole enlargement is undone
    exactly. Raises UsageError."""
    import numpy as np
    from PIL import Image, ImageOps

    image = picture(path)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        whole = image.width % width == 0 and image.height % height == 0
        chosen = resample or (Image.Resampling.BOX if whole else Image.Resampling.LANCZOS)
        image = ImageOps.fit(image, (width, height), chosen)
    pixels = np.asarray(image, np.float32).clip(0, 255)
    if pixels.ndim == 2:
        return np.repeat(pixels[None], channels, 0)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def opacity(path: Path, height: int, width: int) -> Any | None:
    """(1, height, width) float32 in [0, 255]: the alpha channel of a file, where it has one that is not the same everywhere."""
    import numpy as np
    from PIL import Image, ImageOps

    image = picture(path)
    if image.mode != "RGBA":
        return None
    low, high = image.getchannel("A").getextrema()
    if low == high:
        return None
    alpha = image.getchannel("A")
    if alpha.size != (width, height):
        alpha = ImageOps.fit(alpha, (width, height), Image.Resampling.BOX)
    return np.asarray(alpha, np.float32)[None].copy()


# ---------------------------------------------------------------- looking without decoding
def suffixes() -> frozenset[str]:
    """What Pillow reads here, in small letters."""
    from PIL import Image

    Image.init()
    readable = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    return frozenset(readable | {".jfif", ".jpe"} - {".pdf", ".mpg", ".mpeg", ".eps", ".ps"})


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
        return _reason(error)
    except (ValueError, SyntaxError, Image.DecompressionBombError, struct.error, MemoryError) as error:
        return _reason(error)
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
