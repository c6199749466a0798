"""Reading an image file: the one way for data sets, conditions, masks and sources.

8-bit files keep their bytes. Files with deeper grey values are resized as floats and keep their full range: unsigned integers of up to
16 bits by their depth, floats in [0, 1] as they are, and all others by the range of their values, which is said once on stderr.
Pillow itself gives 8 bits per channel of colour files with 16.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError
from ..text import note, one_line

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

_KINDS = "apng avif bmp dib gif heic heif j2k jfif jp2 jpe jpeg jpg pbm pfm pgm png pnm ppm tga tif tiff webp"
SUFFIXES = frozenset(f".{kind}" for kind in _KINDS.split())
"""Files that are taken for images. What this machine's Pillow cannot read of them is told when it is read."""
Source = str | Path | io.BytesIO
"""An image file: where it is, or its bytes. Messages call it by its `str`."""
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of grey values beyond 8 bits."""
DARK = 1 / 8
"""A 16-bit file with no value above this share of its depth is told: 12 bits in 16 are nearly black."""
_STRETCH = "save it stretched, or of a data set say --set dataset.options.range=[LOW,HIGH]"
_BITS, _INVERTED, _KIND = 258, 262, 339  # TIFF's BitsPerSample, PhotometricInterpretation (0: white is zero), SampleFormat


class Unreadable(UsageError):
    """A file that is no readable image; `reason` in a few words."""

    def __init__(self, path: Source, reason: str) -> None:
        super().__init__(f"{path} is no readable image ({reason})")
        self.reason = reason


class Span(NamedTuple):
    """The values of a file that become black and white."""

    low: float
    high: float


class Grey(NamedTuple):
    """Grey values beyond 8 bits: `values` (H, W) float64 in the file's units, upright. `span`: None if the file does not say it."""

    values: NDArray[np.float64]
    span: Span | None
    inverted: bool  # low is white


def read_picture(
    path: Source, shape: tuple[int, ...], *, span: Span | None = None, unsaid: Span | None = None
) -> NDArray[np.float32]:
    """Read an image file as `shape` (channels, height, width), float32 in [-1, 1].

    The first frame, upright as EXIF says, on white where it is transparent, resized to cover `shape` and cropped to its centre. `span`: the
    values that become black and white in files beyond 8 bits; `unsaid`: the same, only for files whose depth does not say it. Raises
    UsageError if the file cannot be read, if its values are not finite, or unless `shape` has 1 or 3 channels.
    """
    import numpy as np

    channels, height, width = shape
    if channels not in (1, 3):
        raise UsageError(f"{path}: an image file is grey or RGB, and these images have {channels} channels; give an .npz with an array x")
    found = load(path)
    if isinstance(found, Grey):
        x = _unit(found, path, span or (None if found.span else unsaid))[None]
        return np.repeat(_resized(x, width, height), channels, 0) * 2 - 1
    from PIL import Image as Pillow

    flat = Pillow.alpha_composite(Pillow.new("RGBA", found.size, "white"), found).convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(_fitted(flat, width, height), np.float32) / 127.5 - 1
    return pixels[None].copy() if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def load(path: Source) -> PIL.Image.Image | Grey:
    """Decode an image file: upright, RGBA, or `Grey` where its values are deeper than 8 bits. Raises UsageError if it cannot be read."""
    with opened(path) as image:
        image.load()
        if image.mode in DEEP:
            return _grey(image, path)
        plain = image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info  # Pillow takes all for Adobe's, inverted
        turned = upright(image)
        if turned.mode in ("CMYK", "LAB", "HSV"):
            from PIL import ImageChops

            turned = (ImageChops.invert(turned) if plain else turned).convert("RGB")
        return turned.convert("RGBA")


@contextmanager
def opened(path: Source) -> Iterator[PIL.Image.Image]:
    """Open an image file with Pillow; whatever goes wrong inside the block becomes Unreadable, a UsageError."""
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as image:
            yield image
    except UsageError:
        raise
    except FileNotFoundError:
        raise UsageError(f"no file {path}") from None
    except Exception as error:  # decoders raise whatever a broken file makes them run into: IndexError, struct.error, SyntaxError …
        raise Unreadable(path, reason(path, error)) from error


def reason(path: Source, error: Exception) -> str:
    """Why Pillow cannot read a file, in a few words."""
    import PIL
    from PIL import Image as Pillow

    text = one_line(error)
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "truncated"
    if isinstance(error, Pillow.DecompressionBombError):
        return f"more than {2 * (Pillow.MAX_IMAGE_PIXELS or 0):,} pixels"
    if not isinstance(error, PIL.UnidentifiedImageError):
        return getattr(error, "strerror", None) or text or type(error).__name__
    try:
        if isinstance(path, io.BytesIO):
            return _kind_of(path.getvalue()[:16])
        with Path(path).open("rb") as file:
            head = file.read(16)
    except OSError as second:
        return second.strerror or type(second).__name__
    return _kind_of(head)


def _kind_of(head: bytes) -> str:
    """What a file is that Pillow does not know, by its first 16 bytes."""
    if not head:
        return "empty"
    if head.startswith(b"\0\5\26\7"):
        return "left over by macOS, no image"
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return "HEIC: convert it to PNG or JPEG"
    known = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"RIFF")
    return "damaged, or of a kind that Pillow does not know" if head.startswith(known) else "no image"


