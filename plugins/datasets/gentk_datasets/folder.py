"""A folder of image files, read when they are asked for and kept as bytes from then on."""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gentk.errors import GentkError, UsageError
from gentk.modalities.pictures import SUFFIXES, Span, common_span, read_picture
from gentk.modalities.soundness import trouble

from . import options
from .pictures import Pictures, as_bytes, usual_size
from .splits import checked, rows

FLOATS = {".tif", ".tiff", ".pfm"}  # what holds values whose black and white nobody says: all of them are looked at
PATIENCE = 2.0  # seconds after which the look at all files says what it does
LOOKED_AT = 200  # images of which the size is chosen


class Folder(Pictures):
    """The images below a folder; the condition `label` where `labels`: the first sub-folder's name."""

    def __init__(self, chosen: options.Folder, split: str) -> None:
        checked(split, "folder")
        self.root = Path(chosen.path).expanduser()
        found = _images(self.root, skip_broken=chosen.skip_broken)
        names = [path.relative_to(self.root) for path in found]
        self.size = chosen.size or _size(found)
        self.unsaid = common_span(path for path in found if path.suffix.lower() in FLOATS)
        labels = _in_classes(names) if chosen.labels is None else chosen.labels
        self.resolved = {"size": self.size, "labels": labels}
        if split == "train":
            self._say(chosen, names, labels=labels)
        order = [zlib.crc32(name.as_posix().encode()) for name in names]  # by name: the same split wherever the folder lies
        part, training = rows(order, chosen.test_share, split), rows(order, chosen.test_share, "train")
        self.files = [found[i] for i in part]
        if not self.files:
            found_any = f"{len(found)} images, test_share {chosen.test_share}"
            raise UsageError(f"folder {self.root}: no image is in the split '{split}' ({found_any})")
        classes, index = self._classes(names) if labels else ([], None)
        given: dict[str, Any] = {} if index is None else {"labels": index[part], "training": index[training], "names": classes}
        super().__init__(len(self.files), chosen.channels, self.size, flip=chosen.flip and split == "train", **given)

    def _say(self, chosen: options.Folder, names: Sequence[Path], *, labels: bool) -> None:
        """What was chosen because nobody did."""
        told = [] if chosen.size else [f"resized to {self.size}×{self.size} (dataset.options.size)"]
        if labels and chosen.labels is None:
            classes = len({name.parts[0] for name in names})
            told.append(f"the {classes} sub-folders are the classes of `label` (dataset.options.labels=false: they are not)")
        if told:
            print(f"folder {self.root}: {len(names):,} images, {'; '.join(told)}", file=sys.stderr)

    def _classes(self, names: Sequence[Path]) -> tuple[list[str], NDArray[np.int64]]:
        """The classes, and that of each file."""
        if loose := [name for name in names if len(name.parts) < 2]:
            raise UsageError(f"folder {self.root}: {loose[0]} is in no sub-folder, and the option labels takes the class from it")
        classes = sorted({name.parts[0] for name in names})
        index = {name: i for i, name in enumerate(classes)}
        return classes, np.array([index[name.parts[0]] for name in names], np.int64)

    def _read(self, index: int) -> NDArray[np.uint8]:
        return square(self.files[index], self.size, self.channels, self.unsaid)


def _in_classes(names: Sequence[Path]) -> bool:
    """Whether every image lies in one of several sub-folders."""
    return all(len(name.parts) > 1 for name in names) and len({name.parts[0] for name in names}) > 1


def folder(
    split: str = "train",
    *,
    path: str,
    size: int | None = None,
    channels: int = 3,
    flip: bool = False,
    labels: bool | None = None,
    skip_broken: bool = False,
    test_share: float = 0.1,
) -> Folder:
    """The images below `path`. `flip` acts on the training split only. Raises UsageError for none, and for some that cannot be read."""
    given = {"path": path, "size": size, "channels": channels, "flip": flip, "labels": labels, "skip_broken": skip_broken}
    return Folder(options.Folder.model_validate({**given, "test_share": test_share}), split)


def square(path: Path, size: int, channels: int, unsaid: Span | None = None) -> NDArray[np.uint8]:
    """An image file as (channels, size, size) bytes: turned upright, on white where transparent, resized, its centre kept. `unsaid`: the
    values that become black and white of files beyond 8 bits whose depth does not say it."""
    try:
        pixels = read_picture(path, (channels, size, size), unsaid=unsaid)
    except UsageError as error:
        raise GentkError(f"{error}; remove it from the folder") from error
    return as_bytes(pixels)


# ---------------------------------------------------------------- looking at all of it first
def _images(root: Path, *, skip_broken: bool) -> list[Path]:
    """The image files below a folder, each of which can be read as far as its header and its end tell.

    Raises UsageError for a folder without any, and, unless `skip_broken`, for one with files that cannot be read, with some of their names.
    """
    if not root.is_dir():
        raise UsageError(f"folder {root}: there is no such folder; name one as folder:PATH")
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    broken = _broken(found)
    if broken:
        shown = "; ".join(f"{path.relative_to(root)}: {why}" for path, why in list(broken.items())[:5])
        said = f"{len(broken)} of {len(found)} images cannot be read ({shown}{'; …' if len(broken) > 5 else ''})"
        if not skip_broken:
            raise UsageError(f"folder {root}: {said}: remove them, or set dataset.options.skip_broken=true")
        print(f"folder {root}: {said}, and are left out", file=sys.stderr)
    found = [path for path in found if path not in broken]
    if not found:
        raise UsageError(f"folder {root}: it holds no image (.png, .jpg, .tif …)")
    return found


def _broken(files: Sequence[Path]) -> dict[Path, str]:
    """Why which files cannot be read."""
    start, told = time.monotonic(), False
    broken: dict[Path, str] = {}
    for i, path in enumerate(files):
        if why := trouble(path):
            broken[path] = why
        if not told and time.monotonic() - start > PATIENCE:
            told = True
            print(f"looking at {len(files):,} images first: {i:,} so far", file=sys.stderr)
    return broken


def _size(files: Sequence[Path]) -> int:
    """Of some of the files, evenly over them: see `usual_size`."""
    sides = []
    for path in files[:: max(1, len(files) // LOOKED_AT)][:LOOKED_AT]:
        with Image.open(path) as image:
            sides.append(min(image.size))
    return usual_size(sides)
