"""The handwritten digits as torchvision stores them, read without torchvision."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import torch
from torch import Tensor

_FILES = {"train": "train", "test": "t10k"}


def root() -> Path:
    """`$GENTK_DATA`, else where gentk keeps data sets."""
    return Path(os.environ.get("GENTK_DATA") or Path.home() / ".cache/gentk/data")


def idx(path: Path) -> Tensor:
    """An IDX file of bytes (or its .gz) as a uint8 tensor: a magic number whose last byte is the rank, the sizes, then the bytes."""
    zipped = path.with_name(path.name + ".gz")
    if path.exists():
        raw = path.read_bytes()
    elif zipped.exists():
        raw = gzip.decompress(zipped.read_bytes())
    else:
        raise SystemExit(f"no {path}: set GENTK_DATA to the folder that holds {path.parts[-3]}/raw")
    rank = raw[3]
    sizes = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    return torch.frombuffer(bytearray(raw[4 + 4 * rank :]), dtype=torch.uint8).view(*sizes)


def digits(split: str, name: str = "MNIST") -> tuple[Tensor, Tensor]:
    """Images (n, 1, 28, 28) float32 in [-1, 1] and classes (n,) int64 of the split `train` or `test`."""
    folder = root() / name / "raw"
    images = idx(folder / f"{_FILES[split]}-images-idx3-ubyte")
    labels = idx(folder / f"{_FILES[split]}-labels-idx1-ubyte")
    return images[:, None].float() / 127.5 - 1, labels.long()
