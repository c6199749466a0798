"""Images: what is saved is what is read, and the grid shows each where it belongs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from gentk.errors import UsageError
from gentk.modalities import modality
from gentk.modalities.image import GROUND, READABLE, layout, to_bytes
from gentk.protocols import DataSpec, Leaf

IMAGE = modality("image")


def spec(channels: int = 1, height: int = 12, width: int = 10) -> DataSpec:
    return DataSpec(
        modality="image",
        leaves={"x": Leaf(shape=(channels, height, width), range=(-1, 1), levels=256)},
        conditions={"label": Leaf(classes=10)},
    )


def batch(n: int, channels: int = 1, height: int = 12, width: int = 10) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    x = torch.randint(0, 256, (n, channels, height, width), generator=generator) / 127.5 - 1
    return {"x": x, "label": torch.arange(n) % 10}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["one.png", "one.webp", "folder", "x.npz", "x.safetensors"])
def test_what_is_saved_is_what_is_read(tmp_path: Path, name: str, channels: int) -> None:
    n = 1 if name.startswith("one") else 5
    given = batch(n, channels)
    IMAGE.save(given, spec(channels), tmp_path / name)
    read = IMAGE.read(tmp_path / name, (channels, 12, 10))
    assert np.abs(read - given["x"].numpy()).max() < 1 / 255
    assert read.dtype == np.float32


@pytest.mark.parametrize("n", [1, 2, 7, 10, 16, 60, 1000])
def test_a_grid_is_near_square_and_has_room_for_all(n: int) -> None:
    columns, rows, _, scale = layout(n, 28, 28)
    assert columns * rows >= n > columns * (rows - 1)
    assert 1 / 2.5 <= columns / rows <= 2.5 or n <= 3
    assert scale * max(columns, rows) * 28 <= READABLE or scale == 1
    assert scale >= 2 or max(columns, rows) * 30 > READABLE // 2


def test_image_i_stands_in_row_i_over_columns(tmp_path: Path) -> None:
    n = 7
    levels = torch.arange(n) * 30
    x = (levels / 127.5 - 1)[:, None, None, None].expand(n, 1, 28, 28)
    IMAGE.save({"x": x}, spec(1, 28, 28), tmp_path / "grid.png")
    pixels = np.asarray(Pillow.open(tmp_path / "grid.png"))
    columns, rows, pad, scale = layout(n, 28, 28)
    assert pixels.shape == (scale * (rows * (28 + pad) + pad), scale * (columns * (28 + pad) + pad))
    shown = np.full_like(pixels, GROUND)
    for i in range(n):
        top, left = scale * (pad + i // columns * (28 + pad)), scale * (pad + i % columns * (28 + pad))
        shown[top : top + 28 * scale, left : left + 28 * scale] = levels[i]
    assert (pixels == shown).all()  # nothing else is drawn: between, around and after them is the ground


def test_colour_keeps_its_channels(tmp_path: Path) -> None:
    x = torch.tensor([1.0, -1.0, 0.0])[:, None, None].expand(1, 3, 8, 8)
    IMAGE.save({"x": x}, spec(3, 8, 8), tmp_path / "red.png")
    assert Pillow.open(tmp_path / "red.png").getpixel((20, 20)) == (255, 0, 128)


def test_values_beyond_the_range_are_clipped_and_nan_is_grey() -> None:
    assert to_bytes(np.array([-9.0, -1, 1, 9, math.nan])).tolist() == [0, 0, 255, 255, 128]


def test_arrays_hold_leaves_in_their_units_and_conditions_under_their_own_names(tmp_path: Path) -> None:
    given = {**batch(3), "score": torch.tensor([1.0, 2.0, 3.0])}
    IMAGE.save(given, spec(), tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert sorted(file.files) == ["cond_label", "score", "x"]
        assert (file["x"] == given["x"].numpy()).all()
        assert file["cond_label"].tolist() == [0, 1, 2]


def test_a_larger_picture_is_resized_and_cropped(tmp_path: Path) -> None:
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = 255  # what a centre crop keeps
    Pillow.fromarray(wide).save(tmp_path / "wide.png")
    assert IMAGE.read(tmp_path / "wide.png", (1, 10, 10)).min() > 0.8


def test_a_folder_of_ours_is_replaced_and_a_persons_is_not(tmp_path: Path) -> None:
    IMAGE.save(batch(5), spec(), tmp_path / "out")
    IMAGE.save(batch(2), spec(), tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["0000.png", "0001.png"]
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.txt"):
        IMAGE.save(batch(2), spec(), tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


def test_frames_become_a_looping_animation(tmp_path: Path) -> None:
    frames = [batch(n=4) | {"x": torch.full((4, 1, 12, 10), level)} for level in (-1.0, 0.0, 1.0)]
    IMAGE.animate(frames, spec(), tmp_path / "way.gif")
    with Pillow.open(tmp_path / "way.gif") as film:
        assert film.n_frames == 3
        assert film.info["loop"] == 0
        seen = []
        for k in range(3):
            film.seek(k)
            seen.append(film.convert("L").getpixel((60, 60)))
    assert seen == [0, 128, 255]


def test_the_check_refuses_what_is_no_image() -> None:
    IMAGE.check(spec(3))
    with pytest.raises(UsageError, match="channels"):
        IMAGE.check(DataSpec(modality="image", leaves={"x": Leaf(shape=(2,))}))