def upright(image: PIL.Image.Image) -> PIL.Image.Image:
    """The image turned as EXIF says; as it is where its EXIF is broken."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is no part of the picture: what is wrong with it must not cost the image
        return image


def _grey(image: PIL.Image.Image, path: Source) -> Grey:
    """The values of a decoded image of a mode in DEEP. Raises UsageError where they are not finite."""
    import numpy as np

    span, inverted, unsigned = _depth(image)
    values = np.asarray(upright(image))
    if unsigned and values.dtype == np.int32:  # Pillow keeps all 32 bits, and takes the highest for the sign
        values = values.view(np.uint32)
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise Unreadable(path, "it holds NaN or infinity")
    clear = image.info.get("transparency")
    if isinstance(clear, int) and span:  # on white where it is transparent
        values[values == clear] = span.high
    return Grey(values, span, inverted)


def undecided(image: PIL.Image.Image) -> bool:
    """Whether an opened file has values beyond 8 bits and does not say by its depth which are black and white."""
    return image.mode in DEEP and _depth(image)[0] is None


def _depth(image: PIL.Image.Image) -> tuple[Span | None, bool, bool]:
    """The span that a deep file's integers can have (None: not said), whether low is white, and whether integers are unsigned."""
    tags: Any = getattr(image, "tag_v2", None)
    if tags is None:
        integers = image.mode != "F" and image.format in ("PNG", "PPM", "JPEG2000")
        return (Span(0, 65535) if integers else None), False, False
    bits, kind = tags.get(_BITS, (1,))[0], tags.get(_KIND, (1,))
    unsigned = image.mode != "F" and (kind[0] if isinstance(kind, tuple) else kind) not in (2, 3)
    return (Span(0, 2**bits - 1) if unsigned and bits <= 16 else None), tags.get(_INVERTED) == 0, unsigned


def span_of(grey: Grey) -> Span:
    """The values that become black and white: by the file's depth, [0, 1] where they lie in it, else their own range."""
    if grey.span:
        return grey.span
    low, high = float(grey.values.min()), float(grey.values.max())
    return Span(0, 1) if low >= 0 and high <= 1 else Span(low, high)


def common_span(paths: Iterable[str | Path]) -> Span | None:
    """One range for all the files beyond 8 bits whose depth does not say it, so that they keep their brightness relative to each other.

    None where there are none of them, or where all lie in [0, 1]. Decodes these files only. Raises UsageError if a file cannot be read.
    """
    spans = []
    for path in paths:
        with opened(path) as image:
            deep = undecided(image)
        if deep and isinstance(grey := load(path), Grey):
            spans.append(span_of(grey))
    return together(spans)


def together(spans: Sequence[Span]) -> Span | None:
    """The smallest span around all; None where that is [0, 1], or where there are none."""
    found = Span(min(span.low for span in spans), max(span.high for span in spans)) if spans else Span(0, 1)
    return None if found == (0, 1) else found


def _unit(grey: Grey, path: Source, span: Span | None) -> NDArray[np.float32]:
    """The values in [0, 1], (H, W). Says a range that the file does not say itself. Raises UsageError where there is none."""
    import numpy as np

    low, high = span or span_of(grey)
    if not high > low:
        raise UsageError(f"{path}: every pixel is {low:g}, so nothing says how bright that is; save it with 8 or 16 bits")
    if span is None and (low, high) not in (grey.span, (0, 1)):
        note(f"{path}: its values {low:g} … {high:g} become black … white")
    if span is None and grey.span and (top := grey.values.max()) < DARK * high:
        note(f"{path}: its values end at {top:g} of {high:g}, so it is nearly black; {_STRETCH}", once="dark")
    scaled = np.clip((grey.values - low) / (high - low), 0, 1).astype(np.float32)
    return 1 - scaled if grey.inverted else scaled


def _resized(x: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Channels (C, H, W) in [0, 1] resized one by one, without rounding to bytes."""
    import numpy as np
    from PIL import Image as Pillow

    if x.shape[1:] == (height, width):
        return x
    return np.stack([np.clip(np.asarray(_fitted(Pillow.fromarray(plane), width, height)), 0, 1) for plane in x])


def _fitted(image: PIL.Image.Image, width: int, height: int) -> PIL.Image.Image:
    """Resized to cover the size, its centre kept. A whole enlargement, as we save small images, is undone exactly."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    if image.size == (width, height):
        return image
    whole = image.width % width == 0 and image.height % height == 0
    return ImageOps.fit(image, (width, height), Pillow.Resampling.BOX if whole else Pillow.Resampling.LANCZOS)


def opacity(path: Source, height: int, width: int) -> NDArray[np.float32] | None:
    """(1, height, width) float32 in [-1, 1]: the alpha channel of a file, where it has one that is not the same everywhere."""
    import numpy as np
    from PIL import Image as Pillow
    from PIL import ImageOps

    found = load(path)
    if isinstance(found, Grey):
        return None
    alpha = found.getchannel("A")
    low, high = alpha.getextrema()
    if low == high:
        return None
    if alpha.size != (width, height):
        alpha = ImageOps.fit(alpha, (width, height), Pillow.Resampling.BOX)
    return np.asarray(alpha, np.float32)[None] / 127.5 - 1
