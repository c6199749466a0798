"""Data sets from a person's own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gentk.errors import GentkError, UsageError
from gentk.modalities import modality
from gentk.noise import Philox
from gentk_datasets.folder import folder
from gentk_datasets.npz import npz
from gentk_datasets.points import moons


def paint(path: Path, level: int, size: tuple[int, int] = (20, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, 0, 255 - level)).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for i in range(20):
        paint(tmp_path / "set" / ("cat" if i % 4 else "dog") / f"{i:02d}.png", 10 * i)
    return tmp_path / "set"


def levels(data: object) -> set[int]:
    return {round((float(data[i]["x"][0, 0, 0]) + 1) * 127.5) for i in range(len(data))}  # type: ignore[arg-type, index]


def test_splits_of_a_folder_share_nothing_and_leave_nothing_out(pictures: Path) -> None:
    train, test = folder("train", path=str(pictures), size=8, test_share=0.2), folder("test", path=str(pictures), size=8, test_share=0.2)
    assert (len(train), len(test)) == (16, 4)
    assert levels(train) | levels(test) == {10 * i for i in range(20)}


def test_the_split_does_not_depend_on_where_the_folder_lies(pictures: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    before = levels(folder("test", path=str(pictures), size=8))
    pictures.rename(moved)
    assert levels(folder("test", path=str(moved), size=8)) == before


def test_a_folder_gives_its_pixels_and_its_classes(pictures: Path) -> None:
    data = folder(path=str(pictures), size=8, labels=True)
    assert data.spec.conditions["label"].names == ("cat", "dog")
    batch = data.batch(range(len(data)))
    for x, label, file in zip(batch["x"], batch["label"].tolist(), data.files, strict=True):
        level = 10 * int(file.stem)
        assert torch.allclose((x[:, 4, 4] + 1) * 127.5, torch.tensor([level, 0.0, 255 - level]), atol=0.5)
        assert ("cat", "dog")[label] == file.parent.name
    assert sum(data.spec.frequencies["label"]) == pytest.approx(1)
    assert torch.equal(data[3]["x"], batch["x"][3])


def test_the_centre_of_a_wide_image_is_kept(tmp_path: Path) -> None:
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 255
    for name in ("a.png", "b.png"):
        Image.fromarray(wide).save(tmp_path / name)
    data = folder(path=str(tmp_path), size=10, channels=1)
    assert data.spec.shape == (1, 10, 10)
    assert data[0]["x"].min() == 1


def test_flips_are_drawn_for_training_only(tmp_path: Path) -> None:
    half = np.zeros((8, 8), np.uint8)
    half[:, 4:] = 255
    for i in range(4):
        Image.fromarray(half).save(tmp_path / f"{i}.png")
    train = folder(path=str(tmp_path), size=8, channels=1, flip=True)
    noise = Philox(0, range(64))
    left = train.batch([0] * 64, noise)["x"][:, 0, 0, 0]
    assert {-1.0, 1.0} == set(left.tolist())
    test = folder("test", path=str(tmp_path), size=8, channels=1, flip=True)
    assert (test.batch([0] * 64, Philox(0, range(64)))["x"][:, 0, 0, 0] == -1).all()
    assert train[0]["x"][0, 0, 0] == -1  # without noise, as it is


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    paint(tmp_path / "good.png", 0)
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"1 of 2 images cannot be read \(bad\.png: no image") as caught:
        folder(path=str(tmp_path), size=8, test_share=0)
    assert "\n" not in str(caught.value) and "skip_broken=true" in str(caught.value)
    data = folder(path=str(tmp_path), size=8, test_share=0, skip_broken=True)
    assert [file.name for file in data.files] == ["good.png"]
    (tmp_path / "good.png").write_bytes(b"")  # meanwhile
    with pytest.raises(GentkError, match=r"good\.png") as caught:
        data.batch([0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prepare", ["missing", "empty"])
def test_a_folder_without_images_is_one_clear_line(tmp_path: Path, prepare: str) -> None:
    path = tmp_path / "set"
    if prepare == "empty":
        path.mkdir()
    with pytest.raises(UsageError, match=str(path)):
        folder(path=str(path))


def test_loose_images_have_no_class(tmp_path: Path) -> None:
    paint(tmp_path / "loose.png", 0)
    with pytest.raises(UsageError, match=r"loose\.png"):
        folder(path=str(tmp_path), labels=True)


def test_what_was_sampled_can_be_trained_on(tmp_path: Path) -> None:
    source = moons()
    saved = source.batch(range(50))
    modality("points").save(saved, source.spec, tmp_path / "x.npz")
    data = npz(path=str(tmp_path / "x.npz"), test_share=0)
    batch = data.batch(range(50))
    assert torch.equal(batch["x"], saved["x"])
    assert torch.equal(batch["label"], saved["label"])
    assert data.spec.modality == "points"
    assert data.spec.conditions["label"].classes == 2


def test_bytes_in_an_npz_are_images(tmp_path: Path) -> None:
    x = np.arange(10 * 4 * 5 * 3, dtype=np.uint8).reshape(10, 4, 5, 3)
    np.savez(tmp_path / "x.npz", x=x, label=np.arange(10) % 3, cond_weight=np.linspace(0, 1, 10))
    train, test = npz(path=str(tmp_path / "x.npz")), npz("test", path=str(tmp_path / "x.npz"))
    assert train.spec.shape == (3, 4, 5)
    assert train.spec.leaves["x"].levels == 256
    assert (len(train), len(test)) == (9, 1)
    seen = torch.cat([train.batch(range(9))["x"], test.batch([0])["x"]])
    wanted = torch.from_numpy(x.transpose(0, 3, 1, 2) / 127.5 - 1).float()
    assert torch.cdist(seen.flatten(1), wanted.flatten(1)).min(1).values.max() < 1e-3
    assert train.spec.conditions["weight"].classes == 0
    assert set(npz(path=str(tmp_path / "x.npz"), labels=False)[0]) == {"x"}
    assert train.spec == test.spec


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": np.zeros((3, 2))}, "no array 'x'"),
        ({"x": np.zeros((3, 2)), "label": np.zeros(2, int)}, "'label'"),
        ({"x": np.full((3, 2), np.nan)}, "NaN"),
        ({"x": np.zeros((0, 2))}, "no rows"),
        ({"x": np.zeros((3, 2)), "label": np.array([0, -1, 1])}, "negative"),
        ({"x": np.zeros((3, 2, 2, 2, 2))}, "modality"),
        ({"x": np.full((3, 1, 4, 4), 9.0)}, r"\[-1, 1\]"),
        ({"x": np.array([{}, {}], dtype=object)}, "plain arrays"),
    ],
)
def test_an_npz_that_is_no_data_set_is_one_clear_line(tmp_path: Path, arrays: dict[str, np.ndarray], said: str) -> None:
    np.savez(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=said) as caught:
        npz(path=str(tmp_path / "x.npz"))
    assert "\n" not in str(caught.value)


def test_a_missing_npz_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        npz(path=str(tmp_path / "x.npz"))
