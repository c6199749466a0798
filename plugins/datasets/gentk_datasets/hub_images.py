"""Images of the Hub: a column of image files, and a column of classes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentk.errors import GentkError, UsageError
from gentk.modalities.pictures import opened, read_picture
from gentk.text import one_line

from . import options
from .augmenting import chosen_for
from .hub import column_of, kind_of, one_of, told
from .hub_client import Found
from .labels import classes_of
from .pictures import LARGEST, Pictures, as_bytes, usual_size
from .splits import shuffled_rows

LOOKED_AT = 200  # images by which size and channels are chosen


class File(io.BytesIO):
    """A file's bytes, and what messages call it."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.title = name

    def __str__(self) -> str:
        return self.title


class HubImages(Pictures):
    """The images of one column; the condition `label` where there is a column of classes."""

    def __init__(self, rows: Found, chosen: options.Hub, split: str) -> None:
        import datasets

        self.place, self.column = rows.place, one_of(rows, "image", chosen.column, "images")
        label = _label(rows, chosen) if chosen.labels else ""
        plain = {part: data.cast_column(self.column, datasets.Image(decode=False)) for part, data in rows.splits.items()}
        held = "test" if "test" in plain else "train"
        n = len(plain["train"])
        training = np.arange(n) if held == "test" else shuffled_rows(n, chosen.test_share, "train")
        whole = split == "test" and held == "test"
        self.part = held if split == "test" else "train"
        self.rows = np.arange(len(plain["test"])) if whole else training if split == "train" else shuffled_rows(n, chosen.test_share, split)
        self.images = plain[self.part].select_columns([self.column])
        if not len(self.rows):
            raise UsageError(f"data set {rows.place}: no image is in the split '{split}' ({n:,} rows, test_share {chosen.test_share})")
        sizes, grey = _look(self, plain["train"].select_columns([self.column]), n)
        size = chosen.size or (sizes[0][0] if len(set(sizes)) == 1 and len({*sizes[0]}) == 1 and sizes[0][0] <= LARGEST
                               else usual_size([min(one) for one in sizes]))  # fmt: skip
        classes: dict[str, Any] = {}
        if label:
            names, found = _classes(rows, label)
            classes = {"labels": found[self.part][self.rows], "training": found["train"][training], "names": names}
        channels = chosen.channels or (1 if grey else 3)
        augment = chosen_for(split, chosen.augment, flip=chosen.flip)
        super().__init__(len(self.rows), channels, size, augment=augment, **classes)
        self.resolved = {"column": self.column, "size": size, "channels": channels, "label": label, "labels": bool(label)}
        told_label = f", label {label} ({len(classes['names'])} classes)" if label else ""
        self.chose = f"images {self.column}, resized to {size}×{size}, {'grey' if channels == 1 else 'colour'}{told_label}"

    def _read(self, index: int) -> NDArray[np.uint8]:
        file = self.file(self.images, int(self.rows[index]))
        try:
            return as_bytes(read_picture(file, (self.channels, self.size, self.size)))
        except UsageError as error:
            raise GentkError(f"data set {error}") from error

    def file(self, images: Any, row: int) -> File:
        """An image file of the column. Raises GentkError for a row that has none."""
        value, where = images[row][self.column], f"{self.place}: image {row} of '{self.column}'"
        try:
            if value and value.get("bytes") is not None:
                return File(value["bytes"], where)
            if value and value.get("path"):
                with open(value["path"], "rb") as file:
                    return File(file.read(), where)
        except OSError as error:
            raise GentkError(f"data set {where} cannot be read ({error.strerror or error}): empty the cache to fetch it anew") from None
        raise GentkError(f"data set {where} is missing: a row without an image is no example")


def _look(images: HubImages, column: Any, n: int) -> tuple[list[tuple[int, int]], bool]:
    """Sizes of some of the training images, and whether all of these are grey. Only their headers are read."""
    sizes, grey = [], True
    for row in range(0, n, max(1, n // LOOKED_AT)):
        try:
            with opened(images.file(column, row)) as image:
                sizes.append(image.size)
                grey = grey and (image.mode in ("1", "L", "LA") or image.mode[0] in "IF")
        except UsageError as error:
            raise GentkError(f"data set {error}") from error
        if len(sizes) >= LOOKED_AT:
            break
    return sizes, grey


# ---------------------------------------------------------------- classes
def _label(rows: Found, chosen: options.Hub) -> str:
    """The column of the classes; "" where there is none, or none is meant more than another."""
    if chosen.label:
        if kind_of(rows.features[column_of(rows, chosen.label)]) not in ("class", "text", "value"):
            raise UsageError(f"data set {rows.place}: column '{one_line(chosen.label)}' holds no classes; {told(rows)}")
        return chosen.label
    fits = [name for name, feature in rows.features.items() if kind_of(feature) == "class"]
    named = [name for name in fits if name in ("label", "labels")]
    return (named or fits)[0] if len(fits) == 1 or named else ""


def _classes(rows: Found, label: str) -> tuple[tuple[str, ...], dict[str, NDArray[np.int64]]]:
    """(their names, the class of each row by split). Raises UsageError for a row without one."""
    values: dict[str, list[Any]] = {part: list(data[label]) for part, data in rows.splits.items()}
    feature = rows.features[label]
    for part, given in values.items():
        lost = [i for i, value in enumerate(given) if value is None or (kind_of(feature) == "class" and value < 0)]
        if lost:
            other = f"choose another split with dataset.options.{part}, or set dataset.options.labels=false"
            raise UsageError(f"data set {rows.place}: row {lost[0]} of {rows.names[part]} has no class in '{one_line(label)}': {other}")
    if kind_of(feature) == "class":
        return tuple(map(str, feature.names)), {part: np.asarray(given, np.int64) for part, given in values.items()}
    together = [value for given in values.values() for value in given]
    text = kind_of(feature) == "text"
    found, names, count = classes_of(np.asarray(together, np.str_ if text else None), f"data set {rows.place}: '{one_line(label)}'")
    ends = np.cumsum([len(given) for given in values.values()])[:-1]
    return names or tuple(map(str, range(count))), dict(zip(values, np.split(found, ends), strict=True))
