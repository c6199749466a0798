"""Reading image files: no kind of file loses what can be seen in it without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from gentk import text
from gentk.errors import UsageError
from gentk.modalities import modality
from gentk.modalities.pictures import common_span, read_picture

RAMP = np.linspace(0, 1, 64 * 64).reshape(64, 64)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_noted", set())


def tiff(path: Path, values: Any, photometric: int | None = None) -> Path:
    """A TIFF; `photometric` 0 says that low values are white."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    Image.fromarray(values).save(path, tiffinfo=info)
    if photometric is not None:  # the entry of tag 262, a SHORT: written over in place
        data = bytearray(path.read_bytes())
        at = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00")
        data[at + 8 : at + 10] = photometric.to_bytes(2, "little")
        path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a.png", (RAMP * 65535).astype(np.uint16)),
        ("a.tif", (RAMP * 65535).astype(np.uint16)),
        ("a.tif", RAMP.astype(np.float32)),
        ("a.tif", (RAMP * 4000 - 1000).astype(np.float32)),
        ("a.tif", (RAMP * 100_000).astype(np.int32)),
        ("a.tif", (RAMP * 4e9).astype(np.uint32).view(np.int32)),
        ("a.pgm", (RAMP * 65535).astype(np.uint16)),
    ],
)
def test_deep_grey_values_keep_their_full_range(tmp_path: Path, name: str, values: Any, channels: int) -> None:
    Image.fromarray(values).save(tmp_path / name)
    if values.dtype == np.int32 and values.min() < 0:  # uint32: the tag SampleFormat says so
        data = bytearray((tmp_path / name).read_bytes())
        at = data.index(b"\x53\x01\x03\x00\x01\x00\x00\x00")
        data[at + 8] = 1
        (tmp_path / name).write_bytes(bytes(data))
    x = read_picture(tmp_path / name, (channels, 64, 64))
    assert x.shape == (channels, 64, 64) and x.dtype == np.float32
    assert np.abs(x - (RAMP * 2 - 1)).max() < 1e-3


def test_sixteen_bits_are_resized_before_they_are_rounded(tmp_path: Path) -> None:
    """Means of 64 values that differ within one byte: in bytes they would all be one number."""
    values = (30000 + RAMP * 200).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    small = read_picture(tmp_path / "a.png", (1, 8, 8))
    wanted = values.reshape(8, 8, 8, 8).mean((1, 3)) / 65535 * 2 - 1
    assert np.abs(small[0] - wanted).max() < 1e-5


def test_what_becomes_black_and_white_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray((RAMP * 800 + 7).astype(np.float32)).save(tmp_path / "a.tif")
    for _ in range(2):
        read_picture(tmp_path / "a.tif", (1, 8, 8))
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "a.tif" in said and "7 … 807" in said
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "unit.tif")
    read_picture(tmp_path / "unit.tif", (1, 8, 8))
    assert capsys.readouterr().err == ""


def test_where_low_is_white_it_stays_white(tmp_path: Path) -> None:
    x = read_picture(tiff(tmp_path / "a.tif", (RAMP * 65535).astype(np.uint16), photometric=0), (1, 64, 64))
    assert np.abs(x[0] + (RAMP * 2 - 1)).max() < 1e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, bad: float) -> None:
    values = RAMP.astype(np.float32)
    values[3, 4] = bad
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(UsageError, match=r"a\.tif.*holds NaN or infinity"):
        read_picture(tmp_path / "a.tif", (1, 8, 8))


def test_a_constant_beyond_the_unit_interval_has_no_brightness(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 7, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UsageError, match="every pixel is 7"):
        read_picture(tmp_path / "a.tif", (1, 8, 8))


def test_a_folder_of_floats_shares_one_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, high in (("a.tif", 100.0), ("b.tif", 400.0)):
        Image.fromarray((RAMP * high).astype(np.float32)).save(tmp_path / name)
    Image.new("L", (8, 8), 255).save(tmp_path / "c.png")  # bytes have their own
    assert common_span([tmp_path / name for name in ("a.tif", "b.tif", "c.png")]) == (0, 400)
    x = modality("image").read(tmp_path, (1, 64, 64))
    assert [round(float(image.max()), 3) for image in x] == [-0.5, 1, 1]
    assert "0 … 400" in capsys.readouterr().err


