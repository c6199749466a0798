"""Which images a folder holds: found, looked at, and told apart by what their places say of split and class."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gentk.errors import UsageError
from gentk.modalities.pictures import SUFFIXES, Span, together
from gentk.modalities.soundness import Look, look
from gentk.text import note

from .pictures import usual_size

PATIENCE = 2.0  # seconds after which the look at all files says what it does
SHOWN = 5  # broken files that are named
TRAINING = frozenset({"train", "training"})
HELD_OUT = frozenset({"test", "testing", "val", "valid", "validation"})


@dataclass(frozen=True)
class Found:
    """The readable images below `root`. `names`: their paths below it, and below the folder of their split where there is one."""

    root: Path
    files: tuple[Path, ...]
    names: tuple[Path, ...]
    held_out: tuple[bool, ...]  # whether the folder's own split keeps them from the training; empty: it has none
    size: int  # which fits them
    unsaid: Span | None  # black and white of files beyond 8 bits whose depth does not say them

    @property
    def in_classes(self) -> bool:
        """Whether every image lies in one of several sub-folders."""
        return all(len(name.parts) > 1 for name in self.names) and len({name.parts[0] for name in self.names}) > 1


def found(root: Path, *, skip_broken: bool) -> Found:
    """The image files below a folder, each of which can be read as far as its header and its end tell.

    Raises UsageError for a folder without any, and, unless `skip_broken`, for one with files that cannot be read, with some of their names.
    """
    if not root.is_dir():
        raise UsageError(f"folder {root}: there is no such folder; name one as folder:PATH")
    looks = _looked_at(root, list(_images(root)))
    broken = {path: about.trouble for path, about in looks.items() if about.trouble}
    if broken:
        shown = "; ".join(f"{path.relative_to(root)}: {why}" for path, why in list(broken.items())[:SHOWN])
        said = f"{len(broken)} of {len(looks)} images cannot be read ({shown}{'; …' if len(broken) > SHOWN else ''})"
        if not skip_broken:
            raise UsageError(f"folder {root}: {said}: remove them, or set dataset.options.skip_broken=true")
        note(f"folder {root}: {said}, and are left out")
    files = tuple(path for path in looks if path not in broken)
    if not files:
        raise UsageError(f"folder {root}: it holds no image (.png, .jpg, .tif …)")
    names, held_out = _splits([path.relative_to(root) for path in files])
    unsaid = together([span for path in files if (span := looks[path].span)])
    return Found(root, files, names, held_out, usual_size([looks[path].side for path in files]), unsaid)


def _images(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Every image file below a folder, in the order of their names. Links are followed, but to none of the folders `above`; hidden folders
    are not entered. Raises UsageError for a folder that cannot be read."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(f"folder {folder} cannot be read ({error.strerror})") from None
    for path in inside:
        if path.is_dir():
            if not path.name.startswith(".") and path.name != "__MACOSX":
                yield from _images(path, above | {real})
        elif path.suffix.lower() in SUFFIXES:
            yield path


def _looked_at(root: Path, files: Sequence[Path]) -> dict[Path, Look]:
    """A look at every file; says so where it takes long."""
    start, told = time.monotonic(), False
    looks = {}
    for i, path in enumerate(files):
        looks[path] = look(path)
        if not told and time.monotonic() - start > PATIENCE:
            told = True
            note(f"folder {root}: looking at {len(files):,} images first, {i:,} so far")
    return looks


def _splits(names: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[bool, ...]]:
    """The names without the folders train/, test/ … where all of them lie in such, and which of them are held out."""
    tops = {name.parts[0].lower() if len(name.parts) > 1 else "" for name in names}
    if not tops & TRAINING or tops - TRAINING - HELD_OUT:
        return tuple(names), ()
    inner = tuple(Path(*name.parts[1:]) for name in names)
    return inner, tuple(name.parts[0].lower() in HELD_OUT for name in names) if tops & HELD_OUT else ()
