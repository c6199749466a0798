"""Pictures within a page: no larger than they are seen, in the smallest of the formats that every browser reads."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import PIL.Image

MOST = 2000  # pixels of the width, for a page that can be sent
LOSSLESS = 300_000  # bytes; a larger picture is a photograph
QUALITY = 88


def inlined(picture: PIL.Image.Image) -> tuple[str, int, int]:
    """The picture as a data: URI, with its width and height in pixels."""
    from PIL import Image

    made = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    if made.width > MOST:
        made = made.resize((MOST, max(1, round(made.height * MOST / made.width))), Image.Resampling.LANCZOS)
    kind, data = _smallest(made)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}", made.width, made.height


def _smallest(picture: PIL.Image.Image) -> tuple[str, bytes]:
    from PIL import features

    found = [("png", _saved(picture, "PNG", optimize=True))]
    if features.check("webp"):
        found.append(("webp", _saved(picture, "WEBP", lossless=True, quality=80)))
        if min(len(data) for _, data in found) > LOSSLESS:
            found.append(("webp", _saved(picture, "WEBP", quality=QUALITY)))
    return min(found, key=lambda one: len(one[1]))


def _saved(picture: PIL.Image.Image, format: str, **options: object) -> bytes:
    held = io.BytesIO()
    picture.save(held, format, **options)
    return held.getvalue()
