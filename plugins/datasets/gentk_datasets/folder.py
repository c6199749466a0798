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
from gentk.modalities.pictures import Span, read_picture
from gentk.protocols import DataSpec, Leaf
from gentk.text import note

from . import options
from .arrays import flipped, shares
from .image_files import Found, found
from .splits import checked, rows

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

KEPT = 2**30
"""Bytes of decoded images kept in memory; a folder that needs more is decoded every time."""


class Folder:
    """Leaf `x` (channels, size, size) float32 in [-1, 1]; the condition `label` where `labels`: the first sub-folder's name."""

    def __init__(self, chosen: options.Folder, split: str) -> None:
        checked(split, "folder")
        self.root = Path(chosen.path).expanduser()
        self.channels, self.flip = chosen.channels, chosen.flip and split == "train"
        images = found(self.root, skip_broken=chosen.skip_broken)
        self.size, self.span, self.unsaid = chosen.size or images.size, Span(*chosen.range) if chosen.range else None, images.unsaid
        labels = images.in_classes if chosen.labels is None else chosen.labels
        if split == "train":
            _say(chosen, images, self.size, labels=labels)
        classes = _classes(images) if labels else []
        part, training = (_rows(images, classes, chosen.test_share, name) for name in (split, "train"))
        self.files = [images.files[i] for i in part]
        if not self.files:
            found_any = f"{len(images.files)} images, test_share {chosen.test_share}"
            raise UsageError(f"folder {self.root}: no image is in the split '{split}' ({found_any})")
        self.labels: NDArray[np.int64] | None = None
        conditions, frequencies = {}, {}
        if labels:
            names = sorted(set(classes))
            of = np.array([names.index(name) for name in classes], np.int64)
            self.labels = of[part]
            conditions, frequencies = {"label": Leaf(classes=len(names), names=tuple(names))}, {"label": shares(of[training], len(names))}
        leaf = Leaf(shape=(self.channels, self.size, self.size), range=(-1, 1), levels=256)
        self.spec = DataSpec(modality="image", leaves={"x": leaf}, conditions=conditions, frequencies=frequencies)
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._keep = len(self.files) * self.channels * self.size**2 <= KEPT

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
        image = square(self.files[index], self.size, self.channels, span=self.span, unsaid=self.unsaid)
        if self._keep:
            self._kept[index] = image
        return image


def _say(chosen: options.Folder, images: Found, size: int, *, labels: bool) -> None:
    """What was chosen because nobody did."""
    told = [] if chosen.size else [f"resized to {size}×{size} (dataset.options.size)"]
    if labels and chosen.labels is None:
        classes = len({name.parts[0] for name in images.names})
        told.append(f"the {classes} sub-folders are the classes of `label` (dataset.options.labels=false: they are not)")
    if images.held_out:
        told.append(f"{sum(images.held_out):,} of them held out, as their folder says")
    if told:
        note(f"folder {images.root}: {len(images.files):,} images, {'; '.join(told)}")


def _classes(images: Found) -> list[str]:
    """The first sub-folder of each image. Raises UsageError for an image in none."""
    for name in images.names:
        if len(name.parts) < 2:
            raise UsageError(f"folder {images.root}: {name} is in no sub-folder, and the option labels takes the class from it")
    return [name.parts[0] for name in images.names]


def _rows(images: Found, classes: Sequence[str], share: float, split: str) -> NDArray[np.int64]:
    """The images of a split: as their folders say, else by their names, so that it is the same wherever the folder lies. Each class keeps
    an image to train on."""
    if images.held_out:
        return np.nonzero(np.array(images.held_out) == (split == "test"))[0].astype(np.int64)
    order = np.array([zlib.crc32(name.as_posix().encode()) for name in images.names], np.float64)
    last = {name: i for i, name in sorted(enumerate(classes), key=lambda one: order[one[0]])}
    order[list(last.values())] = np.inf
    return rows(order, share, split)


def folder(
    split: str = "train",
    *,
    path: str,
    size: int | None = None,
    channels: int = 3,
    flip: bool = False,
    labels: bool | None = None,
    range: tuple[float, float] | None = None,
    skip_broken: bool = False,
    test_share: float = 0.1,
) -> Folder:
    """The images below `path`. `flip` acts on the training split only. Raises UsageError for none, and for some that cannot be read."""
    given = {"path": path, "size": size, "channels": channels, "flip": flip, "labels": labels, "range": range}
    return Folder(options.Folder.model_validate({**given, "skip_broken": skip_broken, "test_share": test_share}), split)


def square(path: Path, size: int, channels: int, *, span: Span | None = None, unsaid: Span | None = None) -> NDArray[np.uint8]:
    """An image file as (channels, size, size) bytes: turned upright, on white where transparent, resized, its centre kept. `span`: the
    values of files beyond 8 bits that become black and white; `unsaid`: the same, where their depth does not say it."""
    try:
        pixels = read_picture(path, (channels, size, size), span=span, unsaid=unsaid)
    except UsageError as error:
        raise GentkError(f"{error}; remove it from the folder") from error
    return np.asarray(((pixels + 1) * 127.5).round(), np.uint8)
