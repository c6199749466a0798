"""Images: (C, H, W) float32 in [-1, 1], C = 1 (grey), 3 (colour) or any other number, of which a picture shows the first three."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..files import replacing_folder, save_picture
from ..text import note
from .arrays import read_x, save_arrays
from .base import ARRAYS, Modality, leaf
from .pictures import SUFFIXES, common_span, opacity, read_picture

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

    from ..protocols import Batch, DataSpec

READABLE = 720
"""A grid is enlarged by the largest whole number that keeps its longer side within this many pixels."""
GROUND = 72  # the grey between them: neither black nor white, so that both kinds of image end where they end
WIDEST = 2.5  # times as wide as high: how far a grid may be from a square in order to have no gap


class Image(Modality):
    """Grey or colour images."""

    name = "image"
    suffixes = (".png", ".gif", ".webp", *ARRAYS)
    animated = (".gif", ".webp")
    default_suffix = ".png"
    folders = True

    def check(self, spec: DataSpec) -> None:
        x = spec.leaves["x"]
        if len(x.shape) != 3 or x.classes:
            raise UsageError(f"images are (channels, height, width) of numbers; this leaf x is {x.shape}")

    def save(self, batch: Batch, spec: DataSpec, path: Path) -> None:
        """.png, .gif, .webp (one grid), .npz, .safetensors, or a folder: 0000.png, 0001.png … pixel for pixel."""
        self.check_path(path)
        path = Path(path)
        if self.is_folder(path):
            _save_folder(leaf(batch), path)
        elif path.suffix.lower() in ARRAYS:
            save_arrays(batch, spec, path)
        else:
            save_picture(self.picture(batch, spec), path)

    def read(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An image file, a folder of them in order of name, .npz or .safetensors. Another size is resized and cropped to `shape`."""
        import numpy as np

        path = Path(path)
        if path.suffix.lower() in ARRAYS:
            return read_x(path, shape).astype(np.float32)
        if not path.is_dir():
            return read_picture(path, shape)
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
        if not files:
            raise UsageError(f"{path}: the folder holds no image (.png, .jpg, .tif …)")
        unsaid = common_span(files)
        if unsaid:
            note(f"{path}: the values {unsaid.low:g} … {unsaid.high:g} of its images beyond 8 bits become black … white")
        return np.stack([read_picture(file, shape, unsaid=unsaid) for file in files])

    def read_mask(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """As `read`; of an image file with an alpha channel that differs from place to place, that: what is opaque is known."""
        path = Path(path)
        if path.suffix.lower() not in ARRAYS and not path.is_dir() and (alpha := opacity(path, *shape[1:])) is not None:
            return alpha
        return self.read(path, shape)

    def picture(self, batch: Batch, spec: DataSpec, columns: int | None = None) -> PIL.Image.Image:
        """All of them in a grid, row by row, as square as it gets where `columns` does not say otherwise."""
        return grid(to_bytes(leaf(batch)), columns)


def to_bytes(x: NDArray[Any]) -> NDArray[np.uint8]:
    """[-1, 1] → 0 … 255, rounded and clipped; NaN becomes the middle."""
    import numpy as np

    y = np.asarray((x + 1) * 127.5)
    np.copyto(y, 127.5, where=np.isnan(y))
    out: NDArray[np.uint8] = np.clip(np.round(y, out=y), 0, 255, out=y).astype(np.uint8)
    return out


def grid(images: NDArray[np.uint8], columns: int | None = None) -> PIL.Image.Image:
    """(n, C, H, W) bytes as one picture: image i in row i // columns, apart by and framed with the neutral ground."""
    import numpy as np

    images = _viewable(images)
    n, channels, height, width = images.shape
    columns, rows, pad, scale = layout(n, height, width, columns)
    sheet = np.full((rows * (height + pad) + pad, columns * (width + pad) + pad, channels), GROUND, np.uint8)
    for i, image in enumerate(images):
        top, left = pad + (i // columns) * (height + pad), pad + (i % columns) * (width + pad)
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return _pillow(sheet.repeat(scale, 0).repeat(scale, 1))


def _viewable(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, C, H, W) with 1 or 3 channels: as they are, or the first three (of two, the first), which is said."""
    channels = images.shape[1]
    if channels in (1, 3):
        return images
    shown = 3 if channels > 3 else 1
    note(f"of {channels} channels the picture shows {'the first three, as red, green and blue' if shown == 3 else 'the first, as grey'}")
    return images[:, :shown]


def layout(n: int, height: int, width: int, columns: int | None = None) -> tuple[int, int, int, int]:
    """Columns, rows, pixels between two images before enlarging, and enlargement of a grid. Raises UsageError for n = 0."""
    if n < 1:
        raise UsageError("there is no image to picture")
    columns = columns or next((c for c in range(1, n + 1) if n % c == 0 and 1 <= c * c * width / (n * height) <= WIDEST), 0)
    columns = columns or max(1, round(math.sqrt(n * height / width)))  # no full grid: a square one with a gap at its end
    rows = math.ceil(n / columns)
    pad = 0 if n == 1 else 1 if min(height, width) < 16 else 2
    longer = max(columns * (width + pad), rows * (height + pad)) + pad
    return columns, rows, pad, max(1, READABLE // longer)


def _pillow(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    from PIL import Image as Pillow

    return Pillow.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _save_folder(x: NDArray[Any], path: Path) -> None:
    digits = max(4, len(str(len(x) - 1)))
    with replacing_folder(path) as temporary:
        for i, image in enumerate(_viewable(to_bytes(x))):
            _pillow(image.transpose(1, 2, 0)).save(temporary / f"{i:0{digits}d}.png")