RED = (254, 0, 0)


def cmyk(path: Path, adobe: bool) -> None:
    Image.fromarray(np.full((16, 16, 4), [0, 255, 255, 0], np.uint8), "CMYK").save(path)
    data = path.read_bytes()
    at = data.index(b"\xff\xee")
    if not adobe:  # without the marker ink counts up from 0: what is stored must be turned over, and the marker goes
        Image.fromarray(np.full((16, 16, 4), [255, 0, 0, 255], np.uint8), "CMYK").save(path)
        data = path.read_bytes()
        path.write_bytes(data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :])


def film(path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def palette(path: Path) -> None:
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 255, 255, 0, 0])
    image.save(path, transparency=0)


def deep_colour(path: Path) -> None:
    """16 bits per channel, as cameras and GIMP write; Pillow has no writer for it."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\0" + struct.pack(">HHH", 65280, 0, 0) * 16) * 16
    head = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a.jpg", lambda path: cmyk(path, adobe=True)),
        ("b.jpg", lambda path: cmyk(path, adobe=False)),
        ("d.gif", film),
        ("e.png", palette),
        ("f.png", deep_colour),
        ("G.PNG", lambda path: Image.new("RGB", (1, 1), "red").save(path)),
        ("h.png", lambda path: Image.new("RGB", (1, 3000), "red").save(path)),
        ("i.png", lambda path: Image.new("RGB", (3000, 1), "red").save(path)),
        ("j.jfif", lambda path: Image.new("RGB", (16, 16), "red").save(path, "JPEG")),
        ("k.png", lambda path: Image.new("RGBA", (16, 16), "red").save(path)),
    ],
)
def test_red_is_red_in_every_kind_of_file(tmp_path: Path, name: str, made: Callable[[Path], None]) -> None:
    made(tmp_path / name)
    x = (read_picture(tmp_path / name, (3, 16, 16)) + 1) * 127.5
    assert np.abs(x - np.array(RED)[:, None, None]).max() <= 2


def test_an_image_is_turned_upright_as_its_camera_said(tmp_path: Path) -> None:
    for name, image in (("a.png", Image.new("L", (16, 16))), ("b.png", Image.fromarray(np.zeros((16, 16), np.uint16)))):
        image.paste(255 if image.mode == "L" else 65535, (0, 0, 8, 16))
        exif = image.getexif()
        exif[0x0112] = 6  # a quarter to the right: what was left is up
        image.save(tmp_path / name, exif=exif)
        x = read_picture(tmp_path / name, (1, 16, 16))[0]
        assert (x[:8] == 1).all() and (x[8:] == -1).all()


def test_what_does_not_fill_its_depth_stays_as_dark_as_it_is(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        Image.fromarray((RAMP * 30_000).astype(np.uint16)).save(tmp_path / name)
        assert abs(read_picture(tmp_path / name, (1, 64, 64)).max() + 1 - 2 * 30_000 / 65_535) < 1e-4


def test_what_is_transparent_is_white_and_half_of_it_half(tmp_path: Path) -> None:
    Image.new("LA", (8, 8), (0, 0)).save(tmp_path / "none.png")
    Image.new("LA", (8, 8), (0, 128)).save(tmp_path / "half.png")
    Image.new("1", (8, 8), 1).save(tmp_path / "bits.png")
    assert [round(float(read_picture(tmp_path / f"{name}.png", (1, 8, 8)).mean()), 1) for name in ("none", "half", "bits")] == [1, 0, 1]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.png", b"", "empty"),
        ("._a.png", b"\0\5\26\7" + bytes(50), "macOS"),
        ("a.png", b"no image", "no image"),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
    ],
)
def test_the_reason_is_told_in_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        read_picture(tmp_path / name, (3, 8, 8))
    assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".tif", ".bmp"])
def test_half_a_file_is_refused_and_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UsageError, match=r"cut\."):
        read_picture(path, (3, 8, 8))


def test_images_of_other_channels_are_in_no_image_file(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"5 channels.*\.npz"):
        read_picture(tmp_path / "a.png", (5, 8, 8))


def test_twelve_bits_in_sixteen_are_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray((RAMP * 4095).astype(np.uint16)).save(tmp_path / name)
        read_picture(tmp_path / name, (1, 8, 8))
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "4095 of 65535" in said
