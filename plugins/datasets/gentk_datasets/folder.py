"""A folder of image files, read when they are asked for and kept as bytes from then on."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentk.errors import GentkError, UsageError
from gentk.modalities.pictures import Span, read_picture
from gentk.text import note

from . import options
from .augmenting import chosen_for
from .image_files import Found, found
from .pictures import Pictures, as_bytes
from .splits import checked, rows


class Folder(Pictures):
    """The images below a folder; the condition `label` where `labels`: the first sub-folder's name."""

    def __init__(self, chosen: options.Folder, split: str) -> None:
        checked(split, "folder")
        self.root = Path(chosen.path).expanduser()
        images = found(self.root, skip_broken=chosen.skip_broken)
        size, self.span, self.unsaid = chosen.size or images.size, Span(*chosen.range) if chosen.range else None, images.unsaid
        labels = images.in_classes if chosen.labels is None else chosen.labels
        self.resolved = {"size": size, "labels": labels}
        if split == "train":
            _say(chosen, images, size, labels=labels)
        classes = _classes(images) if labels else []
        part, training = (_rows(images, classes, chosen.test_share, name) for name in (split, "train"))
        self.files = [images.files[i] for i in part]
        if not self.files:
            found_any = f"{len(images.files)} images, test_share {chosen.test_share}"
            raise UsageError(f"folder {self.root}: no image is in the split '{split}' ({found_any})")
        names = sorted(set(classes))
        if untrained := set(names) - {classes[i] for i in training} if labels else set():
            name = min(untrained)
            raise UsageError(f"folder {self.root}: no image of the class '{name}' is trained on, only held out: move one of them to train/")
        index = np.array([names.index(name) for name in classes], np.int64)
        given: dict[str, Any] = {"labels": index[part], "training": index[training], "names": names} if labels else {}
        augment = chosen_for(split, chosen.augment, flip=chosen.flip)
        super().__init__(len(self.files), chosen.channels, size, augment=augment, **given)

    def _read(self, index: int) -> NDArray[np.uint8]:
        return square(self.files[index], self.size, self.channels, span=self.span, unsaid=self.unsaid)


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
    held = [i for i in rows(order, share, "test") if order[i] < np.inf]
    return np.array(held, np.int64) if split == "test" else np.setdiff1d(np.arange(len(order)), held)


def folder(
    split: str = "train",
    *,
    path: str,
    size: int | None = None,
    channels: int = 3,
    flip: bool = False,
    augment: options.Augmenting = None,
    labels: bool | None = None,
    range: tuple[float, float] | None = None,
    skip_broken: bool = False,
    test_share: float = 0.1,
) -> Folder:
    """The images below `path`; `flip` and `augment` act on the training split only. Raises UsageError: none, some that cannot be read."""
    given = {key: value for key, value in locals().items() if key != "split"}
    return Folder(options.Folder.model_validate(given), split)


def square(path: Path, size: int, channels: int, *, span: Span | None = None, unsaid: Span | None = None) -> NDArray[np.uint8]:
    """An image file as (channels, size, size) bytes: turned upright, on white where transparent, resized, its centre kept. `span`: the
    values of files beyond 8 bits that become black and white; `unsaid`: the same, where their depth does not say it."""
    try:
        pixels = read_picture(path, (channels, size, size), span=span, unsaid=unsaid)
    except UsageError as error:
        raise GentkError(f"{error}; remove it from the folder") from error
    return as_bytes(pixels)
