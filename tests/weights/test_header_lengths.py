"""The first bytes of a safetensors file are a length, and some lengths look like other files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from gentk.weights.header import read_file


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_a_header_as_long_as_a_pickle_begins_is_a_header(length: int, tmp_path: Path) -> None:
    """0x0280, 0x0380 … are b"\\x80\\x02", b"\\x80\\x03" …, which pickles of protocols 2 to 5 begin with."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().ljust(length)
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", length) + header + bytes(4))
    assert read_file(path).tensors == {"w": ("F32", (1,))}
