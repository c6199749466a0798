"""A folder of image files, read when they are asked for and kept as bytes from then on."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.errors import GentkError, UsageError
from gentk.protocols import DataSpec, Leaf

from . import options
from .arrays import flipped, shares
from .splits import checked, rows

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
KEPT = 2**30
"""Bytes of decoded images kept in memory; a folder that needs more is decoded every time."""


class Folder:
    """Leaf `x` (channels, size, size) float32 in [-1, 1]; the condition `label` where `labels`: the first sub-folder's name."""

    def __init__(self, chosen: options.Folder, split: str) -> None:
        checked(split, "folder")
        self.root = Path(chosen.path).expanduser()
        self.size, self.channels, self.flip = chosen.size, chosen.channels, chosen.flip and split == "train"
        found = _images(self.root)
        names = [path.relative_to(self.root) for path in found]
        order = [zlib.crc32(name.as_posix().encode()) for name in names]  # by name: the same split wherever the folder lies
        self.files = [found[i] for i in rows(order, chosen.test_share, split)]
        if not self.files:
            found_any = f"{len(found)} images, test_share {chosen.test_share}"
            raise UsageError(f"folder {self.root}: no image is in the split '{split}' ({found_any})")
        leaf = Leaf(shape=(self.channels, self.size, self.size), range=(-1, 1), levels=256)
        self.spec = DataSpec(modality="image", leaves={"x": leaf})
        self.labels: NDArray[np.int64] | None = None
        if chosen.labels:
            self._label(names, rows(order, chosen.test_share, "train"))
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._keep = len(self.files) * self.channels * self.size**2 <= KEPT

    def _label(self, names: Sequence[Path], training: NDArray[np.int64]) -> None:
        if loose := [name for name in names if len(name.parts) < 2]:
            raise UsageError(f"folder {self.root}: {loose[0]} is in no sub-folder, and the option labels takes the class from it")
        classes = sorted({name.parts[0] for name in names})
        index = {name: i for i, name in enumerate(classes)}
        self.labels = np.array([index[file.relative_to(self.root).parts[0]] for file in self.files], np.int64)
        drawn = np.array([index[names[i].parts[0]] for i in training], np.int64)
        self.spec = self.spec.model_copy(
            update={
                "conditions": {"label": Leaf(classes=len(classes), names=tuple(classes))},
                "frequencies": {"label": shares(drawn, len(classes))},
            }
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`; flips are drawn from `noise`, whose row i belongs to indices[i]. Raises GentkError for a broken file."""
        wanted = [int(i) for i in indices]
        images = torch.from_numpy(np.stack([self._bytes(i) for i in wanted]))
        if self.flip and noise is not None:
            images = flipped(images, noise)
        batch = {"x": images.float() / 127.5 - 1}
        if self.labels is not None:
            batch["label"] = torch.from_numpy(self.labels[wanted])
        return batch

    def _bytes(self, index: int) -> NDArray[np.uint8]:
        if index in self._kept:
            return self._kept[index]
        image = square(self.files[index], self.size, self.channels)
        if self._keep:
            self._kept[index] = image
        return image


def folder(
    split: str = "train",
    *,
    path: str,
    size: int = 64,
    channels: int = 3,
    flip: bool = False,
    labels: bool = False,
    test_share: float = 0.1,
) -> Folder:
    """The images below `path`. `flip` acts on the training split only. Raises UsageError where there is none."""
    given = {"path": path, "size": size, "channels": channels, "flip": flip, "labels": labels, "test_share": test_share}
    return Folder(options.Folder.model_validate(given), split)


def square(path: Path, size: int, channels: int) -> NDArray[np.uint8]:
    """An image file as (channels, size, size) bytes: turned upright, on white where transparent, resized, its centre kept."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise GentkError(f"{path} is no readable image ({error}); remove it from the folder") from error
    ground = Image.new("RGBA", upright.size, "white")
    flat = Image.alpha_composite(ground, upright).convert("RGB" if channels == 3 else "L")
    fitted = ImageOps.fit(flat, (size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(fitted, np.uint8)
    return pixels.transpose(2, 0, 1).copy() if channels == 3 else pixels[None].copy()


def _images(root: Path) -> list[Path]:
    if not root.is_dir():
        raise UsageError(f"folder {root}: there is no such folder; name one as folder:PATH")
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise UsageError(f"folder {root}: it holds no image ({', '.join(sorted(SUFFIXES))})")
    return found
